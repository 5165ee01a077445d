//! A list of the plain format, read in pieces on as many threads as are worth it. No more of its bytes is in memory
//! than those that are being read.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::panic::{catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, Builder, available_parallelism, scope};

use memchr::memrchr;
use parking_lot::Mutex;
use terms::Hasher;

use super::body::Digested;
use crate::index::{Compiler, Part};
use crate::list::{self, BadLine, MAX_REPORTED};
use crate::pattern::Share;

/// Threads that read lines beside one another; one more reads and digests the bytes, and one joins what was read.
const MAX_THREADS: usize = 4;

/// The lines of a list, and what they were read from.
pub(super) struct Text {
    pub digested: Digested,
    pub lines: Result<Compiler, BadLines>,
}

/// What of a list can't be taken: the first bad lines, in their order.
pub(super) struct BadLines {
    pub bad: Vec<BadLine>,
    /// Which pattern is one too many tells only who reads all lines in their order.
    pub is_to_be_read_in_order: bool,
}

/// Reads pieces of about `piece` bytes to the end of `source`, of which about `size` are expected. `share` is what the
/// patterns of others take.
pub(super) fn read_text(source: impl Read + Send, size: u64, piece: usize, share: Share) -> io::Result<Text> {
    let expected = usize::try_from(size).unwrap_or(usize::MAX).div_ceil(piece);
    let mut pieces = Pieces::new(source, piece);
    let mut joined = Joined { share, expected, ..Joined::default() };
    match available_parallelism().map_or(1, usize::from).min(MAX_THREADS).min(expected) {
        0 | 1 => join_alone(&mut pieces, &mut joined)?,
        threads => read_beside(&mut pieces, threads, &mut joined)?,
    }
    let digested = Digested { hash: pieces.hasher.finish(), size: pieces.size };
    Ok(Text { digested, lines: joined.finish() })
}

/// Cuts what is read at ends of lines.
struct Pieces<R> {
    source: R,
    hasher: Hasher,
    /// Bytes that were read.
    size: u64,
    piece: usize,
    /// What was read of the line that goes on in the next piece.
    begun: Vec<u8>,
    is_over: bool,
    number: usize,
}

struct Piece {
    number: usize,
    bytes: Vec<u8>,
}

impl<R: Read> Pieces<R> {
    fn new(source: R, piece: usize) -> Pieces<R> {
        Pieces { source, hasher: Hasher::new(), size: 0, piece, begun: Vec::new(), is_over: false, number: 0 }
    }

    /// The next piece, in the memory of one that was read. A line is in one piece, however long it is.
    fn next(&mut self, mut bytes: Vec<u8>) -> io::Result<Option<Piece>> {
        if self.is_over {
            return Ok(None);
        }
        bytes.clear();
        bytes.append(&mut self.begun);
        loop {
            let known = bytes.len();
            (&mut self.source).take(self.piece as u64).read_to_end(&mut bytes)?;
            let read = &bytes[known..];
            self.hasher.update(read);
            self.size += read.len() as u64;
            if read.len() < self.piece {
                self.is_over = true;
                break;
            }
            if let Some(end) = memrchr(b'\n', read) {
                self.begun.extend_from_slice(&read[end + 1..]);
                bytes.truncate(known + end + 1);
                break;
            }
        }
        let number = self.number;
        self.number += 1;
        Ok(Some(Piece { number, bytes }))
    }
}

fn join_alone(pieces: &mut Pieces<impl Read>, joined: &mut Joined) -> io::Result<()> {
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next(std::mem::take(&mut bytes))? {
        // The rest is read for its digest.
        if joined.bad.len() < MAX_REPORTED {
            joined.take(Lines::of(&piece));
        }
        bytes = piece.bytes;
    }
    Ok(())
}

/// Has a thread read the pieces, some read their lines, and joins these in their order.
fn read_beside(pieces: &mut Pieces<impl Read + Send>, threads: usize, joined: &mut Joined) -> io::Result<()> {
    let (to_read, waiting) = sync_channel(threads);
    // Held by those who read alone: whoever hands on learns when nobody is left.
    let waiting = Arc::new(Mutex::new(waiting));
    let (done, came) = sync_channel(threads);
    let (emptied, empty) = channel();
    // So many pieces are on their way at once, those included that were read before one that takes long.
    (0..4 * threads).for_each(|_| drop(emptied.send(Vec::new())));
    scope(|scope| {
        let spawned = (0..threads).filter(|_| {
            let (waiting, done) = (waiting.clone(), done.clone());
            let read = move || read_lines(&waiting, &done);
            Builder::new().name("list".to_owned()).spawn_scoped(scope, read).is_ok()
        });
        let spawned = spawned.count();
        drop((waiting, done));
        if spawned == 0 {
            return join_alone(pieces, joined);
        }
        let cutting = Builder::new().name("list-read".to_owned());
        let cutting = cutting.spawn_scoped(scope, move || cut(pieces, &to_read, &empty))?;
        join(came, emptied, joined);
        cutting.join().unwrap_or_else(|_| Err(io::Error::other("the thread that reads it ended")))
    })
}

/// Hands pieces on as long as somebody takes them; reads to the end for the digest.
fn cut(pieces: &mut Pieces<impl Read>, to_read: &SyncSender<Piece>, empty: &Receiver<Vec<u8>>) -> io::Result<()> {
    while let Some(piece) = pieces.next(empty.recv().unwrap_or_default())? {
        // Nobody takes any more where enough lines are bad.
        let _ = to_read.send(piece);
    }
    Ok(())
}

/// A piece, and what came of it: whoever joins would wait for ever for one that was lost in a panic.
type Done = (Piece, thread::Result<Lines>);

fn read_lines(waiting: &Mutex<Receiver<Piece>>, done: &SyncSender<Done>) {
    loop {
        let Ok(piece) = waiting.lock().recv() else { break };
        let lines = catch_unwind(|| Lines::of(&piece));
        if done.send((piece, lines)).is_err() {
            break;
        }
    }
}

fn join(came: Receiver<Done>, emptied: Sender<Vec<u8>>, joined: &mut Joined) {
    let mut early = BTreeMap::new();
    for (piece, lines) in came {
        early.insert(piece.number, (piece.bytes, lines.unwrap_or_else(|panic| resume_unwind(panic))));
        while let Some((bytes, lines)) = early.remove(&joined.pieces) {
            joined.take(lines);
            let _ = emptied.send(bytes);
        }
        if joined.bad.len() >= MAX_REPORTED {
            break;
        }
    }
}

/// A piece whose lines were read.
struct Lines {
    part: Part,
    /// That end in it.
    lines: u32,
    bad: Vec<BadLine>,
}

impl Lines {
    fn of(piece: &Piece) -> Lines {
        let bytes = if piece.number == 0 { list::without_mark(&piece.bytes) } else { &piece.bytes };
        // Most lines are rules, and longer.
        let mut part = Part::of(bytes.len() / 48);
        let (lines, bad) = list::read_lines(bytes, Share::default(), |rule| part.add(&rule));
        Lines { part, lines, bad }
    }
}

/// Pieces on their way to a table, in their order.
#[derive(Default)]
struct Joined {
    compiler: Compiler,
    /// About how many pieces there are.
    expected: usize,
    pieces: usize,
    lines: u32,
    bad: Vec<BadLine>,
    /// What all patterns take, and whether any of them are in these pieces.
    share: Share,
    has_patterns: bool,
}

impl Joined {
    fn take(&mut self, read: Lines) {
        let own = read.part.share();
        self.has_patterns |= own != Share::default();
        self.share = self.share.plus(own);
        self.bad.extend(read.bad.into_iter().map(|bad| BadLine { line: bad.line + self.lines, ..bad }));
        if self.pieces == 0 {
            self.compiler.reserve(&read.part, self.expected);
        }
        if self.bad.is_empty() {
            self.compiler.append(&read.part, self.lines);
        }
        self.pieces += 1;
        self.lines += read.lines;
    }

    fn finish(mut self) -> Result<Compiler, BadLines> {
        let is_too_much = self.has_patterns && self.share.excess().is_some();
        if self.bad.is_empty() && !is_too_much {
            return Ok(self.compiler);
        }
        self.bad.truncate(MAX_REPORTED);
        Err(BadLines { bad: self.bad, is_to_be_read_in_order: self.has_patterns })
    }
}

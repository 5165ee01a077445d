//! A scripted origin: raw TCP, bytes exactly as the test says.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::bytes::sha256_hex;
use super::port::{Listener, Port};
use super::until;

/// Holds a script until the test opens it.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Waits until it is open.
    pub fn pass(&self) {
        let open = self.0.0.lock().unwrap();
        // A test that failed opens nothing; its origin doesn't wait for ever.
        let _ = self.0.1.wait_timeout_while(open, Duration::from_secs(600), |open| !*open);
    }
}

#[derive(Clone)]
pub enum Step {
    Send(Vec<u8>),
    /// Not sent in answer to HEAD.
    SendBody(Vec<u8>),
    Wait(Gate),
    /// Until the edge has closed the connection.
    WaitForClose,
    /// Gives back what comes until that ends, and then closes.
    Echo,
    /// Waits for a byte.
    ReadOne,
    Close,
    Reset,
}

/// What the origin does when it is asked.
#[derive(Clone, Default)]
pub struct Reply {
    steps: Arc<Vec<Step>>,
    /// Digest and length of the representation, where all of it is served.
    whole: Option<(String, u64)>,
    leaves_body_unread: bool,
}

impl Reply {
    pub fn script(steps: impl Into<Vec<Step>>) -> Reply {
        Reply { steps: Arc::new(steps.into()), ..Reply::default() }
    }

    /// These bytes, then the connection is closed.
    pub fn raw(bytes: impl AsRef<[u8]>) -> Reply {
        Reply::script([Step::Send(bytes.as_ref().to_vec()), Step::Close])
    }

    /// Answers without having read the request's body.
    pub fn early(mut self) -> Reply {
        self.leaves_body_unread = true;
        self
    }

    /// The bytes that are served, where a script serves all of them.
    pub fn serves(mut self, whole: impl AsRef<[u8]>) -> Reply {
        self.whole = Some(digested(whole.as_ref()));
        self
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Framing {
    Length,
    Chunked,
    UntilClose,
}

fn digested(whole: &[u8]) -> (String, u64) {
    (sha256_hex(whole), whole.len() as u64)
}

/// A well-formed answer.
#[derive(Clone)]
pub struct Page {
    status: String,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
    framing: Framing,
    holds: Vec<(usize, Gate)>,
    closes: bool,
}

impl Page {
    pub fn ok(body: impl AsRef<[u8]>) -> Page {
        Page::new("200 OK", body)
    }

    pub fn new(status: &str, body: impl AsRef<[u8]>) -> Page {
        Page {
            status: status.to_owned(),
            fields: Vec::new(),
            body: body.as_ref().to_vec(),
            framing: Framing::Length,
            holds: Vec::new(),
            closes: false,
        }
    }

    /// `200 OK`, fresh for ten minutes.
    pub fn stored(body: impl AsRef<[u8]>) -> Page {
        Page::ok(body).field("Cache-Control", "max-age=600")
    }

    pub fn status(self, status: &str) -> Page {
        Page { status: status.to_owned(), ..self }
    }

    pub fn field(mut self, name: &str, value: &str) -> Page {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn chunked(mut self) -> Page {
        self.framing = Framing::Chunked;
        self
    }

    pub fn until_close(mut self) -> Page {
        self.framing = Framing::UntilClose;
        self
    }

    /// Waits before the body's byte `at`; 0 is after the head.
    pub fn hold(mut self, at: usize, gate: &Gate) -> Page {
        self.holds.push((at, gate.clone()));
        self
    }

    /// Closes the connection afterwards, without having said so.
    pub fn closes(mut self) -> Page {
        self.closes = true;
        self
    }

    fn head(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {}\r\n", self.status);
        for (name, value) in &self.fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        match self.framing {
            Framing::Length if self.status.starts_with("304") || self.status.starts_with("204") => {}
            Framing::Length => head.push_str(&format!("Content-Length: {}\r\n", self.body.len())),
            Framing::Chunked => head.push_str("Transfer-Encoding: chunked\r\n"),
            Framing::UntilClose => head.push_str("Connection: close\r\n"),
        }
        head.push_str("\r\n");
        head.into_bytes()
    }

    fn piece(&self, bytes: &[u8]) -> Step {
        match self.framing {
            Framing::Chunked => Step::SendBody([format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()),
            _ => Step::SendBody(bytes.to_vec()),
        }
    }
}

impl From<Page> for Reply {
    fn from(page: Page) -> Reply {
        let mut steps = vec![Step::Send(page.head())];
        let mut sent = 0;
        for (at, gate) in &page.holds {
            if *at > sent {
                steps.push(page.piece(&page.body[sent..*at]));
                sent = *at;
            }
            steps.push(Step::Wait(gate.clone()));
        }
        if page.body.len() > sent {
            steps.push(page.piece(&page.body[sent..]));
        }
        if page.framing == Framing::Chunked {
            steps.push(Step::SendBody(b"0\r\n\r\n".to_vec()));
        }
        if page.closes || page.framing == Framing::UntilClose {
            steps.push(Step::Close);
        }
        let whole = (!page.status.starts_with("304")).then(|| digested(&page.body));
        Reply { steps: Arc::new(steps), whole, leaves_body_unread: false }
    }
}

/// A request as the origin got it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Raw, with its empty line.
    pub head: String,
    pub method: String,
    pub target: String,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Whether the body came to its end.
    pub is_whole: bool,
}

impl Asked {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self.fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }
}

type Script = Arc<dyn Fn(&Asked) -> Reply + Send + Sync>;

/// What was served whole.
#[derive(Clone, Default)]
pub struct Served(Arc<Mutex<Ledger>>);

#[derive(Default)]
struct Ledger {
    /// By digest.
    lengths: HashMap<String, u64>,
    /// The digest of what a request was answered with, by its `X-Request-Id`.
    digests: HashMap<String, String>,
}

impl Served {
    fn add(&self, asked: &Asked, (digest, length): &(String, u64)) {
        let mut ledger = self.0.lock().unwrap();
        if let Some(id) = asked.field("X-Request-Id") {
            ledger.digests.insert(id.to_owned(), digest.clone());
        }
        ledger.lengths.insert(digest.clone(), *length);
    }

    pub fn length(&self, digest: &str) -> Option<u64> {
        self.0.lock().unwrap().lengths.get(digest).copied()
    }

    pub fn digest_for(&self, id: &str) -> Option<String> {
        self.0.lock().unwrap().digests.get(id).cloned()
    }
}

struct Shared {
    scripts: Mutex<HashMap<String, Script>>,
    asked: Mutex<Vec<Asked>>,
    connections: AtomicUsize,
    open: Mutex<Vec<Arc<TcpStream>>>,
    served: Served,
    stopping: AtomicBool,
}

pub struct Origin {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    listener: Arc<Listener>,
    /// `None`: it was given away.
    port: Option<Port>,
}

impl Origin {
    pub fn start() -> Origin {
        let port = Port::reserve();
        let (listener, address) = (Arc::new(port.listen()), port.address);
        let shared = Arc::new(Shared {
            scripts: Mutex::default(),
            asked: Mutex::default(),
            connections: AtomicUsize::new(0),
            open: Mutex::default(),
            served: Served::default(),
            stopping: AtomicBool::new(false),
        });
        let ours = (listener.clone(), shared.clone());
        std::thread::spawn(move || accept(&ours.0, &ours.1));
        Origin { address, shared, listener, port: Some(port) }
    }

    /// It goes, with all its connections. Nobody else comes to its address while the port is held.
    pub fn leave(mut self) -> Port {
        self.port.take().unwrap()
    }

    /// An origin with one page.
    pub fn with(target: &str, reply: impl Into<Reply>) -> Origin {
        let origin = Origin::start();
        origin.on(target, reply);
        origin
    }

    /// What is answered to `target`, whatever the method. A script for a path without a query answers
    /// for every query that has none of its own.
    pub fn on(&self, target: &str, reply: impl Into<Reply>) {
        let reply = reply.into();
        self.on_each(target, move |_| reply.clone());
    }

    pub fn on_each(&self, target: &str, script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) {
        self.shared.scripts.lock().unwrap().insert(target.to_owned(), Arc::new(script));
    }

    /// One reply after the other; the last one again and again.
    pub fn on_in_turn(&self, target: &str, replies: impl IntoIterator<Item = Reply>) {
        let replies: Vec<Reply> = replies.into_iter().collect();
        let turn = AtomicUsize::new(0);
        self.on_each(target, move |_| replies[turn.fetch_add(1, SeqCst).min(replies.len() - 1)].clone());
    }

    /// Every request for a target so far, in the order in which they came.
    pub fn asked(&self, target: &str) -> Vec<Asked> {
        let asked = self.shared.asked.lock().unwrap();
        asked.iter().filter(|one| one.target == target).cloned().collect()
    }

    /// The one request for a target.
    pub fn asked_once(&self, target: &str) -> Asked {
        let mut asked = self.asked(target);
        assert_eq!(asked.len(), 1, "requests for {target}: {asked:#?}");
        asked.remove(0)
    }

    pub fn count(&self, target: &str) -> usize {
        self.asked(target).len()
    }

    pub fn until_asked(&self, target: &str, times: usize) {
        until(&format!("{times} requests for {target} at the origin"), || (self.count(target) >= times).then_some(()));
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(SeqCst)
    }

    pub fn served(&self) -> Served {
        self.shared.served.clone()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.shared.stopping.store(true, SeqCst);
        self.listener.close();
        for stream in self.shared.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn accept(listener: &Listener, shared: &Arc<Shared>) {
    while !shared.stopping.load(SeqCst) {
        let Ok(stream) = listener.accept() else {
            // One that is lost before it is accepted, or a lack of descriptors, is not the end of the origin.
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        shared.connections.fetch_add(1, SeqCst);
        let _ = stream.set_nodelay(true);
        let stream = Arc::new(stream);
        let mut open = shared.open.lock().unwrap();
        // Under the lock: whoever stops it closes what is open, and nothing comes after.
        if shared.stopping.load(SeqCst) {
            return;
        }
        open.push(stream.clone());
        let shared = shared.clone();
        std::thread::spawn(move || converse(&shared, &stream));
    }
}

fn converse(shared: &Shared, stream: &Arc<TcpStream>) {
    let mut reader = BufReader::new(&**stream);
    while let Some(mut asked) = read_head(&mut reader) {
        let script = shared.script(&asked.target);
        let reply = script(&asked);
        if !reply.leaves_body_unread {
            asked.is_whole = read_body(&mut reader, stream, &mut asked).is_some();
        }
        let (is_head, is_whole) = (asked.method == "HEAD", asked.is_whole);
        shared.asked.lock().unwrap().push(asked.clone());
        if !is_whole && !reply.leaves_body_unread {
            return;
        }
        if let Some(whole) = &reply.whole {
            shared.served.add(&asked, whole);
        }
        if perform(&reply, stream, &mut reader, is_head).is_none() {
            shared.let_go(stream);
            return;
        }
    }
}

impl Shared {
    /// Closes a connection: with a reset if it lingers for no time, which a shutdown would forestall.
    fn let_go(&self, stream: &Arc<TcpStream>) {
        self.open.lock().unwrap().retain(|one| !Arc::ptr_eq(one, stream));
        if socket2::SockRef::from(&**stream).linger().ok().flatten() != Some(Duration::ZERO) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn script(&self, target: &str) -> Script {
        let scripts = self.scripts.lock().unwrap();
        let path = target.split('?').next().unwrap_or_default();
        let found = scripts.get(target).or_else(|| scripts.get(path)).or_else(|| scripts.get("*"));
        found.cloned().unwrap_or_else(|| Arc::new(|_| Page::new("404 Not Found", "no such page").into()))
    }
}

/// `None` when the connection is over.
fn perform(reply: &Reply, mut stream: &TcpStream, reader: &mut impl Read, is_head: bool) -> Option<()> {
    for step in reply.steps.iter() {
        match step {
            Step::SendBody(_) if is_head => {}
            Step::Send(bytes) | Step::SendBody(bytes) => stream.write_all(bytes).ok()?,
            Step::Wait(gate) => gate.pass(),
            Step::WaitForClose => {
                let _ = std::io::copy(reader, &mut std::io::sink());
                return None;
            }
            Step::Echo => {
                let _ = std::io::copy(reader, &mut stream);
                return None;
            }
            Step::ReadOne => reader.read_exact(&mut [0]).ok()?,
            Step::Close => return None,
            Step::Reset => {
                let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
                return None;
            }
        }
    }
    Some(())
}

fn read_head(reader: &mut impl BufRead) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if reader.read_until(b'\n', &mut head).ok()? == 0 {
            return None;
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let fields = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    Some(Asked { method, target, fields, body: Vec::new(), is_whole: false, head })
}

fn read_body(reader: &mut impl BufRead, mut stream: &TcpStream, asked: &mut Asked) -> Option<()> {
    if asked.field("Expect").is_some() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    if asked.field("Transfer-Encoding").is_some() {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let size = usize::from_str_radix(line.trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk).ok()?;
            if size == 0 {
                return Some(());
            }
            asked.body.extend_from_slice(&chunk[..size]);
        }
    }
    let length: usize = asked.field("Content-Length").unwrap_or("0").parse().ok()?;
    let mut left = length;
    let mut buffer = vec![0; 64 * 1024];
    while left > 0 {
        let most = left.min(buffer.len());
        let count = reader.read(&mut buffer[..most]).ok().filter(|count| *count > 0)?;
        asked.body.extend_from_slice(&buffer[..count]);
        left -= count;
    }
    Some(())
}

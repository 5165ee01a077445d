//! One list file: what is in force of it, what it shows, and whether that has settled.

use std::fmt;
use std::time::{Duration, Instant};

use disk::watch::Hint;
use disk::{Evidence, SETTLING, Trail, seen_by};
use terms::{Digest, Timestamp};

use super::compile::{Compiled, compile_if_new};
use super::error::{Problem, SourceError};
use super::shown::{Content, Mark, Shown, Stamp, digest, read, read_by, stamp};
use super::verdict::Former;
use crate::settings::{Allowed, Listed};

/// Up to this size, files are read again at every full look, whatever their stamps say.
const SMALL: u64 = 1 << 20;

pub(super) struct Source {
    pub listed: Listed,
    pub in_force: Option<InForce>,
    pub trouble: Option<Trouble>,
    /// The last state of the file that something was made of.
    pub judged: Option<Judged>,
    /// A state that was seen, since when, and that is not yet sure to last.
    waiting: Option<(Mark, Instant)>,
    /// What its copy tells of the file, for the next start.
    pub kept_stamp: Option<Stamp>,
    pub trail: Trail,
}

pub(super) struct InForce {
    pub compiled: Compiled,
    pub former: Former,
}

/// Why a file's rules are not what it shows.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    Vanished,
    Emptied,
    Refused(Vec<SourceError>),
    Shrunk { from: usize, to: usize },
}

impl Listed {
    /// Why what was in force of a file stays so once that is gone.
    pub(super) fn gone(&self) -> Trouble {
        if self.name.is_some() { Trouble::Refused(vec![self.missing()]) } else { Trouble::Vanished }
    }
}

impl Trouble {
    /// Whether it says something of how the file was read, and nothing of what it holds.
    pub(super) fn may_pass(&self) -> bool {
        let of_reading = |error: &SourceError| matches!(error.problem, Problem::WrittenTo | Problem::Unreadable(_));
        matches!(self, Trouble::Refused(errors) if errors.iter().any(of_reading))
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Vanished => f.write_str("vanished; its rules stay in force until `seawall reload`"),
            Trouble::Emptied => f.write_str("truncated to nothing; its rules stay in force until `seawall reload`"),
            Trouble::Refused(errors) => match errors.split_first() {
                Some((first, [])) => write!(f, "refused: {first}"),
                Some((first, more)) => write!(f, "refused: {first} (and {} more)", more.len()),
                None => f.write_str("refused"),
            },
            Trouble::Shrunk { from, to } => write!(
                f,
                "shrank from {from} rules to {to}; what is in force of it stays so until `seawall reload --accept-shrink`"
            ),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Judged {
    mark: Mark,
    stamp: Option<Stamp>,
    /// Its stamp proves nothing: the file was so new, or was not read since the start.
    is_unproven: bool,
}

impl Judged {
    fn shows(&self, stamp: Stamp, digest: Digest) -> bool {
        self.stamp == Some(stamp) && self.mark == Mark::Content(digest)
    }
}

/// What a look at one file came to.
pub(super) enum Seen {
    Nothing,
    /// It is to be hashed, which takes long.
    Unproven,
    /// Something that may not last; look again after this time.
    Unsettled(Duration),
    Settled(Shown, Evidence),
}

/// The circumstances of a look.
#[derive(Clone, Copy)]
pub(super) struct Occasion {
    /// Before anything was read.
    pub now: Instant,
    pub wall: Timestamp,
    /// Stamps are not believed.
    pub is_full: bool,
}

impl Source {
    pub fn new(listed: Listed) -> Source {
        let trail = Trail::of(&listed.path);
        Source { listed, in_force: None, trouble: None, judged: None, waiting: None, kept_stamp: None, trail }
    }

    /// `allowed` is told of a file that came in one step: it is compiled as it is read.
    pub fn look(&mut self, hints: &[Hint], occasion: Occasion, allowed: Option<Allowed>) -> Seen {
        let is_hinted = self.trail.evidence(hints) != Evidence::None;
        if !is_hinted && self.waiting.is_none() {
            if self.is_as_judged(occasion.is_full) {
                return Seen::Nothing;
            }
            if let Some(stamp) = self.large_and_unproven() {
                // Until then its next change may leave the same stamp.
                return if stamp.is_fresh(occasion.wall) { Seen::Nothing } else { Seen::Unproven };
            }
        }
        let known = self.former().map(|former| former.size);
        let shown = read_by(&self.listed, &mut |body| match allowed {
            Some(allowed) => compile_if_new(&self.listed, body, known, allowed),
            None => digest(body),
        });
        self.weigh(shown, self.trail.evidence(hints), occasion)
    }

    /// Whether the file's stamp tells, without reading it, that nothing happened.
    fn is_as_judged(&self, is_full: bool) -> bool {
        let Some(judged) = &self.judged else { return false };
        let (Mark::Content(_), Some(before)) = (judged.mark, judged.stamp) else { return false };
        let is_doubtful = judged.is_unproven || (is_full && before.size <= SMALL);
        !is_doubtful && stamp(&self.listed.path) == Some(before)
    }

    /// The stamp of a large file that says nothing against what was judged, and nothing for it.
    fn large_and_unproven(&self) -> Option<Stamp> {
        let Judged { mark: Mark::Content(_), stamp: before, is_unproven: true } = self.judged? else { return None };
        before.filter(|before| before.size > SMALL && stamp(&self.listed.path) == Some(*before))
    }

    /// What a large file showed when it was hashed, beside the looks. Whether it is what was judged, under a stamp that was
    /// old before it was hashed; the next look reads it where it is not.
    pub fn heed(&mut self, seen: Option<(Stamp, Digest)>, wall: Timestamp) -> bool {
        let Some(judged) = &mut self.judged else { return false };
        let Some((stamp, digest)) = seen.filter(|(stamp, digest)| judged.shows(*stamp, *digest)) else {
            judged.stamp = None;
            return false;
        };
        self.note_mark(Mark::Content(digest), Some(stamp), wall);
        true
    }

    /// A save is never taken half: what is shown has settled if it came in one step, if its writer
    /// closed it and it looks whole, or if two looks agree.
    pub fn weigh(&mut self, shown: Shown, evidence: Evidence, occasion: Occasion) -> Seen {
        let mark = shown.mark();
        if self.judged.is_some_and(|judged| judged.mark == mark) {
            self.waiting = None;
            self.note(&shown, occasion.wall);
            return Seen::Nothing;
        }
        if self.is_whole(&shown, evidence) {
            return Seen::Settled(shown, evidence);
        }
        let age = match self.waiting {
            Some((waiting, since)) if waiting == mark && shown.is_steady() => occasion.now.duration_since(since),
            _ => {
                self.waiting = Some((mark, seen_by(occasion.now)));
                Duration::ZERO
            }
        };
        match SETTLING.checked_sub(age) {
            None | Some(Duration::ZERO) => Seen::Settled(shown, evidence),
            Some(left) => Seen::Unsettled(left),
        }
    }

    fn is_whole(&self, shown: &Shown, evidence: Evidence) -> bool {
        let Shown::Content(content) = shown else { return false };
        let former = self.in_force.as_ref().map_or(0, |in_force| in_force.former.size);
        match evidence {
            _ if !content.steady => false,
            Evidence::None => false,
            Evidence::Renamed => true,
            Evidence::Closed => content.stamp.size >= former && content.body.ends_line(),
        }
    }

    /// As [`Source::look`], but what is already judged is shown again, for the operator's word to be
    /// heard on it, and what the clock says was left alone for long enough counts as settled.
    pub fn look_for_operator(&mut self, occasion: Occasion) -> Seen {
        let shown = read(&self.listed);
        let is_judged = self.judged.is_some_and(|judged| judged.mark == shown.mark());
        let is_old = |content: &Content| content.steady && !content.stamp.is_within(SETTLING, occasion.wall);
        if is_judged || matches!(&shown, Shown::Content(content) if is_old(content)) {
            return Seen::Settled(shown, Evidence::None);
        }
        self.weigh(shown, Evidence::None, occasion)
    }

    /// Keeps in mind what was decided on.
    pub fn note(&mut self, shown: &Shown, wall: Timestamp) {
        let stamp = match shown {
            Shown::Content(content) => Some(content.stamp),
            Shown::Absent | Shown::Unreadable(_) => None,
        };
        self.note_mark(shown.mark(), stamp, wall);
        if let Some(judged) = &mut self.judged {
            judged.is_unproven |= !shown.is_steady();
        }
    }

    pub fn note_mark(&mut self, mark: Mark, stamp: Option<Stamp>, wall: Timestamp) {
        let is_unproven = stamp.is_some_and(|stamp| stamp.is_fresh(wall));
        self.judged = Some(Judged { mark, stamp, is_unproven });
        self.waiting = None;
    }

    /// What could not be read as it was seen was not judged: the next look begins anew.
    pub fn forget_if_passing(&mut self, trouble: &Trouble) {
        if trouble.may_pass() {
            self.judged = None;
        }
    }

    /// Keeps in mind what the run before decided on under this stamp. The next look reads the file.
    pub fn note_unread(&mut self, mark: Mark, stamp: Stamp) {
        self.judged = Some(Judged { mark, stamp: Some(stamp), is_unproven: true });
    }

    pub fn stamp(&self) -> Option<Stamp> {
        self.judged.and_then(|judged| judged.stamp)
    }

    /// Whether the stamp last noted needs a second look some time later.
    pub fn is_unproven(&self) -> bool {
        self.judged.is_some_and(|judged| judged.is_unproven)
    }

    /// The stamp that proves that the file shows what is in force.
    pub fn proof(&self) -> Option<Stamp> {
        let judged = self.judged.filter(|judged| !judged.is_unproven)?;
        let hash = self.former()?.hash;
        judged.stamp.filter(|_| judged.mark == Mark::Content(hash))
    }

    pub fn former(&self) -> Option<&Former> {
        self.in_force.as_ref().map(|in_force| &in_force.former)
    }
}

#[cfg(test)]
mod tests {
    use super::super::shown::Body;
    use super::*;

    #[test]
    fn what_was_written_to_while_it_was_read_proves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list.txt");
        std::fs::write(&file, "one.example\n").unwrap();
        let Shown::Content(content) = read(&file.clone().into()) else { panic!() };
        let late = Timestamp::from_secs(4_000_000_000);
        let mut source = Source::new(file.into());
        // Touched since, by the clock of a look that began before.
        for (steady, wall, is_unproven) in
            [(true, late, false), (false, late, true), (true, Timestamp::from_secs(0), true)]
        {
            let body = Body::Held(b"one.example\n".into());
            let shown = Shown::Content(Content { steady, body, made: None, ..content });
            source.note(&shown, wall);
            assert_eq!(source.is_unproven(), is_unproven, "{steady} {wall:?}");
        }
    }

    #[test]
    fn what_was_hashed_proves_nothing_under_another_stamp_or_of_other_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let [file, other] = ["list.txt", "other.txt"].map(|name| folder.path().join(name));
        std::fs::write(&file, "one.example\n").unwrap();
        std::fs::write(&other, "two.example\n").unwrap();
        let late = Timestamp::from_secs(4_000_000_000);
        let ([Some(own), Some(another)], digest) =
            ([&file, &other].map(|path| stamp(path)), Digest::of(b"one.example\n"))
        else {
            panic!()
        };
        for (seen, is_proof) in [
            (Some((own, digest)), true),
            (Some((another, digest)), false),
            (Some((own, Digest::ZERO)), false),
            (None, false),
        ] {
            let mut source = Source::new(file.clone().into());
            source.note_unread(Mark::Content(digest), own);
            assert_eq!(source.heed(seen, late), is_proof, "{seen:?}");
            assert_eq!((source.stamp(), source.is_unproven()), (is_proof.then_some(own), !is_proof), "{seen:?}");
        }
    }

    #[test]
    fn a_change_that_left_the_same_stamp_is_found_by_a_full_look() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list.txt");
        // By this clock the file is old, so that its stamp is believed.
        let wall = Timestamp::from_secs(4_000_000_000);
        std::fs::write(&file, "one.example\n").unwrap();
        let mut source = Source::new(file.clone().into());
        source.note(&read(&file.clone().into()), wall);
        std::fs::write(&file, "two.example\n").unwrap();
        if let Some(judged) = &mut source.judged {
            judged.stamp = stamp(&file);
        }
        let occasion = Occasion { now: Instant::now(), wall, is_full: false };
        assert!(matches!(source.look(&[], occasion, None), Seen::Nothing));
        assert!(matches!(source.look(&[], Occasion { is_full: true, ..occasion }, None), Seen::Unsettled(_)));
    }
}

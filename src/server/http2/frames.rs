//! The walk along HTTP/2 frames while their bytes pass (RFC 9113 section 4.1): heads are read, of
//! payloads only the error code, and nothing is kept.

/// What begins every frame.
const HEAD: usize = 9;

/// What a client sends before its first frame (RFC 9113 section 3.4).
pub(in crate::server) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Data,
    Headers,
    Priority,
    Reset,
    Settings,
    Ping,
    GoAway,
    WindowUpdate,
    Continuation,
    /// What no one here needs to tell apart, and what is not known.
    Other,
}

impl Kind {
    fn of(byte: u8) -> Kind {
        match byte {
            0x0 => Kind::Data,
            0x1 => Kind::Headers,
            0x2 => Kind::Priority,
            0x3 => Kind::Reset,
            0x4 => Kind::Settings,
            0x6 => Kind::Ping,
            0x7 => Kind::GoAway,
            0x8 => Kind::WindowUpdate,
            0x9 => Kind::Continuation,
            _ => Kind::Other,
        }
    }
}

/// A frame by its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    flags: u8,
    /// 0 is the connection itself.
    pub(super) stream: u32,
    /// Bytes of payload.
    pub(super) length: u32,
}

impl Frame {
    fn read(head: &[u8; HEAD]) -> Frame {
        let [one, two, three, kind, flags, stream @ ..] = *head;
        Frame {
            kind: Kind::of(kind),
            flags,
            stream: u32::from_be_bytes(stream) & !(1 << 31),
            length: u32::from_be_bytes([0, one, two, three]),
        }
    }

    pub(super) fn ends_stream(&self) -> bool {
        matches!(self.kind, Kind::Data | Kind::Headers) && self.flags & END_STREAM != 0
    }

    pub(super) fn ends_headers(&self) -> bool {
        matches!(self.kind, Kind::Headers | Kind::Continuation) && self.flags & END_HEADERS != 0
    }

    /// Where in the payload the error code stands.
    fn code_at(&self) -> Option<u32> {
        match self.kind {
            Kind::Reset => Some(0),
            Kind::GoAway => Some(4),
            _ => None,
        }
    }
}

/// What the walk comes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// The head of a frame is complete.
    Begun(Frame),
    /// So many bytes of its payload passed.
    Passed(Frame, u32),
    /// All of it has passed; with the error code that it carries, if it is of a kind that does.
    Ended(Frame, u32),
}

/// How far the walk has come. What passes by may be cut anywhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    /// Bytes before the first frame that are still to come.
    ahead: usize,
    head: [u8; HEAD],
    have: usize,
    frame: Option<Frame>,
    passed: u32,
    code: u32,
}

impl Walk {
    /// Along what a client sends: the preface, then frames.
    pub(super) fn of_client() -> Walk {
        Walk { ahead: PREFACE.len(), ..Walk::of_server() }
    }

    pub(super) fn of_server() -> Walk {
        Walk { ahead: 0, head: [0; HEAD], have: 0, frame: None, passed: 0, code: 0 }
    }

    pub(super) fn along(&mut self, bytes: &[u8], mut see: impl FnMut(Seen)) {
        let skipped = self.ahead.min(bytes.len());
        self.ahead -= skipped;
        let mut bytes = &bytes[skipped..];
        while !bytes.is_empty() {
            bytes = match self.frame {
                None => self.take_head(bytes, &mut see),
                Some(frame) => self.take_payload(frame, bytes, &mut see),
            };
        }
    }

    fn take_head<'b>(&mut self, bytes: &'b [u8], see: &mut impl FnMut(Seen)) -> &'b [u8] {
        let now = (HEAD - self.have).min(bytes.len());
        self.head[self.have..self.have + now].copy_from_slice(&bytes[..now]);
        self.have += now;
        if self.have == HEAD {
            let frame = Frame::read(&self.head);
            see(Seen::Begun(frame));
            (self.frame, self.passed, self.code) = (Some(frame), 0, 0);
            self.end_if_all_passed(frame, see);
        }
        &bytes[now..]
    }

    fn take_payload<'b>(&mut self, frame: Frame, bytes: &'b [u8], see: &mut impl FnMut(Seen)) -> &'b [u8] {
        let now = bytes.len().min((frame.length - self.passed) as usize);
        let (payload, rest) = bytes.split_at(now);
        if let Some(from) = frame.code_at() {
            let code = (self.passed..).zip(payload).filter(|(at, _)| (from..from + 4).contains(at));
            self.code = code.fold(self.code, |code, (_, &byte)| code << 8 | u32::from(byte));
        }
        self.passed += now as u32;
        see(Seen::Passed(frame, now as u32));
        self.end_if_all_passed(frame, see);
        rest
    }

    fn end_if_all_passed(&mut self, frame: Frame, see: &mut impl FnMut(Seen)) {
        if self.passed == frame.length {
            see(Seen::Ended(frame, self.code));
            (self.frame, self.have) = (None, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        bytes.extend([kind, flags]);
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    /// The frames that end, each with the payload bytes that passed and its code.
    fn walk(walk: &mut Walk, parts: &[&[u8]]) -> Vec<(Kind, u32, u32, u32)> {
        let (mut ended, mut passed) = (Vec::new(), 0);
        for part in parts {
            walk.along(part, |seen| match seen {
                Seen::Begun(_) => passed = 0,
                Seen::Passed(_, count) => passed += count,
                Seen::Ended(frame, code) => ended.push((frame.kind, frame.stream, passed, code)),
            });
        }
        ended
    }

    fn sample() -> Vec<u8> {
        [
            frame(0x4, 0, 0, &[]),
            frame(0x1, END_HEADERS, 1, b"head"),
            frame(0x0, END_STREAM, 1, b"some body"),
            frame(0x3, 0, 3 | 1 << 31, &[0, 0, 0, 8]),
            frame(0x7, 0, 0, &[0, 0, 0, 5, 0, 0, 0, 11, b'w', b'h', b'y']),
        ]
        .concat()
    }

    const EXPECTED: [(Kind, u32, u32, u32); 5] = [
        (Kind::Settings, 0, 0, 0),
        (Kind::Headers, 1, 4, 0),
        (Kind::Data, 1, 9, 0),
        (Kind::Reset, 3, 4, 8),
        (Kind::GoAway, 0, 11, 11),
    ];

    #[test]
    fn sees_the_frames_behind_a_clients_preface() {
        assert_eq!(walk(&mut Walk::of_client(), &[PREFACE, &sample()]), EXPECTED);
    }

    proptest! {
        #[test]
        fn sees_the_same_however_the_bytes_are_cut(cuts in prop::collection::vec(1_usize..12, 1..60)) {
            let bytes = sample();
            let (mut parts, mut rest, mut cuts) = (Vec::new(), &bytes[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let (part, behind) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                parts.push(part);
                rest = behind;
            }
            prop_assert_eq!(walk(&mut Walk::of_server(), &parts), EXPECTED);
        }

        #[test]
        fn any_bytes_are_walked_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            walk(&mut Walk::of_client(), &[&bytes]);
        }
    }
}

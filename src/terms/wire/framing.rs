//! Where a message's body ends on the wire, followed without keeping any of it.

pub use super::bad::BadBody;
use super::chunked::Chunks;

/// How long the body is that follows a head (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    Length(u64),
    Chunked,
    /// Up to the end of the connection. Of answers only.
    UntilClose,
}

/// Follows one body to its end, and refuses one whose end two parsers could see in different places.
#[derive(Debug)]
pub enum BodyWalk {
    /// So many bytes are still to come.
    Length(u64),
    Chunked(Chunks),
    UntilClose,
}

impl BodyWalk {
    pub fn of(framing: Framing) -> BodyWalk {
        match framing {
            Framing::Length(length) => BodyWalk::Length(length),
            Framing::Chunked => BodyWalk::Chunked(Chunks::default()),
            Framing::UntilClose => BodyWalk::UntilClose,
        }
    }

    pub fn is_over(&self) -> bool {
        match self {
            BodyWalk::Length(left) => *left == 0,
            BodyWalk::Chunked(chunks) => chunks.are_over(),
            BodyWalk::UntilClose => false,
        }
    }

    /// Takes the bytes that belong to the body from the start of `bytes`, and says how many they were.
    pub fn follow(&mut self, bytes: &[u8]) -> Result<usize, BadBody> {
        match self {
            BodyWalk::Length(left) => Ok(fitting(left, bytes.len())),
            BodyWalk::Chunked(chunks) => chunks.follow(bytes),
            BodyWalk::UntilClose => Ok(bytes.len()),
        }
    }
}

/// Takes from `left` what is `available` of it.
pub(super) fn fitting(left: &mut u64, available: usize) -> usize {
    let step = usize::try_from(*left).unwrap_or(usize::MAX).min(available);
    *left -= step as u64;
    step
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// How much of a stream is the body, however it is cut.
    fn followed(stream: &[u8], mut cuts: impl Iterator<Item = usize>) -> Result<Option<usize>, BadBody> {
        let mut walk = BodyWalk::of(Framing::Chunked);
        let mut at = 0;
        while at < stream.len() && !walk.is_over() {
            let step = cuts.next().unwrap_or(usize::MAX).clamp(1, stream.len() - at);
            at += walk.follow(&stream[at..at + step])?;
        }
        Ok(walk.is_over().then_some(at))
    }

    #[test]
    fn a_length_ends_the_body() {
        let mut walk = BodyWalk::of(Framing::Length(5));
        assert_eq!(walk.follow(b"abc"), Ok(3));
        assert_eq!(walk.follow(b"defgh"), Ok(2));
        assert!(walk.is_over());
        assert_eq!(walk.follow(b"more"), Ok(0));
    }

    #[test]
    fn the_last_chunk_and_its_trailers_end_the_body() {
        for body in [
            "0\r\n\r\n",
            "3\r\nabc\r\n0\r\n\r\n",
            "A\r\n0123456789\r\n0\r\n\r\n",
            "0003\r\nabc\r\n000\r\n\r\n",
            "3;x\r\nabc\r\n0\r\n\r\n",
            "3;x=y;z\r\nabc\r\n0;last\r\n\r\n",
            "3;x=\"a;\\\"\tb\"\r\nabc\r\n0\r\n\r\n",
            "3\r\nabc\r\n0\r\nA: b\r\nServer-Timing: c;dur=1\r\n\r\n",
        ] {
            let stream = format!("{body}GET / HTTP/1.1\r\n");
            for step in [1, 2, 3, 1000] {
                assert_eq!(followed(stream.as_bytes(), std::iter::repeat(step)), Ok(Some(body.len())), "{body:?}");
            }
        }
    }

    #[test]
    fn a_malformed_body_is_refused() {
        let long = format!("1;{}\r\n", "x".repeat(5000));
        let huge = format!("0\r\nA: {}\r\n\r\n", "x".repeat(9000));
        let many = format!("0\r\n{}\r\n", "A: b\r\n".repeat(70));
        for (body, bad) in [
            ("\r\n", BadBody::Size),
            ("zz\r\n", BadBody::Size),
            ("-1\r\n", BadBody::Size),
            ("+1\r\n", BadBody::Size),
            ("0x1\r\n", BadBody::Size),
            (" 1\r\n", BadBody::Size),
            ("1 \r\n", BadBody::Size),
            ("1\t;x\r\n", BadBody::Size),
            ("1_0\r\n", BadBody::Size),
            ("1\0\r\n", BadBody::Size),
            ("fffffffffffffffff\r\n", BadBody::Size),
            ("ffffffffffffffff\r\n", BadBody::Size),
            ("00000000000000001\r\n", BadBody::Size),
            ("1;\r\n", BadBody::Extension),
            ("1;;x\r\n", BadBody::Extension),
            ("1; x\r\n", BadBody::Extension),
            ("1;x =y\r\n", BadBody::Extension),
            ("1;x=\r\n", BadBody::Extension),
            ("1;=y\r\n", BadBody::Extension),
            ("1;x=\"y\r\n", BadBody::Extension),
            ("1;x=\"y\"z\r\n", BadBody::Extension),
            ("1;x=\"\0\"\r\n", BadBody::Extension),
            ("1;x\n", BadBody::BareLineEnd),
            ("1;x\rx", BadBody::BareLineEnd),
            (&long, BadBody::Extension),
            ("1\n", BadBody::BareLineEnd),
            ("1\rX", BadBody::BareLineEnd),
            ("1\r\r\n", BadBody::BareLineEnd),
            ("3\r\nabcd\r\n", BadBody::DataEnd),
            ("1\r\na\n", BadBody::DataEnd),
            ("1\r\na\rX", BadBody::DataEnd),
            ("0\r\n\n", BadBody::BareLineEnd),
            ("0\r\nA: b\n\r\n", BadBody::BareLineEnd),
            ("0\r\nA b\r\n\r\n", BadBody::Trailer),
            ("0\r\nA: b\r\n c\r\n\r\n", BadBody::Trailer),
            ("0\r\nA : b\r\n\r\n", BadBody::Trailer),
            ("0\r\nA: b\rc\r\n\r\n", BadBody::Trailer),
            ("0\r\nA: b\0\r\n\r\n", BadBody::Trailer),
            ("0\r\nContent-Length: 5\r\n\r\n", BadBody::SteeringTrailer),
            ("0\r\ntransfer_encoding: chunked\r\n\r\n", BadBody::SteeringTrailer),
            ("0\r\nCache.Control: no-store\r\n\r\n", BadBody::SteeringTrailer),
            ("0\r\nKeep~Alive: x\r\n\r\n", BadBody::SteeringTrailer),
            ("0\r\nHOST: h\r\n\r\n", BadBody::SteeringTrailer),
            ("0\r\nConnection: x\r\n\r\n", BadBody::SteeringTrailer),
            (&huge, BadBody::TrailersTooLarge),
            (&many, BadBody::TrailersTooLarge),
        ] {
            for step in [1, 2, 1_000_000] {
                let shown = &body[..body.len().min(40)];
                assert_eq!(followed(body.as_bytes(), std::iter::repeat(step)), Err(bad), "{shown:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn the_end_is_the_same_however_the_bytes_arrive(
            chunks in prop::collection::vec("[a-z]{1,40}", 0..5),
            cuts in prop::collection::vec(1_usize..9, 1..60),
        ) {
            let mut body: String = chunks.iter().map(|chunk| format!("{:x}\r\n{chunk}\r\n", chunk.len())).collect();
            body.push_str("0\r\n\r\n");
            let stream = format!("{body}next");
            prop_assert_eq!(followed(stream.as_bytes(), cuts.into_iter().cycle()), Ok(Some(body.len())));
        }

        #[test]
        fn a_body_is_what_hyper_takes_for_one(noise in "[0-9a-f;=\"\\\\ \r\n:x-]{0,40}", cut in 0_usize..40) {
            crate::checks::chunks(format!("{noise}\r\n0\r\n\r\n").as_bytes(), cut);
            crate::checks::chunks(noise.as_bytes(), cut);
        }
    }
}

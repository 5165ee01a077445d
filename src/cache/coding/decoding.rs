//! What a body is without the content coding that the origin sent it in: its digest, which a rule may name.
//!
//! Nothing of it is kept. A decoder is fed as the bytes come, and stops where they become more than any page is.

use std::io::{self, Write};

use brotli_decompressor::{BrotliDecoderParameter, DecompressorWriter};
use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, HeaderValue};
use terms::wire::fields::tokens;
use terms::{Digest, Hasher, Refusal};
use tokio::sync::OwnedSemaphorePermit;
use zstd::stream::raw::{self, DParameter};
use zstd::stream::write::Decoder as ZstdDecoder;

use super::Coding;

/// How many times as much may come out as went in. Texts become a tenth, seldom a fiftieth.
const MOST_TIMES: u64 = 100;

/// What may come out whatever went in: a short text of one letter.
const ALWAYS: u64 = 1024 * 1024;

/// What may come out at most, in bytes: more than any page, and seconds of work.
const MOST: u64 = 1024 * 1024 * 1024;

/// Bytes that go in at once, so that a bomb is found before it burst.
const PIECE: usize = 16 * 1024;

/// As a power of two, what a decoder of zstd keeps (RFC 9659 section 3: 8 MiB at most).
const ZSTD_WINDOW: u32 = 23;

/// Bytes that the decoder of Brotli gathers before it hands them on.
const BROTLI_BUFFER: usize = 16 * 1024;

/// The content coding of a body, as its head names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// It has none.
    #[default]
    Identity,
    One(Coding),
    /// Several, or one that is not known here.
    Unknown,
}

impl Encoding {
    /// RFC 9110 section 8.4: by letters of any case; section 8.4.1.3: `x-gzip` is `gzip`.
    pub fn of(fields: &HeaderMap) -> Encoding {
        let mut names = tokens(fields, &CONTENT_ENCODING).filter(|name| !name.eq_ignore_ascii_case("identity"));
        let Some(name) = names.next() else { return Encoding::Identity };
        let name = if name.eq_ignore_ascii_case("x-gzip") { "gzip" } else { name };
        let known = Coding::ALL.into_iter().find(|coding| coding.as_str().eq_ignore_ascii_case(name));
        match (known, names.next()) {
            (Some(coding), None) => Encoding::One(coding),
            _ => Encoding::Unknown,
        }
    }
}

/// Leaves in a request's `Accept-Encoding` what can be decoded here, so that an origin sends nothing else.
pub fn accept_decodable(fields: &mut HeaderMap) {
    if !fields.contains_key(ACCEPT_ENCODING) {
        return;
    }
    let is_known = |member: &&str| {
        let name = member.split(';').next().unwrap_or_default().trim();
        let names = Coding::ALL.iter().map(|coding| coding.as_str()).chain(["x-gzip", "identity"]);
        names.into_iter().any(|known| known.eq_ignore_ascii_case(name))
    };
    let known: Vec<&str> = tokens(fields, &ACCEPT_ENCODING).filter(is_known).collect();
    // None at all would mean that anything goes (RFC 9110 section 12.5.3).
    let known = if known.is_empty() { "identity".to_owned() } else { known.join(", ") };
    let known = HeaderValue::try_from(known).unwrap_or(HeaderValue::from_static("identity"));
    fields.insert(ACCEPT_ENCODING, known);
}

/// Why it is not known what a body is without its coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    #[error("its content coding is none of gzip, br and zstd, or there are several")]
    Coding,
    #[error("it is not what its content coding says")]
    Malformed,
    #[error("it became more than {MOST_TIMES} times as long")]
    Ratio,
    #[error("it became longer than {} MiB", MOST / 1024 / 1024)]
    TooLarge,
    #[error("too many others were being decoded")]
    NoRoom,
    #[error("its first bytes were gone when a rule came to ask for digests")]
    Missed,
}

impl From<Undecodable> for Refusal {
    /// Where nothing leaves that was not judged.
    fn from(why: Undecodable) -> Refusal {
        match why {
            Undecodable::NoRoom => Refusal::NoRoomToJudge,
            other => Refusal::OriginBroken(other.to_string().into()),
        }
    }
}

/// What a body is without its coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded {
    pub digest: Digest,
    pub bytes: u64,
}

/// Takes the bytes of a body, in order, and tells the digest of what they are without their coding.
pub struct Decoding(State);

enum State {
    Running { decoder: Box<Decoder>, _room: Option<OwnedSemaphorePermit> },
    Failed(Undecodable),
}

impl Decoding {
    pub(crate) fn failed(why: Undecodable) -> Decoding {
        Decoding(State::Failed(why))
    }

    /// `room` is kept as long as the decoder is.
    pub(crate) fn new(coding: Coding, room: Option<OwnedSemaphorePermit>) -> Decoding {
        match Decoder::new(coding) {
            Ok(decoder) => Decoding(State::Running { decoder: Box::new(decoder), _room: room }),
            Err(_) => Decoding::failed(Undecodable::NoRoom),
        }
    }

    /// Once it has taken what came before. That may be much, so it is done where it holds up nobody.
    pub(crate) async fn behind(mut self, chunks: Vec<Bytes>) -> Decoding {
        if chunks.is_empty() || self.failure().is_some() {
            return self;
        }
        let catch_up = move || {
            chunks.iter().for_each(|chunk| self.write(chunk));
            self
        };
        tokio::task::spawn_blocking(catch_up).await.unwrap_or(Decoding::failed(Undecodable::NoRoom))
    }

    /// What a whole body is without its coding.
    pub(crate) fn of(encoding: Encoding, chunks: &[Bytes]) -> Result<Decoded, Undecodable> {
        let mut decoding = match encoding {
            Encoding::One(coding) => Decoding::new(coding, None),
            Encoding::Identity | Encoding::Unknown => Decoding::failed(Undecodable::Coding),
        };
        chunks.iter().for_each(|chunk| decoding.write(chunk));
        decoding.finish()
    }

    /// What came next. Once it has failed, the rest is not looked at.
    pub fn write(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(PIECE) {
            let State::Running { decoder, .. } = &mut self.0 else { return };
            if decoder.write(piece).is_err() {
                self.0 = State::Failed(decoder.sink().why());
            }
        }
    }

    pub fn failure(&self) -> Option<Undecodable> {
        match self.0 {
            State::Failed(why) => Some(why),
            State::Running { .. } => None,
        }
    }

    /// # Errors
    ///
    /// Also where the bytes end before their coding does.
    pub fn finish(self) -> Result<Decoded, Undecodable> {
        match self.0 {
            State::Failed(why) => Err(why),
            State::Running { mut decoder, .. } => match decoder.finish() {
                Ok(()) => Ok(decoder.sink().decoded()),
                // No bytes in a coding are none without it: so are answers that have no content.
                Err(_) if decoder.sink().came == 0 => Ok(decoder.sink().decoded()),
                Err(_) => Err(decoder.sink().why()),
            },
        }
    }
}

#[allow(clippy::large_enum_variant)] // it stands in a box
enum Decoder {
    Zstd(ZstdDecoder<'static, Sink>),
    Br(DecompressorWriter<Sink>),
    Gzip(MultiGzDecoder<Sink>),
}

impl Decoder {
    fn new(coding: Coding) -> io::Result<Decoder> {
        let sink = Sink::default();
        Ok(match coding {
            Coding::Zstd => {
                let mut decoder = raw::Decoder::new()?;
                decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW))?;
                Decoder::Zstd(ZstdDecoder::with_decoder(sink, decoder))
            }
            Coding::Br => {
                let mut decoder = DecompressorWriter::new(sink, BROTLI_BUFFER);
                // What goes beyond RFC 7932 is read by no browser, and would have up to 1 GiB kept.
                decoder.set_parameter(BrotliDecoderParameter::BROTLI_DECODER_PARAM_LARGE_WINDOW, 0);
                Decoder::Br(decoder)
            }
            Coding::Gzip => Decoder::Gzip(MultiGzDecoder::new(sink)),
        })
    }

    fn sink(&mut self) -> &mut Sink {
        match self {
            Decoder::Zstd(decoder) => decoder.get_mut(),
            Decoder::Br(decoder) => decoder.get_mut(),
            Decoder::Gzip(decoder) => decoder.get_mut(),
        }
    }

    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.sink().allow(piece.len() as u64);
        match self {
            Decoder::Zstd(decoder) => decoder.write_all(piece),
            Decoder::Br(decoder) => decoder.write_all(piece),
            Decoder::Gzip(decoder) => decoder.write_all(piece),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        match self {
            Decoder::Zstd(decoder) => decoder.do_finish(),
            Decoder::Br(decoder) => decoder.close(),
            Decoder::Gzip(decoder) => decoder.try_finish(),
        }
    }
}

/// Where decoded bytes go: they are hashed and counted.
#[derive(Default)]
struct Sink {
    hasher: Hasher,
    came: u64,
    out: u64,
    /// What it would not take.
    beyond: Option<Undecodable>,
}

impl Sink {
    fn allow(&mut self, more: u64) {
        self.came += more;
    }

    fn decoded(&mut self) -> Decoded {
        Decoded { digest: std::mem::take(&mut self.hasher).finish(), bytes: self.out }
    }

    fn why(&self) -> Undecodable {
        self.beyond.unwrap_or(Undecodable::Malformed)
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let out = self.out + bytes.len() as u64;
        self.beyond = match () {
            () if out > MOST => Some(Undecodable::TooLarge),
            () if out > ALWAYS.max(self.came.saturating_mul(MOST_TIMES)) => Some(Undecodable::Ratio),
            () => None,
        };
        if self.beyond.is_some() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.out = out;
        self.hasher.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::super::checks;
    use super::*;
    use crate::testing::fields;

    fn coded(coding: Coding, bytes: &[u8]) -> Vec<u8> {
        let mut coded = Vec::new();
        match coding {
            Coding::Zstd => coded = zstd::encode_all(bytes, 3).unwrap(),
            Coding::Br => {
                brotli::CompressorReader::new(bytes, 4096, 5, 22).read_to_end(&mut coded).unwrap();
            }
            Coding::Gzip => {
                flate2::read::GzEncoder::new(bytes, flate2::Compression::new(6)).read_to_end(&mut coded).unwrap();
            }
        }
        coded
    }

    fn decoded(coding: Coding, coded: &[u8]) -> Result<Digest, Undecodable> {
        Decoding::of(Encoding::One(coding), &[Bytes::copy_from_slice(coded)]).map(|decoded| decoded.digest)
    }

    /// Does not become much smaller.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn the_coding_is_read_from_the_head() {
        let of = |lines: &[&str]| {
            let lines: Vec<_> = lines.iter().map(|line| ("content-encoding", *line)).collect();
            Encoding::of(&fields(&lines))
        };
        use Encoding::{Identity, One, Unknown};
        for (lines, expected) in [
            (&[][..], Identity),
            (&[""], Identity),
            (&["identity"], Identity),
            (&["gzip"], One(Coding::Gzip)),
            (&["GZIP"], One(Coding::Gzip)),
            (&["x-gzip"], One(Coding::Gzip)),
            (&["br"], One(Coding::Br)),
            (&[" zstd ,"], One(Coding::Zstd)),
            (&["identity, br"], One(Coding::Br)),
            (&["deflate"], Unknown),
            (&["gzip, br"], Unknown),
            (&["gzip", "gzip"], Unknown),
            (&["aws-chunked"], Unknown),
        ] {
            assert_eq!(of(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn an_origin_is_told_to_send_what_can_be_decoded() {
        for (lines, expected) in [
            (&[][..], None),
            (&["gzip, deflate, br, zstd"], Some("gzip, br, zstd")),
            (&["deflate", "GZip;q=0.5 , *"], Some("GZip;q=0.5")),
            (&["*"], Some("identity")),
            (&[""], Some("identity")),
            (&["identity;q=0, dcb"], Some("identity;q=0")),
        ] {
            let lines: Vec<_> = lines.iter().map(|line| ("accept-encoding", *line)).collect();
            let mut asked = fields(&lines);
            accept_decodable(&mut asked);
            let told: Vec<_> = asked.get_all(ACCEPT_ENCODING).iter().map(|line| line.to_str().unwrap()).collect();
            assert_eq!(told, expected.into_iter().collect::<Vec<_>>(), "{lines:?}");
        }
    }

    #[test]
    fn several_members_are_one_body() {
        for coding in [Coding::Gzip, Coding::Zstd] {
            let both = [coded(coding, b"one"), coded(coding, b"two")].concat();
            assert_eq!(decoded(coding, &both), Ok(Digest::of(b"onetwo")), "{coding:?}");
        }
    }

    #[test]
    fn what_ends_early_or_is_something_else_is_malformed() {
        for coding in Coding::ALL {
            let whole = coded(coding, &noise(50_000));
            assert_eq!(decoded(coding, &whole), Ok(Digest::of(&noise(50_000))), "{coding:?}");
            assert_eq!(decoded(coding, b""), Ok(Digest::of(b"")));
            for end in [1, 10, whole.len() / 2, whole.len() - 1] {
                assert_eq!(decoded(coding, &whole[..end]), Err(Undecodable::Malformed), "{coding:?} {end}");
            }
            assert_eq!(decoded(coding, b"<html>not at all</html>"), Err(Undecodable::Malformed), "{coding:?}");
        }
    }

    #[test]
    fn a_bomb_does_not_burst() {
        for coding in Coding::ALL {
            let bomb = coded(coding, &vec![0; 8 * 1024 * 1024]);
            assert!(bomb.len() < 10_000, "{coding:?}: {}", bomb.len());
            assert_eq!(decoded(coding, &bomb), Err(Undecodable::Ratio), "{coding:?}");
            // Small ones are not looked at so closely.
            let zeros = vec![0; 1024 * 1024];
            assert_eq!(decoded(coding, &coded(coding, &zeros)), Ok(Digest::of(&zeros)), "{coding:?}");
        }
    }

    /// RFC 9659 section 3.
    #[test]
    fn a_window_of_zstd_that_no_client_need_take_is_not_taken_here() {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(24).unwrap();
        encoder.write_all(&noise(100_000)).unwrap();
        let coded = encoder.finish().unwrap();
        assert_eq!(decoded(Coding::Zstd, &coded), Err(Undecodable::Malformed));
    }

    /// RFC 7932 section 9.1: 16 MiB at most.
    #[test]
    fn a_window_of_brotli_that_no_standard_knows_is_not_taken() {
        let parameters = |large_window| brotli::enc::BrotliEncoderParams {
            lgwin: if large_window { 28 } else { 24 },
            large_window,
            ..brotli::enc::BrotliEncoderParams::default()
        };
        for (large_window, expected) in [(false, Ok(Digest::of(b"text"))), (true, Err(Undecodable::Malformed))] {
            let mut coded = Vec::new();
            brotli::BrotliCompress(&mut &b"text"[..], &mut coded, &parameters(large_window)).unwrap();
            assert_eq!(decoded(Coding::Br, &coded), expected, "{large_window}");
        }
    }

    proptest! {
        #[test]
        fn what_comes_in_pieces_is_the_same(
            bytes in prop::collection::vec(any::<u8>(), 0..5_000),
            cuts in prop::collection::vec(1_usize..700, 1..20),
            coding in prop::sample::select(Coding::ALL.to_vec()),
        ) {
            let coded = coded(coding, &bytes);
            let (mut decoding, mut rest, mut cuts) = (Decoding::new(coding, None), &coded[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let (piece, behind) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                decoding.write(piece);
                rest = behind;
            }
            let expected = Decoded { digest: Digest::of(&bytes), bytes: bytes.len() as u64 };
            prop_assert_eq!(decoding.finish(), Ok(expected));
        }

        #[test]
        fn whatever_comes_is_borne(bytes in prop::collection::vec(any::<u8>(), 0..2_000), at in any::<usize>(), coding in prop::sample::select(Coding::ALL.to_vec())) {
            let mut changed = coded(coding, &bytes);
            let at = at % changed.len();
            changed[at] ^= 0x55;
            for bytes in [bytes, changed] {
                checks::decoding(&[&[coding as u8], &bytes[..]].concat());
            }
        }
    }
}

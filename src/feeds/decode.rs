//! A body out of its content coding, within bounds.

use std::io::{self, BufReader, Read, Write};

use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use terms::{Digest, Hasher};

/// What is asked for, best first.
pub(crate) const ACCEPTED: &str = "zstd, br, gzip";

/// So many times its size on the wire a body may have, once it is past [`FREELY`]. Lists come to a tenth or a
/// twentieth; what comes to less is made to fill memory and disks.
const MAX_RATIO: u64 = 100;
const FREELY: u64 = 1 << 20;

/// Log2 of the window that zstd may ask memory for (RFC 9659 section 3: 8 MiB).
const ZSTD_WINDOW: u32 = 23;

const BUFFER: usize = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    Gzip,
    Br,
    Zstd,
}

/// Why it can't be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("it came in the content coding {0}, which was not asked for")]
    Unknown(String),
    #[error("it holds more than max_size = {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("it decodes to more than {MAX_RATIO} times its size on the wire")]
    Bomb,
    #[error("nothing is in it")]
    Empty,
    #[error("it can't be decoded")]
    Corrupt(#[source] io::Error),
    #[error("it can't be written to the state folder")]
    Write(#[source] io::Error),
}

impl Coding {
    /// RFC 9110 section 8.4. More than one at once is nobody's practice.
    pub(crate) fn of(fields: &HeaderMap) -> Result<Coding, DecodeError> {
        let mut names = fields.get_all(CONTENT_ENCODING).iter().map(|value| value.to_str().unwrap_or("?").trim());
        match (names.next(), names.next()) {
            (None, _) => Ok(Coding::Identity),
            (Some(name), None) => match name.to_ascii_lowercase().as_str() {
                "identity" | "" => Ok(Coding::Identity),
                "gzip" | "x-gzip" => Ok(Coding::Gzip),
                "br" => Ok(Coding::Br),
                "zstd" => Ok(Coding::Zstd),
                _ => Err(DecodeError::Unknown(name.chars().take(40).collect())),
            },
            (Some(one), Some(other)) => Err(DecodeError::Unknown(format!("{one}, {other}").chars().take(40).collect())),
        }
    }
}

/// Digest and length of what is written to `out`: all that `coded`, which holds `wire` bytes, decodes to.
pub(crate) fn decode(
    coding: Coding,
    coded: impl Read,
    wire: u64,
    limit: u64,
    out: &mut impl Write,
) -> Result<(Digest, u64), DecodeError> {
    let coded = BufReader::with_capacity(BUFFER, coded);
    match coding {
        Coding::Identity => copy(coded, wire, limit, out),
        Coding::Gzip => copy(flate2::bufread::MultiGzDecoder::new(coded), wire, limit, out),
        Coding::Br => copy(brotli::Decompressor::new(coded, BUFFER), wire, limit, out),
        Coding::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(coded).map_err(DecodeError::Corrupt)?;
            decoder.window_log_max(ZSTD_WINDOW).map_err(DecodeError::Corrupt)?;
            copy(decoder, wire, limit, out)
        }
    }
}

fn copy(mut from: impl Read, wire: u64, limit: u64, out: &mut impl Write) -> Result<(Digest, u64), DecodeError> {
    let (mut hasher, mut length, mut is_blank) = (Hasher::new(), 0, true);
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(DecodeError::Corrupt(error)),
        };
        let piece = &buffer[..count];
        length += count as u64;
        if length > limit {
            return Err(DecodeError::TooLarge { limit });
        }
        if length > FREELY.max(wire.saturating_mul(MAX_RATIO)) {
            return Err(DecodeError::Bomb);
        }
        is_blank = is_blank && piece.iter().all(u8::is_ascii_whitespace);
        hasher.update(piece);
        out.write_all(piece).map_err(DecodeError::Write)?;
    }
    if is_blank { Err(DecodeError::Empty) } else { Ok((hasher.finish(), length)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn coded(coding: Coding, bytes: &[u8]) -> Vec<u8> {
        match coding {
            Coding::Identity => bytes.to_vec(),
            Coding::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(9));
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Coding::Br => {
                let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 9, 22);
                encoder.write_all(bytes).unwrap();
                encoder.into_inner()
            }
            Coding::Zstd => zstd::stream::encode_all(bytes, 3).unwrap(),
        }
    }

    fn decoded(coding: Coding, bytes: &[u8], limit: u64) -> Result<Vec<u8>, DecodeError> {
        let mut out = Vec::new();
        let (digest, length) = decode(coding, bytes, bytes.len() as u64, limit, &mut out)?;
        assert_eq!((digest, length), (Digest::of(&out), out.len() as u64));
        Ok(out)
    }

    const CODED: [Coding; 3] = [Coding::Gzip, Coding::Br, Coding::Zstd];

    #[test]
    fn the_coding_is_what_was_asked_for_or_none() {
        let of = |values: &[&'static str]| {
            let all = values.iter().map(|value| (CONTENT_ENCODING, http::HeaderValue::from_static(value)));
            Coding::of(&all.fold(HeaderMap::new(), |mut fields, (name, value)| {
                fields.append(name, value);
                fields
            }))
        };
        for (values, coding) in [
            (&[][..], Coding::Identity),
            (&["identity"], Coding::Identity),
            (&["GZIP"], Coding::Gzip),
            (&["x-gzip"], Coding::Gzip),
            (&["br"], Coding::Br),
            (&["zstd"], Coding::Zstd),
        ] {
            assert_eq!(of(values).unwrap(), coding);
        }
        for values in [&["deflate"][..], &["gzip, gzip"], &["gzip", "br"], &["dcb"]] {
            assert!(matches!(of(values), Err(DecodeError::Unknown(_))), "{values:?}");
        }
    }

    #[test]
    fn what_is_cut_short_is_never_whole() {
        let list: String = (0..2000).map(|number| format!("h{number}.example\n")).collect();
        for coding in CODED {
            let whole = coded(coding, list.as_bytes());
            assert_eq!(decoded(coding, &whole, 1 << 20).unwrap(), list.as_bytes(), "{coding:?}");
            for cut in (1..whole.len()).step_by(7).chain([whole.len() - 1]) {
                let outcome = decoded(coding, &whole[..cut], 1 << 20);
                assert!(matches!(outcome, Err(DecodeError::Corrupt(_))), "{coding:?} {cut}: {outcome:?}");
            }
            assert!(decoded(coding, list.as_bytes(), 1 << 20).is_err(), "{coding:?}");
        }
    }

    #[test]
    fn bounds_are_of_what_it_decodes_to() {
        let bomb = vec![b'x'; 3 << 19];
        for coding in CODED {
            let small = coded(coding, &bomb);
            assert!(matches!(decoded(coding, &small, 1 << 30), Err(DecodeError::Bomb)), "{coding:?}");
            assert!(matches!(decoded(coding, &small, 1000), Err(DecodeError::TooLarge { limit: 1000 })), "{coding:?}");
            let exact = coded(coding, &bomb[..1000]);
            assert_eq!(decoded(coding, &exact, 1000).unwrap().len(), 1000);
        }
        assert!(matches!(decoded(Coding::Identity, &bomb, 1000), Err(DecodeError::TooLarge { .. })));
    }

    #[test]
    fn nothing_and_blanks_are_nothing() {
        for text in [&b""[..], b"\n", b" \r\n\t"] {
            for coding in CODED.into_iter().chain([Coding::Identity]) {
                assert!(matches!(decoded(coding, &coded(coding, text), 1000), Err(DecodeError::Empty)), "{coding:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), flip in any::<(usize, u8)>()) {
            for coding in CODED {
                let _ = decoded(coding, &bytes, 1000);
                let mut near = coded(coding, &bytes);
                let at = flip.0 % near.len();
                near[at] ^= flip.1;
                let _ = decoded(coding, &near, 1000);
            }
        }
    }
}

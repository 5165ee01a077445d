//! Bytes into a coder, fewer bytes out.

use std::io::{self, Write};

use brotli::CompressorWriter;
use brotli::enc::BrotliEncoderParams;
use bytes::Bytes;
use cache::coding::Coding;
use flate2::Compression;
use flate2::write::GzEncoder;
use zstd::stream::write::Encoder;

/// What is stored is compressed once and sent often, and what passes must not wait: these levels take the most of
/// what is to be had, and leave what costs twice the time for the last hundredth.
const GZIP_LEVEL: u32 = 6;
const BROTLI_QUALITY: i32 = 5;
const ZSTD_LEVEL: i32 = 3;

/// As powers of two: a window of half a MiB, and of one. They bound what a coder takes, and what a client must keep
/// (RFC 9659 section 3: 8 MiB at most).
const BROTLI_WINDOW: i32 = 19;
const ZSTD_WINDOW: u32 = 20;

/// Bytes that the adapter gathers before it looks at them.
const BROTLI_BUFFER: usize = 4096;

/// One run of a coder. What it gives is what has become ready; the rest it keeps until more comes.
pub(super) enum Coder {
    Zstd(Encoder<'static, Vec<u8>>),
    Br(Box<CompressorWriter<Vec<u8>>>),
    Gzip(GzEncoder<Vec<u8>>),
}

impl Coder {
    /// # Errors
    ///
    /// Where there is no memory for it. So are those of the others: nothing is written but to memory.
    pub fn new(coding: Coding) -> io::Result<Coder> {
        Ok(match coding {
            Coding::Zstd => {
                let mut encoder = Encoder::new(Vec::new(), ZSTD_LEVEL)?;
                encoder.window_log(ZSTD_WINDOW)?;
                Coder::Zstd(encoder)
            }
            Coding::Br => {
                let (quality, lgwin) = (BROTLI_QUALITY, BROTLI_WINDOW);
                let parameters = BrotliEncoderParams { quality, lgwin, ..BrotliEncoderParams::default() };
                Coder::Br(Box::new(CompressorWriter::with_params(Vec::new(), BROTLI_BUFFER, &parameters)))
            }
            Coding::Gzip => Coder::Gzip(GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL))),
        })
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<Bytes> {
        self.writer().write_all(bytes)?;
        Ok(self.ready())
    }

    /// All that came until now can be read from what was given until now.
    pub fn flush(&mut self) -> io::Result<Bytes> {
        self.writer().flush()?;
        Ok(self.ready())
    }

    /// The rest, and the mark of the end.
    pub fn finish(self) -> io::Result<Bytes> {
        Ok(Bytes::from(match self {
            Coder::Zstd(encoder) => encoder.finish()?,
            Coder::Br(writer) => writer.into_inner(),
            Coder::Gzip(encoder) => encoder.finish()?,
        }))
    }

    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Coder::Zstd(encoder) => encoder,
            Coder::Br(writer) => writer,
            Coder::Gzip(encoder) => encoder,
        }
    }

    fn ready(&mut self) -> Bytes {
        let ready = match self {
            Coder::Zstd(encoder) => encoder.get_mut(),
            Coder::Br(writer) => writer.get_mut(),
            Coder::Gzip(encoder) => encoder.get_mut(),
        };
        Bytes::from(std::mem::take(ready))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Read;

    use super::*;

    /// As much as can be read of it.
    pub(crate) fn decoded(coding: Coding, coded: &[u8]) -> Vec<u8> {
        let mut decoder: Box<dyn Read> = match coding {
            Coding::Zstd => Box::new(zstd::stream::read::Decoder::new(coded).unwrap()),
            Coding::Br => Box::new(brotli::Decompressor::new(coded, 4096)),
            Coding::Gzip => Box::new(flate2::read::MultiGzDecoder::new(coded)),
        };
        let (mut all, mut some) = (Vec::new(), [0; 4096]);
        while let Ok(count @ 1..) = decoder.read(&mut some) {
            all.extend_from_slice(&some[..count]);
        }
        all
    }

    fn text(lines: usize) -> Vec<u8> {
        (0..lines).flat_map(|n| format!("{n}: the quick brown fox, {} times\n", n * n).into_bytes()).collect()
    }

    #[test]
    fn what_goes_in_comes_out() {
        for coding in Coding::ALL {
            for whole in [Vec::new(), b"a".to_vec(), text(10_000)] {
                let mut coder = Coder::new(coding).unwrap();
                let mut coded = Vec::new();
                for piece in whole.chunks(1000) {
                    coded.extend(coder.write(piece).unwrap());
                }
                coded.extend(coder.finish().unwrap());
                assert!(decoded(coding, &coded) == whole, "{coding:?}");
                assert!(whole.len() < 100 || coded.len() < whole.len() / 3, "{coding:?}: {}", coded.len());
            }
        }
    }

    #[test]
    fn what_was_flushed_can_be_read_at_once() {
        for coding in Coding::ALL {
            let mut coder = Coder::new(coding).unwrap();
            let (mut coded, mut whole) = (Vec::new(), Vec::new());
            for piece in text(50).chunks(300) {
                whole.extend_from_slice(piece);
                coded.extend(coder.write(piece).unwrap());
                coded.extend(coder.flush().unwrap());
                assert!(decoded(coding, &coded) == whole, "{coding:?}");
            }
        }
    }

    /// RFC 9659 section 3, RFC 8878 section 3.1.1.1.2.
    #[test]
    fn the_window_of_zstd_is_one_that_clients_must_take() {
        let mut coder = Coder::new(Coding::Zstd).unwrap();
        let mut coded = coder.write(&text(100_000)).unwrap().to_vec();
        coded.extend(coder.finish().unwrap());
        assert_eq!(coded[..4], [0x28, 0xb5, 0x2f, 0xfd]);
        assert_eq!(coded[4] & 0x20, 0, "a window descriptor follows");
        assert_eq!(10 + (coded[5] >> 3), 20);
    }
}

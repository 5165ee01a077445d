//! What must hold for any bytes in a content coding. A property test calls this, and the fuzz target `decoding` has
//! nothing else in it; a violated check panics.

use bytes::Bytes;

use super::Coding;
use super::decoding::{Decoding, Encoding, Undecodable};

/// They are decoded to the same in pieces as at once, within bounds, or not at all.
pub fn decoding(bytes: &[u8]) {
    let Some((&choice, bytes)) = bytes.split_first() else { return };
    let coding = Coding::ALL[usize::from(choice) % Coding::ALL.len()];
    let whole = Decoding::of(Encoding::One(coding), &[Bytes::copy_from_slice(bytes)]);
    let mut pieces = Decoding::new(coding, None);
    bytes.chunks(1 + usize::from(choice)).for_each(|piece| pieces.write(piece));
    match (whole, pieces.finish()) {
        // How much may come out hangs on how much went in so far.
        (Err(Undecodable::Ratio), _) | (_, Err(Undecodable::Ratio)) => {}
        (whole, pieces) => assert_eq!(whole, pieces, "{coding:?}"),
    }
    assert!(whole.is_ok_and(|decoded| decoded.bytes <= (bytes.len() as u64 * 100).max(1 << 20)) || whole.is_err());
}

//! Bodies and their digests.

use sha2::{Digest, Sha256};

/// `length` bytes that don't compress and are the same in each run; another `seed`, other bytes.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As the log writes it.
pub fn sha256_hex(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&sha256(bytes)))
}

/// RFC 2104, by its definition; for keys of at most a block.
pub fn hmac_sha256(key: &[u8], bytes: &[u8]) -> [u8; 32] {
    assert!(key.len() <= 64);
    let pad = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = sha256(&[&pad(0x36)[..], bytes].concat());
    sha256(&[&pad(0x5c)[..], &inner].concat())
}

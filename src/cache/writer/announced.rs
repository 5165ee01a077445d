//! Room that is kept for what is still to come.

use std::sync::Arc;

use crate::Numbers;

/// What is still to come of a declared body that is kept. It counts as if it were there.
pub(super) struct Announced {
    pub bytes: u64,
    pub numbers: Arc<Numbers>,
}

impl Announced {
    pub fn set(&mut self, bytes: u64) {
        let number = &self.numbers.bytes_announced;
        match bytes.checked_sub(self.bytes) {
            Some(more) => Numbers::add(number, more),
            None => Numbers::subtract(number, self.bytes - bytes),
        }
        self.bytes = bytes;
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        self.set(0);
    }
}

//! What is under way in a content coding when the first rule comes that asks for digests: what it is without must
//! be found out before it can be judged.

use std::sync::Arc;

use block::{Blocks, Round};
use terms::Clock;

/// Has it decoded by a thread of its own, and judged again. Nothing waits for that: it is seldom needed, for what is
/// stored or fetched while such a rule stands is known beforehand.
pub(super) fn judge_again(blocks: &Arc<Blocks>, clock: &Clock, round: &Round) {
    let undecoded = round.undecoded();
    if undecoded.is_empty() {
        return;
    }
    let (blocks, clock) = (blocks.clone(), clock.clone());
    let look = move || {
        for body in undecoded {
            if body.is_undecoded() {
                body.decode();
                blocks.cut(clock.wall());
            }
        }
        // Some may have been decoded by others meanwhile.
        blocks.cut(clock.wall());
    };
    if let Err(error) = std::thread::Builder::new().name("decoding".to_owned()).spawn(look) {
        tracing::error!("what is under way in a content coding could not be judged by what it is without: {error}");
    }
}

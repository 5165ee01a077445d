//! Interim answers on an HTTP/1.1 connection: written beneath hyper, which has no word for them.
//!
//! A request's are written while its final answer is waited for, when hyper has nothing to write: the next
//! head is handed to it only when the answer before has left.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use terms::Interims;

use super::refuse;

#[derive(Default)]
pub(super) struct Relay {
    pub(super) interims: Interims,
    /// To be written before anything else.
    unwritten: Mutex<Vec<u8>>,
}

impl Relay {
    /// Waits for the final answer, and has those written that come before it.
    pub(super) async fn until<R>(&self, served: impl Future<Output = R>) -> R {
        let mut served = pin!(served);
        let answered = poll_fn(|cx| {
            let answered = served.as_mut().poll(cx);
            while answered.is_pending()
                && let Poll::Ready((status, fields)) = self.interims.poll_next(cx)
            {
                self.say(status, &fields);
            }
            answered
        });
        let answered = answered.await;
        self.interims.end().iter().for_each(|(status, fields)| self.say(*status, fields));
        answered
    }

    fn say(&self, status: StatusCode, fields: &HeaderMap) {
        let mut unwritten = self.unwritten.lock();
        unwritten.extend_from_slice(&refuse::head(status, fields));
        unwritten.extend_from_slice(b"\r\n");
    }

    pub(super) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.unwritten.lock())
    }

    /// What could not be written yet.
    pub(super) fn put_back(&self, rest: &[u8]) {
        self.unwritten.lock().splice(..0, rest.iter().copied());
    }
}

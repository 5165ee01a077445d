//! Handing deliveries to one hook, in order.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use terms::Clock;
use tokio::sync::watch;

use crate::exec::{self, ExecError};
use crate::outbox::{Delivery, Outbox};
use crate::{Hook, Numbers, Pace};

/// What the task of one hook works with.
pub(crate) struct Round {
    pub outbox: Arc<Outbox>,
    pub hook: watch::Receiver<Option<Arc<Hook>>>,
    pub clock: Clock,
    pub pace: Pace,
    pub numbers: Arc<Numbers>,
}

#[derive(Debug, thiserror::Error)]
enum DeliveryError {
    #[error(transparent)]
    Exec(#[from] ExecError),
    #[error("can't read its file: {0}")]
    Read(std::io::Error),
}

impl Round {
    /// Goes on until the hook is taken out of use. The order is kept by never passing by a delivery
    /// that fails: those behind it wait, at most until it is buried.
    pub async fn deliver(mut self) {
        let mut wait = self.pace.first_wait;
        loop {
            let Some(hook) = self.hook.borrow_and_update().clone() else { return };
            let Some(delivery) = self.outbox.first() else {
                tokio::select! {
                    () = self.outbox.arrival() => {}
                    changed = self.hook.changed() => if changed.is_err() { return },
                }
                continue;
            };
            match self.attempt(&hook, &delivery).await {
                Ok(()) => {
                    self.settle(&hook, &delivery, Outbox::remove).await;
                    wait = self.pace.first_wait;
                }
                Err(error) => {
                    self.numbers.failed.fetch_add(1, Ordering::Relaxed);
                    let age = self.clock.wall().since(delivery.put_at());
                    let (name, kind, id) = (&hook.name, &delivery.kind, &delivery.id);
                    if age >= self.pace.give_up {
                        tracing::error!(hook = name, kind, id, %error, "given up, moved to hooks/dead");
                        self.settle(&hook, &delivery, Outbox::bury).await;
                    } else {
                        tracing::warn!(hook = name, kind, id, %error, again_in = ?wait, "a hook failed");
                    }
                    wait = match self.pause(wait).await {
                        Pause::Over => (wait * 2).min(self.pace.longest_wait),
                        Pause::Changed => self.pace.first_wait,
                        Pause::Left => return,
                    };
                }
            }
        }
    }

    async fn attempt(&self, hook: &Hook, delivery: &Delivery) -> Result<(), DeliveryError> {
        let (outbox, wanted) = (Arc::clone(&self.outbox), delivery.clone());
        let read = tokio::task::spawn_blocking(move || outbox.body(&wanted)).await;
        match read.unwrap_or_else(|error| Err(error.into())).map_err(DeliveryError::Read)? {
            Some(body) => {
                exec::run(&hook.exec, &body, self.pace.timeout).await?;
                self.numbers.delivered.fetch_add(1, Ordering::Relaxed);
            }
            None => tracing::warn!(hook = hook.name, id = delivery.id, "a delivery's file was removed: not delivered"),
        }
        Ok(())
    }

    /// Takes a delivery out of the outbox, one way or the other.
    async fn settle(&self, hook: &Hook, delivery: &Delivery, way: fn(&Outbox, &Delivery) -> std::io::Result<()>) {
        let (outbox, settled) = (Arc::clone(&self.outbox), delivery.clone());
        let done = tokio::task::spawn_blocking(move || way(&outbox, &settled)).await;
        if let Err(error) = done.unwrap_or_else(|error| Err(error.into())) {
            let (hook, id) = (&hook.name, &delivery.id);
            tracing::error!(hook, id, %error, "a delivery's file stays where it is, and is delivered after the next start");
        }
    }

    async fn pause(&mut self, wait: Duration) -> Pause {
        tokio::select! {
            () = tokio::time::sleep(wait) => Pause::Over,
            changed = self.hook.changed() => if changed.is_ok() { Pause::Changed } else { Pause::Left },
        }
    }
}

enum Pause {
    Over,
    /// The hook was changed, which may have mended it, or taken out of use.
    Changed,
    /// The room is gone.
    Left,
}

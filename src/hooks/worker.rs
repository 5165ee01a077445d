//! Handing deliveries to one hook, in order.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use terms::{Clock, causes};
use tokio::sync::watch;

use crate::exec::{self, ExecError};
use crate::outbox::{Delivery, Outbox};
use crate::settings::Call;
use crate::signature::message_id;
use crate::webhook::{self, WebhookError};
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
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    #[error("can't read its file")]
    Read(#[from] std::io::Error),
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
                    let pause = self.fail(&hook, &delivery, &error, wait).await;
                    wait = match self.pause(pause).await {
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
        let Some(body) = off_thread(move || outbox.body(&wanted)).await? else {
            tracing::warn!(hook = hook.name, id = delivery.id, "a delivery's file was removed: not delivered");
            return Ok(());
        };
        match &hook.call {
            Call::Exec(exec) => exec::run(exec, &body, self.pace.timeout).await?,
            Call::Webhook(webhook) => {
                let (id, now) = (message_id(&delivery.kind, &delivery.id), self.clock.wall());
                let meant = webhook.clone();
                let prepared = off_thread(move || Ok(webhook::prepare(&meant, &id, now, body))).await??;
                webhook::send(prepared, now, self.pace.timeout).await?;
            }
        }
        self.numbers.delivered.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Notes a failed attempt, buries what has failed for too long, and says how long to pause.
    async fn fail(&self, hook: &Hook, delivery: &Delivery, error: &DeliveryError, wait: Duration) -> Duration {
        self.numbers.failed.fetch_add(1, Ordering::Relaxed);
        let age = self.clock.wall().since(delivery.put_at());
        let (name, kind, id, told) = (&hook.name, &delivery.kind, &delivery.id, causes(error));
        if age >= self.pace.give_up {
            tracing::error!(hook = name, kind, id, error = told, "given up, moved to hooks/dead");
            self.settle(hook, delivery, Outbox::bury).await;
            return wait;
        }
        let pause = match error {
            DeliveryError::Webhook(WebhookError::Gone) => (self.pace.give_up - age).max(wait),
            DeliveryError::Webhook(WebhookError::Refused { retry_after: Some(asked), .. }) => {
                wait.max(*asked).min(self.pace.longest_wait)
            }
            _ => wait,
        };
        tracing::warn!(hook = name, kind, id, error = told, again_in = ?pause, "a hook failed");
        pause
    }

    /// Takes a delivery out of the outbox, one way or the other.
    async fn settle(&self, hook: &Hook, delivery: &Delivery, way: fn(&Outbox, &Delivery) -> std::io::Result<()>) {
        let (outbox, settled) = (Arc::clone(&self.outbox), delivery.clone());
        if let Err(error) = off_thread(move || way(&outbox, &settled)).await {
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

/// Does what blocks where it holds nobody up.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(error.into()))
}

enum Pause {
    Over,
    /// The hook was changed or read again, which may have mended it, or taken out of use.
    Changed,
    /// The room is gone.
    Left,
}

//! Calls one webhook, one call at a time.

use super::call::Receiver;
use super::call_queue::{Call, CallQueue};
use crate::access::Secret;
use crate::settings::webhook::WebhookConfig;
use crate::state::State;
use proxydhcpd_core::event::What;
use proxydhcpd_core::event::webhook::WebhookCall;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// The caller of a webhook. Dropping it ends its calls.
#[derive(Debug)]
pub struct Caller {
    config: WebhookConfig,
    waiting: Arc<Waiting>,
    task: JoinHandle<()>,
}

/// The calls that wait, and the signal of a new one.
#[derive(Debug)]
struct Waiting {
    queue: Mutex<CallQueue>,
    added: Notify,
    state: Arc<State>,
    /// The name of the webhook.
    webhook: String,
}

impl Caller {
    /// Starts to call this webhook, on the current tokio runtime.
    pub fn start(config: WebhookConfig, state: Arc<State>) -> Caller {
        let (queue, added, webhook) = (Mutex::default(), Notify::new(), config.name.clone());
        let waiting = Arc::new(Waiting { queue, added, state, webhook });
        let task = tokio::spawn(run(Receiver::new(config.clone()), Arc::clone(&waiting)));
        Caller { config, waiting, task }
    }

    /// The webhook.
    pub fn config(&self) -> &WebhookConfig {
        &self.config
    }

    /// Queues a call with this body.
    pub fn queue(&self, body: Arc<str>) {
        let Ok(random) = Secret::new() else { return self.waiting.record_dropped() };
        let id = format!("msg_{}", &random.as_str()[..32]);
        let is_dropped = self.waiting.queue().push(Call::new(id, body, Instant::now()));
        if is_dropped {
            self.waiting.record_dropped();
        }
        self.waiting.added.notify_one();
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.task.abort();
        match self.waiting.queue().len() as u64 {
            0 => {}
            count => self.waiting.record(WebhookCall::Dropped { webhook: &self.waiting.webhook, count }),
        }
    }
}

impl Waiting {
    fn queue(&self) -> MutexGuard<'_, CallQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, call: WebhookCall<'_>) {
        self.state.events.record_host(What::Webhook(call));
    }

    fn record_dropped(&self) {
        self.record(WebhookCall::Dropped { webhook: &self.webhook, count: 1 });
    }

    /// Waits for the next call that is due.
    async fn next(&self) -> Call {
        loop {
            let (due, next) = {
                let mut queue = self.queue();
                (queue.take_due(Instant::now()), queue.next_due())
            };
            match (due, next) {
                (Some(call), _) => return call,
                (None, None) => self.added.notified().await,
                (None, Some(next)) => tokio::select! {
                    () = sleep_until(next) => {}
                    () = self.added.notified() => {}
                },
            }
        }
    }
}

async fn run(mut receiver: Receiver, waiting: Arc<Waiting>) {
    let webhook = &waiting.webhook;
    let mut has_failed = false;
    loop {
        let call = waiting.next().await;
        let result = receiver.call(&call.id, &call.body).await;
        let Err(error) = result else {
            waiting.record(WebhookCall::Delivered { webhook, after_failures: has_failed });
            has_failed = false;
            continue;
        };
        let (error, cure, is_first) = (error.reason.as_str(), error.cure.as_str(), !has_failed);
        has_failed = true;
        match call.after_failure(Instant::now()) {
            Ok(call) => {
                waiting.record(WebhookCall::Retried { webhook, error, cure, is_first });
                let is_dropped = waiting.queue().push_back_failed(call);
                if is_dropped {
                    waiting.record_dropped();
                }
            }
            Err(Call { attempts, .. }) => waiting.record(WebhookCall::GivenUp { webhook, attempts, error, cure }),
        }
    }
}

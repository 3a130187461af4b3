//! Calls webhooks when a boot failed or reached a stage. A thread does all of it; the threads that serve machines know
//! nothing of it, and the stop of the server does not wait for it.

mod body;
mod call;
mod call_error;
mod call_queue;
mod caller;
mod dispatcher;
mod signature;
mod trust;

use crate::settings::webhook::WebhookConfig;
use crate::state::State;
use proxydhcpd_core::event::What;
use proxydhcpd_core::event::webhook::WebhookCall;
use std::sync::Arc;
use std::{io, thread};
use tokio::runtime;
use tokio::sync::watch;

/// The webhooks of the running server.
#[derive(Debug, Default)]
pub struct Webhooks {
    /// The configuration for the thread; `None` before there is a webhook.
    configs: Option<watch::Sender<Vec<WebhookConfig>>>,
}

impl Webhooks {
    /// Makes these webhooks the ones to call. The thread starts with the first one. Calls that wait for a webhook which
    /// stays as it is go on. An error is recorded, and the server does without webhooks.
    pub fn set(&mut self, state: &Arc<State>, configs: &[WebhookConfig]) {
        match &self.configs {
            Some(sender) => drop(sender.send_replace(configs.to_vec())),
            None if configs.is_empty() => {}
            None => match start(state, configs) {
                Ok(sender) => self.configs = Some(sender),
                Err(error) => {
                    let error = error.to_string();
                    state.events.record_host(What::Webhook(WebhookCall::Unavailable { error: &error }));
                }
            },
        }
    }
}

/// Starts the thread.
fn start(state: &Arc<State>, configs: &[WebhookConfig]) -> io::Result<watch::Sender<Vec<WebhookConfig>>> {
    // These threads wait for the names of hosts.
    let runtime = runtime::Builder::new_current_thread().enable_all().max_blocking_threads(8).build()?;
    let (sender, receiver) = watch::channel(configs.to_vec());
    let (milestones, state) = (state.stories.watch_milestones(), Arc::clone(state));
    let run = move || {
        runtime.block_on(dispatcher::run(&state, milestones, receiver));
        // A name that is still being resolved must not keep the thread.
        runtime.shutdown_background();
    };
    thread::Builder::new().name("webhooks".to_owned()).spawn(run)?;
    Ok(sender)
}

//! Waits until a verdict has settled, and hands each milestone to the webhooks that are to be called for it.

use super::body;
use super::caller::Caller;
use crate::settings::webhook::{WebhookConfig, WebhookEvent};
use crate::state::State;
use crate::story::{Milestone, MilestoneKind};
use proxydhcpd_core::event::What;
use proxydhcpd_core::event::webhook::WebhookCall;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

/// How long a verdict must last before it counts. A machine repeats a request within 25 seconds, by which it can show
/// that its boot has not failed, and the stories look every three seconds.
const SETTLE: Duration = Duration::from_secs(30);
/// The number of verdicts that may settle at once.
const SETTLING: usize = 4096;

/// Hands milestones to the webhooks until the server drops the sender of their configuration.
pub async fn run(
    state: &Arc<State>,
    mut milestones: mpsc::Receiver<Milestone>,
    mut configs: watch::Receiver<Vec<WebhookConfig>>,
) {
    let mut callers: Vec<Caller> = Vec::new();
    follow(&mut callers, state, &configs.borrow_and_update());
    let mut settling = VecDeque::<(Instant, Milestone)>::new();
    loop {
        let next = settling.front().map(|(at, _)| *at);
        tokio::select! {
            changed = configs.changed() => match changed {
                Ok(()) => follow(&mut callers, state, &configs.borrow_and_update()),
                Err(_) => return,
            },
            Some(milestone) = milestones.recv() => match milestone.kind {
                MilestoneKind::Stage(_) => hand_out(&callers, state, &milestone),
                MilestoneKind::Verdict { .. } if !callers.iter().any(|caller| is_for(caller, &milestone)) => {}
                MilestoneKind::Verdict { .. } if settling.len() >= SETTLING => record_lost(state, 1),
                MilestoneKind::Verdict { .. } => settling.push_back((Instant::now() + SETTLE, milestone)),
            },
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                if let Some((_, milestone)) = settling.pop_front() {
                    hand_out(&callers, state, &milestone);
                }
            }
        }
        match state.stories.take_lost_milestones() {
            0 => {}
            lost => record_lost(state, lost),
        }
    }
}

/// Makes the callers follow the configuration. One whose webhook stays as it is goes on.
fn follow(callers: &mut Vec<Caller>, state: &Arc<State>, configs: &[WebhookConfig]) {
    callers.retain(|caller| configs.contains(caller.config()));
    for config in configs {
        if !callers.iter().any(|caller| caller.config() == config) {
            callers.push(Caller::start(config.clone(), Arc::clone(state)));
        }
    }
}

/// Queues the calls for a milestone, unless the boot has lost its verdict.
fn hand_out(callers: &[Caller], state: &State, milestone: &Milestone) {
    let mut wanted = callers.iter().filter(|caller| is_for(caller, milestone)).peekable();
    if wanted.peek().is_none() {
        return;
    }
    let Some(text) = body::text(state, milestone) else { return };
    wanted.for_each(|caller| caller.queue(Arc::clone(&text)));
}

/// Whether the webhook is to be called for a milestone.
fn is_for(caller: &Caller, milestone: &Milestone) -> bool {
    caller.config().events.iter().any(|event| match (event, milestone.kind) {
        (WebhookEvent::AnyVerdict, MilestoneKind::Verdict { .. }) => true,
        (WebhookEvent::Verdict(wanted), MilestoneKind::Verdict { code, .. }) => *wanted == code,
        (WebhookEvent::Stage(wanted), MilestoneKind::Stage(stage)) => *wanted == stage,
        _ => false,
    })
}

fn record_lost(state: &State, count: u64) {
    state.events.record_host(What::Webhook(WebhookCall::Dropped { webhook: "", count }));
}

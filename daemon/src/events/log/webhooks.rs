//! The lines about calls of webhooks.

use super::limits::Limits;
use proxydhcpd_core::event::Event;
use proxydhcpd_core::event::webhook::WebhookCall;

/// The result of a call of a webhook.
pub fn webhook(event: &Event<'_>, call: &WebhookCall<'_>, limits: &mut Limits) {
    match *call {
        WebhookCall::Delivered { webhook, after_failures: true } => {
            tracing::info!("the webhook {webhook} takes calls again");
        }
        WebhookCall::Delivered { webhook, .. } => tracing::debug!("called the webhook {webhook}"),
        WebhookCall::Retried { webhook, error, cure, is_first: true } if limits.may_warn(event.at) => {
            tracing::warn!("cannot call the webhook {webhook}: {error}; the server tries again; {cure}");
        }
        WebhookCall::Retried { webhook, error, .. } => tracing::debug!("cannot call the webhook {webhook}: {error}"),
        WebhookCall::GivenUp { webhook, attempts, error, cure } => {
            let line = format!("gave up a call of the webhook {webhook} after {attempts} attempts: {error}; {cure}");
            if limits.is_new_failure(&line, event.at) {
                tracing::warn!("{line}");
            }
        }
        WebhookCall::Unavailable { error } => {
            tracing::warn!("cannot call webhooks: {error}; restart the server when the host has resources for threads");
        }
        WebhookCall::Dropped { webhook, count } => {
            let of = if webhook.is_empty() { "of webhooks".to_owned() } else { format!("of the webhook {webhook}") };
            let line = format!(
                "lost {count} calls {of}: too many waited, or a reload changed it; `proxydhcpd story` shows each boot"
            );
            limits.warn_once_a_minute("webhook:dropped", line, event.at);
        }
    }
}

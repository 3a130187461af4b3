//! The lines about the server, its configuration and its host.

use super::limits::Limits;
use proxydhcpd_core::event::{Event, Notice, Severity};
use std::fmt::Arguments;
use std::net::IpAddr;
use std::time::Duration;

/// An interface that is served now.
pub fn interface_served(event: &Event<'_>, addresses: [Option<IpAddr>; 2]) {
    let addresses: Vec<String> = addresses.iter().flatten().map(IpAddr::to_string).collect();
    tracing::info!("serving {} as {}", event.link.unwrap_or_default(), addresses.join(" and "));
}

/// An interface that is no longer served.
pub fn interface_gone(event: &Event<'_>) {
    tracing::info!("{} is no longer served", event.link.unwrap_or_default());
}

/// A reload.
pub fn reloaded() {
    tracing::info!("reloaded");
}

/// A reload that failed, with all errors.
pub fn reload_failed(errors: &[String]) {
    errors.iter().for_each(|error| tracing::error!("{error}"));
    tracing::error!("reload failed: the server keeps the previous configuration");
}

/// The server is ready.
pub fn ready() {
    tracing::info!("ready");
}

/// Logs how many lines were suppressed, if a minute has passed since the last summary.
pub fn tick(event: &Event<'_>, limits: &mut Limits) {
    if let Some(summary) = limits.replies.summary(Duration::from_millis(event.at)) {
        tracing::info!("{summary}");
    }
}

/// Logs how many lines were suppressed, and the sums of all readers.
pub fn stopped(event: &Event<'_>, sums: &str, limits: &mut Limits) {
    if let Some(summary) = limits.replies.final_summary(Duration::from_millis(event.at)) {
        tracing::info!("{summary}");
    }
    tracing::info!("stopped{sums}");
}

/// The service manager does not receive the server's notifications.
pub fn notify_failed(error: Arguments<'_>) {
    tracing::debug!(%error, "cannot notify the service manager");
}

/// Words from elsewhere.
pub fn notice(event: &Event<'_>, notice: &Notice<'_>, limits: &mut Limits) {
    let Notice { severity, label, text } = notice;
    match (severity, label) {
        (_, Some(label)) => limits.warn_once_a_minute(label, text, event.at),
        (Severity::Error, None) => tracing::error!("{text}"),
        (Severity::Warning, None) => tracing::warn!("{text}"),
        (Severity::Info, None) => tracing::info!("{text}"),
        (Severity::Debug, None) => tracing::debug!("{text}"),
    }
}

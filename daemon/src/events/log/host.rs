//! The lines about the server, its configuration and its host.

use super::limits::Limits;
use crate::boot_once::list_machines;
use crate::net::NO_INTERFACE;
use proxydhcpd_core::event::{Event, Startup};
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

/// No interface is served yet.
pub fn no_interface() {
    tracing::info!("{NO_INTERFACE}");
}

/// The interfaces of this host cannot be listed.
pub fn interfaces_unknown(error: Arguments<'_>) {
    tracing::warn!("cannot list the network interfaces: {error}");
}

/// The interfaces of this host cannot be watched.
pub fn interface_watch_failed(event: &Event<'_>, error: Arguments<'_>, limits: &mut Limits) {
    let warning = format_args!(
        "cannot watch the network interfaces: {error}; the server keeps serving the interfaces that it knows, and \
         retries every second"
    );
    limits.warn_once_a_minute("interfaces:watch-failed", warning, event.at);
}

/// The directory from which the server sends files, or the TFTP server that sends them.
pub fn starting(Startup { boot_dir, legacy_tftp, sends_files, .. }: &Startup<'_>) {
    match legacy_tftp {
        None => tracing::info!("boot directory {boot_dir}"),
        Some(tftpd) => {
            let off = if *sends_files { "" } else { "; this server's TFTP and HTTP are off" };
            tracing::info!("legacy configuration: TFTP server {tftpd}{off}; UEFI HTTP boot clients get no reply");
        }
    }
}

/// A signal stopped the server before it was ready.
pub fn stopped_early() {
    tracing::info!("stopped before the server was ready");
}

/// The machines whose entries a reload removed.
pub fn entries_removed(machines: &[&str]) {
    tracing::info!("no longer in the configuration: {}", list_machines(machines));
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

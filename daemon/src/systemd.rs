//! Notifies the service manager. If there is none (NOTIFY_SOCKET is not set), these functions do nothing. If it does
//! not receive a notification, they record that, and the server continues.

use crate::events::Events;
use proxydhcpd_core::event::What;
use sd_notify::NotifyState;
use std::io;
use std::time::Duration;

/// Reports that the sockets are open and the configuration is valid.
pub fn ready(events: &Events, status: &str) {
    notify(events, &[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Reports that a reload begins. [`ready`] reports that it ends. `Type=notify-reload` requires the time, to distinguish
/// this reload from an earlier one.
pub fn reloading(events: &Events) {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(events, &[NotifyState::Reloading, now]),
        Err(error) => record_failure(events, &error),
    }
}

/// Reports that the server stops.
pub fn stopping(events: &Events) {
    notify(events, &[NotifyState::Stopping]);
}

/// Sets the line that `systemctl status` shows.
pub fn status(events: &Events, text: &str) {
    notify(events, &[NotifyState::Status(text)]);
}

/// Returns the interval at which to call [`notify_watchdog`]: half of the watchdog's timeout, as sd_watchdog_enabled(3)
/// recommends. `None`: the unit has no watchdog.
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2).filter(|every| !every.is_zero())
}

/// Reports that all serving threads respond.
pub fn notify_watchdog(events: &Events) {
    notify(events, &[NotifyState::Watchdog]);
}

fn notify(events: &Events, state: &[NotifyState<'_>]) {
    sd_notify::notify(state).unwrap_or_else(|error| record_failure(events, &error));
}

fn record_failure(events: &Events, error: &io::Error) {
    events.record_host(What::NotifyFailed(format_args!("{error}")));
}

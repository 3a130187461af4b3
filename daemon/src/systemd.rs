//! Notifies the service manager. If there is none (NOTIFY_SOCKET is not set), these functions do nothing.

use sd_notify::NotifyState;
use std::time::Duration;

/// Reports that the sockets are open and the configuration is valid.
pub fn ready(status: &str) {
    notify(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Reports that a reload begins. [`ready`] reports that it ends. `Type=notify-reload` requires the time, to distinguish
/// this reload from an earlier one.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "no monotonic clock: cannot notify the service manager of the reload"),
    }
}

/// Reports that the server stops.
pub fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Sets the line that `systemctl status` shows.
pub fn status(text: &str) {
    notify(&[NotifyState::Status(text)]);
}

/// Returns the interval at which to call [`notify_watchdog`]: half of the watchdog's timeout, as sd_watchdog_enabled(3)
/// recommends. `None`: the unit has no watchdog.
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2).filter(|every| !every.is_zero())
}

/// Reports that all serving threads respond.
pub fn notify_watchdog() {
    notify(&[NotifyState::Watchdog]);
}

/// Sends a notification. If the service manager does not receive it, the server continues.
fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "cannot notify the service manager");
    }
}

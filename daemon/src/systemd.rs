//! What the service manager is told. Without one (no NOTIFY_SOCKET) all of this does nothing.

use sd_notify::NotifyState;
use std::time::Duration;

/// Sockets are open, the configuration is good.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// A reload begins; [`ready`] ends it. `Type=notify-reload` wants the time with it, to tell this reload from an
/// earlier.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "no monotonic clock: the service manager is not told of the reload"),
    }
}

pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// The line that `systemctl status` shows.
pub fn status(text: &str) {
    tell(&[NotifyState::Status(text)]);
}

/// How often [`alive`] is to be called, if the unit has a watchdog: twice in its time, as sd_watchdog_enabled(3)
/// advises.
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2).filter(|every| !every.is_zero())
}

/// All threads that serve have answered.
pub fn notify_watchdog() {
    tell(&[NotifyState::Watchdog]);
}

/// A service manager that does not listen is no reason to stop serving.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "the service manager cannot be told");
    }
}

//! Signal handlers, installed first of all: by default SIGHUP would kill a server that is still reading its files, and
//! the kernel does not deliver SIGTERM to the first process of a container unless that process has a handler.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that the server handles. One that arrives between two calls of `recv` is not lost.
#[derive(Debug)]
pub struct Signals {
    /// SIGTERM and SIGINT: stop.
    pub stop: StopSignals,
    /// SIGHUP: reload.
    pub hangup: Signal,
}

/// SIGTERM or SIGINT.
#[derive(Debug)]
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Installs the handlers. Needs a tokio runtime.
    pub fn register() -> io::Result<Self> {
        let stop =
            StopSignals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? };
        Ok(Signals { stop, hangup: signal(SignalKind::hangup())? })
    }
}

impl StopSignals {
    /// Waits for either signal.
    pub async fn recv(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

//! Signal handlers. The program installs them before anything else: without a handler, SIGHUP would kill a server that
//! is still reading its files, and the kernel would not deliver SIGTERM to the first process of a container.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that the server handles. A signal that arrives between two calls of `recv` is not lost.
#[derive(Debug)]
pub struct Signals {
    /// SIGTERM and SIGINT, which stop the server.
    pub stop: StopSignals,
    /// SIGHUP, which requests a reload.
    pub hangup: Signal,
}

/// The signals that stop the server: SIGTERM and SIGINT.
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
    /// Waits until either signal arrives.
    pub async fn recv(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

//! Signals, heard from the first moment of the start: by default SIGHUP would end a server that is still reading its
//! files, and the kernel keeps SIGTERM from the first process of a container that has not asked for it.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What came while nobody listened is not lost: it is heard next.
#[derive(Debug)]
pub struct Signals {
    pub stop: StopSignals,
    /// SIGHUP: everything is read again.
    pub hangup: Signal,
}

/// SIGTERM or SIGINT.
#[derive(Debug)]
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Wants a runtime.
    pub fn register() -> io::Result<Self> {
        let end = StopSignals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? };
        Ok(Signals { stop: end, hangup: signal(SignalKind::hangup())? })
    }
}

impl StopSignals {
    pub async fn recv(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

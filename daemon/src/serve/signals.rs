//! Signals, heard from the first moment of the start: by default SIGHUP would end a server that is still reading its
//! files, and the kernel keeps SIGTERM from the first process of a container that has not asked for it.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What came while nobody listened is not lost: it is heard next.
#[derive(Debug)]
pub struct Signals {
    pub end: End,
    /// SIGHUP: everything is read again.
    pub hangup: Signal,
}

/// SIGTERM or SIGINT.
#[derive(Debug)]
pub struct End {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Wants a runtime.
    pub fn hear() -> io::Result<Self> {
        let end = End { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? };
        Ok(Signals { end, hangup: signal(SignalKind::hangup())? })
    }
}

impl End {
    pub async fn recv(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

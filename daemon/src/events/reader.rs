//! The interface of the readers of events.

use proxydhcpd_core::event::Event;
use std::fmt::Debug;

/// A reader of events. It reads all of them, one after the other.
pub trait Reader: Debug + Send {
    /// Reads an event. A reader that takes long delays the answers to machines.
    fn read(&mut self, event: &Event<'_>);

    /// The reader's sum since the start, for the server's last line.
    fn sum(&self) -> Option<String> {
        None
    }
}

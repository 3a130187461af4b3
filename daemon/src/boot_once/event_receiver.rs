//! Receives the events of the state files.

use proxydhcpd_core::event::state_file::StateFile;
use std::fmt;
use std::sync::Arc;

/// Receives the events of the state files, also from the writer thread. The default value ignores them.
#[derive(Clone, Default)]
pub struct EventReceiver(Option<Arc<Receive>>);

type Receive = dyn Fn(StateFile<'_>) + Send + Sync;

impl EventReceiver {
    /// Hands each event to `receive`.
    pub fn new(receive: impl Fn(StateFile<'_>) + Send + Sync + 'static) -> Self {
        EventReceiver(Some(Arc::new(receive)))
    }

    /// Hands on an event.
    pub fn record(&self, event: StateFile<'_>) {
        if let Some(receive) = &self.0 {
            receive(event);
        }
    }
}

impl fmt::Debug for EventReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EventReceiver").field(&self.0.is_some()).finish()
    }
}

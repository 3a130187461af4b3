//! Where the boot-once state says what happens to the completions, and what it cannot read or write.

use proxydhcpd_core::event::Severity;
use std::fmt::{self, Arguments};
use std::sync::Arc;

/// Receives notices, also from the writer thread. The default value ignores them.
#[derive(Clone, Default)]
pub struct Notices(Option<Arc<Receiver>>);

type Receiver = dyn Fn(Severity, Arguments<'_>) + Send + Sync;

impl Notices {
    /// Hands each notice to `receive`.
    pub fn new(receive: impl Fn(Severity, Arguments<'_>) + Send + Sync + 'static) -> Self {
        Notices(Some(Arc::new(receive)))
    }

    /// Hands on an error.
    pub fn error(&self, text: Arguments<'_>) {
        self.send(Severity::Error, text);
    }

    /// Hands on a warning.
    pub fn warning(&self, text: Arguments<'_>) {
        self.send(Severity::Warning, text);
    }

    /// Hands on a change of state.
    pub fn info(&self, text: Arguments<'_>) {
        self.send(Severity::Info, text);
    }

    /// Hands on a detail.
    pub fn debug(&self, text: Arguments<'_>) {
        self.send(Severity::Debug, text);
    }

    fn send(&self, severity: Severity, text: Arguments<'_>) {
        if let Some(receive) = &self.0 {
            receive(severity, text);
        }
    }
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Notices").field(&self.0.is_some()).finish()
    }
}

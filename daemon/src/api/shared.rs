//! The values that all handlers use.

use crate::access::AccessControl;
use crate::config::flags::Flags;
use crate::events::stream::EventStream;
use crate::state::State;
use std::sync::Arc;

/// The values that all handlers use.
#[derive(Clone, Debug)]
pub struct Api {
    /// The state of the server.
    pub state: Arc<State>,
    /// The stream of events.
    pub stream: EventStream,
    /// The users of the page. `None`: there is no page.
    pub access: Option<AccessControl>,
    /// How the server was started.
    pub started: Arc<StartedWith>,
}

/// How a server was started, which no reload changes.
#[derive(Clone, Debug, Default)]
pub struct StartedWith {
    /// The flags of its command line.
    pub flags: Flags,
    /// Whether it listens on port 4011 only (`proxy-only`).
    pub proxy_only: bool,
}

impl Api {
    /// The values for a server with this state. All listeners share them. The stream begins now.
    pub fn new(state: &Arc<State>, access: Option<AccessControl>, started: StartedWith) -> Api {
        Api { state: Arc::clone(state), stream: state.events.add_stream(), access, started: Arc::new(started) }
    }
}

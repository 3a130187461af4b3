//! The stages that a boot reaches, as they are reported once each.

use super::client_kind::ClientKind;
use super::stage::Stage;

/// The stages that a boot reached with an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// The client that began the boot. `None`: no DHCP packet shows it.
    pub client: Option<ClientKind>,
    /// The time since the boot began, in milliseconds.
    pub after: u64,
    /// The stages, a bit each.
    pub(super) stages: u8,
}

impl Reached {
    /// Whether the boot reached no stage.
    pub fn is_empty(&self) -> bool {
        self.stages == 0
    }

    /// Whether the boot reached this stage.
    pub fn has(&self, stage: Stage) -> bool {
        self.stages & 1 << stage as u8 != 0
    }
}

//! The lines about requests to wake machines.

use proxydhcpd_core::event::Event;
use proxydhcpd_core::event::wake::WakeEvent;

/// Logs the result of a request to wake a machine.
pub fn wake(event: &Event<'_>, wake: &WakeEvent<'_>) {
    let identity = || event.machine.identity.map(ToString::to_string).unwrap_or_default();
    let machine = event.machine.entry.map_or_else(identity, str::to_owned);
    match wake {
        WakeEvent::Sent { macs, to } => {
            tracing::info!(MACHINE = machine, "sent a packet to wake {machine} ({macs}) to {to}");
        }
        WakeEvent::NotSent { problem, cure } => {
            tracing::warn!(MACHINE = machine, "cannot wake {machine}: {problem}; {cure}");
        }
    }
}

//! The lines about changes that operators make while the server runs.

use proxydhcpd_core::event::Event;
use proxydhcpd_core::event::edit::EditEvent;

/// A change by an operator.
pub fn edit(event: &Event<'_>, edit: &EditEvent<'_>) {
    let machine = event.machine.entry.unwrap_or_default();
    match edit {
        EditEvent::EntryKept => tracing::info!(MACHINE = machine, "the server keeps an entry for {machine}"),
        EditEvent::EntryRemoved => {
            tracing::info!(MACHINE = machine, "the server no longer keeps an entry for {machine}");
        }
        EditEvent::BootOrdered { profile, once } => {
            let until = if *once { "once" } else { "until that is cancelled" };
            tracing::info!(MACHINE = machine, PROFILE = profile, "{machine} is to boot {profile}, {until}");
        }
        EditEvent::OrderCancelled => {
            tracing::info!(
                MACHINE = machine,
                "{machine} boots what its entry says again: its boot order was cancelled"
            );
        }
        EditEvent::OrderEnded => {
            tracing::info!(MACHINE = machine, "{machine} boots what its entry says again: it completed its boot order");
        }
    }
}

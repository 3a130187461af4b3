//! The lines about completed boot-onces that no entry decides about.

use crate::boot_once::{RESET_HELP, list_machines};
use proxydhcpd_core::event::completion::CompletionWithoutEntry;

/// Warns of machines with a completed boot-once that their entries do not mention.
pub fn completion_without_entry(completion: &CompletionWithoutEntry) {
    match completion {
        CompletionWithoutEntry::Unspecified(machines) => tracing::warn!(
            "completed boot-onces of {}, whose entries have no `boot`: these machines boot from disk; {RESET_HELP}",
            list_machines(machines)
        ),
        CompletionWithoutEntry::Removed(machines) => tracing::warn!(
            "completed boot-onces of {}, which have no entry: these machines boot from disk; `proxydhcpd rearm NAME` \
             lets one boot like any machine without an entry",
            list_machines(machines)
        ),
        CompletionWithoutEntry::Unidentified(machines) => tracing::warn!(
            "completed boot-onces of {}, which have no entry and no identities in their completions: these machines \
             are not protected, and boot like any machine without an entry; restore their entries, or run `proxydhcpd \
             rearm NAME`",
            list_machines(machines)
        ),
        CompletionWithoutEntry::IdentityTaken { machine, by, taker, profile } => {
            let profile = profile.as_deref().unwrap_or("the choice of the rules and defaults");
            tracing::warn!(
                "{machine} completed its boot-once and has no entry; its {by} is now in the entry of {taker}, which \
                 boots {profile}"
            );
        }
    }
}

//! Completed boot-onces that no entry decides about.

use crate::plan::inventory::IdentityKind;
use alloc::string::String;
use alloc::vec::Vec;

/// Machines with a completed boot-once that their entries do not mention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompletionWithoutEntry {
    /// The entries of these machines have no `boot`: they boot from disk.
    Unspecified(Vec<String>),
    /// These machines have no entry, and boot from disk.
    Removed(Vec<String>),
    /// These machines have no entry, and no identities in their completions: they are not protected.
    Unidentified(Vec<String>),
    /// The machine has no entry, and an identity of it is now in another one.
    IdentityTaken {
        /// The machine.
        machine: String,
        /// The kind of the identity.
        by: IdentityKind,
        /// The name of the other entry.
        taker: String,
        /// The profile of the other entry.
        profile: Option<String>,
    },
}

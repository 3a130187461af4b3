//! The machines of the configuration, found by MAC address, UUID or serial number. There may be a million of them, so
//! arrays hold them, without a pointer or an allocation per machine. The arrays are in chunks of a thousand machines,
//! and the indices in shards of a thousand keys, so that a change of one machine copies only a few of these.

mod add_error;
mod build;
mod change;
mod chunked;
mod entries;
mod find;
mod identity_kind;
mod index;
mod indices;
mod key;
mod list;
mod machine;
mod shared;
mod sharers;
#[cfg(test)]
mod tests;
mod texts;

pub use add_error::AddError;
pub use build::InventoryBuilder;
pub(crate) use find::{AmbiguousMachine, DoubtfulEntry, FoundEntry, Lookup};
pub use find::{DoubtReason, ListingEntries, MatchedEntry};
pub use identity_kind::IdentityKind;
pub use list::Inventory;
pub(crate) use machine::MachineIndex;
pub use machine::{BootMode, Machine};
pub use shared::SharedIdentity;

//! The decisions that stay with a transfer until its end.

use crate::decide::Decision;
use crate::observations::{AddressOwner, Observations};
use crate::plan::Plan;
use crate::plan::inventory::{BootMode, Machine};
use crate::plan::offer::EntryTarget;
use crate::plan::profile::BootTarget;
use alloc::string::String;
use alloc::vec::Vec;

/// A request with this name after `machine/name=.../` reports that the machine has finished its boot.
pub const DONE: &str = "done";

/// The decisions about a request for a file, made when it arrived. The transfer keeps them until its end: a reload of
/// the configuration in between does not change them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileTicket {
    /// The owner of the client's address, if DHCP packets have shown it.
    pub owner: Option<AddressOwner>,
    /// The name of the machine's entry.
    pub machine: Option<String>,
    /// Whether the file is a first-stage loader.
    pub is_loader: bool,
    /// The machine whose boot-once the complete fetch of the file completes, unless it is completed by then.
    pub completes: Option<CompletedMachine>,
}

/// The name and the identities of a machine that completes its boot-once, from the entry that led to its boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletedMachine {
    /// The name of the entry.
    pub name: String,
    /// The MAC addresses.
    pub macs: Vec<[u8; 6]>,
    /// The UUID, in printed order.
    pub uuid: Option<[u8; 16]>,
    /// The serial number.
    pub serial: Option<String>,
}

impl FileTicket {
    /// The ticket of a request for `name`, the requested name without the claimed identity. If the request reports a
    /// finished boot (`Fetch::Done` in [`crate::fetch`]), the caller must verify the report.
    pub fn new(
        plan: &Plan,
        observations: &Observations,
        owner: Option<AddressOwner>,
        decision: &Decision,
        name: &str,
    ) -> FileTicket {
        let entry = decision.machine(plan);
        let is_armed =
            |entry: &Machine<'_>| entry.boot_mode == BootMode::Once && !observations.boot_once.is_recorded(entry.name);
        let completed = entry.filter(is_armed).filter(|_| ends_boot_once(plan, decision, name));
        FileTicket {
            owner,
            machine: entry.map(|entry| entry.name.into()),
            is_loader: plan.loader_path(name).is_some(),
            completes: completed.as_ref().map(CompletedMachine::from_entry),
        }
    }
}

impl CompletedMachine {
    fn from_entry(entry: &Machine<'_>) -> CompletedMachine {
        CompletedMachine {
            name: entry.name.into(),
            macs: entry.macs.into(),
            uuid: entry.uuid,
            serial: entry.serial.map(Into::into),
        }
    }
}

/// Whether a machine with this decision has ended its boot-once when it has fetched this file.
fn ends_boot_once(plan: &Plan, decision: &Decision, name: &str) -> bool {
    let is_boot_dir_kernel = || {
        let mut kernels = plan.offer.menu.entries.iter().map(|entry| &entry.target);
        kernels.any(|target| matches!(target, EntryTarget::Linux { kernel, .. } if kernel == name))
    };
    name == DONE
        || match decision.profile(plan) {
            Some(profile) if profile.boots != BootTarget::BootDir => profile.boot_once_file() == Some(name),
            _ => is_boot_dir_kernel(),
        }
}

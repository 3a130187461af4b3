//! The decisions that stay with a transfer until its end.

use crate::decide::Decision;
use crate::identity::MachineIdentity;
use crate::observations::Observations;
use crate::plan::Plan;
use crate::plan::inventory::{BootMode, Machine};
use crate::plan::offer::EntryTarget;
use crate::plan::profile::BootTarget;
use crate::render_context::{DONE, RenderContext};
use crate::request::FileRequest;
use alloc::string::String;
use alloc::vec::Vec;

/// The decisions about a request for a file, made when it arrived. The transfer keeps them until its end: a reload of
/// the configuration in between does not change them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileTicket {
    /// The machine that sent the request.
    pub machine: MachineIdentity,
    /// The name of the machine's entry.
    pub entry: Option<String>,
    /// The name of the machine's profile, even if it does not boot it now.
    pub profile: Option<String>,
    /// The name of the rule that matched.
    pub rule: Option<String>,
    /// The boot server type that the user chose from a menu.
    pub item: Option<u16>,
    /// The name of the interface on which the request arrived, if it is known.
    pub link: Option<String>,
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
    /// The generation of the boot-once ([`BootOnce::generation`](crate::observations::boot_once::BootOnce::generation))
    /// at the time of the request. If it has been reset since, the transfer completes nothing.
    pub generation: u64,
}

impl FileTicket {
    /// The ticket of a request for `name`, the requested name without the claimed identity. If the request reports a
    /// finished boot (`Fetch::Done` in [`crate::fetch`]), the caller must verify the report.
    pub fn new(
        plan: &Plan,
        observations: &Observations,
        request: &FileRequest<'_>,
        context: &RenderContext,
        name: &str,
    ) -> FileTicket {
        let RenderContext { machine, decision, .. } = context;
        let entry = decision.machine(plan);
        let boots_once = |entry: &Machine<'_>| entry.boot_mode == BootMode::Once;
        let completed = entry.filter(boots_once).filter(|_| ends_boot_once(plan, decision, name));
        let generation = |entry: &Machine<'_>| observations.boot_once.generation(entry.name);
        FileTicket {
            machine: machine.clone(),
            entry: entry.map(|entry| entry.name.into()),
            profile: decision.own_profile(plan).map(|profile| profile.name.clone()),
            rule: decision.rule(plan).map(|rule| rule.name.clone()),
            item: context.choice.item,
            link: request.link().map(Into::into),
            is_loader: plan.loader_path(name).is_some(),
            completes: completed.map(|entry| CompletedMachine::new(&entry, generation(&entry))),
        }
    }
}

impl CompletedMachine {
    fn new(entry: &Machine<'_>, generation: u64) -> CompletedMachine {
        CompletedMachine {
            name: entry.name.into(),
            macs: entry.macs.into(),
            uuid: entry.uuid,
            serial: entry.serial.map(Into::into),
            generation,
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

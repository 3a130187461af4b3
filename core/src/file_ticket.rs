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
    /// The requested name without the identity that it may claim; empty for a name that the server cannot normalise.
    pub name: String,
    /// The part of the file in a boot.
    pub role: FileRole,
    /// The boot that was chosen for the machine.
    pub boots: BootKind,
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
    /// The machine whose boot-once the complete fetch of the file completes, unless it is completed by then.
    pub completes: Option<CompletedMachine>,
}

/// The part of a file in a boot, as far as the plan shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileRole {
    /// Any other file: a script, or what a script, a loader or a system requests.
    #[default]
    Other,
    /// A first-stage loader.
    Loader,
    /// The kernel of the machine's profile, or of an entry of the menu.
    Kernel,
    /// An initrd of the machine's profile, or of an entry of the menu.
    Initrd,
}

/// The kind of boot of a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BootKind {
    /// The menu of the boot directory, or its `boot.ipxe`.
    #[default]
    BootDir,
    /// A kernel.
    Linux,
    /// A script.
    Script,
    /// A loader: GRUB, shim, Windows.
    Loader,
    /// A menu of a profile.
    Menu,
    /// The local disk.
    LocalDisk,
    /// Nothing.
    Nothing,
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
            name: name.into(),
            role: FileRole::new(plan, decision, name),
            boots: decision.boots(plan).into(),
            entry: entry.map(|entry| entry.name.into()),
            profile: decision.own_profile(plan).map(|profile| profile.name.clone()),
            rule: decision.rule(plan).map(|rule| rule.name.clone()),
            item: context.choice.item,
            link: request.link().map(Into::into),
            completes: completed.map(|entry| CompletedMachine::new(&entry, generation(&entry))),
        }
    }
}

impl FileTicket {
    /// Whether the file is a first-stage loader.
    pub fn is_loader(&self) -> bool {
        self.role == FileRole::Loader
    }
}

impl FileRole {
    fn new(plan: &Plan, decision: &Decision, name: &str) -> FileRole {
        if plan.loader_path(name).is_some() {
            return FileRole::Loader;
        }
        let role = |kernel: &str, initrds: &[String]| match name {
            _ if kernel == name => Some(FileRole::Kernel),
            _ if initrds.iter().any(|initrd| initrd == name) => Some(FileRole::Initrd),
            _ => None,
        };
        let in_menu = || {
            plan.offer.menu.entries.iter().find_map(|entry| match &entry.target {
                EntryTarget::Linux { kernel, initrds, .. } => role(kernel, initrds),
                _ => None,
            })
        };
        let found = match decision.boots(plan) {
            BootTarget::Linux(linux) => role(&linux.kernel, &linux.initrds),
            BootTarget::BootDir => in_menu(),
            _ => None,
        };
        found.unwrap_or_default()
    }
}

impl From<&BootTarget> for BootKind {
    fn from(target: &BootTarget) -> Self {
        match target {
            BootTarget::BootDir => BootKind::BootDir,
            BootTarget::Linux(_) => BootKind::Linux,
            BootTarget::Script(_) => BootKind::Script,
            BootTarget::Loader => BootKind::Loader,
            BootTarget::Menu(_) => BootKind::Menu,
            BootTarget::LocalDisk => BootKind::LocalDisk,
            BootTarget::Nothing => BootKind::Nothing,
        }
    }
}

impl CompletedMachine {
    /// The machine with this entry, at this generation of its boot-once.
    pub fn new(entry: &Machine<'_>, generation: u64) -> CompletedMachine {
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

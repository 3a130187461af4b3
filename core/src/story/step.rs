//! A step of a boot: a thing that the server saw the machine do, or did for it.

use super::client_kind::ClientKind;
use super::names::NameId;
use crate::arrival::Port;
use crate::choose::BootSource;
use crate::event::ContentKind;
use crate::file_ticket::FileRole;
use crate::transfer::Progress;

/// A step of a boot. Repeats of a step are one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The time of the first occurrence, in milliseconds since the boot began.
    pub at: u32,
    /// The time of the last occurrence, in milliseconds since the boot began.
    pub last: u32,
    /// The number of occurrences.
    pub times: u16,
    /// The file, or another text that belongs to the step.
    pub name: NameId,
    /// The number of octets of a file that were sent, or its length while it is sent.
    pub octets: u64,
    /// The thing that happened.
    pub what: StepKind,
}

/// The kinds of steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// The machine requested a boot, and the server did not reply. The text is the label of the reason.
    NotAnswered(ClientKind),
    /// The machine requested a boot, and the kernel did not send the reply. The number is the kernel's error (errno).
    Unsent(ClientKind, u16),
    /// The machine requested a boot, and the server replied. The text is the file that the reply names.
    Replied(ClientKind, Port, OfferKind),
    /// The user chose this item of a menu.
    MenuChoice(u16),
    /// The machine requested a file.
    File {
        /// The part of the file in the boot.
        role: StepRole,
        /// Whether the machine requested it over HTTP; otherwise over TFTP.
        over_http: bool,
        /// The state of the transfer.
        state: FileState,
    },
    /// A system on the machine requested an address.
    SystemRequest,
    /// The machine completed its boot-once.
    Completed,
    /// The machine reported something. The text contains its words; for its memory, the number of octets.
    Reported(ReportKind),
}

/// The kinds of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportKind {
    /// An installer reported what it does.
    Progress,
    /// The system is installed.
    Installed,
    /// The installation failed.
    InstallFailed,
    /// A command of a script failed.
    ScriptError,
    /// The iPXE reported the size of the memory.
    Memory,
    /// A line of syslog.
    Syslog,
}

/// The kind of file that a reply names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferKind {
    /// A loader.
    Loader,
    /// A script for iPXE.
    Script,
    /// The program that starts the local disk.
    LocalDisk,
    /// A menu for the firmware to show.
    Menu,
    /// Files with fixed names.
    FixedNames,
}

/// The part of a file in a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepRole {
    /// A first-stage loader, or the program that starts the local disk.
    Loader,
    /// A script or a menu.
    Script,
    /// A script without which another script cannot go on.
    NeededScript,
    /// A kernel.
    Kernel,
    /// An initrd.
    Initrd,
    /// The report that the machine has finished its boot.
    Done,
    /// Any other file.
    Other,
}

/// The state of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// The transfer runs.
    Running,
    /// The machine received the whole file.
    Complete,
    /// The machine received the parts that it requested.
    Part,
    /// The machine requested only the size.
    SizeProbe,
    /// The machine ended the transfer early.
    Stopped,
    /// The machine stopped responding.
    TimedOut(Progress),
    /// The server refused the request.
    Refused,
    /// The server could not continue.
    Failed,
}

impl OfferKind {
    /// All kinds.
    pub const ALL: [OfferKind; 5] =
        [OfferKind::Loader, OfferKind::Script, OfferKind::LocalDisk, OfferKind::Menu, OfferKind::FixedNames];

    /// The name of the kind. Programs outside the server rely on it.
    pub fn name(self) -> &'static str {
        match self {
            OfferKind::Loader => "loader",
            OfferKind::Script => "script",
            OfferKind::LocalDisk => "local-disk",
            OfferKind::Menu => "menu",
            OfferKind::FixedNames => "fixed-names",
        }
    }
}

impl From<&BootSource> for OfferKind {
    fn from(source: &BootSource) -> Self {
        match source {
            BootSource::Loader(_) | BootSource::DefaultLoader => OfferKind::Loader,
            BootSource::LocalDisk(_) => OfferKind::LocalDisk,
            BootSource::ScriptHttp | BootSource::ScriptTftp | BootSource::ConfiguredScript => OfferKind::Script,
            BootSource::Menu => OfferKind::Menu,
            BootSource::FixedNames => OfferKind::FixedNames,
        }
    }
}

impl StepRole {
    /// The part of a file with this content.
    pub fn new(role: FileRole, content: ContentKind, name: &str) -> StepRole {
        match (role, content) {
            (_, ContentKind::Explanation) => StepRole::Other,
            (FileRole::Loader, _) | (_, ContentKind::Program) => StepRole::Loader,
            (FileRole::Kernel, _) => StepRole::Kernel,
            (FileRole::Initrd, _) => StepRole::Initrd,
            (_, ContentKind::Script | ContentKind::KernelScript | ContentKind::Menu) => StepRole::Script,
            (_, ContentKind::Done) => StepRole::Done,
            _ if name.ends_with(".ipxe") => StepRole::Script,
            _ => StepRole::Other,
        }
    }
}

impl StepRole {
    /// Whether the file is a script.
    pub fn is_script(self) -> bool {
        matches!(self, StepRole::Script | StepRole::NeededScript)
    }
}

impl FileState {
    /// Whether the machine has the file, or the parts of it that it requested.
    pub fn is_received(self) -> bool {
        matches!(self, FileState::Complete | FileState::Part)
    }
}

impl StepKind {
    /// The client, if a DHCP packet shows it.
    pub fn client(self) -> Option<ClientKind> {
        match self {
            StepKind::NotAnswered(client) | StepKind::Unsent(client, _) | StepKind::Replied(client, ..) => Some(client),
            _ => None,
        }
    }

    /// Whether another step of this kind, with the same text, is a repeat.
    pub fn is_repeated_by(self, other: StepKind) -> bool {
        match (self, other) {
            (StepKind::File { role, over_http, .. }, StepKind::File { role: other, over_http: over, .. }) => {
                role == other && over_http == over
            }
            _ => self == other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_small() {
        assert_eq!(size_of::<Step>(), 32);
    }
}

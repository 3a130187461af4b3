//! An event, as far as a story needs it: small and without borrowed parts, so that it can wait in a queue.

use super::client_kind::ClientKind;
use super::short_text::ShortText;
use super::step::{OfferKind, StepRole};
use crate::answer::Silence;
use crate::arrival::Port;
use crate::client::IgnoreReason;
use crate::event::report::{MachineText, Report};
use crate::event::{ContentKind, Event, Reply, ResetCause, Service, Substitute, TransferEnd, What};
use crate::file_ticket::{BootKind, FileRole, FileTicket};
use crate::identity::{HardwareAddress, MachineKey};
use crate::ipxe_error::{IpxeError, ScriptCommand};
use crate::observations::LoopCause;
use crate::observations::finding::Finding;
use crate::relay::Relay;
use crate::route::RefuseReason;
use crate::transfer::{Outcome, Progress};
use crate::wire::pxe::MachineId;
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

/// An event of a machine's story.
#[derive(Clone, Debug)]
pub struct StoryEvent {
    /// The time, in milliseconds since the start of the server.
    pub at: u64,
    /// The key of the machine.
    pub key: MachineKey,
    /// The hardware address, if the event shows one.
    pub hardware: Option<HardwareAddress>,
    /// The IP address, if the event shows one.
    pub address: Option<IpAddr>,
    /// The machine identifier, if the event shows one. Several machines may have the same.
    pub machine_id: Option<MachineId>,
    /// The name of the machine's entry.
    pub entry: ShortText,
    /// The name of the interface.
    pub link: ShortText,
    /// The relay that forwarded the request, if it is one to the DHCP server.
    pub relay: Option<Relay>,
    /// The event.
    pub what: StoryWhat,
}

/// The things that a story contains.
#[derive(Clone, Debug)]
pub enum StoryWhat {
    /// The server replied to a request.
    Replied {
        /// The client.
        client: ClientKind,
        /// The port on which the request arrived.
        port: Port,
        /// The file that the reply names.
        file: ShortText,
        /// The kind of that file.
        offer: OfferKind,
        /// The name of the machine's profile.
        profile: ShortText,
    },
    /// The kernel did not send a reply.
    Unsent {
        /// The client.
        client: ClientKind,
        /// The port on which the request arrived.
        port: Port,
        /// The destination.
        to: SocketAddr,
        /// Whether the destination is a relay.
        to_relay: bool,
        /// The UDP port from which the reply should have gone.
        from_port: u16,
        /// The number of the kernel's error (errno).
        errno: i32,
    },
    /// The server did not reply to a boot request.
    NotAnswered {
        /// The client.
        client: ClientKind,
        /// The port on which the request arrived.
        port: Port,
        /// The reason.
        reason: Silence,
        /// How the administrator can fix it.
        remedy: Option<Box<str>>,
    },
    /// A boot request arrived on an interface that is not served.
    UnservedInterface {
        /// The client.
        client: ClientKind,
    },
    /// A captured boot request has no reply. The capture does not show the reason.
    NoReply {
        /// The client.
        client: ClientKind,
    },
    /// An ordinary DHCP request: a system runs on the machine.
    SystemRequest,
    /// The client chose this item of a menu.
    MenuChoice(u16),
    /// The server began to send a file.
    FileOpened {
        /// The file.
        file: StoryFile,
        /// The length in octets.
        size: u64,
        /// The kind of content.
        content: ContentKind,
        /// The name of the machine's profile.
        profile: ShortText,
        /// The known properties of the content. The caller adds them: the event does not contain them.
        notes: Option<Box<FileNotes>>,
    },
    /// The server refused a file. The label says why.
    FileRefused {
        /// The file.
        file: StoryFile,
        /// The label of the reason.
        label: &'static str,
    },
    /// The server offers the file, and cannot send it.
    OfferedFileRefused {
        /// The name of the file.
        name: ShortText,
        /// The reason and the remedy.
        reason: Box<str>,
    },
    /// A transfer ended.
    FileEnded {
        /// The file.
        file: StoryFile,
        /// Octets that were sent or, over TFTP, acknowledged.
        octets: u64,
        /// Time since the request arrived, in milliseconds.
        duration: u32,
        /// How it ended.
        end: FileEnd,
    },
    /// A template could not be rendered.
    TemplateFailed {
        /// The name of the file that the machine requested.
        file: ShortText,
        /// The text that the machine received instead.
        substitute: Substitute,
        /// The name of the template, and the error.
        error: Box<str>,
    },
    /// The machine fetches its first loader again and again.
    BootLoop(LoopCause),
    /// The machine did not take the server's offer.
    Finding(Finding),
    /// The machine completed its boot-once.
    BootOnceCompleted,
    /// The completion of the machine's boot-once was reset.
    BootOnceReset(ResetCause),
    /// The machine reported something about its boot.
    Report(StoryReport),
}

/// A report of a machine, with its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoryReport {
    /// An installer reported what it does.
    Progress {
        /// The step.
        text: Box<str>,
    },
    /// The system is installed.
    Installed,
    /// The installation failed.
    InstallFailed {
        /// The failure.
        text: Box<str>,
    },
    /// A command of a script failed.
    ScriptError {
        /// The command.
        command: ScriptCommand,
        /// The error.
        error: IpxeError,
        /// The file that the command was to load.
        file: ShortText,
    },
    /// The size of the memory, in MiB.
    Memory(u32),
    /// A line of syslog.
    Syslog {
        /// The program and the line.
        text: Box<str>,
    },
}

/// A requested file.
#[derive(Clone, Copy, Debug)]
pub struct StoryFile {
    /// The requested name without the identity that it may claim.
    pub name: ShortText,
    /// The part of the file in a boot.
    pub role: FileRole,
    /// The kind of boot of the machine.
    pub boots: BootKind,
    /// The protocol.
    pub over_http: bool,
}

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileEnd {
    /// The client received the whole file.
    Complete,
    /// The client received a part, as it requested.
    Part,
    /// The client requested only the size.
    SizeProbe,
    /// The server refused the request; [`StoryWhat::FileRefused`] has the reason.
    Refused,
    /// The client ended the transfer early.
    Stopped,
    /// The client stopped responding.
    TimedOut(Progress),
    /// The server could not continue.
    Failed,
}

/// The properties of a file that matter if the boot fails.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileNotes {
    /// Whether the file is an EFI program without a signature, which firmware with Secure Boot refuses.
    pub is_unsigned: bool,
    /// Whether the file is a GRUB that requests its files from the DHCP server instead of its boot server.
    pub asks_dhcp_server: bool,
    /// The first error of a script, with its line.
    pub script_error: Option<Box<str>>,
    /// The files of this server without which the script cannot go on.
    pub needed: Vec<(ShortText, StepRole)>,
}

impl StoryEvent {
    /// The part of an event that stories need; `None` if they need none of it.
    pub fn new(event: &Event<'_>) -> Option<StoryEvent> {
        let identity = event.machine.identity?;
        let what = StoryWhat::new(event)?;
        let address = event.machine.from.map(|from| from.ip().to_canonical()).or(identity.address);
        Some(StoryEvent {
            at: event.at,
            key: identity.key,
            hardware: identity.hardware,
            address,
            machine_id: identity.machine_id,
            entry: event.machine.entry.into(),
            link: event.link.into(),
            relay: identity.relay,
            what,
        })
    }
}

impl StoryEvent {
    /// Whether firmware may have sent this request of a system. Over IPv6, EDK2 requests addresses without a vendor
    /// class for itself (protocol.md 5.3).
    pub fn may_be_of_firmware(&self) -> bool {
        matches!(self.what, StoryWhat::SystemRequest) && self.address.is_some_and(|address| address.is_ipv6())
    }
}

impl StoryWhat {
    fn new(event: &Event<'_>) -> Option<StoryWhat> {
        let file = || event.ticket.map(|ticket| StoryFile::new(ticket, event.service));
        Some(match event.what {
            What::Replied(reply) => StoryWhat::replied(&reply),
            What::Unsent(unsent) => StoryWhat::Unsent {
                client: unsent.reply.client.into(),
                port: unsent.reply.client.port,
                to: unsent.to,
                to_relay: unsent.reply.client.machine.relay.is_some(),
                from_port: unsent.reply.response.destination.from.port(),
                errno: unsent.errno,
            },
            What::Silent(silent) => match silent.client {
                Some(client) => StoryWhat::NotAnswered {
                    client: client.into(),
                    port: client.port,
                    reason: silent.silence,
                    remedy: silent.remedy.map(|remedy| format!("{remedy}").into()),
                },
                None => match silent.silence {
                    Silence::Ignored(IgnoreReason::NoVendorClass | IgnoreReason::OtherVendorClass) => {
                        StoryWhat::SystemRequest
                    }
                    // Over IPv6, some messages of firmware have no vendor class, either (protocol.md 5.3).
                    _ => return None,
                },
            },
            What::UnservedRequest(client) => StoryWhat::UnservedInterface { client: client.into() },
            What::MenuChoice(item) => StoryWhat::MenuChoice(item),
            What::FileOpened { content, size, .. } => {
                let profile = event.ticket.and_then(|ticket| ticket.profile.as_deref()).into();
                StoryWhat::FileOpened { file: file()?, size, content, profile, notes: None }
            }
            What::FileRefused { reason, .. } => StoryWhat::FileRefused { file: file()?, label: reason.label },
            What::OfferedFileRefused { name, reason, remedy } => StoryWhat::OfferedFileRefused {
                name: ShortText::new(name),
                reason: format!("{reason}; {remedy}").into(),
            },
            What::TransferEnded { octets, duration, end, .. } => StoryWhat::FileEnded {
                file: file()?,
                octets,
                duration: u32::try_from(duration.as_millis()).unwrap_or(u32::MAX),
                end: FileEnd::new(end)?,
            },
            What::TemplateFailed { template, error, substitute } => {
                let file = event.ticket.map(|ticket| ShortText::new(&ticket.name)).unwrap_or_default();
                StoryWhat::TemplateFailed { file, substitute, error: format!("{template}: {error}").into() }
            }
            What::BootLoop { cause, .. } => StoryWhat::BootLoop(cause),
            What::Finding(finding) => StoryWhat::Finding(*finding),
            What::BootOnceCompleted { .. } => StoryWhat::BootOnceCompleted,
            What::BootOnceReset(cause) => StoryWhat::BootOnceReset(cause),
            What::Report(report) => StoryWhat::Report(report.into()),
            _ => return None,
        })
    }

    fn replied(reply: &Reply<'_>) -> StoryWhat {
        let Reply { client, response, reasons, .. } = reply;
        let offer = OfferKind::from(&response.boot.source);
        StoryWhat::Replied {
            client: (*client).into(),
            port: client.port,
            file: ShortText::new(&response.boot.file),
            offer,
            profile: reasons.profile.into(),
        }
    }
}

impl From<Report<'_>> for StoryReport {
    fn from(report: Report<'_>) -> Self {
        let words = |text: MachineText<'_>| format!("{}", text.shown()).into();
        match report {
            Report::Progress { text } => StoryReport::Progress { text: words(text) },
            Report::Installed { .. } => StoryReport::Installed,
            Report::InstallFailed { text, .. } => StoryReport::InstallFailed { text: words(text) },
            Report::ScriptError { command, error, file } => {
                let file = ShortText::new(&format!("{}", file.shown()));
                StoryReport::ScriptError { command, error, file }
            }
            Report::Memory { mib } => StoryReport::Memory(mib),
            Report::Syslog { program, text, .. } if program.is_empty() => StoryReport::Syslog { text: words(text) },
            Report::Syslog { program, text, .. } => {
                StoryReport::Syslog { text: format!("{}: {}", program.shown(), text.shown()).into() }
            }
        }
    }
}

impl StoryFile {
    fn new(ticket: &FileTicket, service: Service) -> StoryFile {
        let over_http = service == Service::Http;
        StoryFile { name: ShortText::new(&ticket.name), role: ticket.role, boots: ticket.boots, over_http }
    }
}

impl FileEnd {
    /// The end of a transfer as a story shows it; `None` if a story does not show the transfer.
    pub fn new(end: TransferEnd<'_>) -> Option<FileEnd> {
        Some(match end {
            TransferEnd::Tftp(Outcome::Completed, _) => FileEnd::Complete,
            TransferEnd::Tftp(Outcome::SizeProbe, _) => FileEnd::SizeProbe,
            TransferEnd::Tftp(Outcome::Stopped(_) | Outcome::Aborted(_) | Outcome::Gone, _) => FileEnd::Stopped,
            TransferEnd::Tftp(Outcome::TimedOut, progress) => FileEnd::TimedOut(progress),
            TransferEnd::Tftp(Outcome::Evicted | Outcome::Failed, _) => FileEnd::Failed,
            TransferEnd::Http { method: "HEAD", .. } => FileEnd::SizeProbe,
            TransferEnd::Http { status: 200, whole: true, .. } => FileEnd::Complete,
            TransferEnd::Http { status: 206, .. } => FileEnd::Part,
            TransferEnd::Http { status: 200, .. } => FileEnd::Stopped,
            TransferEnd::Http { status: 304, .. } => FileEnd::Complete,
            TransferEnd::Http { status: 400.., .. } => FileEnd::Refused,
            TransferEnd::Http { .. } => return None,
        })
    }
}

impl StoryWhat {
    /// The client, if a DHCP packet shows it.
    pub fn client(&self) -> Option<ClientKind> {
        match self {
            StoryWhat::Replied { client, .. }
            | StoryWhat::Unsent { client, .. }
            | StoryWhat::NotAnswered { client, .. }
            | StoryWhat::NoReply { client }
            | StoryWhat::UnservedInterface { client } => Some(*client),
            _ => None,
        }
    }

    /// Whether this is a request to the DHCP server, which shows where in the network the machine is.
    pub fn is_dhcp_request(&self) -> bool {
        match self {
            StoryWhat::Replied { port, .. } | StoryWhat::Unsent { port, .. } | StoryWhat::NotAnswered { port, .. } => {
                *port == Port::Dhcp
            }
            StoryWhat::SystemRequest => true,
            _ => false,
        }
    }

    /// Whether the server replied on port 4011.
    pub fn is_for_boot_server(&self) -> bool {
        matches!(self, StoryWhat::Replied { port: Port::BootServer, .. })
    }

    /// Whether the server did not reply because of a limit of the rate of requests.
    pub fn is_limited(&self) -> bool {
        let StoryWhat::NotAnswered { reason: Silence::Refused(reason), .. } = self else { return false };
        matches!(
            reason,
            RefuseReason::TooManyFromClient
                | RefuseReason::TooManyFromSource
                | RefuseReason::TooManyFromUnserved
                | RefuseReason::TooManyOnLink
        )
    }
}

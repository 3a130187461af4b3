//! Events: what happened, as a value, with the machine, the link, the time and the figures. The daemon hands each event
//! to its readers (the log, the counters). An event borrows all of its parts, so that recording one allocates nothing.

mod answer;
pub mod completion;
pub mod control_socket;
pub mod edit;
mod file;
pub mod installer;
mod kind;
mod label_kind;
pub mod menu_login;
pub mod port;
pub mod process;
pub mod report;
pub mod sandbox;
pub mod socket;
pub mod state_file;
pub mod verdict;
pub mod wake;
pub mod web;
pub mod webhook;

use crate::ambiguous_identity::AmbiguousIdentity;
use crate::arch::Arch;
use crate::client::Client;
use crate::file_ticket::FileTicket;
use crate::identity::{HardwareAddress, MachineIdentity};
use crate::link::Link;
use crate::observations::LoopCause;
use crate::observations::finding::Finding;
use crate::plan::offer::Loader;
use crate::plan::policy::LoopGuard;
use crate::request::Protocol;
use crate::transfer::Outcome;
use alloc::string::String;
pub use answer::{Reasons, Reply, Silent, Unsent};
use completion::CompletionWithoutEntry;
use control_socket::ControlSocketEvent;
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use edit::EditEvent;
pub use file::{ContentKind, Overload, Reason, Substitute, TransferEnd};
pub use label_kind::LabelKind;
use menu_login::MenuLoginEvent;
use port::PortEvent;
use process::{Descriptors, ReloadObstacle, WorkerEvent};
use report::{Report, ReportRefusal};
use sandbox::SandboxEvent;
use socket::SocketFailure;
use state_file::StateFile;
use verdict::BootVerdict;
use wake::WakeEvent;
use web::WebEvent;
use webhook::WebhookCall;

/// One event.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// The time, in milliseconds since the start of the server.
    pub at: u64,
    /// The name of the interface, if the event concerns one.
    pub link: Option<&'a str>,
    /// The machine that the event concerns, as far as it is known.
    pub machine: EventMachine<'a>,
    /// The service in which it happened.
    pub service: Service,
    /// The decisions about the request for a file that the event concerns, if it concerns one.
    pub ticket: Option<&'a FileTicket>,
    /// The thing that happened.
    pub what: What<'a>,
}

/// The machine of an event, as far as the place that makes the event knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventMachine<'a> {
    /// The identity of the machine.
    pub identity: Option<&'a MachineIdentity>,
    /// The address and port from which it sent a packet or a request for a file.
    pub from: Option<SocketAddr>,
    /// The name of the machine's entry.
    pub entry: Option<&'a str>,
}

/// A service of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// DHCP, on this UDP port.
    Dhcp(u16),
    /// TFTP.
    Tftp,
    /// HTTP.
    Http,
    /// Syslog.
    Syslog,
    /// None: the server itself, or the host on which it runs.
    Host,
}

/// The things that can happen.
#[derive(Clone, Copy, Debug)]
pub enum What<'a> {
    /// The server replied.
    Replied(Reply<'a>),
    /// The kernel did not send a reply.
    Unsent(Unsent<'a>),
    /// The server did not reply to a packet.
    Silent(Silent<'a>),
    /// The server discarded a DHCP packet before it looked for an answer. The value is the label.
    Discarded(&'static str),
    /// A boot request arrived on an interface that is not served.
    UnservedRequest(&'a Client),
    /// The first boot request arrived on an interface that is not served.
    UnservedLink {
        /// The client that sent it.
        client: &'a Client,
        /// Whether the interface has an IPv4 address.
        has_ipv4: bool,
        /// The served interfaces.
        served: &'a [Link],
    },
    /// The identities of a client do not lead to one entry without a contradiction.
    AmbiguousIdentity(&'a Client, AmbiguousIdentity<'a>),
    /// A client chose the item with this number from a menu of its firmware.
    MenuChoice(u16),
    /// A machine did not take the server's offer.
    Finding(&'a Finding),
    /// The boot of a machine failed.
    Verdict(BootVerdict<'a>),
    /// A machine fetches its first loader again and again.
    BootLoop {
        /// The loader, as requested.
        name: &'a [u8],
        /// The likely cause.
        cause: LoopCause,
        /// The reaction of the server.
        guard: LoopGuard,
    },
    /// The server opened a requested file, and sends it.
    FileOpened {
        /// The requested name.
        name: &'a [u8],
        /// The kind of content.
        content: ContentKind,
        /// Its length in octets.
        size: u64,
    },
    /// The server refused to send a file.
    FileRefused {
        /// The requested name.
        name: &'a [u8],
        /// The reason.
        reason: Reason<'a>,
    },
    /// The server could not open a requested file, for a reason that is not the file's.
    OpenFailed {
        /// The requested name.
        name: &'a [u8],
        /// The number of the kernel's error (errno).
        errno: i32,
    },
    /// The server refused to send a file that it offers.
    OfferedFileRefused {
        /// The name of the file.
        name: &'a str,
        /// The reason.
        reason: &'a str,
        /// The remedy.
        remedy: &'a str,
    },
    /// The server did not reply to a packet for files.
    FileSilence(Reason<'a>),
    /// A packet of a file was not sent, because the send buffer is full. The value is the label.
    SendBufferFull(&'static str),
    /// A transfer ended.
    TransferEnded {
        /// The requested name.
        name: &'a [u8],
        /// Octets that were sent.
        octets: u64,
        /// Time since the request arrived.
        duration: Duration,
        /// How it ended.
        end: TransferEnd<'a>,
    },
    /// A file could not be sent to its end.
    TransferFailed {
        /// The requested name.
        name: &'a [u8],
        /// The error.
        error: fmt::Arguments<'a>,
    },
    /// The server closed a connection early, or did not serve it at all.
    ConnectionDropped {
        /// The reason.
        reason: fmt::Arguments<'a>,
        /// The state of the connections, if all of them were in use.
        overload: Option<Overload>,
    },
    /// A template cannot be rendered because of a mistake of the administrator.
    TemplateFailed {
        /// The name of the template.
        template: &'a str,
        /// The error, with its location.
        error: &'a str,
        /// The text that the machine received instead.
        substitute: Substitute,
    },
    /// A machine completed its boot-once with this download.
    BootOnceCompleted {
        /// The requested name.
        name: &'a [u8],
    },
    /// A completion no longer counts.
    BootOnceReset(ResetCause),
    /// A completed boot-once counts although no entry mentions it.
    CompletionWithoutEntry(&'a CompletionWithoutEntry),
    /// The server refused a request for the done URL of this machine.
    DoneRefused {
        /// The name of the machine's entry.
        machine: &'a str,
        /// Whether the request has a token, which is invalid or expired.
        has_token: bool,
    },
    /// A machine reports something about its boot or its installation.
    Report(Report<'a>),
    /// The server did not accept a report.
    ReportRefused(ReportRefusal),
    /// The server serves an interface, or one with other addresses than before. The values are its addresses.
    InterfaceServed([Option<IpAddr>; 2]),
    /// The server no longer serves an interface.
    InterfaceGone,
    /// Something happened to a port of the server.
    Port(PortEvent<'a>),
    /// The kernel did not do what the server needs of a socket.
    SocketFailed(SocketFailure<'a>),
    /// Something happened to the control socket.
    ControlSocket(ControlSocketEvent<'a>),
    /// A user answered the server's challenge at the menu of a machine.
    MenuLogin(MenuLoginEvent<'a>),
    /// An operator changed what a machine boots.
    Edit(EditEvent<'a>),
    /// An operator wakes a machine.
    Wake(WakeEvent<'a>),
    /// Something happened to the web listener.
    Web(WebEvent<'a>),
    /// The server called a webhook.
    Webhook(WebhookCall<'a>),
    /// Something happened to a file of the server's state.
    StateFile(StateFile<'a>),
    /// The service manager does not receive the server's notifications. The value is the error.
    NotifyFailed(fmt::Arguments<'a>),
    /// The server serves no interface yet: none that the configuration selects is up and has an address.
    NoInterface,
    /// The interfaces of this host cannot be listed. The value is the error.
    InterfacesUnknown(fmt::Arguments<'a>),
    /// The interfaces of this host cannot be watched. The server tries again every second. The value is the error.
    InterfaceWatchFailed(fmt::Arguments<'a>),
    /// Something happened to a thread that serves.
    Worker(WorkerEvent<'a>),
    /// The limit of open files concerns the clients.
    Descriptors(Descriptors),
    /// The server entered its sandbox, or runs without one.
    Sandbox(SandboxEvent<'a>),
    /// The server begins, with this configuration.
    Starting(Startup<'a>),
    /// Some machines load files by TFTP block by block: the ports of transfers are easy to guess, and the server does
    /// not see the DHCP traffic of these machines.
    SlowTftpClients {
        /// Whether all transfers use one port; if not, they use few.
        single_port: bool,
        /// Whether the server sees no DHCP traffic; if it does, only machines behind relays are slow.
        proxy_only: bool,
    },
    /// A signal stopped the server before it was ready.
    StoppedEarly,
    /// The server applied a changed configuration.
    Reloaded,
    /// A reload does not end, or does not start.
    ReloadBlocked(ReloadObstacle<'a>),
    /// A reload found that these machines no longer have entries.
    EntriesRemoved(&'a [&'a str]),
    /// A reload failed, and the server keeps the previous configuration.
    ReloadFailed(&'a [String]),
    /// The server is ready.
    Ready,
    /// Some seconds have passed. Readers that sum up over time write their sums.
    Tick,
    /// The server stopped. The value is what its readers have summed up.
    Stopped(&'a str),
    /// The loader for an architecture, or for every architecture without one.
    Loader {
        /// The architecture. `None`: every architecture without a separate loader.
        arch: Option<Arch>,
        /// The loader, or how to get one.
        loader: Result<&'a Loader, &'a str>,
    },
    /// The server read the entries of machines.
    MachinesRead {
        /// The number of machines.
        machines: usize,
        /// The number of files that contain them.
        files: usize,
        /// Time to read them.
        duration: Duration,
    },
    /// These loaders are not signed, and firmware with Secure Boot refuses them.
    UnsignedLoaders(&'a [&'a str]),
    /// A warning about the configuration or the boot directory: its location, what is wrong, and what to do, in one
    /// line.
    Warning(&'a str),
}

/// The server at its start.
#[derive(Clone, Copy, Debug)]
pub struct Startup<'a> {
    /// The version of the server.
    pub version: &'static str,
    /// The path of the main configuration file, if there is one.
    pub configuration: Option<&'a str>,
    /// The path of the boot directory.
    pub boot_dir: &'a str,
    /// The TFTP server of a legacy configuration file.
    pub legacy_tftp: Option<IpAddr>,
    /// Whether the server sends files.
    pub sends_files: bool,
}

/// Why a completion no longer counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetCause {
    /// Its file was removed.
    Removed,
    /// The machine's entry has another `boot`.
    OtherPolicy,
    /// A boot order began, or ended.
    Ordered,
}

impl<'a> EventMachine<'a> {
    /// The machine that sent a request for a file, as the ticket of the request shows it. The ticket of a request that
    /// the server refused before it looked at the name is empty.
    pub fn from_ticket(ticket: &'a FileTicket, client: SocketAddr) -> Self {
        let identity = Some(&ticket.machine).filter(|machine| machine.address.is_some());
        EventMachine { identity, entry: ticket.entry.as_deref(), from: Some(client) }
    }

    /// The sender at this address, of which nothing else is known.
    pub fn at(client: SocketAddr) -> Self {
        EventMachine { from: Some(client), ..EventMachine::default() }
    }

    /// The hardware address, if it is known.
    pub fn hardware(&self) -> Option<HardwareAddress> {
        self.identity?.hardware
    }
}

impl What<'_> {
    /// The label under which the event is counted. `None` for an event that is not counted.
    pub fn label(&self) -> Option<&'static str> {
        match self {
            What::Unsent(unsent) => Some(unsent.label),
            What::Silent(silent) => Some(silent.silence.label()),
            What::Discarded(label) | What::SendBufferFull(label) => Some(label),
            What::Finding(finding) => Some(finding.diagnosis.label()),
            What::BootLoop { .. } => Some("boot-loop:found"),
            What::Verdict(verdict) => Some(verdict.id),
            What::FileRefused { reason, .. } | What::FileSilence(reason) => Some(reason.label),
            What::OfferedFileRefused { .. } => Some("file:offered-but-refused"),
            What::TransferEnded { end: TransferEnd::Tftp(Outcome::Evicted, _), .. } => Some("tftp:evicted"),
            What::TransferFailed { .. } => Some("file:error"),
            What::ConnectionDropped { overload: Some(_), .. } => Some("http:connection-limit"),
            What::ConnectionDropped { overload: None, .. } => Some("http:dropped"),
            What::TemplateFailed { .. } => Some("file:template-failed"),
            What::DoneRefused { .. } => Some("file:done-refused"),
            What::ReportRefused(refusal) => Some(refusal.label()),
            What::MenuLogin(MenuLoginEvent::Wrong { .. } | MenuLoginEvent::TooOften { .. }) => {
                Some("menu-login:refused")
            }
            What::StateFile(StateFile::SharedUuidsUnwritable(_)) => Some("shared-uuids:write-failed"),
            What::InterfaceWatchFailed(_) => Some("interfaces:watch-failed"),
            What::Replied(_)
            | What::UnservedRequest(_)
            | What::UnservedLink { .. }
            | What::AmbiguousIdentity(..)
            | What::MenuChoice(_)
            | What::FileOpened { .. }
            | What::TransferEnded { .. }
            | What::BootOnceCompleted { .. }
            | What::BootOnceReset(_)
            | What::Report(_)
            | What::SlowTftpClients { .. }
            | What::CompletionWithoutEntry(_)
            | What::InterfaceServed(_)
            | What::InterfaceGone
            | What::OpenFailed { .. }
            | What::Port(_)
            | What::SocketFailed(_)
            | What::ControlSocket(_)
            | What::MenuLogin(MenuLoginEvent::LoggedIn { .. })
            | What::Edit(_)
            | What::Wake(_)
            | What::Web(_)
            | What::Webhook(_)
            | What::StateFile(_)
            | What::NotifyFailed(_)
            | What::NoInterface
            | What::InterfacesUnknown(_)
            | What::Worker(_)
            | What::Descriptors(_)
            | What::Sandbox(_)
            | What::Starting(_)
            | What::StoppedEarly
            | What::Reloaded
            | What::ReloadBlocked(_)
            | What::EntriesRemoved(_)
            | What::Loader { .. }
            | What::MachinesRead { .. }
            | What::UnsignedLoaders(_)
            | What::Warning(_)
            | What::ReloadFailed(_)
            | What::Ready
            | What::Tick
            | What::Stopped(_) => None,
        }
    }
}

impl From<Protocol> for Service {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Tftp => Service::Tftp,
            Protocol::Http(_) => Service::Http,
        }
    }
}

//! Recognises the client from one packet, once. All other modules use the resulting value (protocol.md 1.3 to 1.6,
//! 5.3).

mod architecture;
mod class;
mod dhcp4;
mod dhcp6;
pub mod dialect;
mod ignore_reason;
mod program;
mod sender;
mod user_class;

use crate::arch::Arch;
use crate::arrival::Port;
use crate::identity::{HardwareAddress, MachineIdentity};
use crate::wire::DhcpMessageType;
use crate::wire::pxe::BootItem;
pub use architecture::ArchSource;
pub use class::Class;
use core::fmt;
pub use dhcp4::{architecture4, recognise4};
pub use dhcp6::{architecture6, class6, recognise6};
use dialect::Dialect;
pub use ignore_reason::IgnoreReason;
pub use program::Program;
pub use sender::identify;

/// A network-boot client, as its packet describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The machine that sent the packet.
    pub machine: MachineIdentity,
    /// The vendor class of the client.
    pub class: Class,
    /// The port that received the packet.
    pub port: Port,
    /// The type of the message that the client sent.
    pub message_type: DhcpMessageType,
    /// The architecture of the client.
    pub arch: Arch,
    /// Where the architecture was found.
    pub arch_source: ArchSource,
    /// The program that sent the packet.
    pub program: Program,
    /// The dialect of the firmware, recognised or declared by a rule; `None` if it is that of PXE 2.1.
    pub dialect: Option<&'static Dialect>,
    /// The menu item that the client chose, if its packet states one.
    pub boot_item: Option<BootItem>,
}

impl Client {
    /// The hardware address by which the server knows the machine. The packet of every client states one, or a DUID.
    pub fn hardware(&self) -> HardwareAddress {
        self.machine.hardware.unwrap_or_default()
    }

    /// Whether the client is iPXE.
    pub fn is_ipxe(&self) -> bool {
        matches!(self.program, Program::Ipxe(_) | Program::ReplacedIpxe(_))
    }

    /// Whether the client sent a DHCPv6 message.
    pub fn is_v6(&self) -> bool {
        matches!(self.message_type, DhcpMessageType::Dhcp6(_))
    }

    /// Whether the client can be firmware with this dialect, if a rule declares that it is.
    pub fn can_have(&self, dialect: &Dialect) -> bool {
        self.class == Class::Pxe && dialect.has_arch(self.arch) && !self.is_v6()
    }
}

/// Describes the client, for example as `x64 UEFI` or `iPXE on x64 UEFI`, or by the name of its dialect.
impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.program, self.dialect) {
            (Program::Ipxe(_), _) => write!(f, "iPXE on {}", self.arch),
            (Program::ReplacedIpxe(lacks), _) if lacks.is_empty() => write!(f, "iPXE on {}", self.arch),
            (Program::ReplacedIpxe(lacks), _) => write!(f, "iPXE without {lacks} on {}", self.arch),
            (Program::Gpxe, _) => write!(f, "gPXE on {}", self.arch),
            (_, Some(dialect)) => f.write_str(dialect.name),
            (Program::Firmware, None) => write!(f, "{}", self.arch),
            (Program::BootProgram, None) => write!(f, "boot program on {}", self.arch),
        }
    }
}

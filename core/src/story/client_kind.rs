//! The kind of a client: the program that runs on a machine, and its firmware.

use crate::arch::Arch;
use crate::client::dialect::Dialect;
use crate::client::{Class, Client, Program};
use core::fmt;

/// The kind of a client, as far as a story needs it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientKind {
    /// The architecture of the firmware.
    pub arch: Arch,
    /// The program that sent the request.
    pub program: ProgramKind,
    /// How the client boots.
    pub method: Method,
    /// The index of the firmware's dialect in [`Dialect::all`].
    pub dialect: Option<u8>,
}

/// The program that sends requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProgramKind {
    /// The firmware.
    #[default]
    Firmware,
    /// An iPXE.
    Ipxe,
    /// A gPXE.
    Gpxe,
    /// A program that the firmware loaded.
    BootProgram,
}

/// How a client boots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// PXE over IPv4.
    #[default]
    Pxe4,
    /// PXE over IPv6.
    Pxe6,
    /// UEFI HTTP boot over IPv4.
    Http4,
    /// UEFI HTTP boot over IPv6.
    Http6,
}

impl ClientKind {
    /// Whether the firmware itself sent the request.
    pub fn is_firmware(self) -> bool {
        self.program == ProgramKind::Firmware
    }

    /// Whether the client is an iPXE.
    pub fn is_ipxe(self) -> bool {
        self.program == ProgramKind::Ipxe
    }

    /// The dialect of the firmware.
    pub fn dialect(self) -> Option<&'static Dialect> {
        Dialect::all().nth(self.dialect?.into())
    }
}

impl From<&Client> for ClientKind {
    fn from(client: &Client) -> Self {
        let method = match (client.class == Class::Http, client.is_v6()) {
            (false, false) => Method::Pxe4,
            (false, true) => Method::Pxe6,
            (true, false) => Method::Http4,
            (true, true) => Method::Http6,
        };
        let program = match client.program {
            Program::Firmware => ProgramKind::Firmware,
            Program::Ipxe(_) | Program::ReplacedIpxe(_) => ProgramKind::Ipxe,
            Program::Gpxe => ProgramKind::Gpxe,
            Program::BootProgram => ProgramKind::BootProgram,
        };
        let index = |dialect| Dialect::all().position(|known| known == dialect).map(|index| index as u8);
        ClientKind { arch: client.arch, program, method, dialect: client.dialect.and_then(index) }
    }
}

/// Describes the client, for example as `x64 UEFI` or `iPXE on x64 UEFI`.
impl fmt::Display for ClientKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.program, self.dialect()) {
            (ProgramKind::Ipxe, _) => write!(f, "iPXE on {}", self.arch),
            (ProgramKind::Gpxe, _) => write!(f, "gPXE on {}", self.arch),
            (_, Some(dialect)) => f.write_str(dialect.name),
            (ProgramKind::BootProgram, None) => write!(f, "boot program on {}", self.arch),
            (ProgramKind::Firmware, None) => write!(f, "{}", self.arch),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Method::Pxe4 => "PXE over IPv4",
            Method::Pxe6 => "PXE over IPv6",
            Method::Http4 => "UEFI HTTP boot over IPv4",
            Method::Http6 => "UEFI HTTP boot over IPv6",
        })
    }
}

//! Shape: every free choice in a reply, as plain fields (protocol note 2.6). Firmware differs in what it accepts, and
//! a shape is one consistent way to fill a reply.

use crate::arrival::Port;
use crate::choose::Boot;
use crate::client::{Class, Client};
use crate::wire::dhcp4::MessageType;
use crate::wire::pxe::LOAD_THE_FILE;
use alloc::string::String;
use core::fmt;
use core::net::Ipv4Addr;

/// The longest name that the file field holds with its NUL; longer ones go into option 67.
pub const LONGEST_FILE: usize = 127;
/// The longest name that option 67 holds with its NUL: clients read the first instance only.
pub const LONGEST_URL: usize = 254;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    pub name: Name,
    pub kind: MessageType,
    pub class: Class,
    pub siaddr: Ipv4Addr,
    /// The file, or nothing where the second visit gives it.
    pub file: Option<String>,
    /// Option 43.
    pub vendor_specific: Option<&'static [u8]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// Option 43 says "load this file": one visit.
    Direct,
    /// No option 43: the client comes to 4011 at siaddr. EDK2 from 2010 to 2017 took nothing else from a proxy.
    Redirect,
    /// A URI for a UEFI HTTP client: one visit.
    Http,
}

impl Shape {
    /// `here` is our address as the client knows it; `boot_server` whether 4011 is open.
    pub fn of(client: &Client, boot: Boot, here: Ipv4Addr, boot_server: bool) -> Shape {
        let kind = match client.message {
            MessageType::Discover => MessageType::Offer,
            _ => MessageType::Ack,
        };
        let name = match client.class {
            Class::Http => Name::Http,
            Class::Pxe if client.arch.is_efi() && !client.is_ipxe() && boot_server => Name::Redirect,
            Class::Pxe => Name::Direct,
        };
        let shape = Shape {
            name,
            kind,
            class: client.class,
            siaddr: boot.server,
            file: Some(boot.file),
            vendor_specific: (name == Name::Direct).then_some(&LOAD_THE_FILE),
        };
        match (name, client.port) {
            // The OFFER leads to us, so it can name the file only where we are the TFTP server as well.
            (Name::Redirect, Port::Dhcp) => {
                Shape { siaddr: here, file: shape.file.filter(|_| boot.server == here), ..shape }
            }
            _ => shape,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct => "direct",
            Self::Redirect => "redirect",
            Self::Http => "http",
        })
    }
}

//! Shape: every free choice in a reply, as plain fields (protocol.md 2.6). Firmware differs in what it accepts, and
//! a shape is one consistent way to fill a reply.

use crate::arrival::Port;
use crate::choose::{Boot, BootMethod, NoBoot, MenuLine};
use crate::client::{Class, Client};
use crate::wire::DhcpMessageType;
use crate::wire::dhcp4::MessageType;
use crate::wire::pxe::{self, LOAD_FILE_OPTION, MenuItem, RASPBERRY_PI_OPTION};
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr};

/// The longest name that the file field holds with its NUL; longer ones go into option 67.
pub const MAX_FILE_LENGTH: usize = 127;
/// The longest name that option 67 holds with its NUL: clients read the first instance only.
pub const MAX_URL_LENGTH: usize = 254;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    pub name: ShapeName,
    pub message_type: MessageType,
    pub class: Class,
    pub siaddr: Ipv4Addr,
    /// The file, or nothing where the second visit gives it.
    pub file: Option<String>,
    /// Option 43.
    pub vendor_specific: Option<Cow<'static, [u8]>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ShapeName {
    /// Option 43 says "load this file": one visit.
    Direct,
    /// No option 43: the client comes to 4011 at siaddr. EDK2 from 2010 to 2017 took nothing else from a proxy. Over
    /// IPv6 there is no other shape for PXE.
    Redirect,
    /// A URI for a UEFI HTTP client: one visit.
    Http,
    /// Option 43 holds a menu: the client comes back to 4011 with what was chosen.
    Menu,
    /// What was chosen, said back with its file.
    Item,
    /// Option 43 holds the text that a Raspberry Pi looks for; it knows the names of its files.
    RaspberryPi,
}

impl Shape {
    /// `here` is our address as the client knows it; `boot_server` whether 4011 is open.
    pub fn new(client: &Client, boot: Boot, here: Ipv4Addr, boot_server: bool) -> Result<Shape, NoBoot> {
        let kind = match client.message_type {
            DhcpMessageType::Dhcp4(MessageType::Discover) => MessageType::Offer,
            _ => MessageType::Ack,
        };
        let (name, vendor_specific): (ShapeName, Option<Cow<'static, [u8]>>) = match (&boot.method, client.class) {
            (BootMethod::Menu { prompt, timeout, items }, _) => {
                let items: Vec<MenuItem<'_>> = items.iter().map(line).collect();
                let option = pxe::menu(prompt, *timeout, &items).ok_or(NoBoot::MenuTooLarge)?;
                (ShapeName::Menu, Some(option.into()))
            }
            (BootMethod::Item(item), _) => (ShapeName::Item, Some(item.option().to_vec().into())),
            (BootMethod::RaspberryPi, _) => (ShapeName::RaspberryPi, Some(RASPBERRY_PI_OPTION[..].into())),
            (BootMethod::File, Class::Http) => (ShapeName::Http, None),
            (BootMethod::File, Class::Pxe) if client.uses_boot_server() && boot_server => (ShapeName::Redirect, None),
            (BootMethod::File, _) => (ShapeName::Direct, Some(LOAD_FILE_OPTION[..].into())),
        };
        let file = Some(boot.file).filter(|file| !file.is_empty());
        let siaddr = address4(boot.server).unwrap_or(here);
        let shape = Shape { name, message_type: kind, class: client.class, siaddr, file, vendor_specific };
        Ok(match (name, client.port) {
            // The OFFER leads to us, so it can name the file only where we are the TFTP server as well.
            (ShapeName::Redirect, Port::Dhcp) => {
                Shape { siaddr: here, file: shape.file.filter(|_| siaddr == here), ..shape }
            }
            _ => shape,
        })
    }
}

fn line(MenuLine { kind, title, server }: &MenuLine) -> MenuItem<'_> {
    MenuItem { server_type: *kind, title, server: server.and_then(address4) }
}

fn address4(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

impl fmt::Display for ShapeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct => "direct",
            Self::Redirect => "redirect",
            Self::Http => "http",
            Self::Menu => "menu",
            Self::Item => "item",
            Self::RaspberryPi => "raspberry-pi",
        })
    }
}

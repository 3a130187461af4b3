//! Shape: every free choice in a reply, as plain fields (protocol.md 2.6). Firmware differs in what it accepts, and
//! a shape is one consistent way to fill a reply.

use crate::arrival::Port;
use crate::choose::{Boot, Manner, Nothing, Shown};
use crate::client::{Class, Client};
use crate::wire::Kind;
use crate::wire::dhcp4::MessageType;
use crate::wire::pxe::{self, LOAD_THE_FILE, MenuItem, RASPBERRY_PI};
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr};

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
    pub vendor_specific: Option<Cow<'static, [u8]>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Name {
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
    pub fn of(client: &Client, boot: Boot, here: Ipv4Addr, boot_server: bool) -> Result<Shape, Nothing> {
        let kind = match client.message {
            Kind::Dhcp4(MessageType::Discover) => MessageType::Offer,
            _ => MessageType::Ack,
        };
        let (name, vendor_specific): (Name, Option<Cow<'static, [u8]>>) = match (&boot.manner, client.class) {
            (Manner::Menu { prompt, timeout, items }, _) => {
                let items: Vec<MenuItem<'_>> = items.iter().map(line).collect();
                let option = pxe::menu(prompt, *timeout, &items).ok_or(Nothing::MenuTooLarge)?;
                (Name::Menu, Some(option.into()))
            }
            (Manner::Item(item), _) => (Name::Item, Some(item.option().to_vec().into())),
            (Manner::RaspberryPi, _) => (Name::RaspberryPi, Some(RASPBERRY_PI[..].into())),
            (Manner::File, Class::Http) => (Name::Http, None),
            (Manner::File, Class::Pxe) if client.comes_to_4011() && boot_server => (Name::Redirect, None),
            (Manner::File, _) => (Name::Direct, Some(LOAD_THE_FILE[..].into())),
        };
        let file = Some(boot.file).filter(|file| !file.is_empty());
        let siaddr = address4(boot.server).unwrap_or(here);
        let shape = Shape { name, kind, class: client.class, siaddr, file, vendor_specific };
        Ok(match (name, client.port) {
            // The OFFER leads to us, so it can name the file only where we are the TFTP server as well.
            (Name::Redirect, Port::Dhcp) => {
                Shape { siaddr: here, file: shape.file.filter(|_| siaddr == here), ..shape }
            }
            _ => shape,
        })
    }
}

fn line(Shown { kind, title, server }: &Shown) -> MenuItem<'_> {
    MenuItem { kind: *kind, title, server: server.and_then(address4) }
}

fn address4(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

impl fmt::Display for Name {
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

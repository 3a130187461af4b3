//! The shape of a DHCPv4 reply: every choice about its form, as plain fields (protocol.md 2.6). Different firmware
//! accepts different replies, and each kind of shape is one consistent way to fill in a reply.

use crate::arrival::Port;
use crate::choose::{Boot, BootMethod, MenuLine, NoBoot};
use crate::client::dialect::Dialect;
use crate::client::{Class, Client};
use crate::wire::DhcpMessageType;
use crate::wire::dhcp4::MessageType;
use crate::wire::pxe::{self, LOAD_FILE_OPTION, MenuItem};
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr};

/// Longest file name that the `file` field holds with its NUL, in octets. A longer name goes into option 67.
pub const MAX_FILE_LENGTH: usize = 127;
/// Longest file name that option 67 holds with its NUL, in octets. Clients read only the first instance of the option.
pub const MAX_URL_LENGTH: usize = 254;

/// Every choice about the form of a DHCPv4 reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape<'a> {
    /// The kind of shape.
    pub name: ShapeName,
    /// The message type of the reply.
    pub message_type: MessageType,
    /// The vendor class that the reply repeats.
    pub class: Class,
    /// The next server: the TFTP server, or the boot server on port 4011.
    pub siaddr: Ipv4Addr,
    /// The boot file; `None` if this reply names none, for example because the client receives the name only on port
    /// 4011.
    pub file: Option<&'a str>,
    /// The value of option 43.
    pub vendor_specific: Option<VendorSpecific>,
}

/// A value of option 43.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VendorSpecific {
    /// The same for every client.
    Fixed(&'static [u8]),
    /// The menu item that the client chose.
    Item([u8; 7]),
    /// A menu.
    Menu(Vec<u8>),
}

/// The kinds of shape, of either family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ShapeName {
    /// Option 43 with discovery control 8 ("load this file"). The client sends only one request.
    Direct,
    /// No option 43: the client contacts port 4011 at siaddr. EDK2 from 2010 to 2017 accepts nothing else from a proxy.
    /// Over IPv6, it is the only shape for PXE firmware.
    Redirect,
    /// A URI for a UEFI HTTP client, which sends only one request.
    Http,
    /// Option 43 with a menu: the client contacts port 4011 with the chosen item.
    Menu,
    /// Option 43 confirms the menu item that the client chose, and the reply names the file of that item.
    Item,
    /// Option 43 of a dialect whose firmware itself knows the names of the files that it requests.
    FixedNames(&'static Dialect),
}

impl<'a> Shape<'a> {
    /// The shape of the reply for a boot, or an error if the menu is too large for option 43. `local_addr` is the
    /// server's address as the client reaches it; `file_shape` returns the shape of a reply that names a file by TFTP.
    pub fn new(
        client: &Client,
        boot: &'a Boot,
        local_addr: Ipv4Addr,
        file_shape: impl FnOnce() -> ShapeName,
    ) -> Result<Shape<'a>, NoBoot> {
        let message_type = match client.message_type {
            DhcpMessageType::Dhcp4(MessageType::Discover) => MessageType::Offer,
            _ => MessageType::Ack,
        };
        let (name, vendor_specific) = match (&boot.method, client.class) {
            (BootMethod::Menu { prompt, timeout, items }, _) => {
                let items: Vec<MenuItem<'_>> = items.iter().map(menu_item).collect();
                let option = pxe::menu(prompt, *timeout, &items).ok_or(NoBoot::MenuTooLarge)?;
                (ShapeName::Menu, Some(VendorSpecific::Menu(option)))
            }
            (BootMethod::Item(item), _) => (ShapeName::Item, Some(VendorSpecific::Item(item.option()))),
            (BootMethod::FixedNames(dialect), _) => {
                (ShapeName::FixedNames(dialect), Some(VendorSpecific::Fixed(dialect.vendor_specific)))
            }
            (BootMethod::File, Class::Http) => (ShapeName::Http, None),
            (BootMethod::File, Class::Pxe | Class::UBoot) => match file_shape() {
                ShapeName::Redirect => (ShapeName::Redirect, None),
                _ => (ShapeName::Direct, Some(VendorSpecific::Fixed(&LOAD_FILE_OPTION))),
            },
        };
        let file = Some(boot.file.as_str()).filter(|file| !file.is_empty());
        let siaddr = address4(boot.server).unwrap_or(local_addr);
        let shape = Shape { name, message_type, class: client.class, siaddr, file, vendor_specific };
        Ok(match (name, client.port) {
            // siaddr in the OFFER is this server, so the OFFER can name the file only if this server is also the TFTP
            // server.
            (ShapeName::Redirect, Port::Dhcp) => {
                Shape { siaddr: local_addr, file: shape.file.filter(|_| siaddr == local_addr), ..shape }
            }
            _ => shape,
        })
    }
}

impl VendorSpecific {
    /// The octets of the option.
    pub fn octets(&self) -> &[u8] {
        match self {
            Self::Fixed(octets) => octets,
            Self::Item(octets) => octets,
            Self::Menu(octets) => octets,
        }
    }
}

fn menu_item(MenuLine { server_type, title, server }: &MenuLine) -> MenuItem<'_> {
    MenuItem { server_type: *server_type, title, server: server.and_then(address4) }
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
            Self::FixedNames(dialect) => dialect.id,
        })
    }
}

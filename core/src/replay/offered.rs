//! Reads from a reply what it offers: the file, the kind of file, and where the client sends its next request.

use super::addresses::is_one_of;
use super::context::Context;
use crate::claimed_identity::ClaimedIdentity;
use crate::client::{Class, Client};
use crate::file_name::normalize;
use crate::observations::finding::NextContact;
use crate::story::OfferKind;
use crate::url::percent_decode;
use crate::wire::dhcp4::{Message, code};
use crate::wire::dhcp6;
use crate::wire::pxe::SubOptions;
use alloc::borrow::ToOwned;
use alloc::string::String;
use core::net::{IpAddr, Ipv4Addr};

/// The tags of option 43 (PXE 2.1 table 2-1): discovery control, the menu, and the chosen item.
const DISCOVERY_CONTROL: u8 = 6;
const MENU: u8 = 9;
const ITEM: u8 = 71;
/// The bit of the discovery control for "load the file of this reply".
const LOAD_FILE: u8 = 8;
/// The endings of the names of programs. An iPXE that receives another file receives a script.
const PROGRAMS: [&str; 6] = [".efi", ".pxe", ".kpxe", ".kkpxe", ".lkrn", ".0"];
/// The beginning of the names of the programs that start the local disk.
pub const LOCAL_DISK: &str = "local-disk/";

/// The content of a reply, as far as a story needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// The file that the reply names.
    pub file: String,
    /// The kind of that file.
    pub kind: OfferKind,
    /// Where the client sends its next request.
    pub next: NextContact,
}

impl Offered {
    /// The content of a DHCPv4 reply from this address to a client.
    pub fn from_dhcp4(context: &Context, client: &Client, from: IpAddr, message: &Message<'_>) -> Offered {
        let option = message.option(code::BOOT_FILE).unwrap_or_default();
        let name = if message.file().is_empty() { &option } else { message.file() };
        let file = text(name);
        let vendor_specific = message.option(code::VENDOR_SPECIFIC);
        let menu = vendor_specific.as_deref().and_then(|value| sub_option(value, MENU));
        let control = vendor_specific.as_deref().and_then(|value| sub_option(value, DISCOVERY_CONTROL));
        let loads_file = control.and_then(|value| value.first()).is_some_and(|control| control & LOAD_FILE != 0);
        let is_item = vendor_specific.as_deref().and_then(|value| sub_option(value, ITEM)).is_some();
        let kind = match menu.map(menu_items) {
            Some(2..) => OfferKind::Menu,
            _ if file.is_empty() && client.dialect.is_some() => OfferKind::FixedNames,
            _ => kind_of(client, &file),
        };
        let is_direct = loads_file || (client.is_ipxe() && !file.is_empty());
        let next = match (client.class, kind) {
            (Class::Http | Class::UBoot, _) | (_, OfferKind::Menu | OfferKind::FixedNames) => NextContact::Elsewhere,
            _ if is_item => NextContact::Elsewhere,
            _ if is_direct => next_for_file(context, &file, message.header.siaddr, from),
            _ => NextContact::BootServer,
        };
        Offered { file, kind, next }
    }

    /// The content of a DHCPv6 reply to a client.
    pub fn from_dhcp6(client: &Client, message: &dhcp6::Message<'_>) -> Offered {
        let file = text(message.option(dhcp6::code::BOOT_FILE_URL).unwrap_or_default());
        Offered { kind: kind_of(client, &file), file, next: NextContact::Elsewhere }
    }

    /// The name by which the client requests the file, without the identity that it may claim; `None` if the reply
    /// names no file.
    pub fn requested_name(&self) -> Option<String> {
        let path = match self.file.split_once("://") {
            Some((_, rest)) => rest.split_once('/')?.1,
            None => &self.file,
        };
        file_name(path)
    }
}

/// The name of the file to which a URL leads, if its host has one of these addresses.
pub fn local_name(addresses: &[IpAddr], url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let (authority, path) = rest.split_once('/')?;
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None => authority.split(':').next()?,
    };
    let is_local = host.parse().is_ok_and(|host| is_one_of(addresses, host));
    is_local.then(|| file_name(path)).flatten()
}

/// The name of the file that a path requests, without the identity that it may claim.
fn file_name(path: &str) -> Option<String> {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let name = normalize(&percent_decode(path.as_bytes())).ok()?;
    Some(ClaimedIdentity::parse(&name).map_or_else(|| name.clone(), |(_, rest)| rest.to_owned()))
}

fn kind_of(client: &Client, file: &str) -> OfferKind {
    let is_program = PROGRAMS.iter().any(|ending| file.to_ascii_lowercase().ends_with(ending));
    match client.is_ipxe() && !is_program {
        true => OfferKind::Script,
        false if file.contains(LOCAL_DISK) => OfferKind::LocalDisk,
        false => OfferKind::Loader,
    }
}

/// Where a client requests a file. The next server is siaddr or, if that is 0, the sender.
fn next_for_file(context: &Context, file: &str, siaddr: Ipv4Addr, from: IpAddr) -> NextContact {
    let server = if siaddr.is_unspecified() { from } else { siaddr.into() };
    let Some((scheme, rest)) = file.split_once("://") else {
        return if context.is_server(server) { NextContact::Tftp } else { NextContact::Elsewhere };
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, "80"));
    let is_server = host.parse::<IpAddr>().is_ok_and(|host| context.is_server(host));
    match (scheme, port.parse()) {
        ("http", Ok(port)) if is_server => NextContact::Http(port),
        ("tftp", _) if is_server => NextContact::Tftp,
        _ => NextContact::Elsewhere,
    }
}

/// The number of items in a menu (PXE 2.1 table 2-1, tag 9): each is its type, and its text with a length.
fn menu_items(mut menu: &[u8]) -> usize {
    let mut items = 0;
    while let [_, _, length, rest @ ..] = menu {
        menu = rest.get(usize::from(*length)..).unwrap_or_default();
        items += 1;
    }
    items
}

fn sub_option(value: &[u8], code: u8) -> Option<&[u8]> {
    SubOptions(value).find(|(found, _)| *found == code).map(|(_, value)| value)
}

/// The text before the first NUL.
fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets.split(|octet| *octet == 0).next().unwrap_or_default()).into_owned()
}

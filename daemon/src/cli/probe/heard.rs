//! A reply that the probe received: who sent it, and what it offers.

use proxydhcpd_core::identity::PROBE_MAC;
use proxydhcpd_core::wire::dhcp4::{self, OP_REPLY, code};
use proxydhcpd_core::wire::dhcp6;
use proxydhcpd_core::wire::pxe::{SubOptions, escape};
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr};

/// Sub-option PXE_BOOT_MENU of option 43 (PXE 2.1, table 2-1): type, length and title of each item.
const BOOT_MENU: u8 = 9;

/// The program that sent a reply, as far as its address shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A reply without an address to lease, from an address of this host: proxydhcpd.
    ThisServer,
    /// Another server on this host, which assigns addresses.
    ThisHost,
    /// A server on another host.
    Another,
}

/// An OFFER or an ADVERTISE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The source address of the packet.
    pub sender: IpAddr,
    /// The server: option 54, or the source address without that option. For IPv6, the source address.
    pub server: IpAddr,
    /// The program that sent it.
    pub origin: Origin,
    /// The address that the client may request. `None` for the offer of a boot server.
    pub address: Option<IpAddr>,
    /// The vendor class (option 60; over IPv6, option 16), escaped.
    pub vendor_class: Option<String>,
    /// siaddr, if it is set.
    pub next_server: Option<IpAddr>,
    /// The boot file: the header field `file`, or option 67; over IPv6, option 59. Escaped.
    pub boot_file: Option<String>,
    /// The titles of the menu that the firmware would show.
    pub menu: Vec<String>,
}

impl Heard {
    /// Whether the reply makes the client boot something, or says that its sender is a boot server.
    pub fn is_from_boot_server(&self) -> bool {
        self.vendor_class.is_some() || self.boot_file.is_some() || !self.menu.is_empty()
    }

    /// Whether a server other than a DHCP server sent it: it assigns no address.
    pub fn is_proxy(&self) -> bool {
        self.address.is_none() && self.is_from_boot_server()
    }

    /// The parts of the reply, on one line.
    pub fn text(&self) -> String {
        let mut parts = vec![self.address.map_or("no address".to_owned(), |address| format!("address {address}"))];
        parts.extend(self.vendor_class.as_ref().map(|class| format!("vendor class {class}")));
        parts.extend(self.next_server.map(|server| format!("next server {server}")));
        parts.extend(self.boot_file.as_ref().map(|file| format!("boot file {file}")));
        parts.extend((!self.menu.is_empty()).then(|| format!("menu: {}", self.menu.join(" | "))));
        parts.join(", ")
    }

    /// The reply as JSON.
    pub fn json(&self) -> Value {
        json!({
            "server": self.server, "sender": self.sender, "origin": self.origin.id(), "address": self.address,
            "vendor_class": self.vendor_class, "next_server": self.next_server, "boot_file": self.boot_file,
            "menu": self.menu,
        })
    }
}

impl Origin {
    /// The origin in words.
    pub fn name(self) -> &'static str {
        match self {
            Origin::ThisServer => "this server",
            Origin::ThisHost => "another server on this host",
            Origin::Another => "another server",
        }
    }

    fn id(self) -> &'static str {
        match self {
            Origin::ThisServer => "this-server",
            Origin::ThisHost => "this-host",
            Origin::Another => "another",
        }
    }

    fn new(is_own_address: bool, address: Option<IpAddr>) -> Origin {
        match (is_own_address, address) {
            (true, None) => Origin::ThisServer,
            (true, Some(_)) => Origin::ThisHost,
            (false, _) => Origin::Another,
        }
    }
}

/// Parses a DHCPv4 message. Returns its transaction ID and the reply, or `None` unless the message is an OFFER or an
/// ACK to the probe. A boot server replies with an ACK on port 4011.
pub fn parse4(payload: &[u8], from: SocketAddr, is_own: impl Fn(IpAddr) -> bool) -> Option<(u32, Heard)> {
    use dhcp4::MessageType::{Ack, Offer};
    let message = dhcp4::Message::parse(payload).ok()?;
    let header = &message.header;
    let is_reply = matches!(message.message_type(), Some(Offer | Ack)) && header.op == OP_REPLY;
    if !is_reply || header.chaddr[..6] != PROBE_MAC {
        return None;
    }
    let sender = from.ip();
    let server = message.address(code::SERVER_ID).map_or(sender, IpAddr::V4);
    let address = Some(header.yiaddr).filter(|address| !address.is_unspecified()).map(IpAddr::V4);
    let text = |octets: &[u8]| Some(octets).filter(|octets| !octets.is_empty()).map(escape);
    let option67 = message.option(code::BOOT_FILE);
    let boot_file = text(message.file()).or_else(|| option67.as_deref().and_then(|file| text(until_nul(file))));
    let menu = message.option(code::VENDOR_SPECIFIC).map(|value| menu_titles(&value)).unwrap_or_default();
    let heard = Heard {
        sender,
        server,
        origin: Origin::new(is_own(server), address),
        address,
        vendor_class: message.option(code::VENDOR_CLASS).as_deref().and_then(text),
        next_server: Some(header.siaddr).filter(|address| !address.is_unspecified()).map(IpAddr::V4),
        boot_file,
        menu,
    };
    Some((header.xid, heard))
}

/// Parses a DHCPv6 message. Returns its transaction ID and the reply, or `None` unless it is an ADVERTISE to the probe.
pub fn parse6(payload: &[u8], from: SocketAddr, is_own: impl Fn(IpAddr) -> bool) -> Option<([u8; 3], Heard)> {
    let message = dhcp6::Packet::parse(payload).ok()?.message;
    let is_for_probe = message.option(dhcp6::code::CLIENT_ID).is_some_and(|duid| duid.ends_with(&PROBE_MAC));
    if message.message_type != dhcp6::MessageType::Advertise || !is_for_probe {
        return None;
    }
    let address = message.addresses().next().map(IpAddr::V6);
    let heard = Heard {
        sender: from.ip(),
        server: from.ip(),
        origin: Origin::new(is_own(from.ip()), address),
        address,
        vendor_class: message.vendor_classes().next().map(escape),
        next_server: None,
        boot_file: message.option(dhcp6::code::BOOT_FILE_URL).map(escape),
        menu: Vec::new(),
    };
    Some((message.transaction_id, heard))
}

/// The titles of the items in the menu of option 43.
fn menu_titles(option: &[u8]) -> Vec<String> {
    let mut titles = Vec::new();
    for (_, mut items) in SubOptions(option).filter(|&(code, _)| code == BOOT_MENU) {
        while let [_, _, length, rest @ ..] = items
            && let Some((title, next)) = rest.split_at_checked((*length).into())
        {
            titles.push(escape(title));
            items = next;
        }
    }
    titles
}

fn until_nul(octets: &[u8]) -> &[u8] {
    octets.split(|&octet| octet == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proxydhcpd_core::wire::dhcp4::{Header, Writer};
    use proxydhcpd_core::wire::pxe::{LOAD_FILE_OPTION, MenuItem, menu};

    fn offer(header: Header, option43: &[u8]) -> Vec<u8> {
        let mut octets = Vec::new();
        let mut packet = Writer::new(&Header { op: OP_REPLY, ..header }, &mut octets);
        packet.option(code::MESSAGE_TYPE, &[2]).option(code::SERVER_ID, &[192, 0, 2, 10]);
        packet.option(code::VENDOR_CLASS, b"PXEClient").option(code::VENDOR_SPECIFIC, option43);
        packet.finish(0);
        octets
    }

    fn header(mac: [u8; 6]) -> Header {
        let mut header = Header { xid: 9, siaddr: [192, 0, 2, 11].into(), ..Header::default() };
        header.chaddr[..6].copy_from_slice(&mac);
        header.file[..2].copy_from_slice(b"a\x1b");
        header
    }

    fn parse(octets: &[u8]) -> Option<(u32, Heard)> {
        parse4(octets, ([192, 0, 2, 1], 67).into(), |address| address == IpAddr::from([192, 0, 2, 10]))
    }

    #[test]
    fn the_parts_of_an_offer_are_shown_and_texts_are_escaped() {
        let item = MenuItem { server_type: 0, title: "Local", server: None };
        let option = menu("Choose", 3, &[item]).unwrap();
        let (xid, heard) = parse(&offer(header(PROBE_MAC), &option)).unwrap();
        assert_eq!((xid, heard.origin, heard.is_proxy()), (9, Origin::ThisServer, true));
        let text = heard.text();
        assert!(text.starts_with("no address, vendor class PXEClient, next server 192.0.2.11, boot file a"), "{text}");
        assert!(text.ends_with("menu: Local") && !text.contains('\x1b'), "{text}");
    }

    #[test]
    fn a_truncated_menu_ends_at_its_last_complete_item() {
        assert_eq!(menu_titles(&[9, 9, 0, 1, 1, b'a', 0, 2, 200, b'b', b'c']), ["a"]);
        assert_eq!(menu_titles(&LOAD_FILE_OPTION), [""; 0]);
    }

    #[test]
    fn replies_to_others_and_requests_are_ignored() {
        assert_eq!(parse(&offer(header([2, 0, 0, 0, 0, 9]), &[])), None);
        assert_eq!(parse(&[0; 300]), None);
        let mut request = offer(header(PROBE_MAC), &[]);
        request[0] = 1;
        assert_eq!(parse(&request), None);
    }
}

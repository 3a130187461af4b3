//! DHCP messages as readable trees, for `explain`, logs and failing tests.

use crate::arch::Arch;
use crate::wire;
use crate::wire::dhcp4::{Message, MessageType, code};
use crate::wire::dhcp6::{self, Duid, LengthPrefixed, Options, RelayHop, code as code6};
use crate::wire::pxe::{BOOT_ITEM, Features, MachineId, SubOptions, escape};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};

/// One line of the tree: a name, a value, and the parts of the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The name of a field or an option.
    pub name: String,
    /// The value as text; may be empty.
    pub value: String,
    /// The parts of the value.
    pub children: Vec<Node>,
}

impl Node {
    /// A node without children.
    pub fn new(name: impl Into<String>, value: impl ToString) -> Self {
        Node { name: name.into(), value: value.to_string(), children: Vec::new() }
    }

    /// Adds children to the node, and returns the node.
    pub fn with_children(mut self, children: impl IntoIterator<Item = Node>) -> Self {
        self.children.extend(children);
        self
    }
}

/// Shows a DHCP message of either family as a tree.
pub fn packet(packet: &wire::DhcpPacket<'_>) -> Node {
    match packet {
        wire::DhcpPacket::Dhcp4(message) => dhcp4(message),
        wire::DhcpPacket::Dhcp6(packet) => dhcp6(packet),
    }
}

/// Shows a DHCPv4 message as a tree: the header fields that are set, then the options in the order of the message.
pub fn dhcp4(message: &Message<'_>) -> Node {
    let header = &message.header;
    let kind = message.message_type().map_or_else(|| "BOOTP".to_string(), |kind| kind.to_string());
    let mut fields = Vec::from([
        Node::new("op", if header.op == 1 { "1 (request)".to_string() } else { format!("{} (reply)", header.op) }),
        Node::new("xid", format!("{:08x}", header.xid)),
        Node::new(
            "flags",
            format!("{:04x}{}", header.flags, if header.flags & 0x8000 != 0 { " (broadcast)" } else { "" }),
        ),
        Node::new("chaddr", hex(header.hardware(), ":")),
    ]);
    let addresses =
        [("ciaddr", header.ciaddr), ("yiaddr", header.yiaddr), ("siaddr", header.siaddr), ("giaddr", header.giaddr)];
    fields.extend(addresses.iter().filter(|(_, a)| !a.is_unspecified()).map(|(name, a)| Node::new(*name, a)));
    let texts = [("sname", message.sname()), ("file", message.file())];
    fields.extend(texts.iter().filter(|(_, t)| !t.is_empty()).map(|(name, t)| Node::new(*name, escape(t))));
    fields.extend(message.options().map(|(code, value)| option(code, value)));
    Node::new("DHCP", kind).with_children(fields)
}

fn option(code: u8, value: &[u8]) -> Node {
    let name = format!("option {code}{}", option_name(code).map(|name| format!(" ({name})")).unwrap_or_default());
    let node = |value: String| Node::new(name.clone(), value);
    match (code, value) {
        (code::MESSAGE_TYPE, &[kind]) => node(format!("{kind} ({})", MessageType::from(kind))),
        (code::SERVER_ID | code::REQUESTED_ADDRESS, &[a, b, c, d]) => node(Ipv4Addr::new(a, b, c, d).to_string()),
        (code::MAXIMUM_SIZE, &[a, b]) => node(u16::from_be_bytes([a, b]).to_string()),
        (code::VENDOR_CLASS | code::USER_CLASS | code::BOOT_FILE | 12 | 66, text) => node(escape(text)),
        (code::PARAMETER_LIST, list) => node(format!("{} options", list.len())),
        (code::ARCHITECTURE, list) if list.len() % 2 == 0 => node(archs(list)),
        (code::NETWORK_INTERFACE, &[kind, major, minor]) => node(network_interface(kind, major, minor)),
        (code::MACHINE_ID, id) => match MachineId::from_octets(id) {
            Some(machine) => node(machine.to_string()),
            None => node(hex(id, "")),
        },
        (code::VENDOR_SPECIFIC, list) => node(hex(list, "")).with_children(SubOptions(list).map(pxe_option)),
        (code::RELAY_AGENT, list) => node(hex(list, "")).with_children(
            SubOptions(list).map(|(code, value)| Node::new(format!("sub-option {code}"), escape(value))),
        ),
        (code::IPXE, list) => match Features::parse(list) {
            Some(features) => node(ipxe(&features)),
            None => node(hex(list, "")),
        },
        (_, value) => node(hex(value, "")),
    }
}

/// Shows a DHCPv6 message as a tree, inside the relays that forwarded the message. The outermost relay is the root.
pub fn dhcp6(packet: &dhcp6::Packet<'_>) -> Node {
    let message = &packet.message;
    let transaction = Node::new("transaction", hex(&message.transaction_id, ""));
    let message = Node::new("DHCPv6", message.message_type)
        .with_children([transaction])
        .with_children(message.options().map(|(code, value)| option6(code, value, 0)));
    packet.hops.iter().rev().fold(message, |inner, hop| relay(hop).with_children([inner]))
}

fn relay(hop: &RelayHop<'_>) -> Node {
    let fields = [
        Node::new("hop count", hop.hop_count),
        Node::new("link address", hop.link_address),
        Node::new("peer address", hop.peer_address),
    ];
    let relay_options = hop.options().filter(|(code, _)| *code != code6::RELAY_MESSAGE);
    Node::new("DHCPv6", hop.message_type)
        .with_children(fields)
        .with_children(relay_options.map(|(code, value)| option6(code, value, 0)))
}

/// Shows a DHCPv6 option. `depth` is the number of options that enclose it. The deepest option with a meaning is the
/// status of an address, at depth 2.
fn option6(code: u16, value: &[u8], depth: usize) -> Node {
    const MAX_DEPTH: usize = 2;
    let name = format!("option {code}{}", option6_name(code).map(|name| format!(" ({name})")).unwrap_or_default());
    let node = |value: String| Node::new(name.clone(), value);
    let inner = |area| Options(area).map(|(code, value)| option6(code, value, depth + 1));
    match (code, value) {
        (code6::CLIENT_ID | code6::SERVER_ID, octets) => node(duid(octets)),
        (code6::IA_NA, &[a, b, c, d, _, _, _, _, _, _, _, _, ref rest @ ..]) if depth < MAX_DEPTH => {
            node(hex(&[a, b, c, d], "")).with_children(inner(rest))
        }
        (code6::IA_ADDRESS, value) if value.len() >= 24 && depth < MAX_DEPTH => {
            node(addresses(&value[..16])).with_children(inner(&value[24..]))
        }
        (code6::OPTION_REQUEST, list) if list.len() % 2 == 0 => {
            node(pairs(list).map(|code| code.to_string()).collect::<Vec<_>>().join(", "))
        }
        (code6::PREFERENCE, &[preference]) => node(preference.to_string()),
        (code6::ELAPSED_TIME, &[a, b]) => node(format!("{} ms", u32::from(u16::from_be_bytes([a, b])) * 10)),
        (code6::STATUS, &[a, b, ref text @ ..]) => {
            node(format!("{} {}", u16::from_be_bytes([a, b]), escape(text)).trim_end().into())
        }
        (code6::USER_CLASS, list) => node(texts(list)),
        (code6::VENDOR_CLASS, &[a, b, c, d, ref list @ ..]) => {
            node(format!("{}: {}", u32::from_be_bytes([a, b, c, d]), texts(list)))
        }
        (code6::INTERFACE_ID | code6::BOOT_FILE_URL, text) => node(escape(text)),
        (code6::DNS_SERVERS, list) if list.len() % 16 == 0 => node(addresses(list)),
        (code6::DOMAIN_LIST, list) => node(domains(list).unwrap_or_else(|| hex(list, ""))),
        (code6::ARCHITECTURE, list) if list.len() % 2 == 0 => node(archs(list)),
        (code6::NETWORK_INTERFACE, &[kind, major, minor]) => node(network_interface(kind, major, minor)),
        (code6::CLIENT_LINK_LAYER, &[0, 1, ref mac @ ..]) => node(hex(mac, ":")),
        (code6::RELAY_PORT, &[a, b]) => node(u16::from_be_bytes([a, b]).to_string()),
        (_, value) => node(hex(value, "")),
    }
}

fn duid(octets: &[u8]) -> String {
    match (Duid::parse(octets), Duid::parse(octets).machine_ids()) {
        (_, Some([stored, printed])) => format!("UUID {stored} as firmware writes it, {printed} as iPXE does"),
        (Duid::Mac(mac), _) => format!("MAC {}", hex(&mac, ":")),
        _ => hex(octets, ""),
    }
}

/// Shows texts, each preceded by its length. Shows any other value whole, because some clients send plain text.
fn texts(list: &[u8]) -> String {
    let is_list = LengthPrefixed(list).map(|text| text.len() + 2).sum::<usize>() == list.len();
    if is_list { LengthPrefixed(list).map(escape).collect::<Vec<_>>().join(", ") } else { escape(list) }
}

fn addresses(list: &[u8]) -> String {
    let octets = list.chunks_exact(16).filter_map(|octets| <[u8; 16]>::try_from(octets).ok());
    octets.map(|octets| Ipv6Addr::from(octets).to_string()).collect::<Vec<_>>().join(", ")
}

/// Shows names in DNS wire format (RFC 1035 3.1); returns `None` if the list ends inside a name. RFC 3646 4 does not
/// allow compression in this option.
fn domains(mut list: &[u8]) -> Option<String> {
    let (mut names, mut labels) = (Vec::new(), Vec::new());
    while let Some((length, rest)) = list.split_first() {
        let (label, rest) = rest.split_at_checked(usize::from(*length))?;
        list = rest;
        if label.is_empty() {
            names.push(labels.join("."));
            labels.clear();
        } else {
            labels.push(escape(label));
        }
    }
    labels.is_empty().then(|| names.join(", "))
}

fn archs(list: &[u8]) -> String {
    pairs(list).map(|code| format!("{code} ({})", Arch(code))).collect::<Vec<_>>().join(", ")
}

fn network_interface(kind: u8, major: u8, minor: u8) -> String {
    format!("type {kind}, version {major}.{minor}")
}

fn pairs(list: &[u8]) -> impl Iterator<Item = u16> {
    list.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
}

fn pxe_option((code, value): (u8, &[u8])) -> Node {
    let text = match (code, value) {
        (6, &[bits]) if bits & 8 != 0 => format!("{bits} (load the file, no discovery)"),
        (6, &[bits]) => bits.to_string(),
        (10, &[timeout, ref text @ ..]) => format!("{timeout} s, {}", escape(text)),
        _ => hex(value, ""),
    };
    let name = match code {
        6 => "discovery control",
        8 => "boot servers",
        9 => "menu",
        10 => "prompt",
        BOOT_ITEM => "boot item",
        _ => return Node::new(format!("sub-option {code}"), text),
    };
    Node::new(format!("sub-option {code} ({name})"), text)
}

fn ipxe(features: &Features) -> String {
    const NAMES: [(u8, &str); 10] = [
        (0x11, "iscsi"),
        (0x13, "http"),
        (0x14, "https"),
        (0x15, "tftp"),
        (0x17, "dns"),
        (0x18, "bzimage"),
        (0x21, "pxe"),
        (0x24, "efi"),
        (0x26, "vlan"),
        (0x27, "menu"),
    ];
    let version = features.version.map(|[a, b, c]| format!("iPXE {a}.{b}.{c}: ")).unwrap_or_default();
    let names: Vec<&str> = NAMES.iter().filter(|(code, _)| features.has(*code)).map(|(_, name)| *name).collect();
    format!("{version}{}", names.join(" "))
}

fn option_name(code: u8) -> Option<&'static str> {
    Some(match code {
        1 => "subnet mask",
        3 => "router",
        6 => "name servers",
        12 => "host name",
        43 => "vendor specific",
        50 => "requested address",
        51 => "lease time",
        52 => "overload",
        53 => "message type",
        54 => "server identifier",
        55 => "parameter list",
        57 => "maximum size",
        60 => "vendor class",
        61 => "client identifier",
        66 => "TFTP server name",
        67 => "boot file name",
        77 => "user class",
        82 => "relay agent",
        93 => "client architecture",
        94 => "network interface",
        97 => "machine identifier",
        175 => "iPXE",
        _ => return None,
    })
}

fn option6_name(code: u16) -> Option<&'static str> {
    Some(match code {
        code6::CLIENT_ID => "client identifier",
        code6::SERVER_ID => "server identifier",
        code6::IA_NA => "identity association",
        code6::IA_ADDRESS => "address",
        code6::OPTION_REQUEST => "option request",
        code6::PREFERENCE => "preference",
        code6::ELAPSED_TIME => "elapsed time",
        code6::STATUS => "status",
        code6::USER_CLASS => "user class",
        code6::VENDOR_CLASS => "vendor class",
        code6::INTERFACE_ID => "interface identifier",
        code6::DNS_SERVERS => "name servers",
        code6::DOMAIN_LIST => "search list",
        code6::BOOT_FILE_URL => "boot file URL",
        60 => "boot file parameters",
        code6::ARCHITECTURE => "client architecture",
        code6::NETWORK_INTERFACE => "network interface",
        code6::CLIENT_LINK_LAYER => "client link-layer address",
        code6::RELAY_PORT => "relay port",
        _ => return None,
    })
}

fn hex(octets: &[u8], between: &str) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(between)
}

/// Writes one line for each node, with its children indented below it.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_node(self, f, 0)
    }
}

fn write_node(node: &Node, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
    let colon = if node.value.is_empty() { "" } else { ": " };
    writeln!(f, "{:indent$}{}{colon}{}", "", node.name, node.value, indent = depth * 2)?;
    node.children.iter().try_for_each(|child| write_node(child, f, depth + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_the_network_never_reaches_a_terminal_unescaped() {
        let node = option(code::VENDOR_CLASS, b"PXE\x1b[31mClient\0");
        assert_eq!(node.value, "PXE\\x1b[31mClient\\x00");
    }

    #[test]
    fn nor_does_text_in_any_dhcpv6_option() {
        let hostile = b"\x1b]0;\n\r\x07\x9b31m\xff\0";
        let counted = [&[0, hostile.len() as u8][..], hostile].concat();
        let padded = [&[0; 24][..], &[0, 18, 0, hostile.len() as u8], hostile].concat();
        let label = [&[hostile.len() as u8][..], hostile, &[0]].concat();
        let enterprise = [&[0, 0, 1, 87][..], &counted].concat();
        for code in (0..200).chain([u16::MAX]) {
            for value in [&hostile[..], &counted, &padded, &padded[12..], &label, &enterprise, &hostile[..3], &[]] {
                let node = option6(code, value, 0);
                let shown = node.to_string();
                let plain = shown.bytes().all(|octet| octet == b'\n' || (b' '..=b'~').contains(&octet));
                assert!(plain && shown.lines().count() == nodes(&node), "option {code}: {shown:?}");
            }
        }
    }

    fn nodes(node: &Node) -> usize {
        1 + node.children.iter().map(nodes).sum::<usize>()
    }

    #[test]
    fn nested_options_end_at_a_fixed_depth() {
        let nested = (0..100u8).fold(Vec::new(), |inner: Vec<u8>, _| {
            [&[0; 12][..], &[0, 3], &(inner.len() as u16).to_be_bytes(), &inner].concat()
        });
        assert_eq!(option6(code6::IA_NA, &nested, 0).to_string().lines().count(), 3);
    }
}

//! A message as a tree that people read: for `explain`, logs and failing tests alike.

use crate::arch::Arch;
use crate::wire::dhcp4::{Message, MessageType, code};
use crate::wire::pxe::{BOOT_ITEM, Features, MachineId, SubOptions, escaped};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv4Addr;

/// A name, a value, and what the value is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub name: String,
    pub value: String,
    pub children: Vec<Node>,
}

impl Node {
    pub fn new(name: impl Into<String>, value: impl ToString) -> Self {
        Node { name: name.into(), value: value.to_string(), children: Vec::new() }
    }

    pub fn with(mut self, children: impl IntoIterator<Item = Node>) -> Self {
        self.children.extend(children);
        self
    }
}

/// A DHCPv4 message: the header fields that say something, then the options in their order.
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
    fields.extend(texts.iter().filter(|(_, t)| !t.is_empty()).map(|(name, t)| Node::new(*name, escaped(t))));
    fields.extend(message.options().map(|(code, value)| option(code, value)));
    Node::new("DHCP", kind).with(fields)
}

fn option(code: u8, value: &[u8]) -> Node {
    let name = format!("option {code}{}", option_name(code).map(|name| format!(" ({name})")).unwrap_or_default());
    let node = |value: String| Node::new(name.clone(), value);
    match (code, value) {
        (code::MESSAGE_TYPE, &[kind]) => node(format!("{kind} ({})", MessageType::from(kind))),
        (code::SERVER_ID | code::REQUESTED_ADDRESS, &[a, b, c, d]) => node(Ipv4Addr::new(a, b, c, d).to_string()),
        (code::MAXIMUM_SIZE, &[a, b]) => node(u16::from_be_bytes([a, b]).to_string()),
        (code::VENDOR_CLASS | code::USER_CLASS | code::BOOT_FILE | 12 | 66, text) => node(escaped(text)),
        (code::PARAMETER_LIST, list) => node(format!("{} options", list.len())),
        (code::ARCHITECTURE, list) if list.len() % 2 == 0 => {
            let codes = list.chunks_exact(2).map(|pair| Arch(u16::from_be_bytes([pair[0], pair[1]])));
            node(codes.map(|arch| format!("{} ({arch})", arch.0)).collect::<Vec<_>>().join(", "))
        }
        (code::NETWORK_INTERFACE, &[kind, major, minor]) => node(format!("type {kind}, version {major}.{minor}")),
        (code::MACHINE_ID, id) => match MachineId::from_octets(id) {
            Some(machine) => node(machine.to_string()),
            None => node(hex(id, "")),
        },
        (code::VENDOR_SPECIFIC, list) => node(hex(list, "")).with(SubOptions(list).map(pxe_option)),
        (code::RELAY_AGENT, list) => node(hex(list, ""))
            .with(SubOptions(list).map(|(code, value)| Node::new(format!("sub-option {code}"), escaped(value)))),
        (code::IPXE, list) => match Features::parse(list) {
            Some(features) => node(ipxe(&features)),
            None => node(hex(list, "")),
        },
        (_, value) => node(hex(value, "")),
    }
}

fn pxe_option((code, value): (u8, &[u8])) -> Node {
    let meaning = match (code, value) {
        (6, &[bits]) if bits & 8 != 0 => format!("{bits} (load the file, no discovery)"),
        (6, &[bits]) => bits.to_string(),
        (10, &[timeout, ref text @ ..]) => format!("{timeout} s, {}", escaped(text)),
        _ => hex(value, ""),
    };
    let name = match code {
        6 => "discovery control",
        8 => "boot servers",
        9 => "menu",
        10 => "prompt",
        BOOT_ITEM => "boot item",
        _ => return Node::new(format!("sub-option {code}"), meaning),
    };
    Node::new(format!("sub-option {code} ({name})"), meaning)
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

fn hex(octets: &[u8], between: &str) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(between)
}

/// A line a node, children indented below their parent.
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
    fn what_came_from_the_network_never_reaches_a_terminal_raw() {
        let node = option(code::VENDOR_CLASS, b"PXE\x1b[31mClient\0");
        assert_eq!(node.value, "PXE\\x1b[31mClient\\x00");
    }
}

//! Explains how the server recognised a client, and the response to that client.

use super::reasons::menu_lines;
use proxydhcpd_core::answer::Response;
use proxydhcpd_core::client::{ArchSource, Client, Program};
use proxydhcpd_core::dissect::Node;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::quirks::Quirks;
use proxydhcpd_core::route::Destination;
use proxydhcpd_core::shape::ShapeName;
use proxydhcpd_core::wire::dhcp4::MessageType;
use proxydhcpd_core::wire::{DhcpMessageType, dhcp6};

/// Explains the client as recognised, and names the option from which each property comes.
pub fn explain_client(client: &Client) -> Node {
    let arch_from = match client.arch_source {
        ArchSource::Option93(index) => format!("option 93, code {}", index + 1),
        ArchSource::Option61(index) => format!("option 61, code {}", index + 1),
        ArchSource::ClassDigits if client.is_v6() => {
            "the digits of its vendor class (option 61 is absent or unusable)".to_owned()
        }
        ArchSource::ClassDigits => "the digits of option 60 (option 93 is absent or unusable)".to_owned(),
        ArchSource::Assumed => "no option: option 93 is absent, so the client is treated as an old BIOS ROM".to_owned(),
    };
    let lacks;
    let program = match client.program {
        Program::Firmware if client.is_v6() => "firmware: no iPXE in option 15",
        Program::Ipxe(_) if client.is_v6() => "iPXE by its user class (option 15)",
        Program::Firmware => "firmware: no iPXE in option 77, no option 175",
        Program::Ipxe(Some(_)) => "iPXE, with a list of its features (option 175)",
        Program::Ipxe(None) => "iPXE by its user class (option 77), without a list of features",
        Program::Gpxe => "gPXE (option 77), which cannot run iPXE scripts: it receives a loader, as firmware does",
        Program::ReplacedIpxe(lacked) if lacked.is_empty() => "iPXE that a rule treats as firmware (`as-firmware`)",
        Program::ReplacedIpxe(lacked) => {
            lacks = format!(
                "iPXE without {lacked} in its list of features (option 175): it receives the site's iPXE first, once"
            );
            &lacks
        }
        Program::BootProgram => "a program that the firmware loaded: plain vendor class on port 4011",
    };
    let mut parts = vec![
        Node::new("hardware address", client.hardware()),
        Node::new("architecture", format!("{} ({}), from {arch_from}", client.arch, client.arch.0)),
        Node::new("program", program),
    ];
    parts.extend(client.machine.machine_id.map(|machine| {
        let note = if machine.is_unique() { "" } else { ", a placeholder that many machines have: not an identity" };
        Node::new("UUID", format!("{machine}{note}"))
    }));
    parts.extend(client.machine.relay.map(|relay| Node::new("relay", relay.address)));
    Node::new("client", client).with_children(parts)
}

/// Explains the response: the boot file, the shape of the reply, and its destination.
pub fn explain_response(response: &Response, plan: &Plan) -> Vec<Node> {
    let Response { message_type, shape, boot, destination, .. } = response;
    let is_ipv6 = destination.to.is_ipv6();
    let description = match shape {
        ShapeName::Direct if !plan.offer.boot_server => {
            "option 43 names the file to load, because port 4011 is not open"
        }
        ShapeName::Direct if is_ipv6 => "a URL in the first reply, the only reply that the client waits for",
        ShapeName::Direct => "option 43 names the file to load, without another request",
        ShapeName::Redirect
            if matches!(
                message_type,
                DhcpMessageType::Dhcp4(MessageType::Ack) | DhcpMessageType::Dhcp6(dhcp6::MessageType::Reply)
            ) =>
        {
            "the reply to the second request, which names the file"
        }
        ShapeName::Redirect if is_ipv6 && is_unicast(destination) => {
            "a URL of this server, to which the client sends its next request, on port 4011"
        }
        ShapeName::Redirect if is_ipv6 => {
            "no URL: the client sends its next request to the multicast group, on port 4011"
        }
        ShapeName::Redirect => "no option 43: the client requests its file on port 4011, as every UEFI since 2010 does",
        ShapeName::Http => "a URL, without a second request",
        ShapeName::Menu => "option 43 contains the menu; the client requests the chosen item on port 4011",
        ShapeName::Item => "the chosen menu item, and its file",
        ShapeName::FixedNames(dialect) => dialect.shape,
    };
    let mut boot_parts = vec![Node::new("server", boot.server), Node::new("why", boot.source)];
    let path =
        plan.offer.loaders.values().find(|loader| *loader.name == *boot.file).and_then(|loader| loader.path.as_ref());
    boot_parts.extend(path.map(|path| Node::new("file", path)));
    boot_parts.extend(menu_lines(&boot.method));
    let destination_text = match destination.interface_index {
        Some(_) if is_ipv6 => format!("{}, on the link of the request", destination.to),
        Some(_) => format!("{}, broadcast on the link of the request", destination.to),
        None => destination.to.to_string(),
    };
    vec![
        Node::new("boot file", &boot.file).with_children(boot_parts),
        Node::new("shape", format!("{shape}: {description}")),
        Node::new("response", format!("{message_type} to {destination_text}"))
            .with_children([Node::new("from", destination.from)]),
    ]
}

/// Names the quirks that applied to the packet, each with the behaviour of the firmware; `None` if none applied.
pub fn explain_quirks(quirks: Quirks) -> Option<Node> {
    let rows = quirks.iter().map(|quirk| Node::new(quirk.name, format!("{} {}", quirk.firmware, quirk.behaviour)));
    (!quirks.is_empty()).then(|| Node::new("quirks", quirks).with_children(rows))
}

/// Whether the destination is a relay or a client's own address. The first reply to a client behind a relay names a
/// URL, because the server does not receive multicasts of that client.
fn is_unicast(to: &Destination) -> bool {
    to.interface_index.is_none()
}

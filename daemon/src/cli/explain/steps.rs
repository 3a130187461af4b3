//! Who it was taken for, and what it is answered.

use super::reasons::menu_lines;
use proxydhcpd_core::answer::Response;
use proxydhcpd_core::client::{ArchSource, Client, Stage};
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::route::Destination;
use proxydhcpd_core::shape::ShapeName;
use proxydhcpd_core::dissect::Node;
use proxydhcpd_core::wire::dhcp4::MessageType;
use proxydhcpd_core::wire::{DhcpMessageType, dhcp6};

pub fn explain_client(client: &Client) -> Node {
    let arch_from = match client.arch_source {
        ArchSource::Option93(index) => format!("option 93, code {}", index + 1),
        ArchSource::Option61(index) => format!("option 61, code {}", index + 1),
        ArchSource::ClassDigits if client.is_v6() => {
            "the digits of its class (option 61 is absent or unusable)".to_owned()
        }
        ArchSource::ClassDigits => "the digits of option 60 (option 93 is absent or unusable)".to_owned(),
        ArchSource::Assumed => "nothing: option 93 is absent, so it counts as an old BIOS ROM".to_owned(),
    };
    let lacks;
    let stage = match client.stage {
        Stage::Firmware if client.is_v6() => "firmware: no iPXE in option 15",
        Stage::Ipxe(_) if client.is_v6() => "iPXE by its user class (option 15)",
        Stage::Firmware => "firmware: no iPXE in option 77, no option 175",
        Stage::Ipxe(Some(_)) => "iPXE, with a list of its features (option 175)",
        Stage::Ipxe(None) => "iPXE by its user class (option 77), without a list of features",
        Stage::Gpxe => "gPXE (option 77), which runs no script of iPXE's and is given a loader as a firmware is",
        Stage::ReplacedIpxe(lacked) if lacked.is_empty() => "iPXE that a rule takes for firmware (`as-firmware`)",
        Stage::ReplacedIpxe(lacked) => {
            lacks = format!(
                "iPXE whose list of features (option 175) lacks {lacked}: it is given our iPXE first, and only once"
            );
            &lacks
        }
        Stage::BootProgram => "a program that the firmware loaded: bare class on 4011",
    };
    let mut parts = vec![
        Node::new("hardware address", client.hardware),
        Node::new("architecture", format!("{} ({}), from {arch_from}", client.arch, client.arch.0)),
        Node::new("stage", stage),
    ];
    parts.extend(client.machine_id.map(|machine| {
        let none = if machine.is_unique() { "" } else { ", which many machines have: no identity" };
        Node::new("machine identifier", format!("{machine}{none}"))
    }));
    parts.extend(client.relay.map(|relay| Node::new("relay", relay.address)));
    Node::new("client", client).with_children(parts)
}

pub fn explain_response(response: &Response, plan: &Plan) -> Vec<Node> {
    let Response { message_type: kind, shape, boot, destination: to } = response;
    let is_ipv6 = to.to.is_ipv6();
    let why_shape = match shape {
        ShapeName::Direct if !plan.boot_server => {
            "option 43 says: load this file. (4011 is not open, so nobody is sent there)"
        }
        ShapeName::Direct if is_ipv6 => "a URL in the first reply, which is all that it waits for",
        ShapeName::Direct => "option 43 says: load this file, ask nobody else",
        ShapeName::Redirect if matches!(kind, DhcpMessageType::Dhcp4(MessageType::Ack) | DhcpMessageType::Dhcp6(dhcp6::MessageType::Reply)) => {
            "the second visit, which names the file"
        }
        ShapeName::Redirect if is_ipv6 && boot_is_told(to) => "a URL of ours: that is where it asks again, on port 4011",
        ShapeName::Redirect if is_ipv6 => "no URL: it asks the group again, on port 4011",
        ShapeName::Redirect => "no option 43: it comes to port 4011 for its file, as every UEFI since 2010 does",
        ShapeName::Http => "a URL, and no second visit",
        ShapeName::Menu => "option 43 holds the menu; it comes to port 4011 with what is chosen",
        ShapeName::Item => "what was chosen from the menu, and its file",
        ShapeName::RaspberryPi => "the text in option 43 that its boot ROM looks for; it asks for names of its own",
    };
    let mut boot_parts = vec![Node::new("from", boot.server), Node::new("why", boot.source)];
    let path = plan.loaders.values().find(|loader| loader.name == boot.file).and_then(|loader| loader.path.as_ref());
    boot_parts.extend(path.map(|path| Node::new("file", path)));
    boot_parts.extend(menu_lines(&boot.method));
    let destination = match to.interface_index {
        Some(_) if is_ipv6 => format!("{}, on the link it came by", to.to),
        Some(_) => format!("{}, a broadcast on the link it came by", to.to),
        None => to.to.to_string(),
    };
    vec![
        Node::new("boot", &boot.file).with_children(boot_parts),
        Node::new("shape", format!("{shape}: {why_shape}")),
        Node::new("answer", format!("{kind} to {destination}")).with_children([Node::new("from", to.from)]),
    ]
}

/// Behind a relay the first reply names a URL; nobody there hears the group.
fn boot_is_told(to: &Destination) -> bool {
    to.interface_index.is_none()
}

//! Makes a vector in core/testdata from a packet, and shows the reply to judge:
//!
//! ```text
//! cargo run -p proxydhcpd-core --example vector -- NAME --group GROUP [OPTION]... FILE.pcap NUMBER
//! cargo run -p proxydhcpd-core --example vector -- NAME --group GROUP [OPTION]... HEX
//! ```
//!
//! `NUMBER` is the number of the packet in Wireshark, `HEX` its UDP payload. Options: `--group`, the group in section
//! 10.1 of docs/protocol.md; `--port`, `--from` and `--to`, the server's port and the addresses of the packet, if they
//! do not follow from it; `--site menu` or `--site stateless`, for a plan other than the usual one; `--provenance`, the
//! origin of the packet; `--force`, to overwrite a vector.

#[path = "../tests/common/mod.rs"]
mod common;

use common::capture::{Datagram, datagram, frames};
use common::vector::{ExpectedReply, Transport, Vector, directory, format_destination};
use common::{GROUP, NEIGHBOUR, SERVER, SERVER6};
use proxydhcpd_core::answer::Answer;
use proxydhcpd_core::dissect::{self, Node};
use proxydhcpd_core::route::Destination;
use proxydhcpd_core::wire::{DhcpPacket, dhcp4};
use serde::Serialize;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    match Arguments::parse(std::env::args().skip(1)).and_then(|arguments| make(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// The words of the command line.
#[derive(Default)]
struct Arguments {
    words: Vec<String>,
    group: Option<String>,
    site: Option<String>,
    provenance: Option<String>,
    port: Option<String>,
    from: Option<String>,
    to: Option<String>,
    force: bool,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Arguments::default();
        while let Some(word) = words.next() {
            let field = match word.as_str() {
                "--force" => {
                    arguments.force = true;
                    continue;
                }
                "--group" => &mut arguments.group,
                "--site" => &mut arguments.site,
                "--provenance" => &mut arguments.provenance,
                "--port" => &mut arguments.port,
                "--from" => &mut arguments.from,
                "--to" => &mut arguments.to,
                option if option.starts_with("--") => return Err(format!("unknown option {option}")),
                _ => {
                    arguments.words.push(word);
                    continue;
                }
            };
            *field = Some(words.next().ok_or_else(|| format!("{word} needs a value"))?);
        }
        Ok(arguments)
    }
}

/// Writes the vector, and prints its packet and its reply.
fn make(arguments: &Arguments) -> Result<(), String> {
    let (name, octets, captured) = match &arguments.words[..] {
        [name, file, number] => {
            let Datagram { from, to, payload } = packet_of(file, number)?;
            (name, payload, Some((from, to)))
        }
        [name, hex] => (name, hex::decode(hex).map_err(|error| format!("not a packet in hex: {error}"))?, None),
        _ => return Err("usage: vector NAME --group GROUP [OPTION]... (FILE.pcap NUMBER | HEX)".into()),
    };
    let file = directory().join(name).with_extension("json");
    if file.exists() && !arguments.force {
        return Err(format!("{} exists; --force overwrites it", file.display()));
    }
    let group = arguments.group.clone().ok_or("--group: the group of the vector in docs/protocol.md 10.1")?;
    let is_v6 = captured.map_or_else(|| dhcp4::Message::parse(&octets).is_err(), |(from, _)| from.is_ipv6());
    let tree = DhcpPacket::parse(&octets, is_v6).map(|packet| dissect::packet(&packet));
    let mut vector = Vector {
        name: name.clone(),
        family: if is_v6 { "dhcp6" } else { "dhcp4" }.into(),
        group,
        site: arguments.site.clone(),
        hex: hex::encode(&octets),
        length: octets.len(),
        transport: transport(arguments, &octets, captured, is_v6),
        provenance: arguments.provenance.clone().unwrap_or_else(|| match &arguments.words[1..] {
            [file, number] => format!("packet {number} of {}", Path::new(file).file_name().unwrap().display()),
            _ => "constructed from the specifications".into(),
        }),
        meaning: tree.as_ref().map_or_else(|reason| json!(reason.to_string()), |tree| json!(lines(tree))),
        expected_reply: None,
        label: None,
        silence: None,
    };
    let (answer, sent) = vector.ask();
    match &answer.reply {
        Err(silence) => {
            vector.label = Some(silence.label().into());
            vector.silence = Some(silence.to_string());
        }
        Ok(_) => {
            let [(octets, destination)] = &sent[..] else { return Err(format!("{} replies, not one", sent.len())) };
            vector.expected_reply = Some(expected_reply(octets, destination, is_v6));
        }
    }
    tree.iter().for_each(|tree| print!("{tree}"));
    print_answer(&answer, &sent, is_v6);
    std::fs::write(&file, to_json(&vector)).map_err(|error| format!("{}: {error}", file.display()))?;
    println!("\nWritten: {}", file.display());
    println!(
        "Now judge the reply: does docs/protocol.md require each of its fields, and no other? Then list the vector:"
    );
    println!("UPDATE=1 cargo test -p proxydhcpd --test generated");
    Ok(())
}

/// The datagram with this number in a capture.
fn packet_of(file: &str, number: &str) -> Result<Datagram, String> {
    let index: usize = number.parse().map_err(|_| format!("{number} is not the number of a packet"))?;
    let frames = frames(Path::new(file));
    let frame = index.checked_sub(1).and_then(|index| frames.get(index));
    let frame = frame.ok_or_else(|| format!("{file} has {} packets", frames.len()))?;
    datagram(frame).ok_or_else(|| format!("packet {number} is no UDP datagram"))
}

/// The addresses and the port with which the packet arrives. A packet to a unicast address arrives at the address of
/// the vectors' server.
fn transport(
    arguments: &Arguments,
    octets: &[u8],
    captured: Option<(SocketAddr, SocketAddr)>,
    is_v6: bool,
) -> Transport {
    let header = dhcp4::Message::parse(octets).ok().map(|message| message.header).unwrap_or_default();
    let [giaddr, ciaddr] = [header.giaddr, header.ciaddr].map(|address| !address.is_unspecified() && !is_v6);
    let server_port = if is_v6 { 547 } else { 67 };
    let stated = arguments.port.as_ref().map(|port| port.parse().expect("--port is a number"));
    let port = stated.or(captured.map(|(_, to)| to.port())).unwrap_or(server_port);
    let from = match captured {
        Some((from, _)) => from.to_string(),
        None if is_v6 => format!("[{NEIGHBOUR}]:{}", if port == 4011 { port } else { 546 }),
        None if giaddr => format!("{}:67", header.giaddr),
        None if ciaddr => format!("{}:{}", header.ciaddr, if port == 4011 { port } else { 68 }),
        None => format!("{}:68", Ipv4Addr::UNSPECIFIED),
    };
    let is_group = captured.map_or(!giaddr && (is_v6 || port != 4011), |(_, to)| match to.ip() {
        std::net::IpAddr::V4(to) => to.is_broadcast(),
        std::net::IpAddr::V6(to) => to.is_multicast(),
    });
    let to = match (is_v6, is_group) {
        (true, true) => format!("[{GROUP}]:{port}"),
        (true, false) => format!("[{SERVER6}]:{port}"),
        (false, true) => format!("{}:{port}", Ipv4Addr::BROADCAST),
        (false, false) => format!("{SERVER}:{port}"),
    };
    Transport {
        iface: "eth0".into(),
        port,
        src: arguments.from.clone().unwrap_or(from),
        dst: arguments.to.clone().unwrap_or(to),
    }
}

fn expected_reply(octets: &[u8], destination: &Destination, is_v6: bool) -> ExpectedReply {
    let packet = DhcpPacket::parse(octets, is_v6).expect("the server writes valid messages");
    let (header, options): (Option<Value>, Vec<(u16, &[u8])>) = match &packet {
        DhcpPacket::Dhcp4(message) => {
            (Some(header(&message.header)), message.options().map(|(code, value)| (code.into(), value)).collect())
        }
        DhcpPacket::Dhcp6(packet) => (None, packet.message.options().collect()),
    };
    ExpectedReply {
        message: packet.message_type().map(|kind| kind.to_string()).unwrap_or_default(),
        from: destination.from.to_string(),
        to: format_destination(destination),
        header,
        options_in_order: options
            .iter()
            .map(|(code, value)| json!({ "code": code, "hex": hex::encode(value) }))
            .collect(),
        hex: hex::encode(octets),
    }
}

fn header(header: &dhcp4::Header) -> Value {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).trim_end_matches('\0').to_owned();
    json!({
        "op": header.op, "htype": header.htype, "hlen": header.hlen, "hops": header.hops,
        "xid": format!("{:08x}", header.xid), "secs": header.secs, "flags": format!("{:04x}", header.flags),
        "ciaddr": header.ciaddr, "yiaddr": header.yiaddr, "siaddr": header.siaddr, "giaddr": header.giaddr,
        "chaddr": hex::encode(header.chaddr), "sname": text(&header.sname), "file": text(&header.file),
    })
}

fn print_answer(answer: &Answer, sent: &[(Vec<u8>, Destination)], is_v6: bool) {
    let quirks: Vec<&str> = answer.quirks.iter().map(|quirk| quirk.name).collect();
    println!("\nquirks: {}", if quirks.is_empty() { "none".into() } else { quirks.join(", ") });
    match &answer.reply {
        Err(silence) => println!("no reply: {}: {silence}", silence.label()),
        Ok(response) => println!("reply ({}):", response.shape),
    }
    for (octets, destination) in sent {
        let packet = DhcpPacket::parse(octets, is_v6).expect("the server writes valid messages");
        println!("from {} to {}", destination.from, format_destination(destination));
        print!("{}", dissect::packet(&packet));
    }
}

fn lines(tree: &Node) -> Vec<String> {
    tree.to_string().lines().map(str::to_owned).collect()
}

/// The vector as JSON, in the layout of the other vectors.
fn to_json(vector: &Vector) -> String {
    let mut out = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
    vector.serialize(&mut serde_json::Serializer::with_formatter(&mut out, formatter)).expect("a vector is valid JSON");
    String::from_utf8(out).expect("JSON is UTF-8") + "\n"
}

//! Whatever a capture contains, reading it and rebuilding the stories ends, and the stories are as large as they may
//! be. An input is a capture, or the packets of one.

use crate::input::{Input, sized};
use crate::seeds;
use proxydhcpd_core::capture::{CaptureReader, LinkType, Packet, Repeats, TcpHeader};
use proxydhcpd_core::replay::{Replay, Survey, local_name};
use proxydhcpd_core::story::{FileNotes, MAX_BOOTS, MAX_MACHINES};
use std::net::SocketAddr;

/// The addresses of the packets: of machines, of the server and of a DHCP server.
const HOSTS: [&str; 6] = ["0.0.0.0", "192.0.2.107", "192.0.2.10", "192.0.2.1", "255.255.255.255", "fd77::2"];
const PORTS: [u16; 8] = [67, 68, 4011, 69, 1025, 8080, 546, 547];
/// The number of packets that are read from an input.
const MAX_PACKETS: usize = 256;

/// Reads a choice, and then a capture or packets: each with its addresses, its flags and its payload.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    if input.next::<u8>() & 1 == 0 {
        return read(input.rest());
    }
    let mut packets = Vec::new();
    while !input.is_empty() && packets.len() < MAX_PACKETS {
        let ([from, to], bits): ([u8; 2], u16) = (input.next(), input.next());
        packets.push(packet(from, to, bits, input.octets()));
    }
    let mut survey = Survey::default();
    packets.iter().for_each(|packet| survey.packet(packet));
    for chosen in [&[][..], &["192.0.2.10".parse().unwrap()]] {
        let servers = survey.servers(chosen);
        let mut replay = Replay::new(&servers, Box::new(|_, _| FileNotes::default()));
        let mut at = 1_600_000_000_000_000_000;
        for packet in &packets {
            at += 300_000_000;
            replay.packet(at, "eth0", packet);
        }
        finish(replay);
        local_name(chosen, &String::from_utf8_lossy(data));
    }
}

/// Reads a capture as the command does.
fn read(file: &[u8]) {
    let (mut survey, mut frames) = (Survey::default(), Vec::new());
    let (mut reader, mut repeats) = (CaptureReader::default(), Repeats::default());
    'pieces: for piece in file.chunks(97) {
        reader.push(piece);
        loop {
            match reader.next_frame() {
                Ok(Some(frame)) => {
                    let Some(ip) = frame.link_type.ip_packet(frame.octets) else { continue };
                    repeats.is_repeat(frame.at, ip);
                    frames.push((frame.at, ip.to_vec()));
                }
                Ok(None) => break,
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    break 'pieces;
                }
            }
        }
    }
    for (_, ip) in &frames {
        Packet::from_ip(ip).iter().for_each(|packet| survey.packet(packet));
    }
    let mut replay = Replay::new(&survey.servers(&[]), Box::new(|_, _| FileNotes::default()));
    for (at, ip) in &frames {
        Packet::from_ip(ip).iter().for_each(|packet| replay.packet(*at, "", packet));
    }
    finish(replay);
    for link_type in [1, 101, 113, 276, 9] {
        LinkType(link_type).ip_packet(file).and_then(Packet::from_ip);
    }
}

fn packet(from: u8, to: u8, bits: u16, payload: &[u8]) -> Packet<'_> {
    let address = |number: u8| {
        let host = HOSTS[usize::from(number) % HOSTS.len()].parse().unwrap();
        SocketAddr::new(host, PORTS[usize::from(number / 16) % PORTS.len()])
    };
    let has = |bit: u16| bits & 1 << bit != 0;
    let tcp = TcpHeader { sequence: u32::from(bits >> 8), syn: has(0), fin: has(1), rst: has(2) };
    let missing = if has(4) { usize::from(bits >> 9) } else { 0 };
    Packet {
        from: address(from),
        to: address(to),
        payload,
        length: payload.len() + missing,
        tcp: has(3).then_some(tcp),
    }
}

fn finish(mut replay: Replay) {
    replay.finish();
    let stories = replay.stories();
    assert!(stories.len() <= MAX_MACHINES);
    assert!(stories.iter().all(|(_, story)| story.boots.len() <= MAX_BOOTS));
}

/// The beginnings of the captures, and packets of vectors and of HTTP.
pub fn seeds() -> Vec<Vec<u8>> {
    let captures = seeds::captures().into_iter().map(|(_, octets)| octets);
    let captures = captures.map(|octets| [&[0], &octets[..octets.len().min(4096)]].concat());
    let request = b"GET /debian/linux HTTP/1.1\r\nHost: 192.0.2.10:8080\r\n\r\n";
    let response = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nboot";
    let http = [(0x41, 0x52, 0x0109, &[][..]), (0x41, 0x52, 0x0208, request), (0x52, 0x41, 0x0208, response)];
    let http = http.into_iter().flat_map(|(from, to, bits, payload)| part(from, to, bits, payload));
    let vectors = seeds::vectors(&["dhcp4", "tftp"]).into_iter().map(|packet| {
        let to = if packet.port == 69 { 0x32 } else { 0x04 };
        [vec![1], part(0x11, to, 0, &packet.octets)].concat()
    });
    captures.chain(vectors).chain([[1].into_iter().chain(http).collect()]).collect()
}

fn part(from: u8, to: u8, bits: u16, payload: &[u8]) -> Vec<u8> {
    [vec![from, to], bits.to_le_bytes().into(), sized(payload)].concat()
}

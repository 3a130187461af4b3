//! Whatever a capture contains, reading it and rebuilding the stories ends, and the stories are as large as they may
//! be. Each input is a capture, and also the packets in it with other contents.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proxydhcpd_core::capture::{CaptureReader, LinkType, Packet, Repeats, TcpHeader};
use proxydhcpd_core::replay::{Replay, Survey, local_name};
use proxydhcpd_core::story::{FileNotes, MAX_BOOTS, MAX_MACHINES};
use std::net::SocketAddr;

/// The addresses of the packets: of machines, of the server and of a DHCP server.
const HOSTS: [&str; 6] = ["0.0.0.0", "192.0.2.107", "192.0.2.10", "192.0.2.1", "255.255.255.255", "fd77::2"];
const PORTS: [u16; 8] = [67, 68, 4011, 69, 1025, 8080, 546, 547];

fuzz_target!(|input: (&[u8], Vec<(u8, u8, u16, Vec<u8>)>)| {
    let (file, packets) = input;
    read(file);
    let (mut survey, mut at) = (Survey::default(), 1_600_000_000_000_000_000);
    let packets: Vec<_> = packets.iter().map(|(from, to, bits, payload)| packet(*from, *to, *bits, payload)).collect();
    packets.iter().for_each(|packet| survey.packet(packet));
    for chosen in [&[][..], &["192.0.2.10".parse().unwrap()]] {
        let servers = survey.servers(chosen);
        let mut replay = Replay::new(&servers, Box::new(|_, _| FileNotes::default()));
        for packet in &packets {
            at += 300_000_000;
            replay.packet(at, "eth0", packet);
        }
        finish(replay);
        local_name(chosen, &String::from_utf8_lossy(file));
    }
});

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

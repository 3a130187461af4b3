//! Tests of a replay by packets. Captures of real firmware, and a comparison with a running server, are in
//! `daemon/tests/replay`.

use super::*;
use crate::capture::TcpHeader;
use crate::story::{FileNotes, FileState, StepKind};
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use core::net::SocketAddr;

const CLIENT: &str = "192.0.2.107:1025";
const TFTP: &str = "192.0.2.10:69";
const TRANSFER: &str = "192.0.2.10:40000";
const HTTP: &str = "192.0.2.10:8080";
const SECOND: u64 = 1_000_000_000;

/// A replay, with the time of the next packet.
struct Player(Replay, u64);

impl Player {
    fn new() -> Player {
        let servers = FoundServers { addresses: Vec::from(["192.0.2.10".parse().unwrap()]), ..FoundServers::default() };
        Player(Replay::new(&servers, Box::new(|_, _| FileNotes::default())), 1_600_000_000 * SECOND)
    }

    fn send(&mut self, from: &str, to: &str, payload: &[u8], tcp: Option<TcpHeader>) {
        let [from, to]: [SocketAddr; 2] = [from, to].map(|address| address.parse().unwrap());
        self.1 += SECOND / 100;
        let packet = Packet { from, to, payload, length: payload.len(), tcp };
        self.0.packet(self.1, "eth0", &packet);
    }

    fn udp(&mut self, from: &str, to: &str, payload: &[u8]) {
        self.send(from, to, payload, None);
    }

    fn tcp(&mut self, from: &str, to: &str, sequence: u32, payload: &[u8]) {
        self.send(from, to, payload, Some(TcpHeader { sequence, syn: false, fin: false, rst: false }));
    }

    fn wait(&mut self, seconds: u64) {
        self.1 += seconds * SECOND;
    }

    /// The files of the last boot with their states, and the code of its verdict.
    fn files(mut self) -> Vec<String> {
        self.0.finish();
        let names = self.0.names();
        let boots = self.0.stories();
        let boot = boots[0].1.last_boot().unwrap();
        let files = boot.steps.iter().filter_map(|step| match step.what {
            StepKind::File { state, .. } => {
                let state = match state {
                    FileState::TimedOut(_) => "timed out".to_owned(),
                    state => format!("{state:?}"),
                };
                Some(format!("{} {state} {}", names.text(step.name), step.octets))
            }
            _ => None,
        });
        files.chain(boot.verdict.iter().map(|verdict| verdict.code.id().to_owned())).collect()
    }
}

const REQUEST: &[u8] = b"\0\x01ipxe.efi\0octet\0blksize\x001000\0tsize\x000\0";
const OACK: &[u8] = b"\0\x06blksize\x001000\0tsize\x002300\0";

#[test]
fn data_packets_that_were_captured_as_one_are_separated() {
    let mut player = Player::new();
    player.udp(CLIENT, TFTP, REQUEST);
    player.udp(TRANSFER, CLIENT, OACK);
    player.udp(CLIENT, TRANSFER, b"\0\x04\0\0");
    let blocks: Vec<u8> = [(1, 1000), (2, 1000), (3, 300)]
        .into_iter()
        .flat_map(|(block, length)| [&[0, 3, 0, block][..], &alloc::vec![7; length]].concat())
        .collect();
    player.udp(TRANSFER, CLIENT, &blocks);
    player.udp(CLIENT, TRANSFER, b"\0\x04\0\x03");
    assert_eq!(player.files(), ["ipxe.efi Complete 2300"]);
}

#[test]
fn a_transfer_ends_when_the_server_gives_up() {
    let mut player = Player::new();
    for _ in 0..3 {
        player.udp(CLIENT, TFTP, REQUEST);
        player.udp(TRANSFER, CLIENT, OACK);
    }
    player.wait(40);
    player.udp("192.0.2.1:5", "192.0.2.2:5", b"another packet");
    assert_eq!(player.files(), ["ipxe.efi timed out 0", "tftp-replies-blocked"]);
}

#[test]
fn a_reply_that_the_server_does_not_repeat_was_received() {
    let mut player = Player::new();
    player.udp(CLIENT, TFTP, REQUEST);
    player.udp(TRANSFER, CLIENT, OACK);
    player.udp("192.0.2.107:1026", TFTP, b"\0\x01autoexec.ipxe\0octet\0");
    player.udp("192.0.2.10:40001", "192.0.2.107:1026", b"\0\x05\0\x01File not found\0");
    assert_eq!(player.files(), ["ipxe.efi Complete 2300", "autoexec.ipxe Refused 0"]);
}

#[test]
fn responses_are_read_although_their_segments_are_out_of_order() {
    let mut player = Player::new();
    player.tcp(CLIENT, HTTP, 1, b"GET /machine/mac=020000000107/linux HTTP/1.1\r\nHost: x\r\n\r\n");
    player.tcp(HTTP, CLIENT, 50, b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nab");
    player.tcp(HTTP, CLIENT, 94, b"gh");
    player.tcp(HTTP, CLIENT, 90, b"cdef");
    player.tcp(HTTP, CLIENT, 90, b"cdef");
    player.tcp(CLIENT, HTTP, 58, b"GET /initrd HTTP/1.1\r\n\r\n");
    player.tcp(HTTP, CLIENT, 96, b"HTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\nx");
    assert_eq!(player.files(), ["linux Complete 8", "initrd Refused 0"]);
}

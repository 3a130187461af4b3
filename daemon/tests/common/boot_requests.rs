//! Requests that a machine sends before it boots, also through a relay.

use super::server::vector;
use proxydhcpd_testbed::Host;
use std::net::{Ipv4Addr, UdpSocket};

/// Where the options of a DHCP message begin.
const OPTIONS: usize = 240;

/// Sends a request for a boot as the machine with this MAC address, through a relay at an address of the host if there
/// is one. The server is at 192.0.2.10.
pub fn ask(machine: &Host, mac: [u8; 6], relay: Option<Ipv4Addr>) {
    send(machine, request(mac, relay), relay);
}

/// Sends a request for this address to the DHCP server, as the same machine.
pub fn request_address(machine: &Host, mac: [u8; 6], address: Ipv4Addr, relay: Option<Ipv4Addr>) {
    let mut packet = request(mac, relay);
    let message_type = packet.windows(3).position(|window| window == [53, 1, 1]).unwrap() + 2;
    packet[message_type] = 3;
    let mut end = OPTIONS;
    while packet[end] != 255 {
        end += if packet[end] == 0 { 1 } else { 2 + usize::from(packet[end + 1]) };
    }
    let option = [&[50, 4][..], &address.octets()].concat();
    packet.splice(end..end, option);
    send(machine, packet, relay);
}

fn request(mac: [u8; 6], relay: Option<Ipv4Addr>) -> Vec<u8> {
    let mut packet = vector("ovmf-x64-discover");
    packet[28..34].copy_from_slice(&mac);
    let uuid = packet.windows(3).position(|window| window == [97, 17, 0]).unwrap() + 3;
    packet[uuid] = 0x5a;
    packet[uuid + 1..uuid + 7].copy_from_slice(&mac);
    packet[uuid + 7..uuid + 16].copy_from_slice(&[8, 9, 10, 11, 12, 13, 14, 15, 16]);
    packet[24..28].copy_from_slice(&relay.unwrap_or(Ipv4Addr::UNSPECIFIED).octets());
    packet
}

fn send(machine: &Host, packet: Vec<u8>, relay: Option<Ipv4Addr>) {
    machine.run("ip route replace 255.255.255.255 dev eth0");
    let socket = machine.on(|| UdpSocket::bind((relay.unwrap_or(Ipv4Addr::UNSPECIFIED), 0)).unwrap());
    socket.set_broadcast(true).unwrap();
    socket.send_to(&packet, if relay.is_some() { "192.0.2.10:67" } else { "255.255.255.255:67" }).unwrap();
}

//! Faults of relays, interfaces and clients that no played machine has: single packets, written here.

use super::common::server::{Server, one_network, request_loader, vector};
use super::network::{VerdictLine, verdicts};
use proxydhcpd_testbed::raw::{RawSocket, SERVER_MAC, format_mac};
use proxydhcpd_testbed::{Host, wait_up_to};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::thread;
use std::time::Duration;

cases![
    a_relay_that_does_not_forward_to_this_server_is_the_verdict,
    a_relay_that_forwards_to_this_server_has_no_verdict_and_one_without_a_route_has,
    a_machine_on_an_interface_that_is_not_served_or_has_no_address_is_the_verdict,
    a_tftp_client_that_repeats_its_request_without_an_ack_is_the_verdict_and_a_silent_one_is_not,
    an_ipxe_that_this_server_did_not_send_is_the_verdict_and_its_own_is_not,
];

const TIMEOUT: Duration = Duration::from_secs(60);

fn only_verdict(server: &Server) -> VerdictLine {
    let verdict = wait_up_to(TIMEOUT, "a verdict", || verdicts(&server.log()).into_iter().next());
    assert_eq!(verdicts(&server.log()).len(), 1, "{}", server.log());
    verdict
}

fn start(host: &Host, arguments: &[&str]) -> Server {
    let server = Server::start(host, &[&["--boot-dir", "BOOT"], arguments].concat());
    server.wait_for_line("ready");
    server
}

/// A host with the server at 192.0.2.10, and a router to 198.51.100.0/24 at the other end of its cable.
fn routed_network() -> (Host, Host) {
    let (host, router) = (Host::new(), Host::new());
    host.cable("eth0", &router, "eth0");
    host.run(&format!("ip link set eth0 address {}", format_mac(SERVER_MAC)));
    host.run("ip address add 192.0.2.10/24 dev eth0\nip route add 198.51.100.0/24 via 192.0.2.1");
    router.run("ip address add 192.0.2.1/24 dev eth0\nip address add 198.51.100.7/24 dev eth0");
    (host, router)
}

/// The machine learnt of this server from the relay's DHCP server, and no relay ever forwarded its DISCOVER to here.
fn a_relay_that_does_not_forward_to_this_server_is_the_verdict() {
    let (host, router) = routed_network();
    let server = start(&host, &[]);
    let mut request = vector("ovmf-x64-request-4011");
    request[12..16].copy_from_slice(&[198, 51, 100, 7]);
    let socket = router.on(|| UdpSocket::bind("198.51.100.7:4011").unwrap());
    socket.send_to(&request, "192.0.2.10:4011").unwrap();
    let verdict = only_verdict(&server);
    assert_eq!(verdict.code, "relay-not-forwarding", "{}", verdict.text);
    assert!(verdict.text.contains("from 198.51.100.7, which is in none of the served networks"), "{}", verdict.text);
    assert!(verdict.text.contains("ip helper-address"), "{}", verdict.text);
}

fn a_relay_that_forwards_to_this_server_has_no_verdict_and_one_without_a_route_has() {
    let (host, router) = routed_network();
    router.run("ip address add 198.51.100.1/24 dev eth0");
    let server = start(&host, &[]);
    let relayed = |giaddr: [u8; 4]| {
        let mut packet = vector("ovmf-x64-discover");
        packet[24..28].copy_from_slice(&giaddr);
        packet
    };
    let socket = router.on(|| UdpSocket::bind("198.51.100.1:67").unwrap());
    socket.send_to(&relayed([198, 51, 100, 1]), "192.0.2.10:67").unwrap();
    server.wait_for_line("OFFER ipxe.efi");
    let mut request = vector("ovmf-x64-request-4011");
    request[12..16].copy_from_slice(&[198, 51, 100, 7]);
    let machine = router.on(|| UdpSocket::bind("198.51.100.7:4011").unwrap());
    machine.send_to(&request, "192.0.2.10:4011").unwrap();
    server.wait_for_line("ACK ipxe.efi");
    assert_eq!(verdicts(&server.log()).len(), 0, "{}", server.log());

    let wire = router.on(RawSocket::open);
    let at = |address: [u8; 4]| SocketAddrV4::new(Ipv4Addr::from(address), 67);
    wire.send(&at([203, 0, 113, 1]), &at([192, 0, 2, 10]), &relayed([203, 0, 113, 1]));
    let verdict = only_verdict(&server);
    assert_eq!(verdict.code, "relay-unreachable", "{}", verdict.text);
    assert!(
        verdict.text.contains("The reply to the relay 203.0.113.1 was not sent: Network is unreachable"),
        "{}",
        verdict.text
    );
    assert_eq!(server.log().matches("OFFER ipxe.efi").count(), 1, "the second offer was not sent");
}

fn a_machine_on_an_interface_that_is_not_served_or_has_no_address_is_the_verdict() {
    for (setup, text) in [
        ("ip link set eth1 up", "eth1 has no IPv4 address. Add one in the network"),
        ("ip address add 198.51.100.1/24 dev eth1", "eth1 is not among the served interfaces (eth0)"),
    ] {
        let (host, _neighbour) = one_network();
        let machine = Host::new();
        host.cable("eth1", &machine, "eth0");
        host.run(setup);
        let server = start(&host, &["-i", "eth0"]);
        broadcast(&machine, &vector("ovmf-x64-discover"));
        server.wait_for_line(text);
        let verdict = only_verdict(&server);
        assert_eq!(verdict.code, "interface-not-served", "{}", verdict.text);
        assert!(verdict.text.contains("Add the interface to `interfaces`"), "{}", verdict.text);
    }
    // The interface is served, and has an address.
    let (host, _neighbour) = one_network();
    let machine = Host::new();
    host.cable("eth1", &machine, "eth0");
    host.run("ip address add 198.51.100.1/24 dev eth1");
    let server = start(&host, &["-i", "eth0", "-i", "eth1"]);
    broadcast(&machine, &vector("ovmf-x64-discover"));
    server.wait_for_line("on eth1: OFFER ipxe.efi");
    thread::sleep(Duration::from_secs(60));
    assert_eq!(verdicts(&server.log()).len(), 0, "{}", server.log());
}

/// Broadcasts a request as the client of this host.
fn broadcast(machine: &Host, packet: &[u8]) {
    let socket = machine.on(|| UdpSocket::bind("0.0.0.0:68").unwrap());
    socket2::SockRef::from(&socket).bind_device(Some(b"eth0")).unwrap();
    socket.set_broadcast(true).unwrap();
    socket.send_to(packet, (Ipv4Addr::BROADCAST, 67)).unwrap();
}

/// Lets the firmware of a machine take an address from 192.0.2.1. Then the machine loads this server's loader, or it
/// does not; in both cases, it goes on as an iPXE at once.
fn goes_on_as_ipxe(loads: bool) -> (Host, Host, Server) {
    let (host, machine) = one_network();
    let server = start(&host, &[]);
    let discover = vector("ovmf-x64-discover");
    broadcast(&machine, &discover);
    server.wait_for_line("OFFER ipxe.efi");
    broadcast(&machine, &address_request(discover.clone()));
    thread::sleep(Duration::from_secs(1));
    if loads {
        assert_eq!(request_loader(&machine).as_deref(), Some("ipxe.efi"));
    }
    let mut ipxe = vector("ipxe-x64-discover");
    ipxe[28..34].copy_from_slice(&discover[28..34]);
    broadcast(&machine, &ipxe);
    server.wait_for_line("(iPXE on x64 UEFI)");
    (host, machine, server)
}

/// Turns a DISCOVER into the REQUEST for the address that 192.0.2.1 offers.
fn address_request(mut packet: Vec<u8>) -> Vec<u8> {
    let kind = packet.windows(3).position(|window| window == [53, 1, 1]).unwrap();
    packet[kind + 2] = 3;
    let end = packet.iter().rposition(|octet| *octet == 255).unwrap();
    packet.truncate(end);
    packet.extend([54, 4, 192, 0, 2, 1, 50, 4, 192, 0, 2, 107, 255]);
    packet
}

/// The iPXE is in the network card, on a stick, or from a boot server whose offers do not arrive here.
fn an_ipxe_that_this_server_did_not_send_is_the_verdict_and_its_own_is_not() {
    let (_host, _machine, server) = goes_on_as_ipxe(false);
    let verdict = only_verdict(&server);
    assert_eq!(verdict.code, "foreign-ipxe", "{}", verdict.text);
    assert!(verdict.text.contains("now runs an iPXE that this boot server did not send"), "{}", verdict.text);

    let (_host, _machine, server) = goes_on_as_ipxe(true);
    thread::sleep(Duration::from_secs(30));
    assert_eq!(verdicts(&server.log()).len(), 0, "{}", server.log());
}

/// Sends this number of read requests as the machine at 192.0.2.107, each after its firmware's pause, and no ACK.
fn read_without_ack(machine: &Host, requests: usize) {
    let socket = machine.on(|| UdpSocket::bind("192.0.2.107:2070").unwrap());
    for _ in 0..requests {
        socket.send_to(b"\0\x01ipxe.efi\0octet\0blksize\x001468\0", "192.0.2.10:69").unwrap();
        thread::sleep(Duration::from_secs(4));
    }
}

/// A machine that is switched off sends no ACK either; one that repeats its request receives no reply.
fn a_tftp_client_that_repeats_its_request_without_an_ack_is_the_verdict_and_a_silent_one_is_not() {
    let (host, machine) = one_network();
    let server = start(&host, &[]);
    assert_eq!(request_loader(&machine).as_deref(), Some("ipxe.efi"));
    read_without_ack(&machine, 1);
    thread::sleep(Duration::from_secs(60));
    assert_eq!(verdicts(&server.log()).len(), 0, "{}", server.log());

    let (host, machine) = one_network();
    let server = start(&host, &[]);
    assert_eq!(request_loader(&machine).as_deref(), Some("ipxe.efi"));
    read_without_ack(&machine, 6);
    let verdict = only_verdict(&server);
    assert_eq!(verdict.code, "tftp-replies-blocked", "{}", verdict.text);
    assert!(verdict.text.contains("requested ipxe.efi by TFTP"), "{}", verdict.text);
}

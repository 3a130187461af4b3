//! Tests that the server overhears the offers of other servers, attributes a failed boot to the right server, and takes
//! no packet from another process. The DHCP servers and the DHCP client are real. Needs root.

mod common;

use common::server::{Server, vector};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use proxydhcpd::net::overhear;
use proxydhcpd::net::port_owner::{Transport, bound_sockets};
use proxydhcpd::net::socket::Socket as ListeningSocket;
use proxydhcpd::net::sys::ReceiveBatch;
use proxydhcpd_testbed::{CapabilitySet, Host, Process, Segment, peers, wait_up_to, without_capability};
use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsFd;
use std::process::Stdio;
use std::time::Duration;

const RANGE: &str = "--dhcp-authoritative --dhcp-range=192.0.2.100,192.0.2.120,1h";
/// The server waits 15 s for a machine, and checks every five seconds, so this leaves time for a busy host.
const WARNING_TIMEOUT: Duration = Duration::from_secs(60);

/// Creates a host on this segment. Without an address, it is a booting machine.
fn host_on(segment: &Segment, address: Option<&str>) -> Host {
    let host = Host::new();
    segment.plug(&host, "eth0", &Vec::from_iter(address));
    host
}

/// Starts dnsmasq, and returns when its sockets are open.
fn dnsmasq(host: &Host, options: &str) -> Process {
    peers::start_dnsmasq(host, 67, &format!("--interface=eth0 --no-ping {options}"))
}

/// Returns a socket on port 68 of a machine without an address.
fn machine(host: &Host) -> UdpSocket {
    let socket = host.on(|| UdpSocket::bind("0.0.0.0:68").unwrap());
    socket2::SockRef::from(&socket).bind_device(Some(b"eth0")).unwrap();
    socket.set_broadcast(true).unwrap();
    socket
}

/// Returns this packet of firmware, as from the machine with this number.
fn packet_of(name: &str, number: u8) -> Vec<u8> {
    let mut packet = vector(name);
    (packet[7], packet[33]) = (number, number);
    packet
}

/// Sends a DISCOVER as a UEFI machine, requests an address from 192.0.2.1, and sends nothing more.
fn boot_elsewhere(socket: &UdpSocket, number: u8) {
    let broadcast = (Ipv4Addr::BROADCAST, 67);
    let mut request = packet_of("ovmf-x64-request-to-primary", number);
    let discover = packet_of("ovmf-x64-discover", number);
    request[4..8].copy_from_slice(&discover[4..8]);
    socket.send_to(&discover, broadcast).unwrap();
    // A machine waits for an offer before it sends the REQUEST.
    let mut offer = [0; 1500];
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.recv(&mut offer).unwrap();
    socket.send_to(&request, broadcast).unwrap();
}

#[test]
fn the_log_warns_of_a_machine_that_boots_elsewhere_with_the_cause_in_its_offers() {
    let segment = Segment::new();
    let (server_host, primary) = (host_on(&segment, Some("192.0.2.10/24")), host_on(&segment, Some("192.0.2.1/24")));
    let (another, machines) = (host_on(&segment, Some("192.0.2.3/24")), host_on(&segment, None));
    let server = Server::start(&server_host, &["--boot-dir", "BOOT"]);
    server.wait_for_line("ready");
    let _primary = dnsmasq(
        &primary,
        &format!("{RANGE} --dhcp-host=02:00:00:00:01:0a,set:a --dhcp-option-force=tag:a,60,PXEClient"),
    );
    // This boot server knows only the third machine.
    let _another = dnsmasq(
        &another,
        "--dhcp-range=192.0.2.0,proxy --dhcp-host=02:00:00:00:01:0c,set:c --dhcp-ignore=tag:!c \
         --pxe-service=X86-64_EFI,theirs,theirs.efi,192.0.2.3 --pxe-prompt=theirs,0",
    );
    let socket = machine(&machines);
    [10, 11, 12].iter().for_each(|number| boot_elsewhere(&socket, *number));
    let seen =
        "(x64 UEFI) on eth0 took its address from 192.0.2.1 but did not request its file from this boot server. ";
    let causes = [
        ("02:00:00:00:01:0a", "The offer of 192.0.2.1 has option 60 (PXEClient), so UEFI contacts only that server"),
        (
            "02:00:00:00:01:0b",
            "The offer of 192.0.2.1 has neither option 60 nor a boot file, no offer of another boot server arrived",
        ),
        ("02:00:00:00:01:0c", "Another boot server, 192.0.2.3, sent it an offer as well"),
    ];
    wait_up_to(WARNING_TIMEOUT, "three warnings", || (server.log().matches(seen).count() == 3).then_some(()));
    let log = server.log();
    for (mac, cause) in causes {
        assert!(log.contains(&format!("{mac} {seen}{cause}")), "{log}");
    }
}

#[test]
fn offers_of_a_dhcp_server_on_the_same_host_are_overheard_and_the_servers_own_are_not() {
    let segment = Segment::new();
    let (server_host, machines) = (host_on(&segment, Some("192.0.2.1/24")), host_on(&segment, None));
    let listening = server_host.on(|| overhear::open().unwrap());
    let sender = server_host.on(|| UdpSocket::bind("192.0.2.1:0").unwrap());
    sender.set_broadcast(true).unwrap();
    let send = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut packet = vector("ovmf-x64-discover");
        change(&mut packet);
        sender.send_to(&packet, (Ipv4Addr::BROADCAST, 68)).unwrap();
    };
    send(&|packet| packet[16] = 192); // a request with an address
    send(&|packet| packet[0] = 2); // a reply without an address
    send(&|packet| packet.truncate(20));
    let _dnsmasq = dnsmasq(&server_host, RANGE);
    let socket = machine(&machines);
    socket.send_to(&vector("ovmf-x64-discover"), (Ipv4Addr::BROADCAST, 67)).unwrap();
    let received = receive(&listening);
    assert_eq!(received.len(), 1);
    assert_eq!((received[0][0], received[0][16]), (2, 192), "not the OFFER of dnsmasq");
}

/// In either order of starting, and after a restart, the client gets its lease and the server overhears offers.
#[test]
fn a_dhcp_client_on_the_same_host_gets_its_address() {
    let segment = Segment::new();
    let (server_host, primary) = (host_on(&segment, None), host_on(&segment, Some("192.0.2.1/24")));
    let _primary = dnsmasq(&primary, RANGE);
    let client = dhclient(&server_host);
    assert_eq!(server_host.on(|| bound_sockets(Transport::Udp, 68).unwrap().len()), 1, "dhclient has a socket there");
    let listening = server_host.on(|| overhear::open().unwrap());
    assert!(matches!(listening, ListeningSocket::Udp(_)), "dhclient shares its port");
    drop(client);
    let _again = dhclient(&server_host);
    // The client requests unicast replies, because Linux needs no broadcasts. The server's socket does not receive
    // unicast replies.
    let (machines, mut batch) = (host_on(&segment, None), ReceiveBatch::new());
    assert_eq!(listening.receive(&mut batch).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
    machine(&machines).send_to(&vector("ovmf-x64-discover"), (Ipv4Addr::BROADCAST, 67)).unwrap();
    assert_eq!(receive(&listening).len(), 1);
}

#[test]
fn a_packet_socket_overhears_offers_if_a_client_binds_port_68_exclusively() {
    let segment = Segment::new();
    let (server_host, primary) = (host_on(&segment, Some("192.0.2.10/24")), host_on(&segment, Some("192.0.2.1/24")));
    let _exclusive = server_host.on(|| UdpSocket::bind("0.0.0.0:68").unwrap());
    let error = server_host.on(|| without_capability(CapabilitySet::NET_RAW, || overhear::open().unwrap_err()));
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    let listening = server_host.on(|| overhear::open().unwrap());
    assert!(matches!(listening, ListeningSocket::Packet(_)));
    let _primary = dnsmasq(&primary, RANGE);
    let machines = host_on(&segment, None);
    machine(&machines).send_to(&vector("ovmf-x64-discover"), (Ipv4Addr::BROADCAST, 67)).unwrap();
    assert_eq!(receive(&listening)[0][0], 2);
}

/// Starts ISC's dhclient, and returns when dhclient has a lease.
fn dhclient(host: &Host) -> Process {
    let mut client = host.on(|| Process::spawn(peers::dhclient().stdin(Stdio::null()).stderr(Stdio::piped())));
    let mut output = BufReader::new(client.take_stderr().unwrap()).lines().map(Result::unwrap);
    assert!(output.any(|line| line.starts_with("bound to ")), "dhclient has no lease");
    client
}

/// Waits for datagrams, and returns the payloads of one batch.
fn receive(listening: &ListeningSocket) -> Vec<Vec<u8>> {
    let mut readable = [PollFd::new(listening.as_fd(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut readable, PollTimeout::from(10_000_u16)), Ok(1), "no datagram arrived");
    let mut batch = ReceiveBatch::new();
    listening.receive(&mut batch).unwrap();
    batch.iter().map(|datagram| datagram.payload.to_vec()).collect()
}

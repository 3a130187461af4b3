//! What other servers offer is heard, blamed on the right one, and taken from nobody: beside real DHCP servers and a
//! real DHCP client. Needs root.

mod netns;

use netns::server::{Server, vector};
use netns::{Host, Peer, wait_for, wait_up_to, without_capability};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use proxydhcpd::net::port_owner::{Transport, bound_sockets};
use proxydhcpd::net::overhear;
use proxydhcpd::net::socket::Socket as Ours;
use proxydhcpd::net::sys::ReceiveBatch;
use rustix::thread::CapabilitySet;
use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

const DNSMASQ: &str = "dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --interface=eth0 --leasefile-ro \
    --user=root --pid-file= --no-ping";
const RANGE: &str = "--dhcp-authoritative --dhcp-range=192.0.2.100,192.0.2.120,1h";
/// The server waits 15 s for a machine, and looks every five.
const TOLD: Duration = Duration::from_secs(60);

/// One network: a switch with a cable to each host.
struct Wire(Host);

impl Wire {
    fn new() -> Self {
        let wire = Wire(Host::new());
        wire.0.run("ip link add br0 type bridge forward_delay 0 stp_state 0\nip link set br0 up");
        wire
    }

    /// Without an address it is a machine that is switched on.
    fn host(&self, port: &str, address: Option<&str>) -> Host {
        let host = Host::new();
        self.0.cable(port, &host, "eth0");
        self.0.run(&format!("ip link set {port} master br0"));
        if let Some(address) = address {
            host.run(&format!("ip addr add {address}/24 dev eth0"));
        }
        host
    }
}

/// Comes back when it has its sockets.
fn dnsmasq(host: &Host, options: &str) -> Peer {
    host.on(|| {
        let before = bound_sockets(Transport::Udp, 67).unwrap().len();
        let dnsmasq = Peer::start(&format!("{DNSMASQ} {options}"));
        wait_for("dnsmasq", || (bound_sockets(Transport::Udp, 67).unwrap().len() > before).then_some(()));
        dnsmasq
    })
}

/// Port 68 of a machine without an address.
fn machine(host: &Host) -> UdpSocket {
    let socket = host.on(|| UdpSocket::bind("0.0.0.0:68").unwrap());
    socket2::SockRef::from(&socket).bind_device(Some(b"eth0")).unwrap();
    socket.set_broadcast(true).unwrap();
    socket
}

/// A packet of firmware, from the machine of this number.
fn of_machine(name: &str, number: u8) -> Vec<u8> {
    let mut packet = vector(name);
    (packet[7], packet[33]) = (number, number);
    packet
}

/// A UEFI machine asks, takes an address from 192.0.2.1, and is not heard of again.
fn boot_elsewhere(socket: &UdpSocket, number: u8) {
    let to_all = (Ipv4Addr::BROADCAST, 67);
    let mut request = of_machine("ovmf-x64-request-to-primary", number);
    let discover = of_machine("ovmf-x64-discover", number);
    request[4..8].copy_from_slice(&discover[4..8]);
    socket.send_to(&discover, to_all).unwrap();
    // The servers have answered when the same question comes again.
    let mut offer = [0; 1500];
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.recv(&mut offer).unwrap();
    socket.send_to(&request, to_all).unwrap();
}

#[test]
fn a_machine_that_does_not_come_is_told_of_with_the_cause_that_its_offers_show() {
    let wire = Wire::new();
    let (us, primary) = (wire.host("us", Some("192.0.2.10")), wire.host("primary", Some("192.0.2.1")));
    let (another, machines) = (wire.host("another", Some("192.0.2.3")), wire.host("machines", None));
    let server = Server::start(&us, &["--boot-dir", "BOOT"]);
    server.wait_for_line("ready");
    let _primary = dnsmasq(
        &primary,
        &format!("{RANGE} --dhcp-host=02:00:00:00:01:0a,set:a --dhcp-option-force=tag:a,60,PXEClient"),
    );
    // A boot server that knows the third machine alone.
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
    wait_up_to(TOLD, "three warnings", || (server.log().matches(seen).count() == 3).then_some(()));
    let log = server.log();
    for (mac, cause) in causes {
        assert!(log.contains(&format!("{mac} {seen}{cause}")), "{log}");
    }
}

#[test]
fn the_dhcp_server_of_our_own_host_is_heard_and_our_own_offers_are_not() {
    let wire = Wire::new();
    let (us, machines) = (wire.host("us", Some("192.0.2.1")), wire.host("machines", None));
    let ours = us.on(|| overhear::open().unwrap());
    let here = us.on(|| UdpSocket::bind("192.0.2.1:0").unwrap());
    here.set_broadcast(true).unwrap();
    let send = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut packet = vector("ovmf-x64-discover");
        change(&mut packet);
        here.send_to(&packet, (Ipv4Addr::BROADCAST, 68)).unwrap();
    };
    send(&|packet| packet[16] = 192); // no reply
    send(&|packet| packet[0] = 2); // without an address
    send(&|packet| packet.truncate(20));
    let _dnsmasq = dnsmasq(&us, RANGE);
    let socket = machine(&machines);
    socket.send_to(&vector("ovmf-x64-discover"), (Ipv4Addr::BROADCAST, 67)).unwrap();
    let heard = hear(&ours);
    assert_eq!(heard.len(), 1);
    assert_eq!((heard[0][0], heard[0][16]), (2, 192), "not the OFFER of dnsmasq");
}

/// In either order, and once more: it gets its lease, and we hear what it is offered.
#[test]
fn the_dhcp_client_of_our_own_host_gets_its_address_beside_us() {
    let wire = Wire::new();
    let (us, primary) = (wire.host("us", None), wire.host("primary", Some("192.0.2.1")));
    let _primary = dnsmasq(&primary, RANGE);
    let client = dhclient(&us);
    assert_eq!(us.on(|| bound_sockets(Transport::Udp, 68).unwrap().len()), 1, "dhclient has a socket there");
    let ours = us.on(|| overhear::open().unwrap());
    assert!(matches!(ours, Ours::Udp(_)), "dhclient shares its port");
    drop(client);
    let _again = dhclient(&us);
    // It asks for no broadcasts, and Linux needs none: what is sent to its card is not for us.
    let (machines, mut batch) = (wire.host("machines", None), ReceiveBatch::new());
    assert_eq!(ours.receive(&mut batch).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
    machine(&machines).send_to(&vector("ovmf-x64-discover"), (Ipv4Addr::BROADCAST, 67)).unwrap();
    assert_eq!(hear(&ours).len(), 1);
}

#[test]
fn a_client_that_keeps_port_68_for_itself_is_heard_beside_by_a_packet_socket() {
    let wire = Wire::new();
    let (us, primary) = (wire.host("us", Some("192.0.2.10")), wire.host("primary", Some("192.0.2.1")));
    let _keeps_it = us.on(|| UdpSocket::bind("0.0.0.0:68").unwrap());
    let error = us.on(|| without_capability(CapabilitySet::NET_RAW, || overhear::open().unwrap_err()));
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    let ours = us.on(|| overhear::open().unwrap());
    assert!(matches!(ours, Ours::Packet(_)));
    let _primary = dnsmasq(&primary, RANGE);
    let machines = wire.host("machines", None);
    machine(&machines).send_to(&vector("ovmf-x64-discover"), (Ipv4Addr::BROADCAST, 67)).unwrap();
    assert_eq!(hear(&ours)[0][0], 2);
}

/// ISC's, until it has a lease.
fn dhclient(host: &Host) -> Peer {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/.cache/tools/dhclient");
    assert!(program.exists(), "{}: run e2e/setup", program.display());
    // Its script would configure the interface; the lease is enough.
    let command = format!("{} -4 -d -1 -sf /bin/true --no-pid -lf /dev/null eth0", program.display());
    let mut client = host.on(|| Peer::start(&command));
    let mut said = BufReader::new(client.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.any(|line| line.starts_with("bound to ")), "dhclient has no lease");
    client
}

/// The payloads of one batch.
fn hear(ours: &Ours) -> Vec<Vec<u8>> {
    let mut readable = [PollFd::new(ours.as_fd(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut readable, PollTimeout::from(10_000_u16)), Ok(1), "nothing came");
    let mut batch = ReceiveBatch::new();
    ours.receive(&mut batch).unwrap();
    batch.iter().map(|datagram| datagram.payload.to_vec()).collect()
}

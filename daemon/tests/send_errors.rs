//! Tests replies that cannot be sent: they delay no other reply, the log does not show them as sent, and a warning
//! gives the reason. Needs root.

mod common;

use common::ipv6::{ALL_SERVERS_AND_RELAYS, Client};
use common::packets::packet;
use common::server::{Server, unprivileged_with, vector};
use nix::sys::signal::Signal;
use proxydhcpd::net::reply::Reply;
use proxydhcpd::net::reply_sender::{OutgoingReplies, ReplySender};
use proxydhcpd::net::socket::Socket;
use proxydhcpd::net::udp;
use proxydhcpd_testbed::raw::{RawSocket, SERVER_MAC, format_mac};
use proxydhcpd_testbed::{Host, wait_for};
use socket2::SockRef;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

/// A later reply is useless, because the firmware has repeated its request by then.
const REPLY_TIMEOUT: Duration = Duration::from_secs(1);

/// The number of absent machines and relays. All namespaces share the kernel's table of neighbours, so the number is
/// small enough to leave space for others.
const ABSENT: u32 = 300;

#[test]
fn absent_relays_and_machines_delay_no_reply() {
    let (host, machine) = one_large_network();
    // The server has only the capabilities of its unit, so the kernel limits the send buffers.
    let arguments = unprivileged_with("-all,+net_bind_service");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(["--boot-dir", "BOOT"]).collect();
    let server = Server::start_program("setpriv", &host, &arguments);
    server.wait_for_line("ready");
    let machines = BootingMachines::new(&machine);
    machines.wait_until_served();

    let wire = machine.on(RawSocket::open);
    let flood = thread::spawn(move || {
        // The flood has 500 relayed DISCOVERs a second, and 200 requests to port 4011.
        for number in 0..1500 {
            let absent = |network: u8| Ipv4Addr::new(10, 99, network, 1 + (number % (ABSENT / 2)) as u8);
            wire.send(&at(absent(100), 67), &at(SERVER, 67), &relayed(absent(100), number));
            if number % 5 < 2 {
                wire.send(&at(absent(200), 4011), &at(SERVER, 4011), &request(absent(200), number));
            }
            thread::sleep(Duration::from_micros(1900));
        }
    });
    let (mut requests, mut replies) = (0, [0; 3]);
    while !flood.is_finished() {
        let received = machines.ask(requests as u32);
        (0..3).for_each(|port| replies[port] += received[port]);
        requests += 1;
        // The pause keeps the requests within the rate limit of one machine and one address.
        thread::sleep(Duration::from_millis(300));
    }
    flood.join().unwrap();
    assert_eq!(replies, [requests; 3], "on ports 67, 4011 and 547: {}", server.log());
    assert!(requests >= 5, "the flood was over too soon");
}

#[test]
fn buffers_full_of_replies_to_absent_hosts_refuse_more_and_a_broadcast_is_sent_all_the_same() {
    let (host, machine) = one_large_network();
    let client = machine.on(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 68)).unwrap());
    let (link, from) = (Some(host.index("eth0")), SERVER.into());
    host.on(|| {
        let sender = ReplySender::new(&Socket::Udp(udp::bind_broadcast(67).unwrap())).unwrap();
        let (mut out, mut refused) = (OutgoingReplies::default(), Vec::new());
        // This number of replies exceeds the largest send buffers of eight sockets.
        for number in 0..32_000_usize {
            let to = at(Ipv4Addr::new(10, 99, 100, 1 + (number % 250) as u8), 67).into();
            sender.push(&mut out, &Reply { octets: &[0; 300], to, from, link: None, tag: number });
            if number % 32 == 31 {
                sender.flush(&mut out, |tag, _, error| refused.push((tag, error.raw_os_error())));
            }
        }
        assert!(refused.iter().all(|(_, errno)| *errno == Some(libc::EAGAIN)), "{:?}", refused.first());
        assert!(refused.len() > 1000 && refused[0].0 > 2000, "{} and {:?}", refused.len(), refused.first());
        let to = at(Ipv4Addr::BROADCAST, 68).into();
        sender.push(&mut out, &Reply { octets: b"offer", to, from, link, tag: 0 });
        assert_eq!(sender.flush(&mut out, |_, to, error| panic!("{to}: {error}")), 1);
    });
    client.set_read_timeout(Some(REPLY_TIMEOUT)).unwrap();
    assert_eq!(client.recv(&mut [0; 64]).unwrap(), 5);
}

/// The replies exceed the buffers of eight sockets while the kernel waits for an ARP reply.
#[test]
fn the_log_warns_once_of_full_send_buffers_with_the_cause_and_counts_the_replies() {
    let (host, machine) = one_large_network();
    // The kernel waits half a minute for an ARP reply. In its usual three seconds, a busy host fills no buffer of a
    // recent kernel: net.core.wmem_max is 4 MiB since Linux 6.17.
    host.set_sysctl("ipv4/neigh/eth0/mcast_solicit", "30");
    // The server has only the capabilities of its unit, so the kernel limits the send buffers.
    let arguments = unprivileged_with("-all,+net_bind_service");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(["--boot-dir", "BOOT"]).collect();
    let mut server = Server::start_program("setpriv", &host, &arguments);
    server.wait_for_line("ready");
    let wire = machine.on(RawSocket::open);
    for number in 0..12_000 {
        let absent = |network: u8, hosts: u32| Ipv4Addr::new(10, 99, network, 1 + (number % hosts) as u8);
        let relay = at(absent(100, ABSENT / 2), 67);
        for machine in [3 * number, 3 * number + 1, 3 * number + 2] {
            wire.send(&relay, &at(SERVER, 67), &relayed(*relay.ip(), machine));
        }
        // So many hosts that their limits allow more ERRORs than the buffer holds.
        let client = at(absent(200, 240), 2000 + (number / 240) as u16);
        wire.send(&client, &at(SERVER, 69), b"\0\x01missing\0octet\0");
        // The pauses limit the requests to the rate at which the server reads.
        if number % 10 == 0 {
            thread::sleep(Duration::from_millis(2));
        }
    }
    server.wait_for_line("the send buffers of port 67 are full of unsent replies");
    server.wait_for_line("the send buffer of the socket is full");
    server.signal(Signal::SIGTERM);
    server.exit_code();
    let log = server.log();
    assert_eq!(log.matches("are full of unsent replies").count(), 1, "{log}");
    assert_eq!(log.matches("of the socket is full").count(), 1, "{log}");
    let last = log.lines().last().unwrap();
    eprintln!("{last}");
    assert!(counter(last, "send:buffer-full") > 10 && counter(last, "tftp:buffer-full") > 10, "{last}");
}

/// Returns the value of a counter in the last line of a log.
fn counter(last: &str, label: &str) -> u32 {
    let (_, rest) = last.split_once(&format!("{label} ")).unwrap_or_else(|| panic!("no {label}: {last}"));
    rest.split(',').next().unwrap().parse().unwrap()
}

#[test]
fn the_log_warns_once_of_an_offer_to_a_relay_without_a_route_with_the_remedy() {
    let (host, machine) = one_large_network();
    let mut server = Server::start(&host, &["--boot-dir", "BOOT"]);
    server.wait_for_line("ready");
    let wire = machine.on(RawSocket::open);
    let relay = Ipv4Addr::new(172, 31, 9, 1);
    let mut number = 0;
    wait_for("a warning", || {
        // Each attempt sends two requests. The server warns of the first one, and only counts the second.
        for _ in 0..2 {
            number += 1;
            wire.send(&at(relay, 67), &at(SERVER, 67), &relayed(relay, number));
        }
        thread::sleep(Duration::from_millis(100));
        server.log().contains("no route to relay 172.31.9.1. Add one on this host").then_some(())
    });
    // The pause lets the server read its queue, because a server that stops does not read the remaining packets.
    thread::sleep(Duration::from_millis(500));
    // The log is complete only when the server has ended.
    server.signal(Signal::SIGTERM);
    server.exit_code();
    let log = server.log();
    assert_eq!(log.matches("OFFER not sent").count(), 1, "{log}");
    assert!(!log.contains("OFFER ipxe.efi"), "the offer was not sent: {log}");
    assert!(log.contains("send:no-route ") && !log.contains("send:no-route 1\n"), "each is counted: {log}");
}

#[test]
fn the_log_names_the_firewall_of_this_host_if_it_drops_a_reply() {
    let (host, machine) = one_large_network();
    host.run("nft add table inet test\nnft add chain inet test out { type filter hook output priority 0 ; }");
    host.run("nft add rule inet test out udp sport 4011 drop");
    let server = Server::start(&host, &["--boot-dir", "BOOT"]);
    server.wait_for_line("ready");
    let client = machine.on(|| UdpSocket::bind((MACHINE, 4011)).unwrap());
    client.send_to(&request(MACHINE, 1), (SERVER, 4011)).unwrap();
    server.wait_for_line("ACK not sent: this host's own firewall drops packets from port 4011");
    let log = server.log();
    assert!(!log.contains("ACK ipxe.efi"), "{log}");
}

#[test]
fn the_log_names_the_firewall_if_it_drops_a_delayed_reply_over_ipv6() {
    let (host, machine) = one_large_network();
    host.run("nft add table inet test\nnft add chain inet test out { type filter hook output priority 0 ; }");
    host.run("nft add rule inet test out meta nfproto ipv6 udp sport 4011 drop");
    let server = Server::start(&host, &["--boot-dir", "BOOT"]);
    server.wait_for_line("ready");
    let solicits = Client::at_link_local(&machine, 546);
    let (advertise, _) = solicits.wait_for_reply(&vector("ovmf-pxe6-solicit"), 547);
    let request = common::ipv6::request_for(&common::ipv6::server_id(&advertise));
    Client::at_link_local(&machine, 4011).send(&request, ALL_SERVERS_AND_RELAYS, 4011);
    server.wait_for_line("REPLY not sent: this host's own firewall drops packets from port 4011");
    assert!(!server.log().contains("REPLY tftp"), "{}", server.log());
}

#[test]
fn the_log_warns_once_of_machines_on_an_interface_that_is_not_served_or_has_no_address() {
    let (host, machine) = one_large_network();
    let bare = Host::new();
    host.cable("eth1", &bare, "eth0");
    let excluded = Host::new();
    host.cable("eth2", &excluded, "eth0");
    host.run("ip address add 10.98.0.1/24 dev eth2");
    let mut server = Server::start(&host, &["-i", "eth0", "--boot-dir", "BOOT"]);
    server.wait_for_line("ready");
    for _ in 0..3 {
        for neighbour in [&bare, &excluded] {
            neighbour.on(|| broadcast(&discover([2, 0, 0, 0, 5, 5], 1)));
        }
    }
    server.wait_for_line("on eth1: no reply: eth1 has no IPv4 address. Add one");
    server.wait_for_line("on eth2: no reply: eth2 is not among the served interfaces (eth0)");
    // A DISCOVER of a boot client on the served interface causes no warning.
    machine.on(|| broadcast(&discover([2, 0, 0, 0, 5, 6], 2)));
    server.wait_for_line("OFFER ipxe.efi");
    server.signal(Signal::SIGTERM);
    server.exit_code();
    assert_eq!(server.log().matches("no reply:").count(), 2, "{}", server.log());
}

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
const MACHINE: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 4);

fn one_large_network() -> (Host, Host) {
    let (host, machine) = (Host::new(), Host::new());
    host.cable("eth0", &machine, "eth0");
    host.run(&format!("ip link set eth0 address {}", format_mac(SERVER_MAC)));
    host.run("ip address add 10.99.0.1/16 dev eth0\nip address add fe80::10/64 dev eth0 nodad");
    machine.run("ip address add 10.99.0.4/16 dev eth0\nip address add fe80::207/64 dev eth0 nodad");
    (host, machine)
}

/// Machines that boot normally during the test.
struct BootingMachines {
    offers: UdpSocket,
    boot_server: UdpSocket,
    ipv6: Client,
}

impl BootingMachines {
    fn new(machine: &Host) -> BootingMachines {
        let (offers, boot_server) = machine.on(|| {
            let offers = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 68)).unwrap();
            offers.set_broadcast(true).unwrap();
            SockRef::from(&offers).bind_device(Some(b"eth0")).unwrap();
            (offers, UdpSocket::bind((MACHINE, 4011)).unwrap())
        });
        for socket in [&offers, &boot_server] {
            socket.set_read_timeout(Some(REPLY_TIMEOUT)).unwrap();
        }
        BootingMachines { offers, boot_server, ipv6: Client::at_link_local(machine, 546) }
    }

    fn wait_until_served(&self) {
        wait_for("an offer", || self.is_offered(9000).then_some(()));
        self.ipv6.wait_for_reply(&vector("ovmf-pxe6-solicit"), 547);
    }

    /// Sends a request to ports 67, 4011 and 547. Returns, for each port, the number of replies that arrive in time.
    fn ask(&self, number: u32) -> [usize; 3] {
        [self.is_offered(number), self.is_acknowledged(number), self.is_advertised(number)].map(usize::from)
    }

    fn is_offered(&self, number: u32) -> bool {
        let machine = [2, 0, 0, 7, (number >> 8) as u8, number as u8];
        self.offers.send_to(&discover(machine, number), (Ipv4Addr::BROADCAST, 67)).unwrap();
        is_answered(&self.offers, number)
    }

    fn is_acknowledged(&self, number: u32) -> bool {
        self.boot_server.send_to(&request(MACHINE, number), (SERVER, 4011)).unwrap();
        is_answered(&self.boot_server, number)
    }

    fn is_advertised(&self, number: u32) -> bool {
        let mut solicit = vector("ovmf-pxe6-solicit");
        let transaction = &number.to_be_bytes()[1..];
        solicit[1..4].copy_from_slice(transaction);
        let reply = self.ipv6.ask(&solicit, 547);
        reply.is_some_and(|(reply, _)| reply[1..4] == *transaction)
    }
}

/// Whether the reply to this request arrives in time. Ignores replies to earlier requests.
fn is_answered(socket: &UdpSocket, number: u32) -> bool {
    let mut reply = [0; 1500];
    let end = Instant::now() + REPLY_TIMEOUT;
    while Instant::now() < end {
        match socket.recv(&mut reply) {
            Ok(length) if length > 8 && reply[4..8] == number.to_be_bytes() => return true,
            _ => {}
        }
    }
    false
}

fn at(address: Ipv4Addr, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(address, port)
}

fn broadcast(packet: &[u8]) {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 68)).unwrap();
    socket.set_broadcast(true).unwrap();
    SockRef::from(&socket).bind_device(Some(b"eth0")).unwrap();
    socket.send_to(packet, (Ipv4Addr::BROADCAST, 67)).unwrap();
}

fn discover(machine: [u8; 6], number: u32) -> Vec<u8> {
    packet(1, machine, number, [0; 4], [0; 4])
}

/// Returns a relayed DISCOVER. Each number stands for a different machine.
fn relayed(giaddr: Ipv4Addr, number: u32) -> Vec<u8> {
    packet(1, [2, 0, 0, 8, (number >> 8) as u8, number as u8], number, [0; 4], giaddr.octets())
}

fn request(ciaddr: Ipv4Addr, number: u32) -> Vec<u8> {
    packet(3, [2, 0, 0, 9, (number >> 8) as u8, number as u8], number, ciaddr.octets(), [0; 4])
}

//! What does not leave keeps nothing else back, is not called an answer, and is told with its cause. Needs root.

mod netns;

use netns::ipv6::{Client, ALL_SERVERS_AND_RELAYS};
use netns::raw::{SERVER_MAC, RawSocket, format_mac};
use netns::server::{Server, unprivileged_with, vector};
use netns::{Host, wait_for};
use nix::sys::signal::Signal;
use proxydhcpd::net::reply_sender::{OutgoingReplies, ReplySender, Reply};
use proxydhcpd::net::socket::Socket;
use proxydhcpd::net::udp;
use socket2::SockRef;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

/// An answer that comes later than this is as good as none: firmware has asked again by then.
const SOON: Duration = Duration::from_secs(1);

/// Packets of machines and relays that are not there: together they must leave room in the kernel's table of
/// neighbours, which all namespaces share.
const ABSENT: u32 = 300;

#[test]
fn relays_and_machines_that_are_gone_keep_no_answer_from_anybody() {
    let (host, machine) = one_large_network();
    // As the unit has it: the kernel's limit for send buffers holds.
    let words = unprivileged_with("-all,+net_bind_service");
    let words: Vec<&str> = words.iter().map(String::as_str).chain(["--boot-dir", "BOOT"]).collect();
    let server = Server::start_program("setpriv", &host, &words);
    server.wait_for_line("ready");
    let honest = Honest::new(&machine);
    honest.wait_until_served();

    let wire = machine.on(RawSocket::open);
    let flood = thread::spawn(move || {
        // 500 relayed DISCOVERs a second, and 200 requests to port 4011.
        for number in 0..1500 {
            let absent = |network: u8| Ipv4Addr::new(10, 99, network, 1 + (number % (ABSENT / 2)) as u8);
            wire.send(&at(absent(100), 67), &at(HERE, 67), &relayed(absent(100), number));
            if number % 5 < 2 {
                wire.send(&at(absent(200), 4011), &at(HERE, 4011), &request(absent(200), number));
            }
            thread::sleep(Duration::from_micros(1900));
        }
    });
    let (mut asked, mut answered) = (0, [0; 3]);
    while !flood.is_finished() {
        let now = honest.ask(asked as u32);
        (0..3).for_each(|port| answered[port] += now[port]);
        asked += 1;
        // No more than one machine and one address may ask.
        thread::sleep(Duration::from_millis(300));
    }
    flood.join().unwrap();
    assert_eq!(answered, [asked; 3], "on ports 67, 4011 and 547: {}", server.log());
    assert!(asked >= 5, "the flood was over too soon");
}

#[test]
fn what_hosts_that_are_gone_fill_refuses_more_and_a_broadcast_leaves_all_the_same() {
    let (host, machine) = one_large_network();
    let client = machine.on(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 68)).unwrap());
    let (link, from) = (Some(host.index("eth0")), HERE.into());
    host.on(|| {
        let outlet = ReplySender::new(&Socket::Udp(udp::bind_broadcast(67).unwrap())).unwrap();
        let (mut out, mut refused) = (OutgoingReplies::default(), Vec::new());
        // As much as eight sockets with the largest buffer hold, and more.
        for number in 0..32_000_usize {
            let to = at(Ipv4Addr::new(10, 99, 100, 1 + (number % 250) as u8), 67).into();
            outlet.push(&mut out, &Reply { octets: &[0; 300], to, from, link: None, tag: number });
            if number % 32 == 31 {
                outlet.flush(&mut out, |mark, _, error| refused.push((mark, error.raw_os_error())));
            }
        }
        assert!(refused.iter().all(|(_, errno)| *errno == Some(libc::EAGAIN)), "{:?}", refused.first());
        assert!(refused.len() > 1000 && refused[0].0 > 2000, "{} and {:?}", refused.len(), refused.first());
        let to = at(Ipv4Addr::BROADCAST, 68).into();
        outlet.push(&mut out, &Reply { octets: b"offer", to, from, link, tag: 0 });
        assert_eq!(outlet.flush(&mut out, |_, to, error| panic!("{to}: {error}")), 1);
    });
    client.set_read_timeout(Some(SOON)).unwrap();
    assert_eq!(client.recv(&mut [0; 64]).unwrap(), 5);
}

/// More than eight sockets hold in the three seconds that a host which is gone has for its answer to ARP.
#[test]
fn what_finds_no_room_in_a_send_buffer_is_warned_of_once_with_its_cause_and_counted() {
    let (host, machine) = one_large_network();
    // As the unit has it: the kernel's limit for send buffers holds.
    let words = unprivileged_with("-all,+net_bind_service");
    let words: Vec<&str> = words.iter().map(String::as_str).chain(["--boot-dir", "BOOT"]).collect();
    let mut server = Server::start_program("setpriv", &host, &words);
    server.wait_for_line("ready");
    let wire = machine.on(RawSocket::open);
    for number in 0..8000 {
        let absent = |network: u8| Ipv4Addr::new(10, 99, network, 1 + (number % (ABSENT / 2)) as u8);
        for machine in [3 * number, 3 * number + 1, 3 * number + 2] {
            wire.send(&at(absent(100), 67), &at(HERE, 67), &relayed(absent(100), machine));
        }
        wire.send(&at(absent(200), 2000 + (number / 200) as u16), &at(HERE, 69), b"\0\x01missing\0octet\0");
        // As fast as the server reads.
        if number % 10 == 0 {
            thread::sleep(Duration::from_millis(2));
        }
    }
    server.wait_for_line("the send buffers of port 67 are full of replies that have not left");
    server.wait_for_line("the send buffer of the socket is full");
    server.signal(Signal::SIGTERM);
    server.exit_code();
    let log = server.log();
    assert_eq!(log.matches("are full of replies").count(), 1, "{log}");
    assert_eq!(log.matches("of the socket is full").count(), 1, "{log}");
    let last = log.lines().last().unwrap();
    eprintln!("{last}");
    assert!(counted(last, "send:no-room") > 10 && counted(last, "tftp:buffer-full") > 10, "{last}");
}

/// In the last line of a log.
fn counted(last: &str, label: &str) -> u32 {
    let (_, behind) = last.split_once(&format!("{label} ")).unwrap_or_else(|| panic!("no {label}: {last}"));
    behind.split(',').next().unwrap().parse().unwrap()
}

#[test]
fn an_offer_to_a_relay_without_a_route_is_none_and_is_warned_of_once_with_its_cure() {
    let (host, machine) = one_large_network();
    let mut server = Server::start(&host, &["--boot-dir", "BOOT"]);
    server.wait_for_line("ready");
    let wire = machine.on(RawSocket::open);
    let relay = Ipv4Addr::new(172, 31, 9, 1);
    let mut number = 0;
    wait_for("a warning", || {
        // Two each time: the second is only counted.
        for _ in 0..2 {
            number += 1;
            wire.send(&at(relay, 67), &at(HERE, 67), &relayed(relay, number));
        }
        thread::sleep(Duration::from_millis(100));
        server.log().contains("no route to relay 172.31.9.1. Add one on this host").then_some(())
    });
    // A server that is stopped does not read what has come by then.
    thread::sleep(Duration::from_millis(500));
    // The log is whole when the server has ended.
    server.signal(Signal::SIGTERM);
    server.exit_code();
    let log = server.log();
    assert_eq!(log.matches("OFFER not sent").count(), 1, "{log}");
    assert!(!log.contains("OFFER ipxe.efi"), "it was not sent: {log}");
    assert!(log.contains("send:no-route ") && !log.contains("send:no-route 1\n"), "each is counted: {log}");
}

#[test]
fn an_answer_that_this_hosts_own_firewall_drops_is_none_and_the_firewall_is_named() {
    let (host, machine) = one_large_network();
    host.run("nft add table inet test\nnft add chain inet test out { type filter hook output priority 0 ; }");
    host.run("nft add rule inet test out udp sport 4011 drop");
    let server = Server::start(&host, &["--boot-dir", "BOOT"]);
    server.wait_for_line("ready");
    let client = machine.on(|| UdpSocket::bind((MACHINE, 4011)).unwrap());
    client.send_to(&request(MACHINE, 1), (HERE, 4011)).unwrap();
    server.wait_for_line("ACK not sent: this host's own firewall drops what leaves port 4011");
    let log = server.log();
    assert!(!log.contains("ACK ipxe.efi"), "{log}");
}

#[test]
fn over_ipv6_a_late_reply_that_the_firewall_drops_is_none_either() {
    let (host, machine) = one_large_network();
    host.run("nft add table inet test\nnft add chain inet test out { type filter hook output priority 0 ; }");
    host.run("nft add rule inet test out meta nfproto ipv6 udp sport 4011 drop");
    let server = Server::start(&host, &["--boot-dir", "BOOT"]);
    server.wait_for_line("ready");
    let solicits = Client::at_link_local(&machine, 546);
    let (advertise, _) = solicits.wait_for_answer(&vector("ovmf-pxe6-solicit"), 547);
    let request = netns::ipv6::request_for(&netns::ipv6::server_id(&advertise));
    Client::at_link_local(&machine, 4011).send(&request, ALL_SERVERS_AND_RELAYS, 4011);
    server.wait_for_line("REPLY not sent: this host's own firewall drops what leaves port 4011");
    assert!(!server.log().contains("REPLY tftp"), "{}", server.log());
}

#[test]
fn a_machine_on_an_interface_that_is_not_served_or_has_no_address_is_told_of_once() {
    let (host, machine) = one_large_network();
    let bare = Host::new();
    host.cable("eth1", &bare, "eth0");
    let left_out = Host::new();
    host.cable("eth2", &left_out, "eth0");
    host.run("ip address add 10.98.0.1/24 dev eth2");
    let mut server = Server::start(&host, &["-i", "eth0", "--boot-dir", "BOOT"]);
    server.wait_for_line("ready");
    for _ in 0..3 {
        for neighbour in [&bare, &left_out] {
            neighbour.on(|| broadcast(&discover([2, 0, 0, 0, 5, 5], 1)));
        }
    }
    server.wait_for_line("on eth1: no reply: eth1 has no IPv4 address. Add one");
    server.wait_for_line("on eth2: no reply: eth2 is not among the served interfaces (eth0)");
    // A machine that is no boot client is nobody's business.
    machine.on(|| broadcast(&discover([2, 0, 0, 0, 5, 6], 2)));
    server.wait_for_line("OFFER ipxe.efi");
    server.signal(Signal::SIGTERM);
    server.exit_code();
    assert_eq!(server.log().matches("no reply:").count(), 2, "{}", server.log());
}

const HERE: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 1);
const MACHINE: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 4);

fn one_large_network() -> (Host, Host) {
    let (host, machine) = (Host::new(), Host::new());
    host.cable("eth0", &machine, "eth0");
    host.run(&format!("ip link set eth0 address {}", format_mac(SERVER_MAC)));
    host.run("ip address add 10.99.0.1/16 dev eth0\nip address add fe80::10/64 dev eth0 nodad");
    machine.run("ip address add 10.99.0.4/16 dev eth0\nip address add fe80::207/64 dev eth0 nodad");
    (host, machine)
}

/// Machines that boot as machines do.
struct Honest {
    offers: UdpSocket,
    boot_server: UdpSocket,
    ipv6: Client,
}

impl Honest {
    fn new(machine: &Host) -> Honest {
        let (offers, boot_server) = machine.on(|| {
            let offers = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 68)).unwrap();
            offers.set_broadcast(true).unwrap();
            SockRef::from(&offers).bind_device(Some(b"eth0")).unwrap();
            (offers, UdpSocket::bind((MACHINE, 4011)).unwrap())
        });
        for socket in [&offers, &boot_server] {
            socket.set_read_timeout(Some(SOON)).unwrap();
        }
        Honest { offers, boot_server, ipv6: Client::at_link_local(machine, 546) }
    }

    fn wait_until_served(&self) {
        wait_for("an offer", || self.is_offered(9000).then_some(()));
        self.ipv6.wait_for_answer(&vector("ovmf-pxe6-solicit"), 547);
    }

    /// On ports 67, 4011 and 547: 1 for each that is answered in time.
    fn ask(&self, number: u32) -> [usize; 3] {
        [self.is_offered(number), self.is_acknowledged(number), self.is_advertised(number)].map(usize::from)
    }

    fn is_offered(&self, number: u32) -> bool {
        let machine = [2, 0, 0, 7, (number >> 8) as u8, number as u8];
        self.offers.send_to(&discover(machine, number), (Ipv4Addr::BROADCAST, 67)).unwrap();
        hears(&self.offers, number)
    }

    fn is_acknowledged(&self, number: u32) -> bool {
        self.boot_server.send_to(&request(MACHINE, number), (HERE, 4011)).unwrap();
        hears(&self.boot_server, number)
    }

    fn is_advertised(&self, number: u32) -> bool {
        let mut solicit = vector("ovmf-pxe6-solicit");
        let transaction = &number.to_be_bytes()[1..];
        solicit[1..4].copy_from_slice(transaction);
        let answer = self.ipv6.ask(&solicit, 547);
        answer.is_some_and(|(answer, _)| answer[1..4] == *transaction)
    }
}

/// The answer to this question, in time. An answer to one before came too late.
fn hears(socket: &UdpSocket, number: u32) -> bool {
    let mut reply = [0; 1500];
    let end = Instant::now() + SOON;
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

/// Each of another machine.
fn relayed(giaddr: Ipv4Addr, number: u32) -> Vec<u8> {
    packet(1, [2, 0, 0, 8, (number >> 8) as u8, number as u8], number, [0; 4], giaddr.octets())
}

fn request(ciaddr: Ipv4Addr, number: u32) -> Vec<u8> {
    packet(3, [2, 0, 0, 9, (number >> 8) as u8, number as u8], number, ciaddr.octets(), [0; 4])
}

/// Of an x64 UEFI machine.
fn packet(kind: u8, machine: [u8; 6], number: u32, ciaddr: [u8; 4], giaddr: [u8; 4]) -> Vec<u8> {
    let mut packet = vec![1, 1, 6, 0];
    packet.extend(number.to_be_bytes());
    packet.extend([[0; 4], ciaddr, [0; 4], [0; 4], giaddr].concat());
    packet.extend(machine);
    packet.resize(236, 0);
    packet.extend([0x63, 0x82, 0x53, 0x63, 53, 1, kind, 93, 2, 0, 7, 60, 32]);
    packet.extend(b"PXEClient:Arch:00007:UNDI:003000");
    packet.push(255);
    packet.resize(300, 0);
    packet
}

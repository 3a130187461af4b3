//! DHCPv6 beside a DHCPv6 server on the same host: who hears what, as the kernel and a real dnsmasq have it. Through
//! the real binary, in network namespaces. Needs root.

mod netns;

use netns::ipv6::{Client, ALL_SERVERS_AND_RELAYS, ALL_SERVERS, plug_in, server_id, url};
use netns::raw::{RawSocket, frame6, set_udp_checksum6};
use netns::server::{Server, unprivileged_with, vector};
use netns::{Host, Peer, wait_for, without_capability};
use nix::poll::{PollFd, PollFlags, poll};
use proxydhcpd::config::flags::Flags;
use proxydhcpd::config::{Settings, load_from_dir};
use proxydhcpd::net::port_owner::{Transport, bound_sockets};
use proxydhcpd::net::reply_sender::{OutgoingReplies, ReplySender, Reply};
use proxydhcpd::net::packet;
use proxydhcpd::net::socket::Socket;
use proxydhcpd::net::sys::ReceiveBatch;
use proxydhcpd::net::udp::HOLD_OFF;
use proxydhcpd::net::udp6::GROUPS;
use proxydhcpd::serve::listeners::{Listener, Listeners};
use proxydhcpd_core::wire::dhcp6::{MessageType, Packet, code};
use rustix::thread::CapabilitySet;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

const HERE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10);
const HERE_ON_LINK: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x10);

#[test]
fn beside_a_sharing_dnsmasq_we_hear_the_group_and_it_keeps_its_unicast() {
    for dnsmasq_first in [true, false] {
        let host = Host::new();
        let machine = plug_in(&host, "eth0", 0);
        let early = dnsmasq_first.then(|| start_dnsmasq(&host, "--bind-dynamic"));
        let server = Server::start(&host, &["-c", "CONFIG"]);
        server.wait_for_line("ready");
        let _dnsmasq = early.unwrap_or_else(|| start_dnsmasq(&host, "--bind-dynamic"));
        server.wait_for_line("it receives the requests that relays send to 2001:db8::10");
        assert!(!server.log().contains("WARN"), "{}", server.log());

        let client = Client::at_link_local(&machine, 546);
        let theirs = both_advertise(&client);
        it_has_its_unicast(&client, &theirs);
    }
}

/// It has the port for itself, we hear and answer beside it, and it can be started again at any time.
#[test]
fn beside_a_dnsmasq_that_keeps_the_whole_port_a_packet_socket_hears_the_groups() {
    let host = Host::new();
    let machine = plug_in(&host, "eth0", 0);
    let mut dnsmasq = start_dnsmasq(&host, "");
    let words = unprivileged_with("-all,+net_bind_service,+net_raw");
    let words: Vec<&str> = words.iter().map(String::as_str).chain(["-c", "CONFIG"]).collect();
    let server = Server::start_program("setpriv", &host, &words);
    server.wait_for_line("ready");
    let log = server.log();
    assert!(
        log.contains("does not share UDP port 547: this server receives DHCPv6 multicasts through a packet socket"),
        "{log}"
    );
    assert!(log.contains("DHCPv6 on port 547") && !log.contains("WARN"), "{log}");
    let client = Client::at_link_local(&machine, 546);
    for _ in 0..2 {
        let theirs = both_advertise(&client);
        it_has_its_unicast(&client, &theirs);
        drop(dnsmasq);
        wait_until_free(&host);
        dnsmasq = start_dnsmasq(&host, "");
    }
    // What it is not asked for, and nobody has told it of: a link that comes later, and a relay that knows no server.
    let later = plug_in(&host, "lan1", 1);
    let (_, from) = Client::at_link_local(&later, 546).wait_for_answer(&vector("ovmf-pxe6-solicit"), 547);
    assert_eq!(from.ip(), Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 1, 0x10));
    // A network card may keep from us what nobody has told it of. The first is that of the boot server, too.
    assert_eq!([ALL_SERVERS_AND_RELAYS, ALL_SERVERS].map(|group| members(&host, "lan1", group)), [2, 1]);
    let relay = Client::at_address(&later, "2001:db8:1::207", 547);
    let answers = relay.answers(&vector("relayed-pxe6-solicit"), ALL_SERVERS, 547);
    let [(reply, from)] = &answers[..] else { panic!("{} answers", answers.len()) };
    assert_eq!(from, &"[2001:db8:1::10]:547".parse().unwrap());
    assert_eq!(url(reply).as_deref(), Some("tftp://[2001:db8:1::10]/ipxe.efi"));

    // The port itself is of use once it is shared; until then it is left alone for as long as it takes.
    drop(dnsmasq);
    let _dnsmasq = start_dnsmasq(&host, "--bind-dynamic");
    it_shares_at_last(&server, &client);
}

#[test]
fn where_a_packet_socket_hears_the_groups_port_547_is_never_taken_from_a_dnsmasq_that_keeps_it() {
    let host = Host::new();
    let _machine = plug_in(&host, "eth0", 0);
    let dnsmasq = start_dnsmasq(&host, "");
    let (settings, start) = (settings(), Instant::now());
    let mut doors = host.on(|| Listeners::open(&settings, &[], start).unwrap());
    assert!(doors.opened.drain(..).any(|door| matches!(door, Listener::Dhcp(_, Socket::Packet(_)))));
    drop(dnsmasq);
    wait_until_free(&host);
    let late = start + 100 * HOLD_OFF;
    host.on(|| doors.retry(&settings, late));
    assert!(doors.opened.is_empty() && !doors.shares_dhcp6_port);
    drop(start_dnsmasq(&host, ""));
    wait_until_free(&host);
    let _sharing = start_dnsmasq(&host, "--bind-dynamic");
    host.on(|| doors.retry(&settings, late));
    assert!(doors.opened.iter().any(is_547) && doors.shares_dhcp6_port);
}

#[test]
fn what_ip_or_udp_would_not_take_a_packet_socket_does_not_take() {
    let host = Host::new();
    let machine = plug_in(&host, "eth0", 0);
    let ours = host.on(|| packet::open_multicast(547, GROUPS).unwrap());
    let wire = machine.on(RawSocket::open);
    let from = SocketAddrV6::new("fe80::207".parse().unwrap(), 546, 0, 0);
    let good = |to, payload: &[u8]| frame6(&from, &SocketAddrV6::new(to, 547, 0, 0), payload);
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut frame = good(ALL_SERVERS_AND_RELAYS, b"bad");
        change(&mut frame);
        wire.send_frame(&frame);
    };
    let sealed = |change: &dyn Fn(&mut Vec<u8>)| {
        changed(&|frame| {
            change(frame);
            set_udp_checksum6(frame);
        });
    };
    sealed(&|frame| frame[14 + 6] = 0); // hop-by-hop options
    sealed(&|frame| frame[14 + 6] = 44); // a fragment
    sealed(&|frame| frame[14 + 6] = 6); // TCP
    sealed(&|frame| frame[57] = 34); // another port
    changed(&|frame| frame[61] ^= 1); // a wrong checksum
    changed(&|frame| frame[60..62].fill(0)); // none
    sealed(&|frame| frame[14 + 5] = 200); // a length beyond the end
    sealed(&|frame| frame[59] = 12); // and one of UDP beyond that of IP
    changed(&|frame| frame.truncate(60)); // no whole header
    changed(&|frame| _ = frame.splice(12..12, [0x81, 0, 0x20, 7])); // a VLAN that is not ours
    // Other destinations: an octet of each word differs, and of each group.
    for group in GROUPS {
        for at in [0, 1, 5, 9, 13, 15] {
            let mut octets = group.octets();
            octets[at] ^= 0x11;
            wire.send_frame(&good(octets.into(), b"bad"));
        }
    }
    wire.send_frame(&good(ALL_SERVERS_AND_RELAYS, b"first"));
    let mut padded = good(ALL_SERVERS, b"second");
    padded.resize(80, 0x55);
    wire.send_frame(&padded);
    let mut of_vlan_0 = good(ALL_SERVERS_AND_RELAYS, b"third");
    of_vlan_0.splice(12..12, [0x81, 0, 0x20, 0]);
    wire.send_frame(&of_vlan_0);
    wire.send_frame(&good(ALL_SERVERS_AND_RELAYS, b"last"));

    let (mut heard, mut batch) = (Vec::new(), ReceiveBatch::new());
    while heard.last().is_none_or(|(_, payload): &(_, Vec<u8>)| payload != b"last") {
        let ready = |ours: &packet::PacketSocket| poll(&mut [PollFd::new(ours.as_fd(), PollFlags::POLLIN)], 10_000_u16);
        assert_eq!(ready(&ours), Ok(1), "nothing came after {heard:?}");
        ours.receive(&mut batch).unwrap();
        for datagram in batch.iter() {
            let at = SocketAddrV6::new(*from.ip(), 546, 0, host.index("eth0"));
            assert_eq!((datagram.from, datagram.link), (at.into(), host.index("eth0")));
            heard.push((datagram.to, datagram.payload.to_vec()));
        }
    }
    let expected = [(ALL_SERVERS_AND_RELAYS, &b"first"[..]), (ALL_SERVERS, b"second"), (ALL_SERVERS_AND_RELAYS, b"third"), (ALL_SERVERS_AND_RELAYS, b"last")];
    assert_eq!(heard, expected.map(|(to, payload)| (to.into(), payload.to_vec())));
}

/// The answer of each leaves by its own link; the machine's kernel checks the checksum, of odd lengths, too.
#[test]
fn a_packet_socket_answers_from_port_547_by_the_link_of_the_question() {
    let host = Host::new();
    let machines = [0, 1].map(|number| plug_in(&host, &format!("eth{number}"), number));
    let outlet = host.on(|| ReplySender::new(&Socket::Packet(packet::open_multicast(547, GROUPS).unwrap())).unwrap());
    let clients = machines.each_ref().map(|machine| Client::at_link_local(machine, 546));
    for (number, machine) in machines.iter().enumerate() {
        let link = host.index(&format!("eth{number}"));
        let from = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, number as u16, 0x10);
        let to = SocketAddrV6::new("fe80::207".parse().unwrap(), 546, 0, link);
        let mut out = OutgoingReplies::default();
        for octets in [&b"even"[..], b"odd"] {
            outlet.push(&mut out, &Reply { octets, to: to.into(), from: from.into(), link: Some(link), tag: 0 });
        }
        assert_eq!(outlet.flush(&mut out, |_, to, error| panic!("{to}: {error}")), 2);
        for answer in [&b"even"[..], b"odd"] {
            let at = SocketAddrV6::new(from, 547, 0, machine.index("eth0"));
            assert_eq!(clients[number].receive(), Some((answer.to_vec(), at.into())));
        }
        assert_eq!(clients[1 - number].receive(), None);
    }
}

/// How many sockets of this host have joined a group on a link.
fn members(host: &Host, link: &str, group: Ipv6Addr) -> usize {
    let table = host.on(|| std::fs::read_to_string("/proc/thread-self/net/igmp6").unwrap());
    let group = format!("{:032x}", group.to_bits());
    let count = |line: &str| {
        let [_, on, joined, users, ..] = line.split_whitespace().collect::<Vec<_>>()[..] else { return None };
        ((on, joined) == (link, &group)).then(|| users.parse::<usize>().unwrap())
    };
    table.lines().find_map(count).unwrap_or(0)
}

/// Said in one line, however many links there are; and what the line advises helps at once.
#[test]
fn a_dnsmasq_that_keeps_the_whole_port_is_named_once_and_heard_beside_when_it_shares_it_at_last() {
    let host = Host::new();
    let machine = plug_in(&host, "eth0", 0);
    let _other = plug_in(&host, "eth1", 1);
    let dnsmasq = start_dnsmasq(&host, "");
    let words = unprivileged_with("-all,+net_bind_service");
    let words: Vec<&str> = words.iter().map(String::as_str).chain(["-c", "CONFIG"]).collect();
    let server = Server::start_program("setpriv", &host, &words);
    server.wait_for_line("ready");
    let client = Client::at_link_local(&machine, 546);
    assert!(client.answers(&vector("ovmf-pxe6-solicit"), ALL_SERVERS_AND_RELAYS, 547).iter().all(|answer| has_address(&answer.0)));
    let log = server.log();
    let warnings: Vec<&str> = log.lines().filter(|line| line.contains("WARN")).collect();
    let [warning] = warnings[..] else { panic!("{log}") };
    assert!(
        ["UDP port 547", "bind-dynamic", "machines do not boot over IPv6"].iter().all(|part| warning.contains(part)),
        "{log}"
    );
    assert!(!log.contains("DHCPv6 on port 547"), "{log}");

    drop(dnsmasq);
    let _dnsmasq = start_dnsmasq(&host, "--bind-dynamic");
    it_shares_at_last(&server, &client);
}

/// The dnsmasq that has been started anew.
fn it_shares_at_last(server: &Server, client: &Client) {
    server.wait_for_line("UDP port 547 is open now: machines boot over IPv6; the DHCPv6 server now shares the port");
    server.wait_for_line("it receives the requests that relays send to 2001:db8::10");
    let theirs = both_advertise(client);
    it_has_its_unicast(client, &theirs);
}

/// As port 67 (`tests/ports.rs`).
#[test]
fn port_547_is_left_to_a_dnsmasq_that_is_restarted_and_taken_minutes_after_its_end() {
    let host = Host::new();
    let _machine = plug_in(&host, "eth0", 0);
    let dnsmasq = start_dnsmasq(&host, "");
    let (settings, start) = (settings(), Instant::now());
    let mut doors = host.on(|| without_capability(CapabilitySet::NET_RAW, || Listeners::open(&settings, &[], start).unwrap()));
    assert!(!doors.opened.iter().any(is_547));
    let mut look = |seconds| {
        host.on(|| doors.retry(&settings, start + Duration::from_secs(seconds)));
        (doors.opened.iter().filter(|door| is_547(door)).count(), doors.shares_dhcp6_port)
    };
    assert_eq!(look(5), (0, false));
    drop(dnsmasq);
    wait_until_free(&host);
    assert_eq!(look(4 + HOLD_OFF.as_secs()), (0, false));
    let dnsmasq = start_dnsmasq(&host, "");
    assert_eq!(look(5 + HOLD_OFF.as_secs()), (0, false));
    drop(dnsmasq);
    wait_until_free(&host);
    let last = 5 + 2 * HOLD_OFF.as_secs();
    assert_eq!(look(last - 1), (0, false));
    assert_eq!(look(last), (1, true));
    assert_eq!(look(10 * last), (1, true), "it is ours now");
}

fn is_547(door: &Listener) -> bool {
    matches!(door, Listener::Dhcp(address, Socket::Udp(_)) if address.port() == 547)
}

/// Nothing configured.
fn settings() -> Settings {
    load_from_dir(&Flags::default(), "/nowhere".as_ref()).unwrap().settings
}

/// A closed socket may live on for a moment in a process that another test is just starting.
fn wait_until_free(host: &Host) {
    host.on(|| wait_for("a free port 547", || bound_sockets(Transport::Udp, 547).unwrap().is_empty().then_some(())));
}

/// Each answers once: dnsmasq, whose DUID this is, offers an address, and we do not.
fn both_advertise(client: &Client) -> Vec<u8> {
    let solicit = vector("ovmf-pxe6-solicit");
    // dnsmasq needs a moment until it has looked at its interfaces.
    wait_for("dnsmasq's offer", || {
        client.answers(&solicit, ALL_SERVERS_AND_RELAYS, 547).iter().any(|answer| has_address(&answer.0)).then_some(())
    });
    let answers = client.answers(&solicit, ALL_SERVERS_AND_RELAYS, 547);
    assert!(answers.iter().all(|(_, from)| from.port() == 547));
    let (theirs, ours): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| has_address(&answer.0));
    assert_eq!((theirs.len(), ours.len()), (1, 1), "offers with an address, and without");
    assert_eq!(ours[0].1.ip(), HERE_ON_LINK);
    server_id(&theirs[0].0)
}

/// What is sent to an address of the host is answered by nobody else.
fn it_has_its_unicast(client: &Client, duid: &[u8]) {
    for address in [HERE, HERE_ON_LINK] {
        let answers = client.answers(&vector("ipxe6-information-request"), address, 547);
        let [(reply, _)] = &answers[..] else { panic!("{} answers at {address}", answers.len()) };
        let message = Packet::parse(reply).unwrap().message;
        assert_eq!((message.message_type, server_id(reply)), (MessageType::Reply, duid.to_vec()), "{address}");
    }
}

/// Whether this is a DHCPv6 server's offer, and not a proxy's.
fn has_address(advertise: &[u8]) -> bool {
    Packet::parse(advertise).unwrap().message.option(code::IA_NA).is_some()
}

/// Comes back when it has its socket. Without further words it keeps port 547 for itself.
fn start_dnsmasq(host: &Host, words: &str) -> Peer {
    host.on(|| {
        let before = bound_sockets(Transport::Udp, 547).unwrap().len();
        let dnsmasq = Peer::start(&format!(
            "dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --interface=et* --leasefile-ro \
             --dhcp-range=2001:db8::100,2001:db8::1ff,64,1h --user=root --pid-file= {words}"
        ));
        wait_for("dnsmasq", || (bound_sockets(Transport::Udp, 547).unwrap().len() > before).then_some(()));
        dnsmasq
    })
}

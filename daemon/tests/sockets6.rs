//! Tests which socket receives a DHCPv6 packet if a DHCPv6 server is on the same host. The kernel and dnsmasq are real.
//! Runs the server's binary in network namespaces. Needs root.

mod common;

use common::ipv6::{ALL_SERVERS, ALL_SERVERS_AND_RELAYS, Client, plug_in, server_id, url};
use common::server::{Server, unprivileged_with, vector};
use nix::poll::{PollFd, PollFlags, poll};
use proxydhcpd::config::flags::Flags;
use proxydhcpd::config::load_from_dir;
use proxydhcpd::events::Events;
use proxydhcpd::net::packet;
use proxydhcpd::net::port_owner::{Transport, bound_sockets};
use proxydhcpd::net::reply::Reply;
use proxydhcpd::net::reply_sender::{OutgoingReplies, ReplySender};
use proxydhcpd::net::socket::Socket;
use proxydhcpd::net::sys::ReceiveBatch;
use proxydhcpd::net::udp::HOLD_OFF;
use proxydhcpd::net::udp6::GROUPS;
use proxydhcpd::serve::listeners::{Listener, Listeners};
use proxydhcpd::settings::Settings;
use proxydhcpd_core::wire::dhcp6::{MessageType, Packet, code};
use proxydhcpd_testbed::raw::{RawSocket, frame6, set_udp_checksum6};
use proxydhcpd_testbed::{CapabilitySet, Host, Process, peers, wait_for, without_capability};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

const HOST: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10);
const HOST_ON_LINK: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x10);

#[test]
fn with_a_dnsmasq_that_shares_the_port_the_server_receives_the_group_and_dnsmasq_its_unicast() {
    for dnsmasq_first in [true, false] {
        let host = Host::new();
        let machine = plug_in(&host, "eth0", 0);
        let started_first = dnsmasq_first.then(|| start_dnsmasq(&host, "--bind-dynamic"));
        let server = Server::start(&host, &["-c", "CONFIG"]);
        server.wait_for_line("ready");
        let _dnsmasq = started_first.unwrap_or_else(|| start_dnsmasq(&host, "--bind-dynamic"));
        server.wait_for_line("it receives the requests that relays send to 2001:db8::10");
        assert!(!server.log().contains("WARN"), "{}", server.log());

        let client = Client::at_link_local(&machine, 546);
        let duid = assert_both_advertise(&client);
        assert_dnsmasq_has_its_unicast(&client, &duid);
    }
}

/// dnsmasq binds the port exclusively. The server receives and replies as well, and dnsmasq can restart at any time.
#[test]
fn a_packet_socket_receives_the_groups_on_a_port_that_dnsmasq_binds_exclusively() {
    let host = Host::new();
    let machine = plug_in(&host, "eth0", 0);
    let mut dnsmasq = start_dnsmasq(&host, "");
    let arguments = unprivileged_with("-all,+net_bind_service,+net_raw");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(["-c", "CONFIG"]).collect();
    let server = Server::start_program("setpriv", &host, &arguments);
    server.wait_for_line("ready");
    let log = server.log();
    assert!(
        log.contains("does not share UDP port 547: this server receives DHCPv6 multicasts through a packet socket"),
        "{log}"
    );
    assert!(log.contains("DHCPv6 on port 547") && !log.contains("WARN"), "{log}");
    let client = Client::at_link_local(&machine, 546);
    for _ in 0..2 {
        let duid = assert_both_advertise(&client);
        assert_dnsmasq_has_its_unicast(&client, &duid);
        drop(dnsmasq);
        wait_until_free(&host);
        dnsmasq = start_dnsmasq(&host, "");
    }
    // The server also replies on a link that is added later, and to a relay that sends to the group.
    let later = plug_in(&host, "lan1", 1);
    let (_, from) = Client::at_link_local(&later, 546).wait_for_reply(&vector("ovmf-pxe6-solicit"), 547);
    assert_eq!(from.ip(), Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 1, 0x10));
    // A network card may filter groups that no socket has joined, so the server joins both. Its boot server joins the
    // first group, too.
    assert_eq!([ALL_SERVERS_AND_RELAYS, ALL_SERVERS].map(|group| members(&host, "lan1", group)), [2, 1]);
    let relay = Client::at_address(&later, "2001:db8:1::207", 547);
    let replies = relay.replies(&vector("relayed-pxe6-solicit"), ALL_SERVERS, 547);
    let [(reply, from)] = &replies[..] else { panic!("{} replies", replies.len()) };
    assert_eq!(from, &"[2001:db8:1::10]:547".parse().unwrap());
    assert_eq!(url(reply).as_deref(), Some("tftp://[2001:db8:1::10]/ipxe.efi"));

    // The server binds the port when dnsmasq shares it, and not earlier.
    drop(dnsmasq);
    let _dnsmasq = start_dnsmasq(&host, "--bind-dynamic");
    assert_shared_now(&server, &client);
}

#[test]
fn with_a_packet_socket_the_server_never_binds_port_547_until_dnsmasq_shares_it() {
    let host = Host::new();
    let _machine = plug_in(&host, "eth0", 0);
    let dnsmasq = start_dnsmasq(&host, "");
    let (settings, start) = (settings(), Instant::now());
    let mut listeners = host.on(|| Listeners::open(&settings, &[], start, &Events::default()).unwrap());
    assert!(listeners.opened.drain(..).any(|listener| matches!(listener, Listener::Dhcp(_, Socket::Packet(_)))));
    drop(dnsmasq);
    wait_until_free(&host);
    let later = start + 100 * HOLD_OFF;
    host.on(|| listeners.retry(&settings, later));
    assert!(listeners.opened.is_empty() && !listeners.shares_dhcp6_port);
    drop(start_dnsmasq(&host, ""));
    wait_until_free(&host);
    let _sharing = start_dnsmasq(&host, "--bind-dynamic");
    host.on(|| listeners.retry(&settings, later));
    assert!(listeners.opened.iter().any(is_547) && listeners.shares_dhcp6_port);
}

#[test]
fn a_packet_socket_ignores_packets_that_ip_or_udp_would_reject() {
    let host = Host::new();
    let machine = plug_in(&host, "eth0", 0);
    let packet_socket = host.on(|| packet::open_multicast(547, GROUPS).unwrap());
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
    changed(&|frame| frame[60..62].fill(0)); // no checksum
    sealed(&|frame| frame[14 + 5] = 200); // an IP length beyond the end
    sealed(&|frame| frame[59] = 12); // a UDP length beyond that of IP
    changed(&|frame| frame.truncate(60)); // a truncated header
    changed(&|frame| _ = frame.splice(12..12, [0x81, 0, 0x20, 7])); // another VLAN
    // In each of the other destinations, one octet of one word of a group's address differs.
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
    let mut vlan_0 = good(ALL_SERVERS_AND_RELAYS, b"third");
    vlan_0.splice(12..12, [0x81, 0, 0x20, 0]);
    wire.send_frame(&vlan_0);
    wire.send_frame(&good(ALL_SERVERS_AND_RELAYS, b"last"));

    let (mut received, mut batch) = (Vec::new(), ReceiveBatch::new());
    while received.last().is_none_or(|(_, payload): &(_, Vec<u8>)| payload != b"last") {
        let ready = |packet_socket: &packet::PacketSocket| {
            poll(&mut [PollFd::new(packet_socket.as_fd(), PollFlags::POLLIN)], 10_000_u16)
        };
        assert_eq!(ready(&packet_socket), Ok(1), "nothing arrived after {received:?}");
        packet_socket.receive(&mut batch).unwrap();
        for datagram in batch.iter() {
            let at = SocketAddrV6::new(*from.ip(), 546, 0, host.index("eth0"));
            assert_eq!((datagram.from, datagram.link), (at.into(), host.index("eth0")));
            received.push((datagram.to, datagram.payload.to_vec()));
        }
    }
    let expected = [
        (ALL_SERVERS_AND_RELAYS, &b"first"[..]),
        (ALL_SERVERS, b"second"),
        (ALL_SERVERS_AND_RELAYS, b"third"),
        (ALL_SERVERS_AND_RELAYS, b"last"),
    ];
    assert_eq!(received, expected.map(|(to, payload)| (to.into(), payload.to_vec())));
}

/// The machine's kernel verifies the checksum, also if the length is odd.
#[test]
fn a_reply_with_a_packet_socket_leaves_from_port_547_on_the_link_of_its_request() {
    let host = Host::new();
    let machines = [0, 1].map(|number| plug_in(&host, &format!("eth{number}"), number));
    let sender = host.on(|| ReplySender::new(&Socket::Packet(packet::open_multicast(547, GROUPS).unwrap())).unwrap());
    let clients = machines.each_ref().map(|machine| Client::at_link_local(machine, 546));
    for (number, machine) in machines.iter().enumerate() {
        let link = host.index(&format!("eth{number}"));
        let from = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, number as u16, 0x10);
        let to = SocketAddrV6::new("fe80::207".parse().unwrap(), 546, 0, link);
        let mut out = OutgoingReplies::default();
        for octets in [&b"even"[..], b"odd"] {
            sender.push(&mut out, &Reply { octets, to: to.into(), from: from.into(), link: Some(link), tag: 0 });
        }
        assert_eq!(sender.flush(&mut out, |_, to, error| panic!("{to}: {error}")), 2);
        for reply in [&b"even"[..], b"odd"] {
            let at = SocketAddrV6::new(from, 547, 0, machine.index("eth0"));
            assert_eq!(clients[number].receive(), Some((reply.to_vec(), at.into())));
        }
        assert_eq!(clients[1 - number].receive(), None);
    }
}

/// Returns the number of sockets of this host that have joined a group on a link.
fn members(host: &Host, link: &str, group: Ipv6Addr) -> usize {
    let table = host.on(|| std::fs::read_to_string("/proc/thread-self/net/igmp6").unwrap());
    let group = format!("{:032x}", group.to_bits());
    let count = |line: &str| {
        let [_, on, joined, users, ..] = line.split_whitespace().collect::<Vec<_>>()[..] else { return None };
        ((on, joined) == (link, &group)).then(|| users.parse::<usize>().unwrap())
    };
    table.lines().find_map(count).unwrap_or(0)
}

/// The log has one line for any number of links. When the administrator follows the advice in the line, the server
/// receives requests at once.
#[test]
fn the_log_names_a_dnsmasq_with_the_exclusive_port_once_and_the_server_receives_when_dnsmasq_shares_it() {
    let host = Host::new();
    let machine = plug_in(&host, "eth0", 0);
    let _other = plug_in(&host, "eth1", 1);
    let dnsmasq = start_dnsmasq(&host, "");
    let arguments = unprivileged_with("-all,+net_bind_service");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(["-c", "CONFIG"]).collect();
    let server = Server::start_program("setpriv", &host, &arguments);
    server.wait_for_line("ready");
    let client = Client::at_link_local(&machine, 546);
    assert!(
        client
            .replies(&vector("ovmf-pxe6-solicit"), ALL_SERVERS_AND_RELAYS, 547)
            .iter()
            .all(|reply| has_address(&reply.0))
    );
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
    assert_shared_now(&server, &client);
}

/// Checks, after a restart of dnsmasq, that both servers receive requests on port 547.
fn assert_shared_now(server: &Server, client: &Client) {
    server.wait_for_line("UDP port 547 is open now: machines boot over IPv6; the DHCPv6 server now shares the port");
    server.wait_for_line("it receives the requests that relays send to 2001:db8::10");
    let duid = assert_both_advertise(client);
    assert_dnsmasq_has_its_unicast(client, &duid);
}

/// The same applies to port 67 (`tests/listeners.rs`).
#[test]
fn the_server_binds_port_547_minutes_after_dnsmasq_has_ended_and_not_during_its_restart() {
    let host = Host::new();
    let _machine = plug_in(&host, "eth0", 0);
    let dnsmasq = start_dnsmasq(&host, "");
    let (settings, start) = (settings(), Instant::now());
    let mut listeners = host.on(|| {
        without_capability(CapabilitySet::NET_RAW, || {
            Listeners::open(&settings, &[], start, &Events::default()).unwrap()
        })
    });
    assert!(!listeners.opened.iter().any(is_547));
    let mut retry = |seconds| {
        host.on(|| listeners.retry(&settings, start + Duration::from_secs(seconds)));
        (listeners.opened.iter().filter(|listener| is_547(listener)).count(), listeners.shares_dhcp6_port)
    };
    assert_eq!(retry(5), (0, false));
    drop(dnsmasq);
    wait_until_free(&host);
    assert_eq!(retry(4 + HOLD_OFF.as_secs()), (0, false));
    let dnsmasq = start_dnsmasq(&host, "");
    assert_eq!(retry(5 + HOLD_OFF.as_secs()), (0, false));
    drop(dnsmasq);
    wait_until_free(&host);
    let last = 5 + 2 * HOLD_OFF.as_secs();
    assert_eq!(retry(last - 1), (0, false));
    assert_eq!(retry(last), (1, true));
    assert_eq!(retry(10 * last), (1, true), "the server keeps it");
}

fn is_547(listener: &Listener) -> bool {
    matches!(listener, Listener::Dhcp(address, Socket::Udp(_)) if address.port() == 547)
}

/// Returns the default settings.
fn settings() -> Settings {
    load_from_dir(&Flags::default(), "/nowhere".as_ref()).unwrap().settings
}

/// Waits until port 547 is free. A closed socket may remain open for a moment in a process that another test is
/// starting.
fn wait_until_free(host: &Host) {
    host.on(|| wait_for("a free port 547", || bound_sockets(Transport::Udp, 547).unwrap().is_empty().then_some(())));
}

/// Checks that each server replies once: dnsmasq offers an address, and this server offers none. Returns the DUID of
/// dnsmasq.
fn assert_both_advertise(client: &Client) -> Vec<u8> {
    let solicit = vector("ovmf-pxe6-solicit");
    // After its start, dnsmasq needs a moment to find its interfaces.
    wait_for("dnsmasq's offer", || {
        client.replies(&solicit, ALL_SERVERS_AND_RELAYS, 547).iter().any(|reply| has_address(&reply.0)).then_some(())
    });
    let replies = client.replies(&solicit, ALL_SERVERS_AND_RELAYS, 547);
    assert!(replies.iter().all(|(_, from)| from.port() == 547));
    let (dnsmasq, proxy): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| has_address(&reply.0));
    assert_eq!((dnsmasq.len(), proxy.len()), (1, 1), "offers with an address, and without");
    assert_eq!(proxy[0].1.ip(), HOST_ON_LINK);
    server_id(&dnsmasq[0].0)
}

/// Checks that only dnsmasq replies to requests to an address of the host.
fn assert_dnsmasq_has_its_unicast(client: &Client, duid: &[u8]) {
    for address in [HOST, HOST_ON_LINK] {
        let replies = client.replies(&vector("ipxe6-information-request"), address, 547);
        let [(reply, _)] = &replies[..] else { panic!("{} replies at {address}", replies.len()) };
        let message = Packet::parse(reply).unwrap().message;
        assert_eq!((message.message_type, server_id(reply)), (MessageType::Reply, duid.to_vec()), "{address}");
    }
}

/// Whether the ADVERTISE offers an address, so it is from a DHCPv6 server and not from a proxy.
fn has_address(advertise: &[u8]) -> bool {
    Packet::parse(advertise).unwrap().message.option(code::IA_NA).is_some()
}

/// Starts dnsmasq, and returns when its socket is open. Unless the options change that, dnsmasq binds port 547
/// exclusively.
fn start_dnsmasq(host: &Host, options: &str) -> Process {
    let range = "--dhcp-range=2001:db8::100,2001:db8::1ff,64,1h";
    peers::start_dnsmasq(host, 547, &format!("--interface=et* {range} {options}"))
}

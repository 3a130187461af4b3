//! Tests which socket receives a packet if this server shares a host with a DHCP server. The kernel and dnsmasq are
//! real. Each test has separate networks: host `server` has this server and the DHCP server, and host `client` is at
//! the other end of a cable.

mod common;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use proxydhcpd::net::packet;
use proxydhcpd::net::port_owner::{Transport, bound_sockets};
use proxydhcpd::net::reply::Reply;
use proxydhcpd::net::reply_sender::{OutgoingReplies, ReplySender};
use proxydhcpd::net::socket::Socket as ListeningSocket;
use proxydhcpd::net::sys::{ReceiveBatch, SendBatch};
use proxydhcpd::net::udp::{self, HOLD_OFF, UnicastChange, YieldingSocket};
use proxydhcpd_testbed::raw::{RawSocket, frame, set_ip_checksum};
use proxydhcpd_testbed::{Host, Process, TIMEOUT, peers, wait_for};
use socket2::{Domain, Socket, Type};
use std::io::{self, ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsFd;
use std::process::Stdio;
use std::time::{Duration, Instant};

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const SERVER_IP: IpAddr = IpAddr::V4(SERVER);
const ANY_4011: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 4011));
const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 50);
/// With the name of one interface, dnsmasq would bind to that device, and receive packets before any other socket. With
/// the pattern `la*`, dnsmasq binds as with two interfaces, which is the harder case.
const DNSMASQ: &str = "--interface=la* --dhcp-authoritative --dhcp-range=192.0.2.100,192.0.2.120,1h --no-ping";

#[test]
fn with_a_dnsmasq_that_shares_the_port_the_server_receives_broadcasts_and_dnsmasq_its_unicast() {
    for dnsmasq_first in [true, false] {
        let network = Network::new();
        let early = dnsmasq_first.then(|| network.dnsmasq("--bind-dynamic"));
        let listening = network.server.on(|| udp::bind_broadcast(67).unwrap());
        let _dnsmasq = early.unwrap_or_else(|| network.dnsmasq("--bind-dynamic"));

        let listening = ListeningSocket::Udp(listening);
        network.assert_both_receive(&listening, &format!("dnsmasq first: {dnsmasq_first}"));
        assert_nothing_received(&listening);
    }
}

#[test]
fn the_error_names_a_dnsmasq_that_binds_the_port_exclusively_and_the_remedy() {
    let network = Network::new();
    let dnsmasq = network.dnsmasq("");
    let busy = network.server.on(|| udp::bind_broadcast(67)).unwrap_err();
    assert_eq!(busy.error.kind(), ErrorKind::AddrInUse);
    let text = busy.to_string();
    assert!(text.contains(&format!("dnsmasq (pid {}) on 0.0.0.0", dnsmasq.id())), "{text}");
    assert!(text.contains("set bind-dynamic"), "{text}");
}

/// If dnsmasq starts after the server, it fails: in that order, its configuration needs bind-dynamic in any case.
#[test]
fn a_dnsmasq_that_binds_the_port_exclusively_cannot_start_after_the_server() {
    let network = Network::new();
    let _listening = network.server.on(|| udp::bind_broadcast(67).unwrap());
    let mut command = peers::dnsmasq();
    command.args(DNSMASQ.split(' ')).stdin(Stdio::null()).stderr(Stdio::piped());
    let mut dnsmasq = network.server.on(|| Process::spawn(&mut command));
    let status = wait_for("dnsmasq to give up", || dnsmasq.status());
    assert!(!status.success());
    let mut text = String::new();
    dnsmasq.take_stderr().unwrap().read_to_string(&mut text).unwrap();
    assert!(text.contains("in use"), "{text}");
}

/// dnsmasq binds the port exclusively. The server receives and replies as well, and dnsmasq can restart at any time.
#[test]
fn a_packet_socket_receives_broadcasts_on_a_port_that_dnsmasq_binds_exclusively() {
    let network = Network::new();
    let mut dnsmasq = network.dnsmasq("");
    let listening = network.packet_socket();
    for round in 0..2 {
        network.assert_both_receive(&listening, &format!("round {round}"));
        assert_nothing_received(&listening);
        network.client.run("ip addr flush dev eth0");

        drop(dnsmasq);
        network.wait_until_bound(0);
        dnsmasq = network.dnsmasq("");
    }
}

#[test]
fn a_reply_with_a_packet_socket_leaves_from_port_67_on_the_link_of_its_request() {
    let network = Network::new();
    let _dnsmasq = network.dnsmasq("");
    let listening = network.packet_socket();
    network.assert_offers_leave_on_the_link_of_their_discover(&listening);

    // The reply goes to a relay whose DISCOVER may have been a broadcast on the server's network.
    let relay = network.client_with_address();
    let (sender, mut offers) =
        (network.server.on(|| ReplySender::new(&listening).unwrap()), OutgoingReplies::default());
    let to = SocketAddrV4::new(CLIENT, 68).into();
    sender.push(&mut offers, &Reply { octets: b"relayed", to, from: SERVER_IP, link: None, tag: 0 });
    assert_eq!(sender.flush(&mut offers, |_, to, error| panic!("{to}: {error}")), 1);
    let mut buffer = [0; 64];
    assert_eq!(relay.recv_from(&mut buffer).unwrap(), (7, SocketAddrV4::new(SERVER, 67).into()));
}

#[test]
fn a_packet_socket_ignores_packets_that_ip_or_udp_would_reject() {
    let network = Network::new();
    let listening = network.packet_socket();
    let wire = network.client.on(RawSocket::open);
    let from = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68);
    let good = |payload: &[u8]| frame(&from, &SocketAddrV4::new(Ipv4Addr::BROADCAST, 67), payload);
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut frame = good(b"bad");
        change(&mut frame);
        set_ip_checksum(&mut frame);
        wire.send_frame(&frame);
    };
    changed(&|frame| frame[20] = 0x20); // more fragments follow
    changed(&|frame| frame[21] = 1); // a later fragment
    changed(&|frame| frame[23] = 6); // TCP
    changed(&|frame| frame[37] = 68); // another port
    changed(&|frame| frame[33] = 254); // another destination
    changed(&|frame| frame[40] = 1); // a wrong checksum of UDP
    changed(&|frame| frame[39] = 200); // a length beyond the end
    changed(&|frame| frame.truncate(40)); // a truncated header
    let mut ip_checksum = good(b"bad");
    ip_checksum[24] ^= 1;
    wire.send_frame(&ip_checksum);
    wire.send_frame(&good(b"first"));
    let mut padded = good(b"second");
    padded.resize(60, 0x55);
    wire.send_frame(&padded);
    wire.send_frame(&good(b"last"));
    assert_eq!(receive_up_to(&listening, b"last"), [&b"first"[..], b"second", b"last"]);
}

/// IP accepts a frame of VLAN 0, which has only a priority, and rejects a frame of any VLAN without an interface.
#[test]
fn a_frame_of_another_vlan_is_ignored() {
    let network = Network::new();
    let listening = network.packet_socket();
    let wire = network.client.on(RawSocket::open);
    let from = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68);
    for (vlan, payload) in [(7, &b"vlan 7"[..]), (0, b"vlan 0")] {
        let mut tagged = frame(&from, &SocketAddrV4::new(Ipv4Addr::BROADCAST, 67), payload);
        tagged.splice(12..12, [0x81, 0, 0x20, vlan]);
        wire.send_frame(&tagged);
    }
    assert_eq!(receive_up_to(&listening, b"vlan 0"), [b"vlan 0"]);
}

#[test]
fn a_packet_to_a_port_of_a_bridge_is_received_once_on_the_bridge() {
    let network = Network::new();
    network.server.run("ip link add br0 type bridge\nip link set lan master br0\nip link set br0 up");
    let listening = network.packet_socket();
    let client = network.client_without_address();
    for payload in [&b"first"[..], b"second"] {
        client.send_to(payload, (Ipv4Addr::BROADCAST, 67)).unwrap();
        let mut batch = ReceiveBatch::new();
        assert_eq!(receive_batch(&listening, &mut batch), 1);
        let datagram = batch.iter().next().unwrap();
        assert_eq!((datagram.payload, datagram.link), (payload, network.server.index("br0")));
    }
}

#[test]
fn a_wildcard_server_that_shares_the_port_keeps_its_unicast_in_either_order() {
    for server_first in [true, false] {
        let network = Network::new();
        let early = server_first.then(|| network.wildcard());
        let listening = network.server.on(|| udp::bind_broadcast(67).unwrap());
        let other_server = early.unwrap_or_else(|| network.wildcard());
        let client = network.client_with_address();
        client.send_to(b"to all", (Ipv4Addr::BROADCAST, 67)).unwrap();
        assert_eq!((receive(&other_server), receive(&listening)), (b"to all".to_vec(), b"to all".to_vec()));
        client.send_to(b"to one", (SERVER, 67)).unwrap();
        assert_eq!(receive(&other_server), b"to one");
        // The directed broadcast reaches only the other server. This does no harm, because no boot firmware sends to
        // it.
        client.send_to(b"to network", (Ipv4Addr::new(192, 0, 2, 255), 67)).unwrap();
        assert_eq!(receive(&other_server), b"to network");
        assert_silent(&listening);
    }
}

/// This is the reason for [`YieldingSocket`]: the kernel prefers the more specific socket, whichever was bound first.
#[test]
fn a_socket_on_an_address_would_take_the_unicast_of_a_wildcard_server() {
    let network = Network::new();
    let (mut yielding, listening) = network.yielding();
    let other_server = network.wildcard();
    let client = network.client_with_address();
    client.send_to(b"renewal", (SERVER, 67)).unwrap();
    assert_eq!(receive(&listening), b"renewal");
    assert_silent(&other_server);

    let changes = network.server.on(|| yielding.update(&[SERVER_IP], Instant::now()));
    assert!(matches!(&changes[..], [UnicastChange::Yielded(SERVER_IP, _)]), "{changes:?}");
    drop(listening);
    network.wait_until_bound(1);
    client.send_to(b"again", (SERVER, 67)).unwrap();
    assert_eq!(receive(&other_server), b"again");
}

#[test]
fn while_dnsmasq_runs_it_receives_the_relayed_requests() {
    let network = Network::new();
    let (mut yielding, listening) = network.yielding();
    let start = Instant::now();
    let mut update =
        |seconds| network.server.on(|| yielding.update(&[SERVER_IP], start + Duration::from_secs(seconds)));
    assert!(update(0).is_empty());

    let dnsmasq = network.dnsmasq("--bind-dynamic");
    match &update(5)[..] {
        [UnicastChange::Yielded(SERVER_IP, owner)] => assert_eq!(owner.process.as_ref().unwrap().pid, dnsmasq.id()),
        changes => panic!("{changes:?}"),
    }
    drop(listening);
    network.wait_until_bound(1);
    let client = network.client_with_address();
    client.send_to(&bootp(INFORM), (SERVER, 67)).unwrap();
    assert_eq!(receive_message_type(&client), ACK);

    assert!(update(10).is_empty(), "each change is returned once");
    drop(dnsmasq);
    assert!(update(15).is_empty(), "it may be restarting");
    assert!(update(10 + HOLD_OFF.as_secs() - 1).is_empty());
    assert!(matches!(&update(10 + HOLD_OFF.as_secs())[..], [UnicastChange::Opened(SERVER_IP, _)]));
}

#[test]
fn a_missing_address_is_tried_again_and_reported_once() {
    let network = Network::new();
    let added = IpAddr::from([198, 51, 100, 1]);
    let mut yielding = with_long_uptime();
    let mut update = |addresses: &[IpAddr]| network.server.on(|| yielding.update(addresses, Instant::now()));
    match &update(&[added])[..] {
        [UnicastChange::Failed(busy)] => assert_eq!(busy.error.kind(), ErrorKind::AddrNotAvailable),
        changes => panic!("{changes:?}"),
    }
    assert!(update(&[added]).is_empty());
    network.server.run("ip addr add 198.51.100.1/24 dev lan");
    match &update(&[added])[..] {
        [UnicastChange::Opened(address, _)] if *address == added => {}
        changes => panic!("{changes:?}"),
    }
    match &update(&[SERVER_IP])[..] {
        [UnicastChange::Lost(address), UnicastChange::Opened(SERVER_IP, _)] if *address == added => {}
        changes => panic!("{changes:?}"),
    }
}

/// The delay gives a DHCP server that does not share its address, such as Kea, time to start.
#[test]
fn while_the_host_boots_no_address_is_bound_at_once() {
    let network = Network::new();
    let start = Instant::now();
    let mut booted = YieldingSocket::new(67, Duration::from_secs(119), start);
    let mut update = |seconds| network.server.on(|| booted.update(&[SERVER_IP], start + Duration::from_secs(seconds)));
    assert!(update(0).is_empty() && update(29).is_empty());
    let other_server = network.server.on(|| UdpSocket::bind((SERVER, 67)).expect("the address is free"));
    assert!(matches!(&update(30)[..], [UnicastChange::Yielded(SERVER_IP, _)]));
    drop(other_server);
    network.wait_until_bound(0);
    let mut long_up = YieldingSocket::new(67, Duration::from_secs(120), start);
    assert!(matches!(
        &network.server.on(|| long_up.update(&[SERVER_IP], start))[..],
        [UnicastChange::Opened(SERVER_IP, _)]
    ));
}

#[test]
fn the_error_of_a_second_server_on_4011_names_the_first() {
    let network = Network::new();
    let listening = network.server.on(|| udp::bind_exclusive(ANY_4011).unwrap());
    let busy = network.server.on(|| udp::bind_exclusive(ANY_4011)).unwrap_err();
    assert_eq!(busy.owner.unwrap().process.unwrap().pid, std::process::id());

    // If a request goes to a second address of the host, the reply comes from that address.
    let second = Ipv4Addr::new(192, 0, 2, 2);
    network.server.run("ip addr add 192.0.2.2/24 dev lan");
    let client = network.client_with_address();
    client.send_to(b"request", (second, 4011)).unwrap();
    let listening = ListeningSocket::Udp(listening);
    let mut batch = ReceiveBatch::new();
    receive_batch(&listening, &mut batch);
    let request = batch.iter().next().unwrap();
    assert_eq!((request.to, request.from), (second.into(), SocketAddrV4::new(CLIENT, 68).into()));
    let mut replies = SendBatch::new();
    replies.push(b"reply", request.from, request.to, Some(request.link), 0);
    assert_eq!(replies.flush(listening.as_fd(), |_, to, error| panic!("{to}: {error}")), 1);
    let mut buffer = [0; 64];
    assert_eq!(client.recv_from(&mut buffer).unwrap(), (5, SocketAddrV4::new(second, 4011).into()));
}

#[test]
fn an_offer_leaves_on_the_link_of_its_discover_with_the_address_of_that_link() {
    let network = Network::new();
    let listening = ListeningSocket::Udp(network.server.on(|| udp::bind_broadcast(67).unwrap()));
    network.assert_offers_leave_on_the_link_of_their_discover(&listening);
}

struct Network {
    server: Host,
    client: Host,
}

impl Network {
    fn new() -> Self {
        let network = Network { server: Host::new(), client: Host::new() };
        network.server.cable("lan", &network.client, "eth0");
        network.server.run("ip addr add 192.0.2.1/24 dev lan");
        network
    }

    /// Starts dnsmasq in this mode, and returns when its sockets are open.
    fn dnsmasq(&self, mode: &str) -> Process {
        peers::start_dnsmasq(&self.server, 67, &format!("{DNSMASQ} {mode}"))
    }

    /// Waits until port 67 has this number of sockets. A closed socket may remain open for a moment in a process that
    /// another test is starting: fork copies all descriptors, and only the following exec closes them.
    fn wait_until_bound(&self, count: usize) {
        let has_count = || (bound_sockets(Transport::Udp, 67).unwrap().len() == count).then_some(());
        self.server.on(|| wait_for(&format!("{count} sockets on port 67"), has_count));
    }

    /// Returns a socket with the options of systemd-networkd's DHCP server.
    fn wildcard(&self) -> UdpSocket {
        self.server.on(|| {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
            socket.set_reuse_address(true).unwrap();
            socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 67).into()).unwrap();
            socket.set_read_timeout(Some(TIMEOUT)).unwrap();
            socket.into()
        })
    }

    /// Checks that dnsmasq replies to a DISCOVER, which the server receives unchanged as well, and to an INFORM to
    /// dnsmasq's address.
    fn assert_both_receive(&self, listening: &ListeningSocket, case: &str) {
        let client = self.client_without_address();
        client.send_to(&bootp(DISCOVER), (Ipv4Addr::BROADCAST, 67)).unwrap();
        assert_eq!(receive_message_type(&client), OFFER, "{case}");
        let mut batch = ReceiveBatch::new();
        assert_eq!(receive_batch(listening, &mut batch), 1);
        let datagram = batch.iter().next().unwrap();
        assert_eq!(datagram.from, SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68).into());
        assert_eq!((datagram.to, datagram.link), (IpAddr::V4(Ipv4Addr::BROADCAST), self.server.index("lan")));
        assert_eq!(datagram.payload, bootp(DISCOVER));
        drop(client);

        let client = self.client_with_address();
        client.send_to(&bootp(INFORM), (SERVER, 67)).unwrap();
        assert_eq!(receive_message_type(&client), ACK, "{case}");
    }

    /// Adds a second link, and checks on both links that an offer leaves on the link of its DISCOVER.
    fn assert_offers_leave_on_the_link_of_their_discover(&self, listening: &ListeningSocket) {
        let other = Host::new();
        self.server.cable("dmz", &other, "eth0");
        self.server.run("ip addr add 203.0.113.1/24 dev dmz");
        let first = self.client_without_address();
        let second = other.on(|| client_socket(None));
        let links = [
            (&first, self.server.index("lan"), SERVER, &second),
            (&second, self.server.index("dmz"), Ipv4Addr::new(203, 0, 113, 1), &first),
        ];
        for (client, link, address, other_client) in links {
            client.send_to(b"discover", (Ipv4Addr::BROADCAST, 67)).unwrap();
            let mut batch = ReceiveBatch::new();
            assert_eq!(receive_batch(listening, &mut batch), 1);
            assert_eq!(batch.iter().next().unwrap().link, link);
            let (sender, mut offers) =
                (self.server.on(|| ReplySender::new(listening).unwrap()), OutgoingReplies::default());
            for octets in [&b"offer"[..], b"offer of odd length"] {
                let to = SocketAddrV4::new(Ipv4Addr::BROADCAST, 68).into();
                sender.push(&mut offers, &Reply { octets, to, from: address.into(), link: Some(link), tag: 0 });
            }
            assert_eq!(sender.flush(&mut offers, |_, to, error| panic!("{to}: {error}")), 2);
            for offer in [&b"offer"[..], b"offer of odd length"] {
                let mut buffer = [0; 64];
                assert_eq!(
                    client.recv_from(&mut buffer).unwrap(),
                    (offer.len(), SocketAddrV4::new(address, 67).into())
                );
                assert_eq!(&buffer[..offer.len()], offer);
            }
            assert_silent(other_client);
        }
    }

    fn packet_socket(&self) -> ListeningSocket {
        ListeningSocket::Packet(self.server.on(|| packet::open_broadcast(67).unwrap()))
    }

    fn yielding(&self) -> (YieldingSocket, UdpSocket) {
        let mut yielding = with_long_uptime();
        match self.server.on(|| yielding.update(&[SERVER_IP], Instant::now())).pop() {
            Some(UnicastChange::Opened(SERVER_IP, socket)) => (yielding, socket),
            change => panic!("{change:?}"),
        }
    }

    fn client_without_address(&self) -> UdpSocket {
        self.client.on(|| client_socket(None))
    }

    fn client_with_address(&self) -> UdpSocket {
        self.client.run("ip addr replace 192.0.2.50/24 dev eth0");
        self.client.on(|| client_socket(Some(CLIENT)))
    }
}

fn client_socket(address: Option<Ipv4Addr>) -> UdpSocket {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    socket.bind_device(Some(b"eth0")).unwrap();
    socket.set_broadcast(true).unwrap();
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    socket.bind(&SocketAddrV4::new(address.unwrap_or(Ipv4Addr::UNSPECIFIED), 68).into()).unwrap();
    socket.into()
}

fn with_long_uptime() -> YieldingSocket {
    YieldingSocket::new(67, Duration::MAX, Instant::now())
}

fn receive(socket: &UdpSocket) -> Vec<u8> {
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut buffer = [0; 2048];
    let length = recv(socket, &mut buffer).unwrap();
    buffer[..length].to_vec()
}

/// Receives a datagram. Repeats an interrupted receive: after the process was stopped for a moment, the kernel does not
/// resume a receive that has a timeout.
fn recv(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match socket.recv(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Checks that this socket has received no datagram. Call it after the datagram has arrived at another socket.
fn assert_silent(socket: &UdpSocket) {
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let mut buffer = [0; 2048];
    match recv(socket, &mut buffer) {
        Ok(length) => panic!("received {:?}", &buffer[..length]),
        Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
    }
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
}

/// Waits for datagrams, and receives a batch. Returns the number of datagrams.
fn receive_batch(listening: &ListeningSocket, batch: &mut ReceiveBatch) -> usize {
    assert!(is_readable(listening, TIMEOUT), "no datagram arrived");
    listening.receive(batch).unwrap()
}

fn is_readable(listening: &ListeningSocket, timeout: Duration) -> bool {
    let mut readable = [PollFd::new(listening.as_fd(), PollFlags::POLLIN)];
    loop {
        // The poll is interrupted if the process was stopped for a moment.
        match poll(&mut readable, PollTimeout::try_from(timeout).unwrap()) {
            Err(Errno::EINTR) => {}
            ready => return ready.unwrap() == 1,
        }
    }
}

/// Receives datagrams until the payload `last` arrives. Returns all payloads, including that one.
fn receive_up_to(listening: &ListeningSocket, last: &[u8]) -> Vec<Vec<u8>> {
    let mut received: Vec<Vec<u8>> = Vec::new();
    while received.last().is_none_or(|payload| payload != last) {
        let mut batch = ReceiveBatch::new();
        receive_batch(listening, &mut batch);
        received.extend(batch.iter().map(|datagram| datagram.payload.to_vec()));
    }
    received
}

/// Does the same as [`assert_silent`] for a listening socket.
fn assert_nothing_received(listening: &ListeningSocket) {
    let mut batch = ReceiveBatch::new();
    if is_readable(listening, Duration::from_millis(50)) {
        listening.receive(&mut batch).unwrap();
        panic!("received {batch:?}");
    }
}

const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const ACK: u8 = 5;
const INFORM: u8 = 8;

/// Returns a packet of a DHCP client. An INFORM contains the client's address.
fn bootp(kind: u8) -> Vec<u8> {
    let mut packet = vec![0; 240];
    packet[..4].copy_from_slice(&[1, 1, 6, 0]);
    packet[4..8].copy_from_slice(b"xid!");
    packet[10] = 0x80;
    if kind == INFORM {
        packet[12..16].copy_from_slice(&CLIENT.octets());
    }
    packet[28..34].copy_from_slice(&[2, 0, 0, 0, 0, 9]);
    packet[236..].copy_from_slice(&[99, 130, 83, 99]);
    packet.extend([53, 1, kind, 55, 2, 1, 3, 255]);
    packet.resize(300, 0);
    packet
}

/// Receives the next DHCP reply, and returns its message type.
fn receive_message_type(client: &UdpSocket) -> u8 {
    let reply = receive(client);
    assert_eq!((reply[0], &reply[4..8], &reply[240..242]), (2, &b"xid!"[..], &[53, 1][..]));
    reply[242]
}

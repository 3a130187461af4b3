//! Who receives what when we share a host with a DHCP server, as the kernel and a real dnsmasq have it. Each test has
//! its own networks: `server`, with us and the DHCP server on it, and `client` at the other end of a cable.

mod netns;

use netns::raw::{RawSocket, frame, set_ip_checksum};
use netns::{Host, TIMEOUT, Peer, wait_for};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use proxydhcpd::net::port_owner::{Transport, bound_sockets};
use proxydhcpd::net::reply_sender::{OutgoingReplies, ReplySender, Reply};
use proxydhcpd::net::packet;
use proxydhcpd::net::socket::Socket as Ours;
use proxydhcpd::net::sys::{ReceiveBatch, SendBatch};
use proxydhcpd::net::udp::{self, UnicastChange, HOLD_OFF, YieldingSocket};
use socket2::{Domain, Socket, Type};
use std::io::{self, ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const SERVER_IP: IpAddr = IpAddr::V4(SERVER);
const ANY_4011: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 4011));
const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 50);
/// With the plain name of one interface it would bind to that device, which wins over any other socket; the pattern
/// makes it the harder case, as it is with two interfaces.
const DNSMASQ: &str = "dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --interface=la* --leasefile-ro \
    --dhcp-authoritative --dhcp-range=192.0.2.100,192.0.2.120,1h --user=root --pid-file= --no-ping";

#[test]
fn beside_a_sharing_dnsmasq_we_hear_broadcasts_and_it_keeps_its_unicast() {
    for dnsmasq_first in [true, false] {
        let net = Net::new();
        let early = dnsmasq_first.then(|| net.dnsmasq("--bind-dynamic"));
        let ours = net.server.on(|| udp::bind_broadcast(67).unwrap());
        let _dnsmasq = early.unwrap_or_else(|| net.dnsmasq("--bind-dynamic"));

        let ours = Ours::Udp(ours);
        net.dnsmasq_answers_and_we_hear(&ours, &format!("dnsmasq first: {dnsmasq_first}"));
        assert_hears_nothing(&ours);
    }
}

#[test]
fn a_dnsmasq_that_keeps_the_whole_port_is_named_with_the_way_out() {
    let net = Net::new();
    let dnsmasq = net.dnsmasq("");
    let busy = net.server.on(|| udp::bind_broadcast(67)).unwrap_err();
    assert_eq!(busy.error.kind(), ErrorKind::AddrInUse);
    let text = busy.to_string();
    assert!(text.contains(&format!("dnsmasq (pid {}) on 0.0.0.0", dnsmasq.0.id())), "{text}");
    assert!(text.contains("set bind-dynamic"), "{text}");
}

/// The other way round it is dnsmasq that cannot start: an installation has to set bind-dynamic in any case.
#[test]
fn a_dnsmasq_that_wants_the_whole_port_fails_if_we_were_first() {
    let net = Net::new();
    let _ours = net.server.on(|| udp::bind_broadcast(67).unwrap());
    let mut dnsmasq = net.server.on(|| Peer::start(DNSMASQ));
    let status = wait_for("dnsmasq to give up", || dnsmasq.0.try_wait().unwrap());
    assert!(!status.success());
    let mut text = String::new();
    dnsmasq.0.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(text.contains("in use"), "{text}");
}

/// It has the port for itself, we hear and answer beside it, and it can be started again at any time.
#[test]
fn beside_a_dnsmasq_that_keeps_the_whole_port_a_packet_socket_hears_broadcasts() {
    let net = Net::new();
    let mut dnsmasq = net.dnsmasq("");
    let ours = net.packet_socket();
    for round in 0..2 {
        net.dnsmasq_answers_and_we_hear(&ours, &format!("round {round}"));
        assert_hears_nothing(&ours);
        net.client.run("ip addr flush dev eth0");

        drop(dnsmasq);
        net.wait_until_bound(0);
        dnsmasq = net.dnsmasq("");
    }
}

#[test]
fn a_packet_socket_answers_from_port_67_by_the_link_of_the_question() {
    let net = Net::new();
    let _dnsmasq = net.dnsmasq("");
    let ours = net.packet_socket();
    net.offers_leave_by_the_link_of_their_discover(&ours);

    // To a relay, whose DISCOVER may have been a broadcast on our own network.
    let relay = net.client_with_address();
    let (outlet, mut offers) = (net.server.on(|| ReplySender::new(&ours).unwrap()), OutgoingReplies::default());
    let to = SocketAddrV4::new(CLIENT, 68).into();
    outlet.push(&mut offers, &Reply { octets: b"relayed", to, from: SERVER_IP, link: None, tag: 0 });
    assert_eq!(outlet.flush(&mut offers, |_, to, error| panic!("{to}: {error}")), 1);
    let mut buffer = [0; 64];
    assert_eq!(relay.recv_from(&mut buffer).unwrap(), (7, SocketAddrV4::new(SERVER, 67).into()));
}

#[test]
fn what_ip_or_udp_would_not_take_a_packet_socket_does_not_take() {
    let net = Net::new();
    let ours = net.packet_socket();
    let wire = net.client.on(RawSocket::open);
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
    changed(&|frame| frame.truncate(40)); // no whole header
    let mut ip_checksum = good(b"bad");
    ip_checksum[24] ^= 1;
    wire.send_frame(&ip_checksum);
    wire.send_frame(&good(b"first"));
    let mut padded = good(b"second");
    padded.resize(60, 0x55);
    wire.send_frame(&padded);
    wire.send_frame(&good(b"last"));
    assert_eq!(heard_up_to(&ours, b"last"), [&b"first"[..], b"second", b"last"]);
}

/// IP takes a frame of VLAN 0, which has only a priority, and none of a VLAN that has no interface here.
#[test]
fn a_frame_of_a_vlan_that_is_not_ours_is_not_heard() {
    let net = Net::new();
    let ours = net.packet_socket();
    let wire = net.client.on(RawSocket::open);
    let from = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68);
    for (vlan, payload) in [(7, &b"vlan 7"[..]), (0, b"vlan 0")] {
        let mut tagged = frame(&from, &SocketAddrV4::new(Ipv4Addr::BROADCAST, 67), payload);
        tagged.splice(12..12, [0x81, 0, 0x20, vlan]);
        wire.send_frame(&tagged);
    }
    assert_eq!(heard_up_to(&ours, b"vlan 0"), [b"vlan 0"]);
}

#[test]
fn what_comes_by_a_port_of_a_bridge_is_heard_once_and_of_the_bridge() {
    let net = Net::new();
    net.server.run("ip link add br0 type bridge\nip link set lan master br0\nip link set br0 up");
    let ours = net.packet_socket();
    let client = net.client_without_address();
    for payload in [&b"first"[..], b"second"] {
        client.send_to(payload, (Ipv4Addr::BROADCAST, 67)).unwrap();
        let mut batch = ReceiveBatch::new();
        assert_eq!(hear(&ours, &mut batch), 1);
        let datagram = batch.iter().next().unwrap();
        assert_eq!((datagram.payload, datagram.link), (payload, net.server.index("br0")));
    }
}

#[test]
fn a_wildcard_server_that_shares_keeps_its_unicast_whoever_was_first() {
    for server_first in [true, false] {
        let net = Net::new();
        let early = server_first.then(|| net.wildcard());
        let ours = net.server.on(|| udp::bind_broadcast(67).unwrap());
        let theirs = early.unwrap_or_else(|| net.wildcard());
        let client = net.client_with_address();
        client.send_to(b"to all", (Ipv4Addr::BROADCAST, 67)).unwrap();
        assert_eq!((receive(&theirs), receive(&ours)), (b"to all".to_vec(), b"to all".to_vec()));
        client.send_to(b"to one", (SERVER, 67)).unwrap();
        assert_eq!(receive(&theirs), b"to one");
        // Nor do we get the broadcast address of the network: no boot firmware sends there.
        client.send_to(b"to net", (Ipv4Addr::new(192, 0, 2, 255), 67)).unwrap();
        assert_eq!(receive(&theirs), b"to net");
        assert_silent(&ours);
    }
}

/// Why [`Polite`] is: the kernel prefers the more specific socket, whoever was first.
#[test]
fn a_socket_on_an_address_would_take_the_unicast_of_a_wildcard_server() {
    let net = Net::new();
    let (mut polite, ours) = net.polite();
    let theirs = net.wildcard();
    let client = net.client_with_address();
    client.send_to(b"renewal", (SERVER, 67)).unwrap();
    assert_eq!(receive(&ours), b"renewal");
    assert_silent(&theirs);

    let changes = net.server.on(|| polite.update(&[SERVER_IP], Instant::now()));
    assert!(matches!(&changes[..], [UnicastChange::Yielded(SERVER_IP, _)]), "{changes:?}");
    drop(ours);
    net.wait_until_bound(1);
    client.send_to(b"again", (SERVER, 67)).unwrap();
    assert_eq!(receive(&theirs), b"again");
}

#[test]
fn relayed_requests_are_left_to_a_dnsmasq_while_it_runs() {
    let net = Net::new();
    let (mut polite, ours) = net.polite();
    let start = Instant::now();
    let mut look = |seconds| net.server.on(|| polite.update(&[SERVER_IP], start + Duration::from_secs(seconds)));
    assert!(look(0).is_empty());

    let dnsmasq = net.dnsmasq("--bind-dynamic");
    match &look(5)[..] {
        [UnicastChange::Yielded(SERVER_IP, holder)] => assert_eq!(holder.process.as_ref().unwrap().pid, dnsmasq.0.id()),
        changes => panic!("{changes:?}"),
    }
    drop(ours);
    net.wait_until_bound(1);
    let client = net.client_with_address();
    client.send_to(&bootp(INFORM), (SERVER, 67)).unwrap();
    assert_eq!(answer(&client), ACK);

    assert!(look(10).is_empty(), "said once");
    drop(dnsmasq);
    assert!(look(15).is_empty(), "it may only be restarted");
    assert!(look(10 + HOLD_OFF.as_secs() - 1).is_empty());
    assert!(matches!(&look(10 + HOLD_OFF.as_secs())[..], [UnicastChange::Opened(SERVER_IP, _)]));
}

#[test]
fn an_address_that_is_not_there_yet_is_tried_again_and_complained_of_once() {
    let net = Net::new();
    let late = IpAddr::from([198, 51, 100, 1]);
    let mut polite = up_for_long();
    let mut look = |addresses: &[IpAddr]| net.server.on(|| polite.update(addresses, Instant::now()));
    match &look(&[late])[..] {
        [UnicastChange::Failed(busy)] => assert_eq!(busy.error.kind(), ErrorKind::AddrNotAvailable),
        changes => panic!("{changes:?}"),
    }
    assert!(look(&[late]).is_empty());
    net.server.run("ip addr add 198.51.100.1/24 dev lan");
    match &look(&[late])[..] {
        [UnicastChange::Opened(address, _)] if *address == late => {}
        changes => panic!("{changes:?}"),
    }
    match &look(&[SERVER_IP])[..] {
        [UnicastChange::Lost(address), UnicastChange::Opened(SERVER_IP, _)] if *address == late => {}
        changes => panic!("{changes:?}"),
    }
}

/// A DHCP server that does not share its address (Kea) is given the time to start.
#[test]
fn while_the_machine_starts_no_address_is_taken_at_once() {
    let net = Net::new();
    let start = Instant::now();
    let mut booted = YieldingSocket::new(67, Duration::from_secs(119), start);
    let mut look = |seconds| net.server.on(|| booted.update(&[SERVER_IP], start + Duration::from_secs(seconds)));
    assert!(look(0).is_empty() && look(29).is_empty());
    let theirs = net.server.on(|| UdpSocket::bind((SERVER, 67)).expect("the address is free"));
    assert!(matches!(&look(30)[..], [UnicastChange::Yielded(SERVER_IP, _)]));
    drop(theirs);
    net.wait_until_bound(0);
    let mut long_up = YieldingSocket::new(67, Duration::from_secs(120), start);
    assert!(matches!(&net.server.on(|| long_up.update(&[SERVER_IP], start))[..], [UnicastChange::Opened(SERVER_IP, _)]));
}

#[test]
fn the_second_server_on_4011_is_told_of_the_first() {
    let net = Net::new();
    let ours = net.server.on(|| udp::bind_exclusive(ANY_4011).unwrap());
    let busy = net.server.on(|| udp::bind_exclusive(ANY_4011)).unwrap_err();
    assert_eq!(busy.owner.unwrap().process.unwrap().pid, std::process::id());

    // A request to a second address of ours is answered from there.
    let second = Ipv4Addr::new(192, 0, 2, 2);
    net.server.run("ip addr add 192.0.2.2/24 dev lan");
    let client = net.client_with_address();
    client.send_to(b"request", (second, 4011)).unwrap();
    let ours = Ours::Udp(ours);
    let mut batch = ReceiveBatch::new();
    hear(&ours, &mut batch);
    let request = batch.iter().next().unwrap();
    assert_eq!((request.to, request.from), (second.into(), SocketAddrV4::new(CLIENT, 68).into()));
    let mut replies = SendBatch::new();
    replies.push(b"reply", request.from, request.to, Some(request.link), 0);
    assert_eq!(replies.flush(ours.as_fd(), |_, to, error| panic!("{to}: {error}")), 1);
    let mut buffer = [0; 64];
    assert_eq!(client.recv_from(&mut buffer).unwrap(), (5, SocketAddrV4::new(second, 4011).into()));
}

#[test]
fn an_offer_leaves_by_the_link_of_its_discover_with_the_address_of_that_link() {
    let net = Net::new();
    let ours = Ours::Udp(net.server.on(|| udp::bind_broadcast(67).unwrap()));
    net.offers_leave_by_the_link_of_their_discover(&ours);
}

struct Net {
    server: Host,
    client: Host,
}

impl Net {
    fn new() -> Self {
        let net = Net { server: Host::new(), client: Host::new() };
        net.server.cable("lan", &net.client, "eth0");
        net.server.run("ip addr add 192.0.2.1/24 dev lan");
        net
    }

    /// Comes back when it has its sockets.
    fn dnsmasq(&self, mode: &str) -> Peer {
        self.server.on(|| {
            let before = bound_sockets(Transport::Udp, 67).unwrap().len();
            let dnsmasq = Peer::start(&format!("{DNSMASQ} {mode}"));
            wait_for("dnsmasq", || (bound_sockets(Transport::Udp, 67).unwrap().len() > before).then_some(()));
            dnsmasq
        })
    }

    /// Waits until so many sockets are on port 67. A closed one may live on for a moment in a process that another test
    /// is just starting: a fork copies all descriptors, and the exec after it closes them.
    fn wait_until_bound(&self, count: usize) {
        let look = || (bound_sockets(Transport::Udp, 67).unwrap().len() == count).then_some(());
        self.server.on(|| wait_for(&format!("{count} sockets on port 67"), look));
    }

    /// A socket as systemd-networkd's DHCP server has it.
    fn wildcard(&self) -> UdpSocket {
        self.server.on(|| {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
            socket.set_reuse_address(true).unwrap();
            socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 67).into()).unwrap();
            socket.set_read_timeout(Some(TIMEOUT)).unwrap();
            socket.into()
        })
    }

    /// A DISCOVER is answered by dnsmasq and heard by us too, as it was sent; an INFORM to its address is answered.
    fn dnsmasq_answers_and_we_hear(&self, ours: &Ours, case: &str) {
        let client = self.client_without_address();
        client.send_to(&bootp(DISCOVER), (Ipv4Addr::BROADCAST, 67)).unwrap();
        assert_eq!(answer(&client), OFFER, "{case}");
        let mut batch = ReceiveBatch::new();
        assert_eq!(hear(ours, &mut batch), 1);
        let datagram = batch.iter().next().unwrap();
        assert_eq!(datagram.from, SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68).into());
        assert_eq!((datagram.to, datagram.link), (IpAddr::V4(Ipv4Addr::BROADCAST), self.server.index("lan")));
        assert_eq!(datagram.payload, bootp(DISCOVER));
        drop(client);

        let client = self.client_with_address();
        client.send_to(&bootp(INFORM), (SERVER, 67)).unwrap();
        assert_eq!(answer(&client), ACK, "{case}");
    }

    /// With a second link, from each of the two.
    fn offers_leave_by_the_link_of_their_discover(&self, ours: &Ours) {
        let other = Host::new();
        self.server.cable("dmz", &other, "eth0");
        self.server.run("ip addr add 203.0.113.1/24 dev dmz");
        let here = self.client_without_address();
        let there = other.on(|| client_socket(None));
        let links = [
            (&here, self.server.index("lan"), SERVER, &there),
            (&there, self.server.index("dmz"), Ipv4Addr::new(203, 0, 113, 1), &here),
        ];
        for (client, link, address, stranger) in links {
            client.send_to(b"discover", (Ipv4Addr::BROADCAST, 67)).unwrap();
            let mut batch = ReceiveBatch::new();
            assert_eq!(hear(ours, &mut batch), 1);
            assert_eq!(batch.iter().next().unwrap().link, link);
            let (outlet, mut offers) = (self.server.on(|| ReplySender::new(ours).unwrap()), OutgoingReplies::default());
            for octets in [&b"offer"[..], b"offer of odd length"] {
                let to = SocketAddrV4::new(Ipv4Addr::BROADCAST, 68).into();
                outlet.push(&mut offers, &Reply { octets, to, from: address.into(), link: Some(link), tag: 0 });
            }
            assert_eq!(outlet.flush(&mut offers, |_, to, error| panic!("{to}: {error}")), 2);
            for offer in [&b"offer"[..], b"offer of odd length"] {
                let mut buffer = [0; 64];
                assert_eq!(
                    client.recv_from(&mut buffer).unwrap(),
                    (offer.len(), SocketAddrV4::new(address, 67).into())
                );
                assert_eq!(&buffer[..offer.len()], offer);
            }
            assert_silent(stranger);
        }
    }

    fn packet_socket(&self) -> Ours {
        Ours::Packet(self.server.on(|| packet::open_broadcast(67).unwrap()))
    }

    fn polite(&self) -> (YieldingSocket, UdpSocket) {
        let mut polite = up_for_long();
        match self.server.on(|| polite.update(&[SERVER_IP], Instant::now())).pop() {
            Some(UnicastChange::Opened(SERVER_IP, socket)) => (polite, socket),
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

fn up_for_long() -> YieldingSocket {
    YieldingSocket::new(67, Duration::MAX, Instant::now())
}

fn receive(socket: &UdpSocket) -> Vec<u8> {
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut buffer = [0; 2048];
    let length = recv(socket, &mut buffer).unwrap();
    buffer[..length].to_vec()
}

/// A wait with a time limit is not taken up again by the kernel when the process was stopped for a moment.
fn recv(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match socket.recv(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Nothing has come: to be asked when what was sent has certainly arrived somewhere.
fn assert_silent(socket: &UdpSocket) {
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let mut buffer = [0; 2048];
    match recv(socket, &mut buffer) {
        Ok(length) => panic!("received {:?}", &buffer[..length]),
        Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
    }
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
}

/// Waits until something is there.
fn hear(ours: &Ours, batch: &mut ReceiveBatch) -> usize {
    assert!(is_readable(ours, TIMEOUT), "nothing came");
    ours.receive(batch).unwrap()
}

fn is_readable(ours: &Ours, patience: Duration) -> bool {
    let mut readable = [PollFd::new(ours.as_fd(), PollFlags::POLLIN)];
    loop {
        // A process that was stopped for a moment.
        match poll(&mut readable, PollTimeout::try_from(patience).unwrap()) {
            Err(Errno::EINTR) => {}
            ready => return ready.unwrap() == 1,
        }
    }
}

/// All payloads up to this one.
fn heard_up_to(ours: &Ours, last: &[u8]) -> Vec<Vec<u8>> {
    let mut heard: Vec<Vec<u8>> = Vec::new();
    while heard.last().is_none_or(|payload| payload != last) {
        let mut batch = ReceiveBatch::new();
        hear(ours, &mut batch);
        heard.extend(batch.iter().map(|datagram| datagram.payload.to_vec()));
    }
    heard
}

/// As [`assert_silent`].
fn assert_hears_nothing(ours: &Ours) {
    let mut batch = ReceiveBatch::new();
    if is_readable(ours, Duration::from_millis(50)) {
        ours.receive(&mut batch).unwrap();
        panic!("received {batch:?}");
    }
}

const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const ACK: u8 = 5;
const INFORM: u8 = 8;

/// What any DHCP client sends; INFORM says its address.
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

/// The message type of the DHCP answer that comes.
fn answer(client: &UdpSocket) -> u8 {
    let reply = receive(client);
    assert_eq!((reply[0], &reply[4..8], &reply[240..242]), (2, &b"xid!"[..], &[53, 1][..]));
    reply[242]
}

//! Tests TFTP over IPv6 with link-local addresses and through routers, in network namespaces. Needs root.

use crate::client::{Client, rrq};
use crate::common::server::{Server, one_network};
use crate::{RecordedEvent, TestServer, pattern, settings};
use proxydhcpd::serve::tftp::{Family, TftpSilence};
use proxydhcpd::settings::TftpConfig;
use proxydhcpd_core::link::{Link, Network6};
use proxydhcpd_core::transfer::Outcome;
use proxydhcpd_core::wire::tftp::{TftpOptions, TftpPacket};
use proxydhcpd_testbed::{Host, wait_for, wait_up_to};
use std::net::{SocketAddr, SocketAddrV6, UdpSocket};
use std::time::Duration;

const EDK2: [(&str, &str); 3] = [("tsize", "0"), ("blksize", "1468"), ("windowsize", "4")];

/// Creates a host with the addresses 2001:db8::10 and fe80::10, and a machine with 2001:db8::107 and fe80::107.
fn network() -> (Host, Host) {
    let (host, machine) = one_network();
    for (at, last) in [(&host, "10"), (&machine, "107")] {
        at.run(&format!(
            "ip address add 2001:db8::{last}/64 dev eth0 nodad\nip address add fe80::{last}/64 dev eth0 nodad"
        ));
    }
    (host, machine)
}

/// Starts a server on the host's eth0.
fn served(host: &Host, settings: TftpConfig) -> TestServer {
    let ipv6 = ["2001:db8::10", "fe80::10"].map(|address| Network6 { address: address.parse().unwrap(), prefix: 64 });
    let eth0 = host.index("eth0");
    let link = Link { index: eth0, name: "eth0".into(), mtu: 1500, ipv4: Vec::new(), ipv6: ipv6.into() };
    host.on(|| TestServer::with_link(Family::V6, settings, move |index| (index == eth0).then(|| link.clone())))
}

/// Returns the socket address of an IPv6 address on this host's eth0. It has the link's index if the address needs one.
fn on_link(host: &Host, address: &str, port: u16) -> SocketAddr {
    let scope = if address.starts_with("fe80") || address.starts_with("ff02") { host.index("eth0") } else { 0 };
    SocketAddrV6::new(address.parse().unwrap(), port, 0, scope).into()
}

fn client(machine: &Host, address: &str) -> Client {
    let at = on_link(machine, address, 0);
    machine.on(|| Client::bind(at))
}

#[test]
fn replies_come_from_the_requested_address_link_local_or_not() {
    let (host, machine) = network();
    let content = pattern(300_001);
    for settings in [
        settings(),
        TftpConfig { single_port: true, ..settings() },
        TftpConfig { ports: Some(20_300..=20_301), ..settings() },
    ] {
        let (single_port, ports) = (settings.single_port, settings.ports.clone());
        let served = served(&host, settings);
        served.write_file("file", &content);
        for (local, remote) in
            [("fe80::10", "fe80::107"), ("2001:db8::10", "2001:db8::107"), ("2001:db8::10", "fe80::107")]
        {
            let server = on_link(&machine, local, served.port);
            let mut machine = client(&machine, remote);
            machine.request(server, "missing", &[]);
            let (from, _) = machine.datagram();
            assert_eq!((from.ip(), from.port() == served.port), (server.ip(), single_port || ports.is_some()));
            served.next_event();
            let mut got = Vec::new();
            machine.fetch(server, "file", &EDK2, |_, payload| got.extend_from_slice(payload));
            assert!(got == content, "{remote} got {} octets from {local}", got.len());
            let done =
                RecordedEvent::Ended { name: "file".into(), octets: content.len() as u64, outcome: Outcome::Completed };
            assert_eq!(served.next_event(), done);

            machine.request(server, "file", &EDK2);
            let (from, packet) = machine.packet();
            assert_eq!(from.ip(), server.ip());
            assert_eq!(from.port() == served.port, single_port);
            assert!(ports.as_ref().is_none_or(|ports| ports.contains(&from.port())));
            let TftpPacket::Oack(agreed) = packet else { panic!("{packet:?}") };
            assert_eq!(value(&agreed, b"blksize"), Some(&b"1448"[..]), "1500 octets less 52 of headers");
            machine.error(from, 8);
            assert!(matches!(served.next_event(), RecordedEvent::Ended { .. }));
        }
    }
}

fn value<'a>(options: &TftpOptions<'a>, name_to_find: &[u8]) -> Option<&'a [u8]> {
    options.iter().find(|(name, _)| *name == name_to_find).map(|(_, value)| value)
}

#[test]
fn a_request_to_a_multicast_group_gets_no_reply() {
    let (host, machine) = network();
    let served = served(&host, settings());
    served.write_file("file", b"x");
    let mut asking = client(&machine, "fe80::107");
    asking.request(on_link(&machine, "ff02::1", served.port), "file", &[]);
    assert_eq!(served.next_event(), RecordedEvent::Ignored(TftpSilence::Multicast));
    asking.assert_no_packet();
}

#[test]
fn a_packet_from_a_local_address_gets_no_reply() {
    let (host, _machine) = network();
    let served = served(&host, settings());
    for local in ["fe80::10", "2001:db8::10"] {
        let at = on_link(&host, local, 0);
        let forger = host.on(|| UdpSocket::bind(at).unwrap());
        // Unlike an IPv4 packet, Linux delivers an IPv6 packet on the link of its destination address. The first packet
        // after the address was added is sometimes lost.
        let event = wait_for("an event", || {
            forger.send_to(&rrq("file", &[]), on_link(&host, local, served.port)).unwrap();
            served.events.recv_timeout(Duration::from_secs(1)).ok()
        });
        assert_eq!(event, RecordedEvent::Ignored(TftpSilence::BadSource), "{local}");
    }
}

/// The router reports once that a block is too long. Afterwards, the server sends the blocks in fragments.
#[test]
fn a_path_mtu_below_the_links_costs_a_block_and_not_the_transfer() {
    let (host, router) = network();
    let far = Host::new();
    router.cable("eth1", &far, "eth0");
    router.set_sysctl("ipv6/conf/all/forwarding", "1");
    router.run(
        "ip link set eth1 mtu 1300\n\
         ip address add 2001:db8:1::1/64 dev eth1 nodad",
    );
    far.run(
        "ip link set eth0 mtu 1300\n\
         ip address add 2001:db8:1::7/64 dev eth0 nodad\n\
         ip route add default via 2001:db8:1::1",
    );
    host.run("ip route add 2001:db8:1::/64 via 2001:db8::107");
    for single_port in [false, true] {
        host.run("ip -6 route flush cache");
        let served = served(&host, TftpConfig { single_port, ..settings() });
        let content = pattern(100_000);
        served.write_file("file", &content);
        let mut got = Vec::new();
        let server = on_link(&far, "2001:db8::10", served.port);
        client(&far, "2001:db8:1::7").fetch(server, "file", &EDK2, |_, payload| got.extend_from_slice(payload));
        assert!(got == content);
    }
}

#[test]
fn a_busy_ipv6_port_causes_a_warning_and_is_opened_later_while_ipv4_works() {
    let (host, machine) = network();
    let held = host.on(|| {
        let socket = socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::DGRAM, None).unwrap();
        socket.set_only_v6(true).unwrap();
        socket.bind(&"[::]:69".parse::<SocketAddr>().unwrap().into()).unwrap();
        socket
    });
    let server = Server::start(&host, &["--boot-dir", "BOOT", "-v"]);
    server.wait_for_line("ready");
    let us = format!("(pid {}) on ::", std::process::id());
    let log = server.log();
    let warns = |line: &str| line.contains("WARN") && line.contains("UDP port 69 on ::") && line.contains(&us);
    assert!(log.lines().any(warns), "{log}");
    let content = pattern(5000);
    std::fs::write(server.boot.path().join("file"), &content).unwrap();
    let load = |from: SocketAddr, to: SocketAddr| {
        let mut client = machine.on(|| Client::bind(from));
        let mut got = Vec::new();
        client.fetch(to, "file", &EDK2, |_, payload| got.extend_from_slice(payload));
        assert!(got == content, "{to}");
    };
    let from4 = ([192, 0, 2, 107], 0).into();
    load(from4, ([192, 0, 2, 10], 69).into());
    drop(held);
    let line = "UDP port 69 is open now: this server offers loaders over IPv6";
    wait_up_to(Duration::from_secs(30), line, || server.log().contains(line).then_some(()));
    for (local, remote) in [("fe80::10", "fe80::107"), ("2001:db8::10", "2001:db8::107")] {
        load(on_link(&machine, remote, 0), on_link(&machine, local, 69));
    }
    load(from4, ([192, 0, 2, 10], 69).into());
    wait_for("the transfers in its log", || {
        (server.log().matches("file by TFTP, 5000 octets").count() == 4).then_some(())
    });
}

//! DHCPv6 beside a DHCPv6 server on the same host: who hears what, as the kernel and a real dnsmasq have it. Through the real
//! binary, in network namespaces. Needs root.

mod netns;

use netns::ipv6::{Client, GROUP, plug_in, server_id};
use netns::server::{Server, as_nobody_with, vector};
use netns::{Host, Peer, wait_for, without};
use proxydhcpd::config::flags::Flags;
use proxydhcpd::config::load_below;
use proxydhcpd::net::holder::{Transport, bound};
use proxydhcpd::net::udp::HOLD_OFF;
use proxydhcpd::serve::doors::{Door, Doors};
use proxydhcpd_core::wire::dhcp6::{MessageType, Packet, code};
use rustix::thread::CapabilitySet;
use std::net::Ipv6Addr;
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
        server.wait_for_line("requests that a relay sends to 2001:db8::10 are its business, not ours");
        assert!(!server.log().contains("WARN"), "{}", server.log());

        let client = Client::at(&machine, 546);
        let duids = both_advertise(&client);
        it_has_its_unicast(&client, &duids.0);
    }
}

/// Said in one line, however many links there are; and what the line advises helps at once.
#[test]
fn a_dnsmasq_that_keeps_the_whole_port_is_named_once_and_heard_beside_when_it_shares_it_at_last() {
    let host = Host::new();
    let machine = plug_in(&host, "eth0", 0);
    let _other = plug_in(&host, "eth1", 1);
    let dnsmasq = start_dnsmasq(&host, "");
    let words = as_nobody_with("-all,+net_bind_service");
    let words: Vec<&str> = words.iter().map(String::as_str).chain(["-c", "CONFIG"]).collect();
    let server = Server::started_by("setpriv", &host, &words);
    server.wait_for_line("ready");
    let client = Client::at(&machine, 546);
    assert!(client.answers(&vector("ovmf-pxe6-solicit"), GROUP, 547).iter().all(|answer| has_address(&answer.0)));
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
    server.wait_for_line(
        "UDP port 547 can be had at last: machines boot over IPv6, and are heard beside the DHCPv6 server",
    );
    server.wait_for_line("requests that a relay sends to 2001:db8::10 are its business, not ours");
    let duids = both_advertise(&client);
    it_has_its_unicast(&client, &duids.0);
}

/// As port 67 (`tests/ports.rs`).
#[test]
fn port_547_is_left_to_a_dnsmasq_that_is_restarted_and_taken_minutes_after_its_end() {
    let host = Host::new();
    let _machine = plug_in(&host, "eth0", 0);
    let dnsmasq = start_dnsmasq(&host, "");
    let flags = Flags { boot_dir: Some("/nowhere".into()), ..Flags::default() };
    let (settings, start) = (load_below(&flags, "/nowhere".as_ref()).unwrap().settings, Instant::now());
    let mut doors = host.on(|| without(CapabilitySet::NET_RAW, || Doors::open(&settings, &[], start).unwrap()));
    let is_547 = |door: &Door| matches!(door, Door::Dhcp(address, _) if address.port() == 547);
    assert!(!doors.opened.iter().any(is_547));
    let mut look = |seconds| {
        host.on(|| doors.look(&settings, start + Duration::from_secs(seconds)));
        (doors.opened.iter().filter(|door| is_547(door)).count(), doors.shares_dhcp6)
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

/// A closed socket may live on for a moment in a process that another test is just starting.
fn wait_until_free(host: &Host) {
    host.on(|| wait_for("a free port 547", || bound(Transport::Udp, 547).unwrap().is_empty().then_some(())));
}

/// The DUIDs of dnsmasq, which offers an address, and of ours, which does not. Each has answered once.
fn both_advertise(client: &Client) -> (Vec<u8>, Vec<u8>) {
    let solicit = vector("ovmf-pxe6-solicit");
    // dnsmasq needs a moment until it has looked at its interfaces.
    wait_for("dnsmasq's offer", || {
        client.answers(&solicit, GROUP, 547).iter().any(|answer| has_address(&answer.0)).then_some(())
    });
    let answers = client.answers(&solicit, GROUP, 547);
    assert!(answers.iter().all(|(_, from)| from.port() == 547));
    let (theirs, ours): (Vec<_>, Vec<_>) =
        answers.iter().map(|(answer, _)| answer).partition(|answer| has_address(answer));
    assert_eq!((theirs.len(), ours.len()), (1, 1), "offers with an address, and without");
    (server_id(theirs[0]), server_id(ours[0]))
}

/// What is sent to an address of the host is answered by nobody else.
fn it_has_its_unicast(client: &Client, duid: &[u8]) {
    for address in [HERE, HERE_ON_LINK] {
        let answers = client.answers(&vector("ipxe6-information-request"), address, 547);
        let [(reply, _)] = &answers[..] else { panic!("{} answers at {address}", answers.len()) };
        let message = Packet::parse(reply).unwrap().message;
        assert_eq!((message.kind, server_id(reply)), (MessageType::Reply, duid.to_vec()), "{address}");
    }
}

/// Whether this is a DHCPv6 server's offer, and not a proxy's.
fn has_address(advertise: &[u8]) -> bool {
    Packet::parse(advertise).unwrap().message.option(code::IA_NA).is_some()
}

/// Comes back when it has its socket. Without further words it keeps port 547 for itself.
fn start_dnsmasq(host: &Host, words: &str) -> Peer {
    host.on(|| {
        let before = bound(Transport::Udp, 547).unwrap().len();
        let dnsmasq = Peer::start(&format!(
            "dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --interface=et* --leasefile-ro \
             --dhcp-range=2001:db8::100,2001:db8::1ff,64,1h --user=root --pid-file= {words}"
        ));
        wait_for("dnsmasq", || (bound(Transport::Udp, 547).unwrap().len() > before).then_some(()));
        dnsmasq
    })
}

//! DHCPv6 beside a DHCPv6 server on the same host: who hears what, as the kernel and a real dnsmasq have it. Through the real
//! binary, in network namespaces. Needs root.

mod netns;

use netns::ipv6::{Client, GROUP, plug_in, server_id};
use netns::server::{Server, vector};
use netns::{Host, Peer, wait_for};
use proxydhcpd::net::holder::{Transport, bound};
use proxydhcpd_core::wire::dhcp6::{MessageType, Packet, code};
use std::net::Ipv6Addr;

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

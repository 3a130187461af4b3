//! Tests the rules of DHCPv6 that no vector covers (protocol.md 5). Each case has given octets, one call and an
//! expected verdict.

#[path = "../common/mod.rs"]
mod common;
mod identity;
mod profiles;
mod recognition;
mod relays;
mod replies;
mod routes;
mod rules;

use common::{DUID, GROUP, NEIGHBOUR, Packet6, RELAY, SERVER6, ask, ask_again, links, plan, relayed, vendor_class};
use proxydhcpd_core::answer::{Answer, Replies, Response, answer};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::arrival::{Arrival, Port};
use proxydhcpd_core::decide::DecidedBy;
use proxydhcpd_core::fetch::{Fetch, fetch};
use proxydhcpd_core::link::{Link, Network, Network6};
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::inventory::{BootMode, IdentityKind, Inventory, Machine};
use proxydhcpd_core::plan::offer::{Loader, TftpServer};
use proxydhcpd_core::plan::pattern::Glob;
use proxydhcpd_core::plan::policy::{IpxeTarget, StatelessOptions};
use proxydhcpd_core::plan::profile::{BootTarget, FirmwareMenu, FirmwareMenuItem, ItemTarget, Profile};
use proxydhcpd_core::plan::rule::{Conditions, Rule};
use proxydhcpd_core::request::{FileRequest, Protocol};
use proxydhcpd_core::route::Destination;
use proxydhcpd_core::wire::dhcp6::{MessageType, Packet};

/// The source of a request to port 4011, after the firmware has configured an address.
const WITH_ADDRESS: &str = "[2001:db8::207]:4011";
/// The source of such a request in a network behind a relay.
const BEYOND_RELAY: &str = "[2001:db8:1::207]:4011";
/// The address that the DHCPv6 server assigned in the network behind the relay.
const LEASE_BEYOND_RELAY: &str = "2001:db8:1::1b3";

/// The replies with their destinations.
type Sent = Vec<(Vec<u8>, Destination)>;

fn neighbour(port: u16) -> String {
    format!("[{NEIGHBOUR}]:{port}")
}

/// Sends a packet as a client on the link, to the multicast group on port 547.
fn ask_547(plan: &Plan, packet: &Packet6) -> (Answer, Sent) {
    ask(plan, &packet.octets(), Port::Dhcp, &neighbour(546), GROUP)
}

fn ask_4011(plan: &Plan, packet: &Packet6) -> (Answer, Sent) {
    ask(plan, &packet.octets(), Port::BootServer, &neighbour(4011), GROUP)
}

/// Sends a packet as a client behind a relay. The relay's address is in the client's network.
fn ask_through_relay(plan: &Plan, packet: &Packet6, options: &[(u16, &[u8])]) -> (Answer, Sent) {
    let octets = relayed(&packet.octets(), RELAY, NEIGHBOUR, options);
    ask(plan, &octets, Port::Dhcp, &format!("[{RELAY}]:547"), SERVER6)
}

#[track_caller]
fn response((answer, sent): (Answer, Sent)) -> Response {
    match answer.reply {
        Ok(response) => {
            assert_eq!(sent[0].1, response.destination);
            response
        }
        Err(silence) => panic!("silence: {silence}"),
    }
}

#[track_caller]
fn silence((answer, sent): (Answer, Sent)) -> &'static str {
    assert!(sent.is_empty(), "{} replies", sent.len());
    match answer.reply {
        Err(silence) => silence.label(),
        Ok(response) => panic!("answered: {response:?}"),
    }
}

/// Returns the options of the reply in order, without the relay messages around it.
#[track_caller]
fn options((answer, sent): &(Answer, Sent)) -> Vec<(u16, Vec<u8>)> {
    assert!(answer.reply.is_ok(), "{:?}", answer.reply);
    let packet = Packet::parse(&sent[0].0).unwrap();
    packet.message.options().map(|(code, value)| (code, value.to_vec())).collect()
}

#[track_caller]
fn codes(asked: &(Answer, Sent)) -> Vec<u16> {
    options(asked).into_iter().map(|(code, _)| code).collect()
}

/// Returns option 59 of the reply as text, or an empty text if there is no such option.
#[track_caller]
fn url(asked: &(Answer, Sent)) -> String {
    let found = options(asked).into_iter().find(|(code, _)| *code == 59);
    found.map(|(_, value)| String::from_utf8(value).unwrap()).unwrap_or_default()
}

fn with_stateless(stateless: StatelessOptions) -> Plan {
    let mut plan = plan();
    plan.policy_mut().stateless_dhcp6 = Some(stateless);
    plan
}

fn plan_booting(boots: BootTarget, loader: Option<&str>) -> Plan {
    let loader = loader.map(|name| (Arch::X64, Loader { name: name.into(), path: None }));
    let profile = Profile { name: "x".into(), boots, loaders: loader.into_iter().collect(), ..Profile::default() };
    plan()
        .with_policy(|policy| {
            policy.profiles = vec![profile].into();
            policy.default_profile = Some("x".into());
        })
        .with_offer(|offer| offer.local_disk = vec![Arch::X64])
}

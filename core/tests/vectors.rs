//! Tests every DHCP vector (protocol.md 10.1), of both families, octet by octet.

mod common;

use common::{ask, plan};
use proxydhcpd_core::answer::Verdict;
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::policy::StatelessOptions;
use proxydhcpd_core::plan::profile::{BootTarget, FirmwareMenu, FirmwareMenuItem, ItemTarget, Profile};
use proxydhcpd_core::route::Destination;
use serde::Deserialize;
use std::net::SocketAddr;

#[derive(Deserialize)]
struct Vector {
    name: String,
    hex: String,
    transport: Transport,
    expected_reply: Option<Expected>,
}

#[derive(Deserialize)]
struct Transport {
    port: u16,
    src: String,
    dst: String,
}

#[derive(Deserialize)]
struct Expected {
    from: String,
    to: String,
    hex: String,
}

/// The vectors that expect silence, each with the label of the silence.
const SILENT: &[(&str, &str)] = &[
    ("apple-bsdp-inform", "ignored:other-vendor-class"),
    ("ipxe6-solicit", "nothing:stateful-ipxe"),
    ("ordinary-client-discover", "ignored:other-vendor-class"),
    ("ovmf-ip6-autoconfig-solicit", "ignored:no-vendor-class"),
    ("ovmf-pxe6-request-4011-other-server", "ignored:other-server"),
    ("ovmf-x64-request-to-primary", "ignored:message"),
    ("reply-arriving-at-server-port", "ignored:reply"),
    ("request-4011-ciaddr-is-not-the-source", "refused:ciaddr"),
    ("truncated-header", "malformed"),
    ("truncated-option-discover", "malformed"),
    ("truncated-option-solicit", "malformed"),
    ("u-boot-arm64-discover", "ignored:other-vendor-class"),
    ("wrong-cookie", "malformed"),
];

/// The vector of a request for a menu item. The item's type is one of those that were assigned long ago.
const BOOT_ITEM: &str = "ovmf-x64-request-4011-boot-item";

/// The vector of a request that the server answers only if the plan allows it.
const STATELESS: &str = "ipxe6-information-request";

/// The vector of a packet that only servers send.
const NOT_A_REQUEST: &str = "offer-with-menu";

#[test]
fn every_vector_is_answered_or_ignored_as_expected() {
    let (mut answered, mut silent) = (0, 0);
    for vector in vectors() {
        let port = match vector.transport.port {
            67 | 547 => Port::Dhcp,
            4011 => Port::BootServer,
            _ => {
                assert_eq!(vector.name, NOT_A_REQUEST);
                continue;
            }
        };
        let request = hex::decode(&vector.hex).unwrap();
        let (from, to) = (&vector.transport.src, host(&vector.transport.dst));
        let (answer, sent) = ask(&plan_for(&vector.name), &request, port, from, to);
        let silence = SILENT.iter().find(|(name, _)| *name == vector.name);
        match (&answer.verdict, silence) {
            (Verdict::Silent(reason), Some((_, label))) => {
                assert_eq!(reason.label(), *label, "{}", vector.name);
                assert!(sent.is_empty());
                silent += 1;
            }
            (Verdict::Respond(_), None) => {
                let expected = vector.expected_reply.expect("listed as silent otherwise");
                let [(octets, destination)] = &sent[..] else { panic!("{}: {} replies", vector.name, sent.len()) };
                assert_eq!(hex::encode(octets), expected.hex, "{}", vector.name);
                assert_eq!(destination.from.to_string(), expected.from, "{}", vector.name);
                assert_eq!(format_destination(destination), expected.to, "{}", vector.name);
                answered += 1;
            }
            (verdict, _) => panic!("{}: {verdict:?}", vector.name),
        }
    }
    assert_eq!((answered, silent), (30, SILENT.len()), "a vector is missing");
}

#[test]
fn an_ipxe_in_a_stateless_network_is_answered_only_if_the_plan_allows_it() {
    let vector = vectors().into_iter().find(|vector| vector.name == STATELESS).unwrap();
    let (from, to) = (&vector.transport.src, host(&vector.transport.dst));
    let (answer, sent) = ask(&plan(), &hex::decode(&vector.hex).unwrap(), Port::Dhcp, from, to);
    let Verdict::Silent(reason) = answer.verdict else { panic!("{:?}", answer.verdict) };
    assert_eq!((reason.label(), sent.len()), ("nothing:stateless-ipxe", 0));
}

/// Returns the address without its port.
fn host(address: &str) -> &str {
    address.rsplit_once(':').unwrap().0.trim_matches(['[', ']'])
}

/// Returns the destination in the format of the vectors. A broadcast has its interface. A link-local address has none,
/// although it needs one, too.
fn format_destination(destination: &Destination) -> String {
    match destination.to {
        SocketAddr::V4(to) => format!("{to}{}", destination.interface_index.map(|_| " on eth0").unwrap_or_default()),
        SocketAddr::V6(mut to) => {
            let on_link = to.ip().is_unicast_link_local();
            assert_eq!((destination.interface_index, to.scope_id()), if on_link { (Some(2), 2) } else { (None, 0) });
            to.set_scope_id(0);
            to.to_string()
        }
    }
}

fn plan_for(vector: &str) -> Plan {
    let item = FirmwareMenuItem { server_type: 1, title: "iPXE".into(), target: ItemTarget::Profile(None) };
    let menu = FirmwareMenu { prompt: "boot:".into(), timeout: 10, items: vec![item] };
    let profile = Profile { boots: BootTarget::Menu(menu), ..Profile::default() };
    match vector {
        STATELESS => {
            let mut plan = plan();
            plan.policy_mut().stateless_dhcp6 = Some(StatelessOptions::default());
            plan
        }
        BOOT_ITEM => plan().with_policy(|policy| {
            policy.profiles = vec![profile];
            policy.default_profile = Some(0);
        }),
        _ => plan(),
    }
}

fn vectors() -> Vec<Vector> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/vectors");
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let values = files.map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap());
    let dhcp = values.filter(|value: &serde_json::Value| value["family"] == "dhcp4" || value["family"] == "dhcp6");
    dhcp.map(|value| serde_json::from_value(value).unwrap()).collect()
}

//! Every DHCPv4 vector of the protocol note, byte for byte.

mod common;

use common::{ask, plan};
use proxydhcpd_core::answer::Verdict;
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::profile::{Boots, Item, Menu, Profile, To};
use serde::Deserialize;

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

/// Where the vectors expect silence: its reason here.
const SILENT: &[(&str, &str)] = &[
    ("apple-bsdp-inform", "not-ours:other-vendor-class"),
    ("ordinary-client-discover", "not-ours:other-vendor-class"),
    ("ovmf-x64-request-to-primary", "not-ours:message"),
    ("reply-arriving-at-server-port", "not-ours:reply"),
    ("request-4011-ciaddr-is-not-the-source", "refused:ciaddr"),
    ("truncated-header", "malformed"),
    ("truncated-option-discover", "malformed"),
    ("u-boot-arm64-discover", "not-ours:other-vendor-class"),
    ("wrong-cookie", "malformed"),
];

/// What was chosen from a menu; its type is one of those that were assigned long ago.
const CHOSEN: &str = "ovmf-x64-request-4011-boot-item";

/// A packet that servers send.
const NOT_A_REQUEST: &str = "offer-with-menu";

#[test]
fn every_vector_gets_its_answer_or_silence_with_the_right_reason() {
    let (mut answered, mut silent) = (0, 0);
    for vector in vectors() {
        let port = match vector.transport.port {
            67 => Port::Dhcp,
            4011 => Port::BootServer,
            _ => {
                assert_eq!(vector.name, NOT_A_REQUEST);
                continue;
            }
        };
        let request = hex::decode(&vector.hex).unwrap();
        let to = vector.transport.dst.split(':').next().unwrap();
        let (answer, sent) = ask(&plan_for(&vector.name), &request, port, &vector.transport.src, to);
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
                let link = destination.link.map(|_| " on eth0").unwrap_or_default();
                assert_eq!(format!("{}{link}", destination.to), expected.to, "{}", vector.name);
                answered += 1;
            }
            (verdict, _) => panic!("{}: {verdict:?}", vector.name),
        }
    }
    assert_eq!((answered, silent), (25, SILENT.len()), "a vector is missing");
}

fn plan_for(vector: &str) -> Plan {
    let item = Item { kind: 1, title: "iPXE".into(), to: To::Profile(None) };
    let menu = Menu { prompt: "boot:".into(), timeout: 10, items: vec![item] };
    let profile = Profile { boots: Boots::Menu(menu), ..Profile::default() };
    match vector {
        CHOSEN => Plan { profiles: vec![profile], default_profile: Some(0), ..plan() },
        _ => plan(),
    }
}

fn vectors() -> Vec<Vector> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/vectors");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let values = files.map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap());
    let dhcp4 = values.filter(|value: &serde_json::Value| value["family"] == "dhcp4");
    dhcp4.map(|value| serde_json::from_value(value).unwrap()).collect()
}

//! Tests the DHCPv4 vectors with the server's binary: over its sockets, from one network namespace to another, and with
//! `explain`. Needs root.

mod common;

use common::loaders::boot_dir;
use proxydhcpd::net::port_owner::{Transport, bound_sockets};
use proxydhcpd_testbed::raw::{self, RawSocket};
use proxydhcpd_testbed::{Process, wait_for};
use serde_json::Value;
use std::net::SocketAddrV4;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_proxydhcpd");

/// The site `menu` of the vectors. The item's type is one of those that were assigned long ago.
const MENU: &str = r#"
default-profile = "ask"
[profile.ask.menu]
items = [{ title = "iPXE", profile = "menu", type = 1 }]
"#;

#[test]
fn every_vector_gets_its_expected_reply_over_the_wire() {
    let site = Site::new();
    let (server, client) = raw::network();
    let wire = client.on(RawSocket::open);
    for vector in vectors() {
        // Each vector has a new server, because the vectors share machines, and the rate limit of a machine allows a
        // burst of only eight requests.
        let start = || Process::start(&format!("{PROGRAM} --config {}", site.config(&vector)));
        let _running = server.on(|| {
            let running = start();
            let open = |port| bound_sockets(Transport::Udp, port).is_ok_and(|sockets| !sockets.is_empty());
            wait_for("the server's ports", || (open(67) && open(4011) && receives_relayed()).then_some(()));
            running
        });
        wire.send(&vector.from, &vector.to, &vector.octets);
        // The test also sends a second request on the same socket. If the server answers only the second request, it
        // has ignored the first one, and the test needs no timeout.
        let probe = Vector::named(match (vector.to.port(), vector.to.ip().is_broadcast()) {
            (67, true) => "bios-no-machine-id-discover",
            (67, false) => "relayed-x64-discover-option-82",
            _ => "ovmf-x64-request-4011",
        });
        wire.send(&probe.from, &probe.to, &probe.octets_with_xid(0x5eed));
        let received = wire.receive_until(|payload| payload[4..8] == 0x5eed_u32.to_be_bytes());
        match &vector.reply {
            Some(expected) => {
                let replies = received.iter().map(|d| (d.from.to_string(), d.to.to_string(), hex::encode(&d.payload)));
                let to = expected["to"].as_str().unwrap().trim_end_matches(" on eth0");
                let expected =
                    (expected["from"].as_str().unwrap().into(), to.into(), expected["hex"].as_str().unwrap().into());
                assert_eq!(replies.collect::<Vec<_>>(), [expected], "{}", vector.name);
            }
            None => assert!(received.is_empty(), "{} got a reply", vector.name),
        }
    }
}

#[test]
fn explain_shows_the_reply_of_the_server_for_every_vector() {
    let site = Site::new();
    for vector in vectors() {
        let port = vector.to.port().to_string();
        let mut command = Command::new(PROGRAM);
        command.args(["explain", &hex::encode(&vector.octets), "--server", "192.0.2.10/24", "--json", "--port", &port]);
        command.args(["--from", &vector.from.to_string(), "--config", &site.config(&vector)]);
        let output = command.output().unwrap();
        let explained: Value = serde_json::from_slice(&output.stdout).expect(&vector.name);
        let expected = vector.reply.as_ref().map_or(Value::Null, |reply| reply["hex"].clone());
        assert_eq!(explained[0]["reply"], expected, "{}", vector.name);
        assert_eq!(output.status.code(), Some(i32::from(expected.is_null())), "{}", vector.name);
        assert_eq!(explained[0]["verdict"] == "answered", !expected.is_null());
    }
}

/// A boot directory with loaders and with files for a Raspberry Pi, and the two configurations that the vectors need.
struct Site {
    _boot: TempDir,
    directory: TempDir,
}

impl Site {
    fn new() -> Site {
        let (boot, directory) = (boot_dir(), tempfile::tempdir().unwrap());
        std::fs::write(boot.path().join("bootcode.bin"), "").unwrap();
        let directories = format!("boot-dir = {:?}\nstate-dir = {:?}\n", boot.path(), directory.path().join("state"));
        std::fs::write(directory.path().join("plain.toml"), &directories).unwrap();
        std::fs::write(directory.path().join("menu.toml"), directories + MENU).unwrap();
        Site { _boot: boot, directory }
    }

    fn config(&self, vector: &Vector) -> String {
        let name = if vector.site.is_some() { "menu.toml" } else { "plain.toml" };
        self.directory.path().join(name).display().to_string()
    }
}

/// A datagram of a client, and the expected reply.
struct Vector {
    name: String,
    site: Option<String>,
    octets: Vec<u8>,
    from: SocketAddrV4,
    to: SocketAddrV4,
    reply: Option<Value>,
}

fn vectors() -> impl Iterator<Item = Vector> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/testdata/vectors");
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: std::path::PathBuf| Vector::read(&path);
    files.filter_map(read).filter(|vector| matches!(vector.to.port(), 67 | 4011))
}

impl Vector {
    fn named(name: &str) -> Vector {
        vectors().find(|vector| vector.name == name).unwrap()
    }

    fn read(path: &Path) -> Option<Vector> {
        let value: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        if value["family"] != "dhcp4" {
            return None;
        }
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let name = text(&value["name"]);
        let reply = value.get("expected_reply").filter(|reply| !reply.is_null());
        Some(Vector {
            octets: hex::decode(text(&value["hex"])).unwrap(),
            from: text(&value["transport"]["src"]).parse().unwrap(),
            to: text(&value["transport"]["dst"]).parse().unwrap(),
            reply: reply.cloned(),
            site: value["site"].as_str().map(str::to_owned),
            name,
        })
    }

    fn octets_with_xid(&self, xid: u32) -> Vec<u8> {
        let mut octets = self.octets.clone();
        octets[4..8].copy_from_slice(&xid.to_be_bytes());
        // No vector uses this MAC address.
        octets[33] = 0xee;
        octets
    }
}

fn receives_relayed() -> bool {
    let server: std::net::IpAddr = [192, 0, 2, 10].into();
    bound_sockets(Transport::Udp, 67).is_ok_and(|sockets| sockets.iter().any(|socket| socket.address == server))
}

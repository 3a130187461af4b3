//! The DHCP vectors in core/testdata: a packet, and the reply that it must receive.

use super::{ask, plan};
use proxydhcpd_core::answer::Answer;
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::policy::StatelessOptions;
use proxydhcpd_core::plan::profile::{BootTarget, FirmwareMenu, FirmwareMenuItem, ItemTarget, Profile};
use proxydhcpd_core::route::Destination;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// A vector, in the order of its fields (core/testdata/README.md).
#[derive(Serialize, Deserialize)]
pub struct Vector {
    pub name: String,
    pub family: String,
    pub group: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    pub hex: String,
    pub length: usize,
    pub transport: Transport,
    pub provenance: String,
    pub meaning: Value,
    pub expected_reply: Option<ExpectedReply>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence: Option<String>,
}

/// The interface and the port of the server, and the source and the destination of the packet.
#[derive(Serialize, Deserialize)]
pub struct Transport {
    pub iface: String,
    pub port: u16,
    pub src: String,
    pub dst: String,
}

/// The reply. Only `from`, `to` and `hex` are compared; the other fields are for readers and for other servers.
#[derive(Serialize, Deserialize)]
pub struct ExpectedReply {
    pub message: String,
    pub from: String,
    pub to: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<Value>,
    #[serde(default)]
    pub options_in_order: Vec<Value>,
    pub hex: String,
}

/// Returns all DHCP vectors, in alphabetical order.
pub fn vectors() -> Vec<Vector> {
    let files = std::fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path());
    let values = files.map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap());
    let dhcp = values.filter(|value: &Value| value["family"] == "dhcp4" || value["family"] == "dhcp6");
    let mut vectors: Vec<Vector> = dhcp
        .map(|value| serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value}")))
        .collect();
    vectors.sort_by(|one, other| one.name.cmp(&other.name));
    vectors
}

/// Returns the directory of the vectors.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/vectors")
}

impl Vector {
    /// Whether the packet is one that only servers send, to a client's port.
    pub fn is_from_server(&self) -> bool {
        self.transport.port == 68
    }

    /// Sends the packet to a new server with the plan of this vector.
    pub fn ask(&self) -> (Answer, Vec<(Vec<u8>, Destination)>) {
        self.ask_with(&self.plan())
    }

    /// Sends the packet to a new server with this plan.
    pub fn ask_with(&self, plan: &Plan) -> (Answer, Vec<(Vec<u8>, Destination)>) {
        let port = if self.transport.port == 4011 { Port::BootServer } else { Port::Dhcp };
        ask(plan, &hex::decode(&self.hex).unwrap(), port, &self.transport.src, &self.destination().to_string())
    }

    /// The destination of the packet.
    pub fn destination(&self) -> IpAddr {
        self.transport.dst.parse::<SocketAddr>().unwrap().ip()
    }

    /// The plan of the vector's site.
    pub fn plan(&self) -> Plan {
        match self.site.as_deref() {
            None => plan(),
            // The item's type is one of those that were assigned long ago.
            Some("menu") => {
                let item = FirmwareMenuItem { server_type: 1, title: "iPXE".into(), target: ItemTarget::Profile(None) };
                let menu = FirmwareMenu { prompt: "boot:".into(), timeout: 10, items: vec![item] };
                let profile = Profile { name: "ask".into(), boots: BootTarget::Menu(menu), ..Profile::default() };
                plan().with_policy(|policy| {
                    policy.profiles = vec![profile].into();
                    policy.default_profile = Some("ask".into());
                })
            }
            Some("stateless") => {
                plan().with_policy(|policy| policy.stateless_dhcp6 = Some(StatelessOptions::default()))
            }
            Some(other) => panic!("{}: unknown site {other}; use `menu` or `stateless`", self.name),
        }
    }
}

/// Returns the destination in the format of the vectors. A broadcast has its interface. A link-local address has none,
/// although it needs one, too.
pub fn format_destination(destination: &Destination) -> String {
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

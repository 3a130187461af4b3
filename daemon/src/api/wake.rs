//! `/api/v1/machines/{id}/wake`: wakes a machine.

use super::access::{Caller, Refusal};
use super::error::ApiError;
use super::shared::Api;
use super::wake_target::WakeTarget;
use crate::access::Scope;
use crate::net::send_error::SendErrorKind;
use crate::net::single_send::send_once;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use proxydhcpd_core::event::wake::WakeEvent;
use proxydhcpd_core::event::{EventMachine, Service, What};
use proxydhcpd_core::identity::{HardwareAddress, MachineIdentity};
use proxydhcpd_core::wake::{self, Destination, Obstacle, magic_packet};
use serde::{Deserialize, Serialize};
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use utoipa::ToSchema;

/// The setting without which a router forwards no packet to all machines of a subnet (RFC 2644).
const ROUTERS_DROP: &str = "routers drop directed broadcasts unless that is enabled there: `ip directed-broadcast` on \
                            the interface of the subnet, or net.ipv4.conf.all.bc_forwarding and that of the interface \
                            on Linux";

/// A machine for which a packet to wake it left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WakeRecord {
    /// The name of the machine's entry or, without an entry, what the request calls it.
    pub machine: String,
    /// The MAC addresses in the packets.
    pub macs: Vec<String>,
    /// The places to which packets went, for each MAC address.
    pub sent: Vec<SentWake>,
    /// The places where the machine may be, and to which no packet went.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_sent: Vec<UnsentWake>,
}

/// A place to which a packet went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SentWake {
    /// The interface; absent if the routing table of the host chose it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// The relay behind which the machine is, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay: Option<String>,
    /// The destination address. The UDP port is 9.
    pub destination: String,
    /// The condition under which the packet arrives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A place to which no packet went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnsentWake {
    /// The reason.
    pub problem: String,
    /// The remedy.
    pub cure: String,
}

/// The routes of this resource.
pub fn routes() -> Router<Api> {
    Router::new().route("/api/v1/machines/{id}/wake", post(woken))
}

/// Wakes a machine: sends a magic packet for each of its MAC addresses to the places where it was last seen.
///
/// # Errors
/// The caller may not, the machine or its MAC address is unknown, or no packet left.
pub async fn wake_machine(api: &Api, caller: &Caller, id: &str) -> Result<WakeRecord, Refusal> {
    caller.require(Scope::Boot)?;
    let target = WakeTarget::find(api, id).await.map_err(|error| Refusal(StatusCode::NOT_FOUND, error))?;
    let result = if target.macs.is_empty() { Err(without_mac(&target)) } else { send(api, &target) };
    record(api, &target, &result);
    result.map_err(|UnsentWake { problem, cure }| {
        Refusal(StatusCode::CONFLICT, ApiError::new(format!("cannot wake {}: {problem}", target.name), cure, "machine"))
    })
}

/// Wake a machine
#[utoipa::path(
    post,
    path = "/api/v1/machines/{id}/wake",
    params(("id" = String, Path, description = "A MAC address, the name of an entry, or an IP address")),
    responses(
        (status = 200, body = WakeRecord),
        (status = 403, body = ApiError),
        (status = 404, body = ApiError),
        (status = 409, body = ApiError),
    )
)]
pub async fn woken(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<WakeRecord>, Refusal> {
    wake_machine(&api, &caller, &id).await.map(Json)
}

/// Sends the packets. If none leaves, the result is the first reason.
fn send(api: &Api, target: &WakeTarget) -> Result<WakeRecord, UnsentWake> {
    let (site, links) = (api.state.site(), api.state.links.load());
    let seen = target.seen();
    let (mut sent, mut not_sent) = (Vec::new(), Vec::new());
    for destination in wake::destinations(&site.plan.policy, &links, &seen) {
        match destination.map_err(UnsentWake::from_obstacle).and_then(|to| send_to(&target.macs, &to)) {
            Ok(place) => sent.push(place),
            Err(error) => not_sent.push(error),
        }
    }
    if sent.is_empty() {
        return Err(not_sent.into_iter().next().unwrap_or_else(|| UnsentWake::from_obstacle(Obstacle::NoLink)));
    }
    Ok(WakeRecord { machine: target.name.clone(), macs: texts(&target.macs), sent, not_sent })
}

fn send_to(macs: &[[u8; 6]], destination: &Destination<'_>) -> Result<SentWake, UnsentWake> {
    let Destination { link, relay, to, from } = *destination;
    let index = link.map(|link| link.index);
    let address = match to {
        IpAddr::V4(to) => SocketAddr::from((to, wake::PORT)),
        IpAddr::V6(to) => SocketAddrV6::new(to, wake::PORT, 0, index.unwrap_or_default()).into(),
    };
    for mac in macs {
        send_once(&magic_packet(*mac), address, from, index)
            .map_err(|error| UnsentWake::from_error(destination, &error))?;
    }
    Ok(SentWake {
        interface: link.map(|link| link.name.clone()),
        relay: relay.map(|relay| relay.to_string()),
        destination: to.to_string(),
        note: link.is_none().then(|| ROUTERS_DROP.to_owned()),
    })
}

/// Records the result of the request.
fn record(api: &Api, target: &WakeTarget, result: &Result<WakeRecord, UnsentWake>) {
    let identity = target.macs.first().map(|mac| MachineIdentity::from_hardware(HardwareAddress::from_mac(*mac)));
    let entry = Some(target.name.as_str()).filter(|_| target.has_entry);
    let machine = EventMachine { identity: identity.as_ref(), entry, from: None };
    let record = |wake| api.state.events.record_now(Service::Host, machine, What::Wake(wake));
    match result {
        Ok(WakeRecord { macs, sent, .. }) => {
            let to: Vec<String> = sent.iter().map(ToString::to_string).collect();
            record(WakeEvent::Sent { macs: &macs.join(", "), to: &to.join(", ") });
        }
        Err(UnsentWake { problem, cure }) => record(WakeEvent::NotSent { problem, cure }),
    }
}

fn texts(macs: &[[u8; 6]]) -> Vec<String> {
    macs.iter().map(|mac| HardwareAddress::from_mac(*mac).to_string()).collect()
}

fn without_mac(target: &WakeTarget) -> UnsentWake {
    let name = &target.name;
    let problem = match target.has_entry {
        true => "its entry has no MAC address, and it has shown none since",
        false => "it has shown no MAC address, only a DUID, a UUID or an IP address",
    };
    let cure = match target.has_entry {
        true => format!("add `mac` to the entry of {name}, or boot the machine once"),
        false => "add an entry with the MAC address of the machine (`proxydhcpd machine add`)".to_owned(),
    };
    UnsentWake { problem: problem.to_owned(), cure }
}

impl UnsentWake {
    fn from_obstacle(obstacle: Obstacle<'_>) -> UnsentWake {
        let (problem, cure) = match obstacle {
            Obstacle::NoLink => (
                "the server serves no interface".to_owned(),
                "`proxydhcpd check` shows which interfaces it would serve, and what they lack".to_owned(),
            ),
            Obstacle::LinkGone(link) => (
                format!("it was last seen on {link}, which the server does not serve now"),
                format!("connect the interface and give it an address: `ip address show {link}` shows its state"),
            ),
            Obstacle::UnknownSubnet { relay, address } => {
                let place =
                    relay.map(|relay| format!("behind the relay {relay}")).unwrap_or_else(|| "elsewhere".into());
                let problem = format!("it was last seen {place}, and the size of the subnet of {address} is unknown");
                let [a, b, c, _] = address.octets();
                let cure = format!(
                    "state the subnet in [dhcp], with its own length: relayed-subnets = [\"{a}.{b}.{c}.0/24\"]; then \
                     {ROUTERS_DROP}"
                );
                (problem, cure)
            }
            Obstacle::OnlyIpv6 { relay } => (
                format!("it was last seen behind the relay {relay}, and IPv6 has no broadcast to another subnet"),
                "relay its IPv4 requests to this server, too, or wake it from a host in its subnet".to_owned(),
            ),
        };
        UnsentWake { problem, cure }
    }

    fn from_error(destination: &Destination<'_>, error: &io::Error) -> UnsentWake {
        let Destination { link, to, .. } = destination;
        let on = link.map(|link| format!(" on {}", link.name)).unwrap_or_default();
        let cure = match SendErrorKind::from_error(error) {
            SendErrorKind::BufferFull => "try again: the send buffer was full".to_owned(),
            SendErrorKind::NoRoute => format!("add a route to {to}"),
            SendErrorKind::Firewall => {
                format!(
                    "let the firewall of this host pass UDP to port {}: `nft list ruleset` shows its rules",
                    wake::PORT
                )
            }
            SendErrorKind::Other => "`proxydhcpd doctor` examines this host and its networks".to_owned(),
        };
        UnsentWake { problem: format!("a packet to {to}{on} was not sent: {error}"), cure }
    }
}

/// Shows the place, as in `eth0 (255.255.255.255)`.
impl std::fmt::Display for SentWake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.interface, &self.relay) {
            (Some(interface), _) => write!(f, "{interface} ({})", self.destination),
            (None, Some(relay)) => write!(f, "{} behind the relay {relay}", self.destination),
            (None, None) => f.write_str(&self.destination),
        }
    }
}

//! `/api/v1/explain`: what a machine would receive, and why, as the command `explain` says. Nothing is sent.

use super::access::Refusal;
use super::error::ApiError;
use super::machines::find;
use super::refusal::{self, bad_request};
use super::shared::Api;
use crate::explain::client::{ClientKind, Mac, PacketHex, ServerAddress, Uuid};
use crate::explain::explanation::{Explanation, ExplanationRecord};
use crate::explain::question::Question;
use crate::explain::simulation::BootSimulation;
use crate::explain::{links_of, simulate};
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use proxydhcpd_core::observations::Observations;
use proxydhcpd_reading::identifiers::parse_any_mac;
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use utoipa::ToSchema;

/// A machine, or a packet that it sent, and how its requests arrive: the flags of the command `explain`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExplainRequest {
    /// A DHCP packet (UDP payload) in hexadecimal, instead of a machine.
    pub packet: Option<String>,
    /// The client that sends the request, as the flag `--client` of the command. Absent for a machine that booted: the
    /// client of its last boot.
    pub client: Option<String>,
    /// The machine: the name of its entry, its MAC address or, if it booted, its IP address. The default is no known
    /// machine.
    pub machine: Option<String>,
    /// Its MAC address.
    pub mac: Option<String>,
    /// Its UUID.
    pub uuid: Option<String>,
    /// Its serial number.
    pub serial: Option<String>,
    /// The vendor class (option 60) that it sends instead of the usual one.
    pub vendor_class: Option<String>,
    /// The user class (option 77) that it sends instead of the usual one.
    pub user_class: Option<String>,
    /// The chosen item of the firmware's menu: 32769 (0x8001) and up.
    pub item: Option<u16>,
    /// Whether it boots over IPv6; a packet is then a DHCPv6 message.
    pub ipv6: bool,
    /// The relay that forwards the request. Absent for a machine that booted: the relay of its last boot.
    pub relay: Option<String>,
    /// The circuit ID that the relay adds (option 82, sub-option 1).
    pub circuit_id: Option<String>,
    /// The interface ID that the DHCPv6 relay adds (option 18).
    pub interface_id: Option<String>,
    /// Only the request to this port: 67, 547 or 4011.
    pub port: Option<u16>,
    /// The source of the packet, such as `192.0.2.7:68`.
    pub from: Option<String>,
    /// The server's address with the length of its prefix, instead of those of the server.
    pub server: Option<String>,
}

/// The answers that the machine would receive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainRecord {
    /// Whether the server answers every request of the machine itself.
    pub answered: bool,
    /// The explanation of each packet, in their order, and of the script.
    pub explanations: Vec<ExplanationRecord>,
}

/// The routes of this resource.
pub fn routes() -> Router<Api> {
    Router::new().route("/api/v1/explain", post(explained))
}

/// Explains the answers of this server now, with its boot orders and the entries that it keeps.
///
/// # Errors
/// A value of the request is wrong.
pub async fn explain(api: &Api, request: ExplainRequest) -> Result<ExplainRecord, Refusal> {
    let question = question(api, request)?;
    let (state, proxy_only) = (api.state.clone(), api.started.proxy_only);
    let run = move || {
        let site = state.current_site();
        let links = links_of(&question, state.links.load().to_vec(), None);
        let mut observations = Observations::new(0);
        let records_are_readable = {
            let known = state.observations();
            observations.boot_once.set_completions(state.boot_once.completion_counts());
            for machine in known.boot_once.completed() {
                observations.boot_once.note_completed(machine);
            }
            observations.boot_once.set_unknown(known.boot_once.is_unknown());
            !known.boot_once.is_unknown()
        };
        let (now, explanations) = (0, Vec::new());
        let mut simulation = BootSimulation {
            site: &site,
            links: &links,
            proxy_only,
            observations,
            records_are_readable,
            now,
            explanations,
        };
        simulate(&mut simulation, &question).map_err(|unknown| {
            let cure = unknown.similar.map(|similar| format!("did you mean {similar}?"));
            let cure = cure.unwrap_or_else(|| "state the name of an entry, or a MAC address".to_owned());
            let error = ApiError::new(format!("there is no entry `{}`", unknown.name), cure, "machine");
            Refusal(StatusCode::NOT_FOUND, error)
        })?;
        let explanations = simulation.explanations;
        let answered = explanations.iter().filter(|it| !it.follows).all(|it| it.answered);
        Ok(ExplainRecord { answered, explanations: explanations.iter().map(Explanation::record).collect() })
    };
    refusal::in_thread(run).await?
}

/// Explain what a machine would receive, and why
///
/// The machine is one that booted, one with an entry, one that the request describes, or the sender of a packet.
/// Nothing is sent.
#[utoipa::path(
    post,
    path = "/api/v1/explain",
    request_body = ExplainRequest,
    responses(
        (status = 200, body = ExplainRecord),
        (status = 400, body = ApiError),
        (status = 404, body = ApiError),
        (status = 422, body = ApiError),
    )
)]
pub async fn explained(
    State(api): State<Api>,
    body: Result<Json<ExplainRequest>, JsonRejection>,
) -> Result<Json<ExplainRecord>, Refusal> {
    let example = "{\"machine\": \"52:54:00:12:34:56\"}";
    explain(&api, refusal::body(body, example)?).await.map(Json)
}

/// The question of a request.
fn question(api: &Api, request: ExplainRequest) -> Result<Question, Refusal> {
    let packet = request.packet.as_deref().map(PacketHex::parse_octets).transpose();
    let mut question = Question {
        packet: packet.map_err(|error| bad_request(error, "state the octets in hexadecimal", "packet"))?,
        client: value(&request.client, "client", "`proxydhcpd explain --help` lists the clients")?,
        machine: None,
        mac: value::<Mac>(&request.mac, "mac", "state it such as 52:54:00:12:34:56")?.map(|mac| mac.0),
        uuid: value::<Uuid>(&request.uuid, "uuid", "state it as its firmware prints it")?.map(|uuid| uuid.0),
        serial: request.serial,
        vendor_class: request.vendor_class,
        user_class: request.user_class,
        item: request.item,
        ipv6: request.ipv6,
        relay: value(&request.relay, "relay", "state an IP address, such as 10.1.0.1")?,
        circuit_id: request.circuit_id,
        interface_id: request.interface_id,
        port: request.port,
        from: value(&request.from, "from", "state an address and a port, such as 192.0.2.7:68")?,
        server: value::<ServerAddress>(&request.server, "server", "state an address such as 192.0.2.10/24")?,
    };
    if let Some(machine) = request.machine.as_deref().filter(|_| question.packet.is_none()) {
        add_machine(api, &mut question, machine);
    }
    if let Some(problem) = question.family_mismatch(|name| format!("`{name}`")) {
        return Err(bad_request(problem, "correct the address family", "ipv6"));
    }
    if !matches!(question.port, None | Some(67 | 547 | 4011)) {
        return Err(bad_request("the server has no such port for DHCP", "state 67, 547 or 4011", "port"));
    }
    if question.packet.is_none() && question.client.is_none() {
        let problem = "the request states no client, and the machine has not booted since the server started";
        return Err(bad_request(problem, "state `client`, such as `bios`, or `packet`", "client"));
    }
    Ok(question)
}

/// Adds what is known about a machine, unless the request states it: its entry, and its last boot.
fn add_machine(api: &Api, question: &mut Question, machine: &str) {
    let is_entry = api.state.site().plan.inventory.get_by_name(machine).is_some();
    let stories = api.state.stories.stories();
    let seen = find(&stories, machine).and_then(|key| stories.machine(key));
    if is_entry {
        question.machine = Some(machine.to_owned());
    }
    let Some(story) = seen else {
        if !is_entry {
            let mac = parse_any_mac(machine);
            question.mac = question.mac.or(mac);
            // Without a MAC address, it can only be the name of an entry.
            question.machine = mac.is_none().then(|| machine.to_owned());
        }
        return;
    };
    if !is_entry {
        question.mac = question.mac.or(story.hardware.and_then(|hardware| hardware.mac()));
        question.uuid = question.uuid.or(story.machine_id.map(|machine_id| machine_id.uuid()));
    }
    question.relay = question
        .relay
        .or(story.relay.map(|relay| relay.shown_address()))
        .filter(|relay| relay.is_ipv6() == question.ipv6);
    let first = story.last_boot().and_then(|boot| boot.client);
    question.client = question.client.or(first.map(|client| ClientKind { arch: client.arch, ipxe: client.is_ipxe() }));
}

/// A value of the request.
fn value<T: FromStr>(text: &Option<String>, place: &str, cure: &str) -> Result<Option<T>, Refusal>
where
    T::Err: ToString,
{
    let Some(text) = text else { return Ok(None) };
    let wrong = |error: T::Err| bad_request(format!("`{text}`: {}", error.to_string()), cure, place);
    text.parse().map(Some).map_err(wrong)
}

//! `POST /api/v1/machines/{id}/entry`: makes an entry from a machine that was seen.

use super::access::{Caller, Refusal};
use super::entry::EntryRecord;
use super::error::ApiError;
use super::machines::seen_machine;
use super::refusal::{self, refused};
use super::shared::Api;
use crate::access::Scope;
use crate::edits::EntrySettings;
use crate::story::json::MachineRecord;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::ETAG;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use proxydhcpd_core::identity::{Identifiers, ShownIdentities};
use proxydhcpd_reading::identifiers::{parse_any_mac, parse_uuid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The settings of an entry that is made from a machine that was seen: its MAC address and its UUID are those that the
/// server heard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SeenEntryRequest {
    /// The name of the entry. Absent: its MAC address with hyphens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The name of its profile; absent if the rules or the default decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// When it boots the profile: `always`, `once` or `never`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
    /// Its serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Variables for templates.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, serde_json::Value>,
}

/// The routes of this resource.
pub fn routes() -> Router<Api> {
    Router::new().route("/api/v1/machines/{id}/entry", post(seen_entry))
}

/// Makes an entry from a machine that was seen.
///
/// # Errors
/// The machine is not known, has an entry already, or the settings are invalid.
pub async fn entry_of_seen_machine(
    api: &Api,
    caller: &Caller,
    id: &str,
    request: SeenEntryRequest,
) -> Result<EntryRecord, Refusal> {
    caller.require(Scope::Write)?;
    let machine = seen_machine(api, id).await.map_err(|error| Refusal(StatusCode::NOT_FOUND, error))?;
    let SeenEntryRequest { name, profile, boot, serial, variables } = request;
    let (mac, uuid) = (mac_of(id, &machine)?, uuid_alone(api, &machine));
    let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| mac.replace(':', "-"));
    let settings = EntrySettings { mac: vec![mac], uuid, serial, profile, boot, variables };
    let state = api.state.clone();
    let keep = move || {
        refuse_known(&state, &name, &settings)?;
        state.set_entry(&name, &settings).map_err(|refusal| refused(&name, refusal))?;
        EntryRecord::find(&state, &name).ok_or_else(|| refused(&name, crate::state::EditRefusal::Missing))
    };
    refusal::in_thread(keep).await?
}

/// Make an entry from a machine that was seen
///
/// The server keeps the entry. Its MAC address and its UUID are those that the machine showed; a UUID that is a
/// placeholder, or that another machine shows, is left out.
#[utoipa::path(
    post,
    path = "/api/v1/machines/{id}/entry",
    params(("id" = String, Path, description = "A MAC address or an IP address")),
    request_body = SeenEntryRequest,
    responses(
        (status = 201, body = EntryRecord),
        (status = 403, body = ApiError),
        (status = 404, body = ApiError),
        (status = 409, body = ApiError),
        (status = 422, body = ApiError),
    )
)]
pub async fn seen_entry(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    body: Result<Json<SeenEntryRequest>, JsonRejection>,
) -> Result<Response, Refusal> {
    let request = refusal::body(body, "{\"name\": \"lab3\", \"profile\": \"debian\"}")?;
    let record = entry_of_seen_machine(&api, &caller, &id, request).await?;
    Ok((StatusCode::CREATED, [(ETAG, record.etag.clone())], Json(record)).into_response())
}

fn mac_of(id: &str, machine: &MachineRecord) -> Result<String, Refusal> {
    let mac = machine.hardware.clone().filter(|hardware| parse_any_mac(hardware).is_some());
    mac.ok_or_else(|| {
        let cure = "add the entry with the MAC address from its case or its firmware setup (`proxydhcpd machine add`)";
        Refusal(StatusCode::CONFLICT, ApiError::new(format!("{id} has shown no MAC address"), cure, "machine"))
    })
}

/// The UUID of a machine, unless another machine shows it, too.
fn uuid_alone(api: &Api, machine: &MachineRecord) -> Option<String> {
    let uuid = machine.uuid.clone()?;
    let octets = parse_uuid(&uuid)?;
    let is_shared = api.state.observations().uuid_claims.find_shared(&api.state.site().plan, &octets).is_some();
    (!is_shared).then_some(uuid)
}

/// Refuses to make a second entry of a machine, or of a name.
fn refuse_known(state: &crate::state::State, name: &str, settings: &EntrySettings) -> Result<(), Refusal> {
    let site = state.current_site();
    let mac = settings.mac.first().and_then(|mac| parse_any_mac(mac));
    let identifiers = Identifiers::new(mac, None);
    let by_mac = site.plan.inventory.get_by_identity(&ShownIdentities { identifiers, ..ShownIdentities::default() });
    // A boot order for a machine without an entry is in the inventory under the name that its MAC address makes.
    let has_entry = |name: &str| site.files.written.get_by_name(name).is_some() || state.edits.entry(name).is_some();
    let known = by_mac.map(|entry| entry.name).filter(|name| has_entry(name));
    let conflict = |problem: String, cure: &str, known: &str| {
        let place = site.location_of(known).unwrap_or_else(|| known.to_owned());
        Err(Refusal(StatusCode::CONFLICT, ApiError::new(problem, cure, place)))
    };
    match known {
        Some(known) => conflict(format!("the machine has the entry {known} already"), "change that entry", known),
        None if has_entry(name) => conflict(format!("there is an entry {name} already"), "choose another name", name),
        None => Ok(()),
    }
}

//! `/api/v1/machines`: the machines that booted, and the story of each.

use super::access::Refusal;
use super::error::ApiError;
use super::machine_match::{MachineMatch, refuse_unknown_profile};
use super::refusal::{self, bad_request};
use super::shared::Api;
use crate::history::{BootFilter, MachineConditions, MachineFacts, MachineFilter, StoredBoot, StoredMachine};
use crate::story::json::{BootRecord, MachineRecord, StoryRecord};
use crate::vendors::vendor;
use axum::extract::rejection::QueryRejection;
use axum::extract::{self, Path, Query};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use proxydhcpd_core::identity::{HardwareAddress, MachineKey};
use proxydhcpd_core::story::{MAX_BOOTS, MachineStory, Names, Stories};
use proxydhcpd_reading::identifiers::parse_any_mac;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::SystemTime;
use utoipa::{IntoParams, ToSchema};

/// The number of machines of a page, if the request states none.
const DEFAULT_LIMIT: usize = 100;
/// The largest number of machines of a page.
pub const MAX_LIMIT: usize = 1000;

/// A machine and its last boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MachineSummary {
    /// The identifier in URLs: the hardware address, or else what the machine has shown, such as its IP address.
    pub id: String,
    /// The machine.
    #[serde(flatten)]
    pub machine: MachineRecord,
    /// Whether the server remembers the machine, which has requested a boot since the server started. If not, the
    /// machine is in the history only.
    pub is_remembered: bool,
    /// The number of boots that the server remembers, or that the history has of a machine which is there only.
    pub boots: usize,
    /// The last boot, without its steps.
    pub last_boot: BootRecord,
}

/// A page of the list of machines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MachinePage {
    /// The machines that the server remembers, with the latest step first, and then those that only the history has,
    /// with the latest boot first.
    pub machines: Vec<MachineSummary>,
    /// The number of all machines that match.
    pub total: usize,
}

/// The machines to list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct MachineQuery {
    /// The number of machines to skip.
    #[serde(default)]
    pub offset: usize,
    /// The maximum number of machines, at most 1000.
    pub limit: Option<usize>,
    /// Only machines whose last boot has a verdict.
    #[serde(default)]
    pub failed: bool,
    /// Only the machine with this MAC address, entry or IP address.
    pub machine: Option<String>,
    /// Only machines in this network, such as `192.0.2.0/24`, by their IP address or, if that is unknown, their relay.
    pub subnet: Option<String>,
    /// Only machines that last requested a boot through the relay with this address.
    pub relay: Option<String>,
    /// Only machines whose last boot had this profile.
    pub profile: Option<String>,
    /// Only machines whose last boot has the verdict of this name, such as `kernel-missing`.
    pub verdict: Option<String>,
    /// Only machines with this text in their MAC address, name, IP address or vendor, in any case.
    pub search: Option<String>,
}

impl MachineQuery {
    /// The conditions on the machines.
    pub fn matches(&self) -> MachineMatch {
        let MachineQuery { subnet, relay, profile, verdict, search, failed, .. } = self.clone();
        MachineMatch { subnet, relay, profile, verdict, search, failed }
    }
}

/// The boots that a story contains.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct StoryQuery {
    /// The number of earlier boots to add from the history. A machine that has not booted since the server started has
    /// its last 16 boots in any case.
    #[serde(default)]
    pub earlier: usize,
}

/// The routes of these resources.
pub fn routes() -> Router<Api> {
    Router::new().route("/api/v1/machines", get(machines)).route("/api/v1/machines/{id}/story", get(story))
}

/// The machines that booted
#[utoipa::path(
    get,
    path = "/api/v1/machines",
    params(MachineQuery),
    responses((status = 200, body = MachinePage), (status = 400, body = ApiError))
)]
pub async fn machines(
    extract::State(api): extract::State<Api>,
    query: Result<Query<MachineQuery>, QueryRejection>,
) -> Result<Json<MachinePage>, Refusal> {
    list_machines(&api, &refusal::query(query)?).await.map(Json)
}

/// The machines that booted: those that the server remembers, and then those of the history.
///
/// # Errors
/// A value of the query is wrong.
pub async fn list_machines(api: &Api, query: &MachineQuery) -> Result<MachinePage, Refusal> {
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if limit > MAX_LIMIT {
        let problem = format!("a page has at most {MAX_LIMIT} machines, and the limit is {limit}");
        return Err(bad_request(problem, "request several pages: `offset` skips machines", "limit"));
    }
    let conditions = query.matches().conditions()?;
    let (mut page, remembered) = remembered_machines(api, query, &conditions, limit);
    let only = match &query.machine {
        Some(_) if page.total > 0 => return Ok(page),
        Some(machine) => match stored_boots(api, machine, None, 1).await.pop() {
            Some(boot) => Some(boot.machine),
            None => return Ok(page),
        },
        None => None,
    };
    let filter = MachineFilter {
        without: remembered,
        only,
        conditions,
        offset: query.offset.saturating_sub(page.total),
        limit: limit - page.machines.len(),
    };
    let (history, read) = (api.state.history.clone(), filter.clone());
    // A history that is off or unreadable has none; the log says why.
    let stored = refusal::in_thread(move || history.machines(&read).unwrap_or_default()).await?;
    page.total += stored.total;
    page.machines.extend(stored.machines.into_iter().map(MachineSummary::from_history));
    if page.total == 0 {
        refuse_unknown_profile(&filter.conditions, &api.state.site())?;
    }
    Ok(page)
}

/// The identifiers of the machines that meet these conditions, at most so many: those that the server remembers, and
/// then those of the history.
pub async fn identifiers(api: &Api, conditions: MachineConditions, limit: usize) -> Result<Vec<String>, Refusal> {
    let (mut found, without) = {
        let stories = api.state.stories.stories();
        let names = stories.names();
        let listed = stories.machines().filter(|(_, story)| meets(&conditions, story, names));
        let found: Vec<String> = listed.map(|(key, story)| name_to_edit(key, story, names)).take(limit).collect();
        (found, stories.machines().map(|(key, _)| key.to_string()).collect())
    };
    let history = api.state.history.clone();
    let rest = MachineFilter {
        without,
        conditions: conditions.clone(),
        limit: limit - found.len(),
        ..MachineFilter::default()
    };
    found.extend(refusal::in_thread(move || history.machine_identifiers(&rest).unwrap_or_default()).await?);
    if found.is_empty() {
        refuse_unknown_profile(&conditions, &api.state.site())?;
    }
    Ok(found)
}

/// The page of the machines that the server remembers, and the keys of all these machines.
fn remembered_machines(
    api: &Api,
    query: &MachineQuery,
    conditions: &MachineConditions,
    limit: usize,
) -> (MachinePage, BTreeSet<String>) {
    let clock = |at| api.state.events.wall_clock(at);
    let stories = api.state.stories.stories();
    let names = stories.names();
    let only = query.machine.as_deref().map(|machine| find(&stories, machine));
    let is_wanted = |key| only.is_none_or(|only| only == Some(key));
    let listed = stories.machines().filter(|(key, story)| is_wanted(*key) && meets(conditions, story, names));
    let (mut total, mut machines) = (0, Vec::new());
    for (key, story) in listed {
        if total >= query.offset && machines.len() < limit {
            machines.extend(MachineSummary::new(key, story, names, &clock));
        }
        total += 1;
    }
    (MachinePage { machines, total }, stories.machines().map(|(key, _)| key.to_string()).collect())
}

/// Whether a machine that the server remembers meets the conditions.
fn meets(conditions: &MachineConditions, story: &MachineStory, names: &Names) -> bool {
    // Nothing else makes texts of all machines while it holds the lock of the stories.
    if *conditions == MachineConditions::default() {
        return true;
    }
    let last = story.last_boot();
    let hardware = story.hardware.map(|hardware| hardware.to_string()).unwrap_or_default();
    conditions.admit(&MachineFacts {
        hardware: &hardware,
        entry: names.text(story.entry),
        vendor: story.hardware.and_then(|hardware| hardware.mac()).and_then(vendor).unwrap_or_default(),
        address: story.address,
        relay: story.relay.map(|relay| relay.shown_address()),
        profile: last.map(|boot| names.text(boot.profile)).unwrap_or_default(),
        verdict: last.and_then(|boot| boot.verdict.as_deref()).map(|verdict| verdict.code.id()),
    })
}

/// The name by which an edit finds a machine: its MAC address or, without one, its entry.
fn name_to_edit(key: MachineKey, story: &MachineStory, names: &Names) -> String {
    let entry = names.text(story.entry);
    match story.hardware.and_then(|hardware| hardware.mac()) {
        None if !entry.is_empty() => entry.to_owned(),
        _ => identifier(key, story),
    }
}

/// The identifier of a machine in URLs.
fn identifier(key: MachineKey, story: &MachineStory) -> String {
    story.hardware.map_or_else(|| key.to_string(), |hardware| hardware.to_string())
}

/// The story of a machine: its MAC address, the name of its entry, or its IP address
#[utoipa::path(
    get,
    path = "/api/v1/machines/{id}/story",
    params(("id" = String, Path, description = "A MAC address, the name of an entry, or an IP address"), StoryQuery),
    responses((status = 200, body = StoryRecord), (status = 400, body = ApiError), (status = 404, body = ApiError))
)]
pub async fn story(
    extract::State(api): extract::State<Api>,
    Path(id): Path<String>,
    query: Result<Query<StoryQuery>, QueryRejection>,
) -> Result<Json<StoryRecord>, Refusal> {
    let story = story_of_machine(&api, &id, &refusal::query(query)?).await;
    story.map(Json).map_err(|error| Refusal(StatusCode::NOT_FOUND, error))
}

/// The story of a machine: its MAC address, the name of its entry, or its IP address.
///
/// # Errors
/// No boot of the machine is known.
pub async fn story_of_machine(api: &Api, id: &str, query: &StoryQuery) -> Result<StoryRecord, ApiError> {
    let (key, remembered) = remembered_story(api, id).unzip();
    let wanted = if remembered.is_none() { query.earlier.max(MAX_BOOTS) } else { query.earlier };
    let stored = match wanted {
        0 => Vec::new(),
        _ => stored_boots(api, id, key, wanted.saturating_add(MAX_BOOTS)).await,
    };
    with_earlier_boots(remembered, stored, wanted).ok_or_else(|| {
        let problem = format!("no boot of {id} is known");
        let cure = "state a MAC address, an IP address or the name of an entry: `proxydhcpd machines` (GET \
                    /api/v1/machines) lists the machines that booted";
        ApiError::new(problem, cure, "machine")
    })
}

/// A machine that was seen.
///
/// # Errors
/// No boot of the machine is known.
pub async fn seen_machine(api: &Api, id: &str) -> Result<MachineRecord, ApiError> {
    story_of_machine(api, id, &StoryQuery::default()).await.map(|story| story.machine)
}

/// The story since the server started, with the key of the machine.
fn remembered_story(api: &Api, id: &str) -> Option<(MachineKey, StoryRecord)> {
    let clock = |at| api.state.events.wall_clock(at);
    let stories = api.state.stories.stories();
    let key = find(&stories, id)?;
    let story = stories.machine(key)?;
    Some((key, StoryRecord::new(story, stories.names(), &clock)))
}

/// The boots of the history, the latest first: of the machine with this key or, if the server does not remember it, of
/// the machine that was the last one with this identity. A history that is off or unreadable has none; the log says
/// why.
async fn stored_boots(api: &Api, id: &str, key: Option<MachineKey>, limit: usize) -> Vec<StoredBoot> {
    let machine = parse_any_mac(id).map_or_else(|| id.to_owned(), |mac| HardwareAddress::from_mac(mac).to_string());
    let history = api.state.history.clone();
    let read = move || {
        let boots = |filter: BootFilter| history.boots(&filter).unwrap_or_default();
        let last = || boots(BootFilter { machine: Some(machine), limit: Some(1), ..BootFilter::default() });
        match key.map(|key| key.to_string()).or_else(|| last().pop().map(|boot| boot.machine)) {
            Some(key) => boots(BootFilter { key: Some(key), limit: Some(limit), ..BootFilter::default() }),
            None => Vec::new(),
        }
    };
    tokio::task::spawn_blocking(read).await.unwrap_or_default()
}

/// Adds at most `wanted` stored boots that began before the remembered ones.
fn with_earlier_boots(remembered: Option<StoryRecord>, stored: Vec<StoredBoot>, wanted: usize) -> Option<StoryRecord> {
    let latest = stored.first().map(|boot| StoryRecord { machine: boot.machine_record(), boots: Vec::new() });
    let mut story = remembered.or(latest)?;
    let first = story.boots.first().map(|boot| boot.began.clone());
    let is_earlier = |boot: &StoredBoot| first.as_ref().is_none_or(|first| boot.record.began < *first);
    let mut earlier: Vec<_> = stored.into_iter().filter(is_earlier).take(wanted).map(|boot| boot.record).collect();
    earlier.reverse();
    earlier.append(&mut story.boots);
    Some(StoryRecord { boots: earlier, ..story })
}

/// The machine with this MAC address, with an entry of this name, with this IP address, or with this key.
pub fn find(stories: &Stories, id: &str) -> Option<MachineKey> {
    let mac = parse_any_mac(id);
    let address = id.parse::<IpAddr>().ok();
    let names = stories.names();
    let matches = |key: MachineKey, story: &MachineStory| {
        mac.is_some_and(|mac| story.hardware.and_then(|hardware| hardware.mac()) == Some(mac))
            || (!id.is_empty() && names.text(story.entry).eq_ignore_ascii_case(id))
            || address.is_some_and(|address| story.address == Some(address))
            || (story.hardware.is_none() && key.to_string() == id)
    };
    stories.machines().find(|(key, story)| matches(*key, story)).map(|(key, _)| key)
}

impl MachineSummary {
    fn new(
        key: MachineKey,
        story: &MachineStory,
        names: &Names,
        clock: &dyn Fn(u64) -> SystemTime,
    ) -> Option<MachineSummary> {
        let last_boot = BootRecord::new(story.last_boot()?, names, clock);
        Some(MachineSummary {
            id: identifier(key, story),
            machine: MachineRecord::new(story, names),
            is_remembered: true,
            boots: story.boots.len(),
            last_boot: BootRecord { steps: Vec::new(), ..last_boot },
        })
    }

    fn from_history(machine: StoredMachine) -> MachineSummary {
        let StoredMachine { boots, last_boot } = machine;
        let (machine, StoredBoot { machine: key, record, .. }) = (last_boot.machine_record(), last_boot);
        MachineSummary {
            id: machine.hardware.clone().unwrap_or(key),
            machine,
            is_remembered: false,
            boots: usize::try_from(boots).unwrap_or(usize::MAX),
            last_boot: BootRecord { steps: Vec::new(), ..record },
        }
    }
}

//! A machine: its boots, each with what happened, what it boots next, and where its settings come from.

use super::boot_packets::packets_of_boots;
use super::boot_view::BootView;
use super::lights::is_local_disk;
use super::notice::{NoticeView, shown_notice};
use super::profile_choice::{ProfileChoice, profile_choices, quick_choice};
use crate::api::{ApiError, EntryRecord, OrderRecord, StoryQuery, entry_of, story_of_machine};
use crate::edits::EntrySettings;
use crate::kept_packets::MAX_PACKETS;
use crate::state::EditTarget;
use crate::story::json::{BootRecord, MachineRecord, StoryRecord};
use crate::web::shared::Web;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use proxydhcpd_core::identity::{HardwareAddress, MachineKey};
use proxydhcpd_reading::identifiers::parse_any_mac;
use serde::{Deserialize, Serialize};

/// The values of the page.
#[derive(Debug, Serialize)]
struct MachineView {
    page: &'static str,
    notice: Option<NoticeView>,
    id: String,
    /// The name of its entry, or what identifies it.
    title: String,
    machine: MachineRecord,
    /// Its entry, with the place where a person wrote it.
    entry: Option<EntryRecord>,
    /// Its boot order.
    order: Option<OrderRecord>,
    /// The profiles that it can boot.
    profiles: Vec<ProfileChoice>,
    /// The profile that one click orders.
    quick: Option<ProfileChoice>,
    /// The boots, the latest first.
    boots: Vec<BootView>,
    /// The number of earlier boots that a link shows; `None` if there are no more.
    earlier: Option<usize>,
    /// The number of packets that the server keeps.
    max_packets: usize,
}

/// The parts of the page to show.
#[derive(Debug, Default, Deserialize)]
struct MachineQuery {
    #[serde(default)]
    earlier: usize,
    notice: Option<String>,
}

/// The route of the page.
pub fn routes() -> Router<Web> {
    Router::new().route("/machines/{id}", get(machine))
}

async fn machine(
    State(web): State<Web>,
    Path(id): Path<String>,
    query: Result<Query<MachineQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let MachineQuery { earlier, notice } = query.map(|Query(query)| query).unwrap_or_default();
    let target = EditTarget::find(&web.api.state, &id).ok();
    let entry = match &target {
        Some(target) => entry_of(&web.api, &target.name).await,
        None => None,
    };
    let story = match story_of_machine(&web.api, &id, &StoryQuery { earlier }).await {
        Ok(story) => story,
        Err(error) => match &entry {
            Some(entry) => story_of_entry(entry),
            None => return show_unknown(&web, &error),
        },
    };
    let has_more = has_earlier_boots(&web, &id, story.boots.len()).await;
    let StoryRecord { machine, boots } = story;
    let order = target.and_then(|target| web.api.state.edits.order(&target.name));
    let profiles = profile_choices(&web.api.state);
    let settings = entry.as_ref().map(|entry| &entry.settings);
    let known = [settings.and_then(|entry| entry.profile.as_deref()), profile_of_last(&boots)];
    let view = MachineView {
        page: "board",
        notice: shown_notice(&web, notice.as_deref()),
        title: entry.as_ref().map_or_else(|| id.clone(), |entry| entry.name.clone()),
        quick: quick_choice(&profiles, &known).cloned(),
        boots: boot_views(&web, &machine, boots),
        earlier: has_more.then_some(earlier + 16),
        max_packets: MAX_PACKETS,
        order: order.as_ref().map(OrderRecord::from),
        id,
        machine,
        entry,
        profiles,
    };
    web.pages().show(StatusCode::OK, "machine.html", view)
}

/// Whether the machine has more boots than these.
async fn has_earlier_boots(web: &Web, id: &str, shown: usize) -> bool {
    let story = story_of_machine(&web.api, id, &StoryQuery { earlier: shown + 1 }).await;
    story.is_ok_and(|story| story.boots.len() > shown)
}

/// The boots with their packets, the latest first.
fn boot_views(web: &Web, machine: &MachineRecord, boots: Vec<BootRecord>) -> Vec<BootView> {
    let (state, now) = (&web.api.state, web.api.state.events.clock_now());
    let key = machine.hardware.as_deref().and_then(parse_any_mac).map(HardwareAddress::from_mac);
    let packets = key.map(|key| packets_of_boots(state, MachineKey::from_hardware(&key), &boots));
    let mut packets = packets.unwrap_or_default();
    packets.resize_with(boots.len(), Vec::new);
    let site = state.site();
    let views = boots.into_iter().zip(packets).map(|(boot, packets)| {
        let is_disk = is_local_disk(&site.plan, boot.profile.as_deref());
        BootView::new(boot, packets, is_disk, now)
    });
    views.rev().collect()
}

fn profile_of_last(boots: &[BootRecord]) -> Option<&str> {
    boots.last().and_then(|boot| boot.profile.as_deref())
}

/// The story of a machine that has an entry, and has not booted.
fn story_of_entry(entry: &EntryRecord) -> StoryRecord {
    let EntryRecord { name, settings: EntrySettings { mac, .. }, .. } = entry;
    let machine =
        MachineRecord { hardware: mac.first().cloned(), entry: Some(name.clone()), ..MachineRecord::default() };
    StoryRecord { machine, boots: Vec::new() }
}

fn show_unknown(web: &Web, error: &ApiError) -> Response {
    web.pages().show_error(StatusCode::NOT_FOUND, error)
}

//! The actions of a person on one machine. Each action leads back with a notice that undoes it.

use super::notice::{lead_back, show_refusal};
use crate::api::{
    Caller, OrderRecord, OrderRequest, Refusal, SeenEntryRequest, SentWake, WakeRecord, cancel_boot, entry_of,
    entry_of_seen_machine, keep_entry, order_boot, remove_entry, wake_machine,
};
use crate::edits::EntrySettings;
use crate::state::EditTarget;
use crate::web::notices::{Notice, Undo};
use crate::web::shared::Web;
use axum::Router;
use axum::extract::{Form, Path, State};
use axum::response::Response;
use axum::routing::post;
use serde::Deserialize;

/// The form to choose what the machine boots.
#[derive(Debug, Deserialize)]
struct BootForm {
    profile: String,
    /// Present if the box is ticked.
    once: Option<String>,
    #[serde(default)]
    back: String,
}

/// The form without other fields.
#[derive(Debug, Deserialize)]
struct ActionForm {
    #[serde(default)]
    back: String,
}

/// The form with the settings of an entry.
#[derive(Debug, Deserialize)]
struct EntryForm {
    #[serde(default)]
    name: String,
    #[serde(default)]
    mac: String,
    #[serde(default)]
    profile: String,
    #[serde(default)]
    boot: String,
    #[serde(default)]
    back: String,
}

/// The routes of the actions.
pub fn routes() -> Router<Web> {
    Router::new()
        .route("/machines/{id}/boot", post(boot))
        .route("/machines/{id}/cancel", post(cancel))
        .route("/machines/{id}/wake", post(wake))
        .route("/machines/{id}/entry", post(set_entry))
        .route("/machines/{id}/entry/remove", post(drop_entry))
}

async fn boot(State(web): State<Web>, caller: Caller, Path(id): Path<String>, Form(form): Form<BootForm>) -> Response {
    let request = OrderRequest { profile: form.profile, once: form.once.is_some() };
    let before = current_order(&web, &id);
    match order_boot(&web.api, &caller, &id, request).await {
        Ok(OrderRecord { profile, once, .. }) => {
            let text = if once {
                format!("`{id}` boots `{profile}` once, and then its disk.")
            } else {
                format!("`{id}` boots `{profile}` until you cancel that.")
            };
            let undo = before.map_or_else(|| Undo::CancelOrder(id.clone()), |order| Undo::Order(id.clone(), order));
            lead_back(&web, &back(&form.back, &id), Notice { text, undo: vec![undo] })
        }
        Err(refusal) => show_refusal(&web, refusal),
    }
}

async fn cancel(
    State(web): State<Web>,
    caller: Caller,
    Path(id): Path<String>,
    Form(form): Form<ActionForm>,
) -> Response {
    let before = current_order(&web, &id);
    match cancel_boot(&web.api, &caller, &id).await {
        Ok(()) => {
            let text =
                format!("The order of `{id}` is cancelled: it boots what its entry, the rules or the default say.");
            let undo = before.map(|order| Undo::Order(id.clone(), order)).into_iter().collect();
            lead_back(&web, &back(&form.back, &id), Notice { text, undo })
        }
        Err(refusal) => show_refusal(&web, refusal),
    }
}

async fn wake(
    State(web): State<Web>,
    caller: Caller,
    Path(id): Path<String>,
    Form(form): Form<ActionForm>,
) -> Response {
    match wake_machine(&web.api, &caller, &id).await {
        Ok(record) => lead_back(&web, &back(&form.back, &id), Notice { text: woken(&record), undo: Vec::new() }),
        Err(refusal) => show_refusal(&web, refusal),
    }
}

/// The places to which packets went, in sentences.
fn woken(WakeRecord { machine, sent, .. }: &WakeRecord) -> String {
    let place = |sent: &SentWake| match (&sent.interface, &sent.relay) {
        (_, Some(relay)) => format!("`{}` behind the relay `{relay}`", sent.destination),
        (Some(interface), None) => format!("`{}` on `{interface}`", sent.destination),
        (None, None) => format!("`{}`", sent.destination),
    };
    let places: Vec<String> = sent.iter().map(place).collect();
    let notes = sent.iter().filter_map(|sent| sent.note.as_ref()).map(|note| format!(" {note}."));
    format!("A packet to wake `{machine}` went to {}.{}", places.join(" and to "), notes.collect::<String>())
}

/// Makes an entry from a machine that was seen, or gives the one that the server keeps other settings.
async fn set_entry(
    State(web): State<Web>,
    caller: Caller,
    Path(id): Path<String>,
    Form(form): Form<EntryForm>,
) -> Response {
    match kept_entry(&web, &caller, &id, &form).await {
        Ok(notice) => lead_back(&web, &back(&form.back, &id), notice),
        Err(refusal) => show_refusal(&web, refusal),
    }
}

async fn kept_entry(web: &Web, caller: &Caller, id: &str, form: &EntryForm) -> Result<Notice, Refusal> {
    let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let (profile, boot) = (some(&form.profile), some(&form.boot));
    let name = form.name.trim().to_owned();
    let Some(before) = entry_of(&web.api, &name).await else {
        let request = SeenEntryRequest { name: some(&name), profile, boot, ..SeenEntryRequest::default() };
        let name = entry_of_seen_machine(&web.api, caller, id, request).await?.name;
        let text = format!("The server keeps an entry `{name}` for this machine now.");
        return Ok(Notice { text, undo: vec![Undo::RemoveEntry(name)] });
    };
    let mac = form.mac.split([',', ' ', '\n', '\r']).filter_map(some).collect();
    let settings = EntrySettings { mac, profile, boot, ..before.settings.clone() };
    keep_entry(&web.api, caller, &name, settings).await?;
    let text = format!("The entry `{name}` is changed.");
    Ok(Notice { text, undo: vec![Undo::SetEntry(name, before.settings)] })
}

async fn drop_entry(
    State(web): State<Web>,
    caller: Caller,
    Path(id): Path<String>,
    Form(form): Form<ActionForm>,
) -> Response {
    match removed_entry(&web, &caller, &id).await {
        Ok((name, undo)) => {
            let text = format!("The entry `{name}` is removed.");
            lead_back(&web, &back(&form.back, &id), Notice { text, undo: undo.into_iter().collect() })
        }
        Err(refusal) => show_refusal(&web, refusal),
    }
}

/// Removes the entry of a machine, and returns its name and what undoes that.
async fn removed_entry(web: &Web, caller: &Caller, id: &str) -> Result<(String, Option<Undo>), Refusal> {
    let name = EditTarget::find(&web.api.state, id).map_or_else(|_| id.to_owned(), |target| target.name);
    let before = entry_of(&web.api, &name).await;
    remove_entry(&web.api, caller, &name).await?;
    let undo = before.map(|entry| Undo::SetEntry(name.clone(), entry.settings));
    Ok((name, undo))
}

/// The order of this machine that is not completed.
fn current_order(web: &Web, id: &str) -> Option<OrderRequest> {
    let name = EditTarget::find(&web.api.state, id).ok()?.name;
    let order = OrderRecord::from(&web.api.state.edits.order(&name)?);
    (!order.completed).then_some(OrderRequest { profile: order.profile, once: order.once })
}

/// The page to which the form leads back: the one that it names, or that of the machine.
fn back(form: &str, id: &str) -> String {
    if form.is_empty() { format!("/machines/{id}") } else { form.to_owned() }
}

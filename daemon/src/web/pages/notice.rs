//! The notice about an action: a redirect shows it on the next page, where a button undoes the action.

use crate::api::{
    Caller, CancelRequest, OrderRequest, OrdersRequest, Refusal, cancel_boots, keep_entry, order_boots, remove_entry,
};
use crate::web::local_path::local_path;
use crate::web::notices::{Notice, Undo};
use crate::web::page_path::without_notice;
use crate::web::shared::Web;
use axum::Router;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A notice on a page.
#[derive(Debug, Serialize)]
pub struct NoticeView {
    text: String,
    /// The secret with which the action is undone; `None` if nothing undoes it.
    undo: Option<String>,
}

/// The page to which a form leads back.
#[derive(Debug, Default, Deserialize)]
pub struct BackForm {
    #[serde(default)]
    back: String,
}

/// The route that undoes an action.
pub fn routes() -> Router<Web> {
    Router::new().route("/undo/{secret}", post(undo))
}

/// The notice with this secret.
pub fn shown_notice(web: &Web, secret: Option<&str>) -> Option<NoticeView> {
    let secret = secret?;
    let Notice { text, undo } = web.notices().find(secret)?;
    Some(NoticeView { text, undo: (!undo.is_empty()).then(|| secret.to_owned()) })
}

/// Leads to a page, which shows this notice.
pub fn lead_back(web: &Web, back: &str, notice: Notice) -> Response {
    let (path, fragment) = local_path(back).split_once('#').unwrap_or((local_path(back), ""));
    let path = without_notice(path);
    let page = match web.notices().add(notice) {
        Ok(secret) => format!("{path}{}notice={secret}", if path.contains('?') { '&' } else { '?' }),
        Err(_) => path,
    };
    let fragment = if fragment.is_empty() { String::new() } else { format!("#{fragment}") };
    Redirect::to(&format!("{page}{fragment}")).into_response()
}

/// Shows why an action was refused.
pub fn show_refusal(web: &Web, Refusal(status, error): Refusal) -> Response {
    web.pages().show_error(status, &error)
}

async fn undo(
    State(web): State<Web>,
    caller: Caller,
    Path(secret): Path<String>,
    Form(form): Form<BackForm>,
) -> Response {
    let Some(notice) = web.notices().take(&secret) else {
        let text = "This can no longer be undone here: it was undone already, or the server has restarted.".to_owned();
        return lead_back(&web, &form.back, Notice { text, undo: Vec::new() });
    };
    let count = notice.undo.len();
    if let Err(refusal) = undone(&web, &caller, notice.undo).await {
        return show_refusal(&web, refusal);
    }
    let text = if count == 1 { "Undone.".to_owned() } else { format!("Undone for {count} machines.") };
    lead_back(&web, &form.back, Notice { text, undo: Vec::new() })
}

/// Undoes an action. The orders of many machines change together.
async fn undone(web: &Web, caller: &Caller, undo: Vec<Undo>) -> Result<(), Refusal> {
    let mut cancelled = Vec::new();
    let mut ordered: BTreeMap<(String, bool), Vec<String>> = BTreeMap::new();
    for undo in undo {
        match undo {
            Undo::CancelOrder(machine) => cancelled.push(machine),
            Undo::Order(machine, OrderRequest { profile, once }) => {
                ordered.entry((profile, once)).or_default().push(machine);
            }
            Undo::SetEntry(name, settings) => keep_entry(&web.api, caller, &name, settings).await?,
            Undo::RemoveEntry(name) => remove_entry(&web.api, caller, &name).await?,
        }
    }
    if !cancelled.is_empty() {
        let request = CancelRequest { machines: cancelled, ..CancelRequest::default() };
        cancel_boots(&web.api, caller, request).await?;
    }
    for ((profile, once), machines) in ordered {
        let request = OrdersRequest { machines, profile, once, ..OrdersRequest::default() };
        order_boots(&web.api, caller, request).await?;
    }
    Ok(())
}

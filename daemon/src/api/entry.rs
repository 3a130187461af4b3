//! `/api/v1/machines/{name}/entry`: the entry of a machine. The server changes only entries that it keeps itself.

use super::access::{Caller, Refusal};
use super::error::ApiError;
use super::refusal::refused;
use super::shared::Api;
use crate::access::Scope;
use crate::edits::EntrySettings;
use crate::state::{self, EditRefusal};
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use proxydhcpd_core::plan::inventory::Machine;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

/// The keeper of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EntrySource {
    /// The server.
    Server,
    /// A person, in a file.
    File,
}

/// The entry of a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EntryRecord {
    /// Its name.
    pub name: String,
    /// Its keeper.
    pub source: EntrySource,
    /// The file and the line, if a person keeps it.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The ETag of this resource, for `If-Match`.
    pub etag: String,
    /// Its settings.
    #[serde(flatten)]
    pub settings: EntrySettings,
}

/// The routes of this resource.
pub fn routes() -> Router<Api> {
    Router::new().route("/api/v1/machines/{id}/entry", get(entry).put(put_entry).delete(delete_entry))
}

impl EntryRecord {
    /// The entry of this name, without a boot order. Reads the file of a person's entry, to find its line.
    pub fn find(state: &state::State, name: &str) -> Option<EntryRecord> {
        let site = state.current_site();
        let record = |machine: &Machine<'_>, source, place| {
            let settings = EntrySettings::new(machine);
            Some(EntryRecord { name: name.to_owned(), source, place, etag: etag(&settings), settings })
        };
        match site.files.written.get_by_name(name) {
            Some(machine) => record(&machine, EntrySource::File, site.location_of(name)),
            None => record(&state.edits.entry(name)?.machine(), EntrySource::Server, None),
        }
    }
}

/// A value that changes with the settings.
fn etag(settings: &EntrySettings) -> String {
    let text = serde_json::to_vec(settings).unwrap_or_default();
    let hash = Sha256::digest(text);
    format!("\"{}\"", hash.iter().take(8).map(|octet| format!("{octet:02x}")).collect::<String>())
}

/// The entry of a machine
#[utoipa::path(
    get,
    path = "/api/v1/machines/{id}/entry",
    params(("id" = String, Path, description = "The name of the entry")),
    responses((status = 200, body = EntryRecord), (status = 404, body = ApiError))
)]
pub async fn entry(State(api): State<Api>, Path(name): Path<String>) -> Result<Response, Refusal> {
    let record = entry_of(&api, &name).await.ok_or_else(|| missing(&name))?;
    Ok(([(ETAG, record.etag.clone())], Json(record)).into_response())
}

/// Add an entry that the server keeps, or replace it
///
/// With `If-None-Match: *`, only add one. With `If-Match`, only replace the one with this ETag.
#[utoipa::path(
    put,
    path = "/api/v1/machines/{id}/entry",
    params(("id" = String, Path, description = "The name of the entry")),
    request_body = EntrySettings,
    responses(
        (status = 200, body = EntryRecord),
        (status = 403, body = ApiError),
        (status = 409, body = ApiError),
        (status = 412, body = ApiError),
        (status = 422, body = ApiError),
    )
)]
pub async fn put_entry(
    State(api): State<Api>,
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Result<Json<EntrySettings>, JsonRejection>,
) -> Result<Response, Refusal> {
    caller.require(Scope::Write)?;
    let Json(settings) = body.map_err(|error| {
        let cure = "send JSON such as {\"mac\": [\"52:54:00:12:34:56\"], \"profile\": \"debian\"}";
        Refusal(StatusCode::UNPROCESSABLE_ENTITY, ApiError::new(error.body_text(), cure, "body"))
    })?;
    require_current(&headers, entry_of(&api, &name).await.as_ref())?;
    keep_entry(&api, &caller, &name, settings).await?;
    entry(State(api), Path(name)).await
}

/// Remove an entry that the server keeps
#[utoipa::path(
    delete,
    path = "/api/v1/machines/{id}/entry",
    params(("id" = String, Path, description = "The name of the entry")),
    responses(
        (status = 204),
        (status = 403, body = ApiError),
        (status = 404, body = ApiError),
        (status = 409, body = ApiError),
        (status = 412, body = ApiError),
    )
)]
pub async fn delete_entry(
    State(api): State<Api>,
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    caller.require(Scope::Write)?;
    require_current(&headers, entry_of(&api, &name).await.as_ref())?;
    remove_entry(&api, &caller, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Keeps an entry with these settings, and replaces one of this name.
///
/// # Errors
/// The request is refused.
pub async fn keep_entry(api: &Api, caller: &Caller, name: &str, settings: EntrySettings) -> Result<(), Refusal> {
    caller.require(Scope::Write)?;
    let state = api.state.clone();
    edit(name, move |name| state.set_entry(name, &settings)).await
}

/// Removes an entry that the server keeps.
///
/// # Errors
/// The request is refused.
pub async fn remove_entry(api: &Api, caller: &Caller, name: &str) -> Result<(), Refusal> {
    caller.require(Scope::Write)?;
    let state = api.state.clone();
    edit(name, move |name| state.remove_entry(name)).await
}

/// Runs an edit of this entry in a thread that may wait for the disk.
async fn edit(name: &str, edit: impl FnOnce(&str) -> Result<(), EditRefusal> + Send + 'static) -> Result<(), Refusal> {
    let owned = name.to_owned();
    match tokio::task::spawn_blocking(move || edit(&owned)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(EditRefusal::Missing)) => Err(missing(name)),
        Ok(Err(refusal)) => Err(refused(name, refusal)),
        // The thread panicked, which the panic hook has logged.
        Err(_) => {
            let error = ApiError::new("the server failed", "its log has the reason", "server");
            Err(Refusal(StatusCode::INTERNAL_SERVER_ERROR, error))
        }
    }
}

/// The entry of this name, without a boot order.
pub async fn entry_of(api: &Api, name: &str) -> Option<EntryRecord> {
    let (state, name) = (api.state.clone(), name.to_owned());
    tokio::task::spawn_blocking(move || EntryRecord::find(&state, &name)).await.ok().flatten()
}

/// Refuses a request if the entry is not in the state that the request assumes.
fn require_current(headers: &HeaderMap, current: Option<&EntryRecord>) -> Result<(), Refusal> {
    let text = |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    let cure = "read the entry again, and decide anew";
    if text(IF_NONE_MATCH) == Some("*") && current.is_some() {
        let error = ApiError::new("there is an entry of this name already", cure, "If-None-Match");
        return Err(Refusal(StatusCode::PRECONDITION_FAILED, error));
    }
    let Some(expected) = text(IF_MATCH) else { return Ok(()) };
    let tag = current.map_or("", |record| &record.etag);
    let matches = expected == "*" && current.is_some() || expected.split(',').any(|one| one.trim() == tag);
    let error = || ApiError::new("the entry has changed since it was read", cure, "If-Match");
    if matches { Ok(()) } else { Err(Refusal(StatusCode::PRECONDITION_FAILED, error())) }
}

fn missing(name: &str) -> Refusal {
    let cure = "`proxydhcpd machine add` adds an entry (PUT)";
    Refusal(StatusCode::NOT_FOUND, ApiError::new(format!("there is no entry `{name}`"), cure, "name"))
}

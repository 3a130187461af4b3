//! `/api/v1/wakes`: wakes many machines at once.

use super::access::{Caller, Refusal};
use super::boots::MAX_LIST;
use super::error::ApiError;
use super::machine_match::MachineMatch;
use super::refusal;
use super::selection::{MachineResult, MachineResults, selected};
use super::shared::Api;
use super::wake::wake_machine;
use super::wake_target::WakeTarget;
use crate::access::Scope;
use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A request to wake many machines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WakesRequest {
    /// The machines: MAC addresses, names of entries, or IP addresses; at most 10,000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub machines: Vec<String>,
    /// Instead of `machines`: all machines that meet these conditions, at most 10,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all_that_match: Option<MachineMatch>,
    /// Whether to wake none, and only return which machines are known.
    #[serde(default)]
    pub dry_run: bool,
}

/// The routes of this resource.
pub fn routes() -> Router<Api> {
    Router::new().route("/api/v1/wakes", post(woken_many)).layer(DefaultBodyLimit::max(MAX_LIST))
}

/// Wakes many machines, one after another.
///
/// # Errors
/// The request is refused for all machines.
pub async fn wake_machines(api: &Api, caller: &Caller, request: WakesRequest) -> Result<MachineResults, Refusal> {
    caller.require(Scope::Boot)?;
    let WakesRequest { machines, all_that_match, dry_run } = request;
    let mut results = Vec::new();
    for machine in selected(api, machines, all_that_match).await? {
        let woken = if dry_run {
            WakeTarget::find(api, &machine).await.map(|target| target.name)
        } else {
            wake_machine(api, caller, &machine).await.map(|record| record.machine).map_err(|Refusal(_, error)| error)
        };
        let (name, error) = woken.map_or_else(|error| (None, Some(error)), |name| (Some(name), None));
        results.push(MachineResult { machine, name, error });
        // The thread serves HTTP, too.
        tokio::task::yield_now().await;
    }
    Ok(MachineResults::new(results, dry_run))
}

/// Wake many machines
///
/// The machines are a list, or all that meet conditions. A machine for which no packet leaves has an error in its
/// result.
#[utoipa::path(
    post,
    path = "/api/v1/wakes",
    request_body = WakesRequest,
    responses(
        (status = 200, body = MachineResults),
        (status = 400, body = ApiError),
        (status = 403, body = ApiError),
        (status = 422, body = ApiError),
    )
)]
pub async fn woken_many(
    State(api): State<Api>,
    caller: Caller,
    body: Result<Json<WakesRequest>, JsonRejection>,
) -> Result<Json<MachineResults>, Refusal> {
    let example = "{\"machines\": [\"web1\", \"52:54:00:12:34:56\"]}";
    wake_machines(&api, &caller, refusal::body(body, example)?).await.map(Json)
}

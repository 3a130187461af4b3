//! `/api/v1/boots`: boot orders for many machines at once.

use super::access::{Caller, Refusal};
use super::error::ApiError;
use super::machine_match::MachineMatch;
use super::refusal::{self, refused};
use super::selection::{MachineResult, MachineResults, selected};
use super::shared::Api;
use crate::access::Scope;
use crate::state::{EditRefusal, EditTarget, State as ServerState};
use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::post;
use axum::{Json, Router};
use proxydhcpd_core::plan::inventory::BootMode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// The maximum size of a body with a list of machines, in octets.
pub const MAX_LIST: usize = 1 << 20;

/// A request to let many machines boot a profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrdersRequest {
    /// The machines: MAC addresses, names of entries, or IP addresses; at most 10,000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub machines: Vec<String>,
    /// Instead of `machines`: all machines that meet these conditions, at most 10,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all_that_match: Option<MachineMatch>,
    /// The name of the profile.
    pub profile: String,
    /// Whether each machine boots it only until its boot-once is completed, and then its disk.
    #[serde(default)]
    pub once: bool,
    /// Whether to order nothing, and only return what would happen.
    #[serde(default)]
    pub dry_run: bool,
}

/// A request to cancel the boot orders of many machines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelRequest {
    /// The machines: MAC addresses, names of entries, or IP addresses; at most 10,000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub machines: Vec<String>,
    /// Instead of `machines`: all machines that meet these conditions, at most 10,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all_that_match: Option<MachineMatch>,
    /// Whether to cancel nothing, and only return what would happen.
    #[serde(default)]
    pub dry_run: bool,
}

/// The routes of these resources.
pub fn routes() -> Router<Api> {
    let routes =
        Router::new().route("/api/v1/boots", post(ordered_many)).route("/api/v1/boots/cancel", post(cancelled_many));
    routes.layer(DefaultBodyLimit::max(MAX_LIST))
}

/// Lets many machines boot a profile. The site changes once for all.
///
/// # Errors
/// The request is refused for all machines.
pub async fn order_boots(api: &Api, caller: &Caller, request: OrdersRequest) -> Result<MachineResults, Refusal> {
    caller.require(Scope::Boot)?;
    let OrdersRequest { machines, all_that_match, profile, once, dry_run } = request;
    let ids = selected(api, machines, all_that_match).await?;
    let boot = if once { BootMode::Once } else { BootMode::Always };
    let order = move |state: &ServerState, targets: Vec<EditTarget>| {
        if dry_run {
            state.check_order(&profile, boot)?;
            return Ok(targets.iter().map(|target| state.check_ordered(&target.name)).collect());
        }
        state.order_boots(targets, &profile, boot)
    };
    edit_many(api, ids, dry_run, order).await
}

/// Cancels the boot orders of many machines. The site changes once for all.
///
/// # Errors
/// The request is refused for all machines.
pub async fn cancel_boots(api: &Api, caller: &Caller, request: CancelRequest) -> Result<MachineResults, Refusal> {
    caller.require(Scope::Boot)?;
    let CancelRequest { machines, all_that_match, dry_run } = request;
    let ids = selected(api, machines, all_that_match).await?;
    let cancel = move |state: &ServerState, targets: Vec<EditTarget>| {
        let names: Vec<String> = targets.into_iter().map(|target| target.name).collect();
        let check = |name: &String| state.edits.order(name).map(drop).ok_or(EditRefusal::Missing);
        Ok(if dry_run { names.iter().map(check).collect() } else { state.cancel_orders(&names) })
    };
    edit_many(api, ids, dry_run, cancel).await
}

/// The results of an edit, or why no machine may have it.
type Edited = Result<Vec<Result<(), EditRefusal>>, EditRefusal>;

/// Edits the machines with these identifiers in a thread that may wait for the disk.
async fn edit_many(
    api: &Api,
    ids: Vec<String>,
    dry_run: bool,
    edit: impl FnOnce(&ServerState, Vec<EditTarget>) -> Edited + Send + 'static,
) -> Result<MachineResults, Refusal> {
    let state = Arc::clone(&api.state);
    let run = move || {
        let found = EditTarget::find_many(&state, &ids);
        let targets: Vec<EditTarget> = found.iter().flatten().cloned().collect();
        let mut edited = edit(&state, targets).map_err(|refusal| refused("machine", refusal))?.into_iter();
        let result = |(machine, found): (String, Result<EditTarget, ApiError>)| match found {
            Err(error) => MachineResult { machine, name: None, error: Some(error) },
            Ok(EditTarget { name, .. }) => {
                let error = edited.next().and_then(Result::err).map(|refusal| refused(&name, refusal).1);
                MachineResult { machine, name: Some(name), error }
            }
        };
        Ok(MachineResults::new(ids.into_iter().zip(found).map(result).collect(), dry_run))
    };
    refusal::in_thread(run).await?
}

/// Let many machines boot a profile, once or until that is cancelled
///
/// The machines are a list, or all that meet conditions. A machine that cannot have an order has an error in its
/// result, and the others have their orders.
#[utoipa::path(
    post,
    path = "/api/v1/boots",
    request_body = OrdersRequest,
    responses(
        (status = 200, body = MachineResults),
        (status = 400, body = ApiError),
        (status = 403, body = ApiError),
        (status = 409, body = ApiError),
        (status = 422, body = ApiError),
    )
)]
pub async fn ordered_many(
    State(api): State<Api>,
    caller: Caller,
    body: Result<Json<OrdersRequest>, JsonRejection>,
) -> Result<Json<MachineResults>, Refusal> {
    let example = "{\"machines\": [\"web1\", \"52:54:00:12:34:56\"], \"profile\": \"debian\", \"once\": true}";
    order_boots(&api, &caller, refusal::body(body, example)?).await.map(Json)
}

/// Cancel the boot orders of many machines, which then boot what their entries say
#[utoipa::path(
    post,
    path = "/api/v1/boots/cancel",
    request_body = CancelRequest,
    responses(
        (status = 200, body = MachineResults),
        (status = 400, body = ApiError),
        (status = 403, body = ApiError),
        (status = 422, body = ApiError),
    )
)]
pub async fn cancelled_many(
    State(api): State<Api>,
    caller: Caller,
    body: Result<Json<CancelRequest>, JsonRejection>,
) -> Result<Json<MachineResults>, Refusal> {
    let example = "{\"all_that_match\": {\"subnet\": \"192.0.2.0/24\"}}";
    cancel_boots(&api, &caller, refusal::body(body, example)?).await.map(Json)
}

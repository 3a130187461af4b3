//! `/api/v1/machines/{id}/boot`: the profile that a machine is to boot instead of what its entry says.

use super::access::{Caller, Refusal};
use super::error::ApiError;
use super::refusal::refused;
use super::shared::Api;
use crate::access::Scope;
use crate::edits::BootOrder;
use crate::state::{EditRefusal, EditTarget};
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use proxydhcpd_core::plan::inventory::BootMode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A request to let a machine boot a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderRequest {
    /// The name of the profile.
    pub profile: String,
    /// Whether the machine boots it only until its boot-once is completed, and then its disk.
    #[serde(default)]
    pub once: bool,
}

/// A boot order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderRecord {
    /// The name of the profile.
    pub profile: String,
    /// Whether the machine boots it only until its boot-once is completed.
    pub once: bool,
    /// Whether the machine has completed it. Some minutes later, the machine boots again what its entry says.
    pub completed: bool,
}

/// The routes of this resource.
pub fn routes() -> Router<Api> {
    Router::new().route("/api/v1/machines/{id}/boot", get(shown_order).post(ordered).delete(cancelled))
}

/// Lets the machine boot this profile.
///
/// # Errors
/// The request is refused.
pub async fn order_boot(api: &Api, caller: &Caller, id: &str, request: OrderRequest) -> Result<OrderRecord, Refusal> {
    caller.require(Scope::Boot)?;
    let target = target(api, id)?;
    let state = api.state.clone();
    let boot = if request.once { BootMode::Once } else { BootMode::Always };
    let (name, profile) = (target.name.clone(), request.profile.clone());
    let ordered = move || state.order_boot(target, &profile, boot);
    run(&name, ordered).await?;
    Ok(OrderRecord { profile: request.profile, once: request.once, completed: false })
}

/// Cancels the boot order of a machine.
///
/// # Errors
/// The request is refused.
pub async fn cancel_boot(api: &Api, caller: &Caller, id: &str) -> Result<(), Refusal> {
    caller.require(Scope::Boot)?;
    let EditTarget { name, .. } = target(api, id)?;
    let (state, ordered) = (api.state.clone(), name.clone());
    run(&name, move || state.cancel_order(&ordered)).await
}

/// The boot order of a machine
#[utoipa::path(
    get,
    path = "/api/v1/machines/{id}/boot",
    params(("id" = String, Path, description = "A MAC address, the name of an entry, or an IP address")),
    responses((status = 200, body = OrderRecord), (status = 404, body = ApiError))
)]
pub async fn shown_order(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<OrderRecord>, Refusal> {
    let EditTarget { name, .. } = target(&api, &id)?;
    let order = api.state.edits.order(&name).ok_or_else(|| refused(&name, EditRefusal::Missing))?;
    Ok(Json(OrderRecord::from(&order)))
}

/// Let a machine boot a profile, once or until that is cancelled
#[utoipa::path(
    post,
    path = "/api/v1/machines/{id}/boot",
    params(("id" = String, Path, description = "A MAC address, the name of an entry, or an IP address")),
    request_body = OrderRequest,
    responses(
        (status = 200, body = OrderRecord),
        (status = 403, body = ApiError),
        (status = 404, body = ApiError),
        (status = 409, body = ApiError),
        (status = 422, body = ApiError),
    )
)]
pub async fn ordered(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    body: Result<Json<OrderRequest>, JsonRejection>,
) -> Result<Json<OrderRecord>, Refusal> {
    let Json(request) = body.map_err(|error| {
        let cure = "send JSON such as {\"profile\": \"debian\", \"once\": true}";
        Refusal(StatusCode::UNPROCESSABLE_ENTITY, ApiError::new(error.body_text(), cure, "body"))
    })?;
    order_boot(&api, &caller, &id, request).await.map(Json)
}

/// Cancel the boot order of a machine, which then boots what its entry says
#[utoipa::path(
    delete,
    path = "/api/v1/machines/{id}/boot",
    params(("id" = String, Path, description = "A MAC address, the name of an entry, or an IP address")),
    responses((status = 204), (status = 403, body = ApiError), (status = 404, body = ApiError))
)]
pub async fn cancelled(State(api): State<Api>, caller: Caller, Path(id): Path<String>) -> Result<StatusCode, Refusal> {
    cancel_boot(&api, &caller, &id).await.map(|()| StatusCode::NO_CONTENT)
}

fn target(api: &Api, id: &str) -> Result<EditTarget, Refusal> {
    EditTarget::find(&api.state, id).map_err(|error| Refusal(StatusCode::NOT_FOUND, error))
}

/// Runs an edit of this machine in a thread that may wait for the disk.
async fn run(name: &str, edit: impl FnOnce() -> Result<(), EditRefusal> + Send + 'static) -> Result<(), Refusal> {
    match tokio::task::spawn_blocking(edit).await {
        Ok(edited) => edited.map_err(|refusal| refused(name, refusal)),
        // The thread panicked, which the panic hook has logged.
        Err(_) => {
            let error = ApiError::new("the server failed", "its log has the reason", "server");
            Err(Refusal(StatusCode::INTERNAL_SERVER_ERROR, error))
        }
    }
}

impl From<&BootOrder> for OrderRecord {
    fn from(order: &BootOrder) -> Self {
        let BootOrder { profile, boot, completed, .. } = order;
        OrderRecord { profile: profile.clone(), once: *boot == BootMode::Once, completed: completed.is_some() }
    }
}

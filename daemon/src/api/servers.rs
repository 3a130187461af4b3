//! `/api/v1/servers`: the other DHCP and boot servers whose offers were heard.

use super::shared::Api;
use super::status::{HeardServerStatus, heard_servers};
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The other servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServersRecord {
    /// The servers, at most 256.
    pub servers: Vec<HeardServerStatus>,
    /// Whether machines may boot from one of them instead of this server.
    pub interfering: bool,
}

/// The routes of this resource.
pub fn routes() -> Router<Api> {
    Router::new().route("/api/v1/servers", get(servers))
}

/// The other DHCP and boot servers whose offers were heard, and what each does to this one
#[utoipa::path(get, path = "/api/v1/servers", responses((status = 200, body = ServersRecord)))]
pub async fn servers(State(api): State<Api>) -> Json<ServersRecord> {
    let servers = heard_servers(&api.state);
    Json(ServersRecord { interfering: servers.iter().any(|server| server.interferes), servers })
}

//! The network: interfaces, relays, ports, the other servers that were heard, and what is wrong.

use super::heard::{HeardView, heard_from_relays, heard_on_links};
use crate::api::{CheckFinding, Status, check};
use crate::web::shared::Web;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;

/// The values of the page.
#[derive(Debug, Serialize)]
struct Network {
    page: &'static str,
    status: Status,
    heard: Vec<HeardView>,
    relays: Vec<HeardView>,
    /// The faults of the configuration, of the files to boot and of the host.
    findings: Vec<CheckFinding>,
}

/// The route of the page.
pub fn routes() -> Router<Web> {
    Router::new().route("/network", get(network))
}

async fn network(State(web): State<Web>) -> Response {
    let state = &web.api.state;
    let view = Network {
        page: "network",
        status: Status::new(state),
        heard: heard_on_links(state),
        relays: heard_from_relays(state),
        findings: check(&web.api).await.map(|check| check.findings).unwrap_or_default(),
    };
    web.pages().show(StatusCode::OK, "network.html", view)
}

//! `/metrics`: the figures of the server for Prometheus. They are collected when they are requested; nothing is
//! collected for a server that no program asks.

mod collector;
mod families;
mod format;
mod process;
pub mod table;

use super::shared::Web;
use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use collector::ServerFigures;
use format::Format;
use prometheus_client::registry::Registry;

/// The route of the metrics.
pub fn routes() -> Router<Web> {
    Router::new().route("/metrics", get(show))
}

async fn show(State(web): State<Web>, headers: HeaderMap) -> Response {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(",");
    let format = Format::accepted(&accepted);
    let mut registry = Registry::default();
    registry.register_collector(Box::new(ServerFigures(web)));
    match format.write(&registry) {
        Ok(text) => ([(CONTENT_TYPE, format.content_type())], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

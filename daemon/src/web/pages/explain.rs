//! The explanation of the replies that a machine would receive now.

use crate::api::{ApiError, ExplainRecord, ExplainRequest, Refusal, explain, menu_firmware};
use crate::web::shared::Web;
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::{Deserialize, Serialize};

/// The values of the page.
#[derive(Debug, Serialize)]
struct ExplainView {
    page: &'static str,
    id: String,
    client: String,
    known_clients: Vec<(String, String)>,
    explained: Option<ExplainRecord>,
    error: Option<ApiError>,
}

/// The client that asks.
#[derive(Debug, Default, Deserialize)]
struct ExplainQuery {
    #[serde(default)]
    client: String,
}

/// The route of the page.
pub fn routes() -> Router<Web> {
    Router::new().route("/machines/{id}/explain", get(page))
}

async fn page(
    State(web): State<Web>,
    Path(id): Path<String>,
    query: Result<Query<ExplainQuery>, QueryRejection>,
) -> Response {
    let ExplainQuery { client } = query.map(|Query(query)| query).unwrap_or_default();
    let chosen = Some(client.clone()).filter(|client| !client.is_empty());
    let request = ExplainRequest { machine: Some(id.clone()), client: chosen, ..ExplainRequest::default() };
    let (status, explained, error) = match explain(&web.api, request).await {
        Ok(explained) => (StatusCode::OK, Some(explained), None),
        Err(Refusal(status, error)) => (status, None, Some(error)),
    };
    let view = ExplainView { page: "board", id, client, known_clients: known_clients(), explained, error };
    web.pages().show(status, "explain.html", view)
}

/// The ids of clients, with their names: each firmware, and iPXE on it.
fn known_clients() -> Vec<(String, String)> {
    let both = |(id, name): (&str, String)| {
        let ipxe = format!("ipxe-{}", id.strip_prefix("uefi-").unwrap_or(id));
        [(id.to_owned(), name.clone()), (ipxe, format!("iPXE on {name}"))]
    };
    menu_firmware().into_iter().flat_map(both).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::client::ClientKind;

    #[test]
    fn explain_knows_every_client_of_the_form() {
        for (id, name) in known_clients() {
            assert!(id.parse::<ClientKind>().is_ok(), "{id}: {name}");
        }
    }
}

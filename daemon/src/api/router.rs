//! The routes of all resources.

use super::access::require_scope_of_method;
use super::error::ApiError;
use super::shared::Api;
use super::{
    boot, boots, check, document, entry, events, explain, machines, menu, profiles, seen_entry, servers, status, wake,
    wakes, web,
};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::from_fn;
use axum::response::Response;

/// The maximum size of the body of a request, in octets.
const MAX_BODY: usize = 64 * 1024;

/// The routes of all resources. A new resource adds its routes here, and its handlers to the description
/// (`document.rs`). The listener adds the caller to
/// each request (`access.rs`).
pub fn router(api: Api) -> Router {
    Router::new()
        .merge(status::routes())
        .merge(events::routes())
        .merge(machines::routes())
        .merge(entry::routes())
        .merge(seen_entry::routes())
        .merge(boot::routes())
        .merge(menu::routes())
        .merge(boots::routes())
        .merge(wake::routes())
        .merge(wakes::routes())
        .merge(profiles::routes())
        .merge(explain::routes())
        .merge(check::routes())
        .merge(servers::routes())
        .merge(web::routes())
        .merge(document::routes())
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn(require_scope_of_method))
        .with_state(api)
}

async fn not_found(uri: Uri) -> Response {
    let problem = format!("{} is not a resource of this server", uri.path());
    ApiError::new(problem, "GET /api/v1/openapi.json lists the resources", "path").response(StatusCode::NOT_FOUND)
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    let problem = format!("{} does not support the method {method}", uri.path());
    ApiError::new(problem, "GET /api/v1/openapi.json lists the methods of each resource", "method")
        .response(StatusCode::METHOD_NOT_ALLOWED)
}

//! The routes of the web listener, and who may use which.

use super::shared::Web;
use super::{assets, guard, headers, health, login, metrics, page_path, pages};
use crate::api;
use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::time::Duration;
use tokio::time::timeout;

/// How long a browser may take to send the body of a request.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// All routes.
pub fn router(web: Web) -> Router {
    let open = Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .merge(login::routes())
        .merge(assets::routes());
    let (open, pages) = match web.control.config().metrics_without_login {
        true => (open.merge(metrics::routes()), pages::routes()),
        false => (open, pages::routes().merge(metrics::routes())),
    };
    let protected = pages
        .with_state(web.clone())
        .fallback_service(api::router(web.api.clone()))
        .layer(from_fn(mark_path))
        .layer(from_fn(api::require_scope_of_method))
        .layer(from_fn(guard::logged_in));
    Router::new()
        .merge(open.with_state(web.clone()))
        .fallback_service(protected)
        .layer(from_fn(limit_time))
        .layer(from_fn_with_state(web, guard::identify))
        .layer(from_fn(headers::add))
}

/// Notes the path of a request for the templates of its page.
async fn mark_path(request: Request, next: Next) -> Response {
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    page_path::mark(path, next.run(request)).await
}

/// Ends a request whose body arrives too slowly. A stream of events is a response, which may take any time.
async fn limit_time(request: Request, next: Next) -> Response {
    match timeout(BODY_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => (StatusCode::REQUEST_TIMEOUT, "the request took too long\n").into_response(),
    }
}

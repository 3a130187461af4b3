//! Whether the page that is being written goes over the network without TLS, for its template.

use std::future::Future;
use tokio::task_local;

task_local! {
    static IS_PLAIN_HTTP: bool;
}

/// Runs this, which may write a page for such a client.
pub async fn mark<F: Future>(is_plain_http: bool, work: F) -> F::Output {
    IS_PLAIN_HTTP.scope(is_plain_http, work).await
}

/// Whether other hosts can read the page that is being written.
pub fn is_plain_http() -> bool {
    IS_PLAIN_HTTP.try_with(|is_plain_http| *is_plain_http).unwrap_or(false)
}

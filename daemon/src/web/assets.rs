//! The files that pages load: built into the program, so that a page needs no other host. Their names contain a hash of
//! their content, so that a browser may keep them for ever.

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("assets/style.css");
const SCRIPT: &str = include_str!("assets/page.js");
const ICON: &str = include_str!("assets/icon.svg");

/// The files, each with the beginning of its name and its content type.
const FILES: [(&str, &str, &str); 3] = [
    ("style", "text/css; charset=utf-8", STYLE),
    ("page", "text/javascript; charset=utf-8", SCRIPT),
    ("icon", "image/svg+xml", ICON),
];

/// The routes of the files.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    // A browser requests this icon for answers that are no pages and name none, such as JSON.
    Router::new().route("/assets/{name}", get(asset)).route("/favicon.ico", get(icon))
}

/// The address of a file, for the pages.
pub fn path(name: &str) -> Option<String> {
    let (name, _, content) = FILES.into_iter().find(|(known, ..)| *known == name)?;
    Some(format!("/assets/{}", file_name(name, content)))
}

async fn icon() -> Response {
    ([(CONTENT_TYPE, "image/svg+xml"), (CACHE_CONTROL, "public, max-age=86400")], ICON).into_response()
}

async fn asset(Path(name): Path<String>) -> Response {
    let file = FILES.into_iter().find(|(known, _, content)| file_name(known, content) == name);
    match file {
        Some((_, content_type, content)) => {
            let headers = [(CONTENT_TYPE, content_type), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
            (headers, content).into_response()
        }
        None => (StatusCode::NOT_FOUND, "Not Found\n").into_response(),
    }
}

fn file_name(name: &str, content: &str) -> String {
    let hash: String = Sha256::digest(content.as_bytes()).iter().take(6).map(|octet| format!("{octet:02x}")).collect();
    format!("{name}-{hash}")
}

//! The traffic that the server hears on each interface. It changes while a person looks at it.

use crate::events::wall_clock::rfc3339;
use crate::heard_traffic::HeardCounts;
use crate::state::State;
use crate::web::shared::Web;
use axum::Router;
use axum::extract;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;

/// The traffic on an interface, or from a relay.
#[derive(Clone, Debug, Serialize)]
pub struct HeardView {
    /// The name of the interface, or the address of the relay.
    name: String,
    boot_requests: u64,
    other_requests: u64,
    offers: u64,
    /// When the last packet arrived: RFC 3339, in UTC; `None` before the first.
    last: Option<String>,
}

/// The route of the part that the script of the page loads again and again.
pub fn routes() -> Router<Web> {
    Router::new().route("/board/heard", get(heard))
}

/// The traffic on the served interfaces.
pub fn heard_on_links(state: &State) -> Vec<HeardView> {
    let links = state.links.load();
    links.iter().map(|link| HeardView::new(&link.name, state.traffic.of_link(link.index), state)).collect()
}

/// The traffic from relays.
pub fn heard_from_relays(state: &State) -> Vec<HeardView> {
    let relays = state.traffic.relays();
    relays.into_iter().map(|(address, counts)| HeardView::new(&address.to_string(), counts, state)).collect()
}

impl HeardView {
    fn new(name: &str, counts: HeardCounts, state: &State) -> HeardView {
        let HeardCounts { boot_requests, other_requests, offers, last } = counts;
        let last = counts.is_any().then(|| rfc3339(state.events.wall_clock(last)));
        HeardView { name: name.to_owned(), boot_requests, other_requests, offers, last }
    }
}

async fn heard(extract::State(web): extract::State<Web>) -> Response {
    #[derive(Serialize)]
    struct Part {
        heard: Vec<HeardView>,
    }
    web.pages().show(StatusCode::OK, "heard.html", Part { heard: heard_on_links(&web.api.state) })
}

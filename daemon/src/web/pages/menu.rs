//! The menu, as a machine sees it on its screen.

use super::profile_choice::{ProfileChoice, profile_choices};
use crate::api::{ApiError, MenuQuery, MenuRecord, Refusal, menu_firmware, menu_of};
use crate::web::shared::Web;
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use proxydhcpd_core::story::MachineStory;
use serde::Serialize;

/// The maximum number of machines that the page offers.
const MAX_MACHINES: usize = 500;

/// The values of the page.
#[derive(Debug, Serialize)]
struct MenuView {
    page: &'static str,
    /// The machines that were seen, the latest first, with the names of their entries.
    machines: Vec<(String, Option<String>)>,
    /// The chosen values, as the form states them.
    machine: String,
    firmware: String,
    profile: String,
    known_firmware: Vec<(&'static str, String)>,
    profiles: Vec<ProfileChoice>,
    menu: Option<MenuRecord>,
    /// Why there is none.
    error: Option<ApiError>,
}

/// The route of the page.
pub fn routes() -> Router<Web> {
    Router::new().route("/menu", get(menu))
}

async fn menu(State(web): State<Web>, query: Result<Query<MenuQuery>, QueryRejection>) -> Response {
    let query = query.map(|Query(query)| query).unwrap_or_default();
    let (status, menu, error) = match menu_of(&web.api, &query).await {
        Ok(menu) => (StatusCode::OK, Some(menu), None),
        Err(Refusal(status, error)) => (status, None, Some(error)),
    };
    let view = MenuView {
        page: "menu",
        machines: seen_machines(&web),
        machine: query.machine.unwrap_or_default(),
        firmware: query.firmware.unwrap_or_default(),
        profile: query.profile.unwrap_or_default(),
        known_firmware: menu_firmware(),
        profiles: profile_choices(&web.api.state),
        menu,
        error,
    };
    web.pages().show(status, "menu.html", view)
}

/// The latest machines: what identifies each, and the name of its entry.
fn seen_machines(web: &Web) -> Vec<(String, Option<String>)> {
    let stories = web.api.state.stories.stories();
    let names = stories.names();
    let entry = |story: &MachineStory| Some(names.text(story.entry).to_owned()).filter(|name| !name.is_empty());
    let machine = |story: &MachineStory| Some((story.hardware?.to_string(), entry(story)));
    stories.machines().filter_map(|(_, story)| machine(story)).take(MAX_MACHINES).collect()
}

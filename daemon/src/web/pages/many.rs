//! Actions on many machines. A first page says what will happen to how many of them; only the second request acts, on
//! the machines that this page named.

use super::board_filter::BoardFilter;
use super::many_action::{Action, act, preview};
use super::notice::{lead_back, show_refusal};
use super::profile_choice::profile_choices;
use crate::api::{ApiError, Caller, MachineQuery, MachineResult, Refusal, list_machines};
use crate::web::shared::Web;
use axum::Router;
use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use serde::Serialize;

/// The maximum number of machines of one action.
const MAX_MACHINES: usize = 10_000;
/// The number of machines of a page of the API.
const PAGE: usize = 1000;
/// The maximum number of refused machines that the page names.
const MAX_REFUSED: usize = 50;

/// The values of the page.
#[derive(Debug, Serialize)]
struct Confirmation {
    page: &'static str,
    action: &'static str,
    profile: String,
    title: String,
    once: bool,
    /// The machines to which it happens, a line each.
    machines: String,
    count: usize,
    /// The first of them.
    names: Vec<String>,
    /// Machines to which it cannot happen, and why.
    refused: Vec<MachineResult>,
    refused_count: usize,
    back: String,
}

/// The routes of the actions.
pub fn routes() -> Router<Web> {
    Router::new().route("/many", post(confirm)).route("/many/do", post(done))
}

/// The fields of a form, of which some are repeated.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone()).collect()
    }

    fn action(&self) -> Result<Action, Refusal> {
        let profile = self.get("profile").to_owned();
        match self.get("action") {
            "boot-once" => Ok(Action::Boot { profile, once: true }),
            "boot" => Ok(Action::Boot { profile, once: false }),
            "cancel" => Ok(Action::Cancel),
            "wake" => Ok(Action::Wake),
            _ => Err(unprocessable("the form names no action", "press one of its buttons", "action")),
        }
    }

    fn filter(&self) -> BoardFilter {
        let text = |name| self.get(name).to_owned();
        BoardFilter {
            search: text("search"),
            failed: text("failed"),
            subnet: text("subnet"),
            relay: text("relay"),
            profile: text("of-profile"),
            verdict: text("verdict"),
            ..BoardFilter::default()
        }
    }
}

async fn confirm(State(web): State<Web>, caller: Caller, Form(fields): Form<Vec<(String, String)>>) -> Response {
    match confirmation(&web, &caller, &Fields(fields)).await {
        Ok(values) => web.pages().show(StatusCode::OK, "many.html", values),
        Err(refusal) => show_refusal(&web, refusal),
    }
}

async fn confirmation(web: &Web, caller: &Caller, fields: &Fields) -> Result<Confirmation, Refusal> {
    let action = fields.action()?;
    if matches!(&action, Action::Boot { profile, .. } if profile.is_empty()) {
        return Err(unprocessable("no profile is chosen", "choose one in the bar below the machines", "profile"));
    }
    let machines = match fields.get("which") {
        "all" => all_that_match(web, &fields.filter()).await?,
        _ => fields.all("machine"),
    };
    if machines.is_empty() {
        return Err(unprocessable("no machine is ticked", "tick machines on the board, or choose all", "machines"));
    }
    let results = preview(web, caller, &action, machines).await?;
    let (refused, possible): (Vec<_>, Vec<_>) = results.into_iter().partition(|result| result.error.is_some());
    let profile = action.profile().to_owned();
    let choices = profile_choices(&web.api.state);
    let title = choices.into_iter().find(|choice| choice.name == profile).map(|choice| choice.title);
    Ok(Confirmation {
        page: "board",
        action: action.name(),
        title: title.filter(|title| !title.is_empty()).unwrap_or_else(|| profile.clone()),
        profile,
        once: matches!(action, Action::Boot { once: true, .. }),
        machines: possible.iter().map(|result| result.machine.as_str()).collect::<Vec<_>>().join("\n"),
        count: possible.len(),
        names: possible.iter().take(12).map(shown_name).collect(),
        refused_count: refused.len(),
        refused: refused.into_iter().take(MAX_REFUSED).collect(),
        back: fields.get("back").to_owned(),
    })
}

async fn done(State(web): State<Web>, caller: Caller, Form(fields): Form<Vec<(String, String)>>) -> Response {
    let fields = Fields(fields);
    let action = match fields.action() {
        Ok(action) => action,
        Err(refusal) => return show_refusal(&web, refusal),
    };
    let machines = fields.get("machines").lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned);
    match act(&web, &caller, &action, machines.take(MAX_MACHINES).collect()).await {
        Ok(notice) => lead_back(&web, fields.get("back"), notice),
        Err(refusal) => show_refusal(&web, refusal),
    }
}

/// The identifiers of the machines that meet the conditions.
async fn all_that_match(web: &Web, filter: &BoardFilter) -> Result<Vec<String>, Refusal> {
    let mut machines = Vec::new();
    loop {
        let query = MachineQuery { offset: machines.len(), ..filter.query(PAGE) };
        let page = list_machines(&web.api, &query).await?;
        if page.total > MAX_MACHINES {
            let problem = format!("{} machines match, and at most {MAX_MACHINES} are changed at once", page.total);
            return Err(unprocessable(&problem, "filter the board further", "machines"));
        }
        let count = page.machines.len();
        machines.extend(page.machines.into_iter().map(|machine| machine.id));
        if count < PAGE {
            return Ok(machines);
        }
    }
}

fn shown_name(result: &MachineResult) -> String {
    result
        .name
        .clone()
        .filter(|name| name.replace('-', ":") != result.machine)
        .unwrap_or_else(|| result.machine.clone())
}

fn unprocessable(problem: &str, cure: &str, place: &str) -> Refusal {
    Refusal(StatusCode::UNPROCESSABLE_ENTITY, ApiError::new(problem, cure, place))
}

//! The log: the latest events. The script of the page adds those that follow, as they happen.

use crate::api::EventRecord;
use crate::web::shared::Web;
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::{Deserialize, Serialize};

/// The maximum number of events in the page.
const MAX_LINES: usize = 500;
/// The levels, from the most severe.
const LEVELS: [(&str, &str); 4] =
    [("error", "errors"), ("warn", "warnings and errors"), ("info", "without details"), ("debug", "everything")];

/// The values of the page.
#[derive(Debug, Serialize)]
struct LogView {
    page: &'static str,
    /// The text that lines contain.
    find: String,
    level: &'static str,
    levels: [(&'static str, &'static str); 4],
    /// The events, the latest first.
    lines: Vec<EventRecord>,
}

/// The lines to show.
#[derive(Debug, Default, Deserialize)]
struct LogQuery {
    #[serde(default)]
    find: String,
    #[serde(default)]
    level: String,
}

/// The route of the page.
pub fn routes() -> Router<Web> {
    Router::new().route("/log", get(log))
}

async fn log(State(web): State<Web>, query: Result<Query<LogQuery>, QueryRejection>) -> Response {
    let LogQuery { find, level } = query.map(|Query(query)| query).unwrap_or_default();
    let level = LEVELS.iter().position(|(name, _)| *name == level).unwrap_or(2);
    let events = web.api.stream.latest(MAX_LINES);
    let records = events.iter().map(|event| EventRecord::new(event, &web.api.stream, &web.api.state.events));
    let is_shown = |record: &EventRecord| is_within(&record.level, level) && contains(record, find.trim());
    let lines = records.filter(is_shown).collect();
    let view = LogView { page: "log", find, level: LEVELS[level].0, levels: LEVELS, lines };
    web.pages().show(StatusCode::OK, "log.html", view)
}

/// Whether an event of this level is at least as severe as the one with this number. `trace` is part of everything.
fn is_within(level: &str, chosen: usize) -> bool {
    LEVELS.iter().position(|(name, _)| *name == level).unwrap_or(LEVELS.len() - 1) <= chosen
}

/// Whether the line of an event contains this text, in upper or lower case.
fn contains(record: &EventRecord, find: &str) -> bool {
    let machine = &record.machine;
    let texts = [Some(&record.text), machine.name.as_ref(), machine.mac.as_ref(), machine.address.as_ref()];
    let find = find.to_lowercase();
    texts.into_iter().flatten().any(|text| text.to_lowercase().contains(&find))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_includes_those_that_are_more_severe() {
        let shown = |chosen| ["error", "warn", "info", "debug", "trace"].map(|level| is_within(level, chosen));
        assert_eq!(shown(0), [true, false, false, false, false]);
        assert_eq!(shown(2), [true, true, true, false, false]);
        assert_eq!(shown(3), [true; 5]);
    }
}

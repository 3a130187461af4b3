//! `/api/v1/events`: every event, as it happens (server-sent events).

use super::error::ApiError;
use super::event::{EventRecord, MissedEvents};
use super::machine_filter::MachineFilter;
use super::shared::Api;
use crate::events::stream::{EventId, EventWatch, WatchedEvent};
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response, Sse};
use axum::routing::get;
use futures_util::stream::{self, Stream};
use serde::Deserialize;
use std::convert::Infallible;
use std::time::Duration;

/// The interval of comments while nothing happens, so that a client notices that the server is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The parameters of the request.
#[derive(Debug, Deserialize)]
pub struct EventsQuery {
    machine: Option<String>,
}

/// The routes of this resource.
pub fn routes() -> Router<Api> {
    Router::new().route("/api/v1/events", get(events))
}

/// Every event, as it happens
///
/// A stream of server-sent events. The data of each is an `EventRecord`; of the event `missed` it is `MissedEvents`.
/// The stream ends when the server stops.
#[utoipa::path(
    get,
    path = "/api/v1/events",
    params(
        ("machine" = Option<String>, Query, description = "Only events of this machine: its MAC address, its IP \
         address, or the name of its entry"),
        ("Last-Event-ID" = Option<String>, Header, description = "The identifier of the last event that the client \
         has: the stream begins after it, if the server still has the events"),
    ),
    responses(
        (status = 200, content_type = "text/event-stream", body = EventRecord),
        (status = 400, body = ApiError),
    )
)]
pub async fn events(
    State(api): State<Api>,
    query: Result<Query<EventsQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let filter = query.map_err(|error| {
        let problem = format!("the parameters of the request are invalid: {}", error.body_text());
        ApiError::new(problem, "the only parameter is `machine`", "query")
    });
    let filter = filter.and_then(|Query(EventsQuery { machine })| {
        machine.map(|machine| MachineFilter::new(&machine, &api.state.site())).transpose()
    });
    let filter = match filter {
        Ok(filter) => filter,
        Err(error) => return error.response(StatusCode::BAD_REQUEST),
    };
    let after = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse::<EventId>().ok());
    let watch = api.stream.watch(after);
    Sse::new(stream(Watching { api, watch, filter, pending: None, ended: false })).into_response()
}

/// A client that watches.
struct Watching {
    api: Api,
    watch: EventWatch,
    filter: Option<MachineFilter>,
    /// The message to send next.
    pending: Option<Event>,
    ended: bool,
}

/// The messages for a client.
fn stream(watching: Watching) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(watching, |mut watching| async move {
        let message = watching.next().await?;
        Some((Ok(message), watching))
    })
}

impl Watching {
    /// Waits for the next message. `None`: the server stops.
    async fn next(&mut self) -> Option<Event> {
        if let Some(message) = self.pending.take() {
            return Some(message);
        }
        while !self.ended {
            let Ok(watched) = tokio::time::timeout(KEEP_ALIVE, self.watch.next()).await else {
                return Some(Event::default().comment(""));
            };
            if let Some(message) = self.message(&watched) {
                return Some(message);
            }
        }
        None
    }

    /// The message for an event. `None`: the client does not get it.
    fn message(&mut self, WatchedEvent { event, missed }: &WatchedEvent) -> Option<Event> {
        self.ended = event.kind == "stopped";
        if self.filter.as_ref().is_none_or(|filter| filter.admits(event)) {
            let record = EventRecord::new(event, &self.api.stream, &self.api.state.events);
            self.pending = Event::default().id(&record.id).json_data(&record).ok();
        }
        if *missed > 0 {
            return Event::default().event("missed").json_data(MissedEvents { missed: *missed }).ok();
        }
        self.pending.take()
    }
}

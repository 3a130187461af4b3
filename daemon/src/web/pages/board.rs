//! The board: a row for each machine, the latest first.

use super::board_filter::BoardFilter;
use super::heard::{HeardView, heard_from_relays, heard_on_links};
use super::lights::{Light, is_local_disk, lights};
use super::next_steps::NextSteps;
use super::notice::{NoticeView, shown_notice};
use super::profile_choice::{ProfileChoice, profile_choices, quick_choice};
use crate::api::{
    ApiError, HeardServerStatus, MachinePage, MachineQuery, MachineSummary, OrderRecord, Refusal, Status, list_machines,
};
use crate::state::{EditTarget, State};
use crate::vendors::LOCAL;
use crate::web::shared::Web;
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{self, Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use proxydhcpd_core::story::VERDICTS;
use serde::Serialize;
use std::time::SystemTime;

/// The number of machines of a page.
const PAGE: usize = 100;

/// The values of the page.
#[derive(Debug, Serialize)]
struct Board {
    page: &'static str,
    notice: Option<NoticeView>,
    rows: Vec<BoardRow>,
    /// The number of all machines that match.
    total: usize,
    /// The number of all machines whose last boot failed, on the first page of all machines.
    failed: Option<usize>,
    /// Whether no condition leaves machines out.
    is_whole: bool,
    filter: BoardFilter,
    /// Why the conditions are not understood.
    error: Option<ApiError>,
    /// The choices of the form.
    relays: Vec<HeardView>,
    verdicts: Vec<(&'static str, &'static str)>,
    profiles: Vec<ProfileChoice>,
    /// The number of the first and of the last machine of this page.
    first: usize,
    last: usize,
    /// The address of the page before this one; `None` on the first page.
    previous: Option<String>,
    /// The address of the next page; `None` on the last page.
    next: Option<String>,
    /// The other servers from which machines may boot instead.
    interfering: Vec<HeardServerStatus>,
    /// The traffic that the server hears.
    heard: Vec<HeardView>,
    /// The next steps of a newcomer.
    steps: Option<NextSteps>,
}

/// A machine on the board.
#[derive(Debug, Serialize)]
struct BoardRow {
    #[serde(flatten)]
    machine: MachineSummary,
    lights: Vec<Light>,
    /// Whether its last boot ended on its disk.
    is_on_disk: bool,
    /// Its boot order.
    order: Option<OrderRecord>,
    /// The profile that one click orders.
    quick: Option<ProfileChoice>,
}

/// The routes of the board.
pub fn routes() -> Router<Web> {
    Router::new().route("/", get(board)).route("/board/rows/{id}", get(row))
}

/// The values that all rows have in common.
struct Rows<'a> {
    state: &'a State,
    profiles: Vec<ProfileChoice>,
    now: SystemTime,
}

impl Rows<'_> {
    fn new(state: &State) -> Rows<'_> {
        Rows { state, profiles: profile_choices(state), now: state.events.clock_now() }
    }

    fn row(&self, mut machine: MachineSummary) -> BoardRow {
        // These words would take the room of the address; the page of the machine has them.
        if machine.machine.vendor.as_deref() == Some(LOCAL) {
            machine.machine.vendor = None;
        }
        let site = self.state.site();
        let profile = machine.last_boot.profile.as_deref();
        let is_disk = is_local_disk(&site.plan, profile);
        let target = EditTarget::find(self.state, &machine.id).ok();
        let entry = target.as_ref().and_then(|target| site.plan.inventory.get_by_name(&target.name));
        let known = [entry.as_ref().and_then(|entry| entry.profile), profile];
        BoardRow {
            lights: lights(&machine.last_boot, is_disk, self.now),
            is_on_disk: is_disk && machine.last_boot.verdict.is_none(),
            quick: quick_choice(&self.profiles, &known).cloned(),
            order: target.and_then(|target| self.state.edits.order(&target.name)).as_ref().map(OrderRecord::from),
            machine,
        }
    }
}

async fn board(
    extract::State(web): extract::State<Web>,
    query: Result<Query<BoardFilter>, QueryRejection>,
) -> Response {
    let filter = query.map(|Query(filter)| filter).unwrap_or_default();
    let (page, error) = match list_machines(&web.api, &filter.query(PAGE)).await {
        Ok(page) => (page, None),
        Err(Refusal(_, error)) => (MachinePage::default(), Some(error)),
    };
    let MachinePage { machines, total } = page;
    let status = Status::new(&web.api.state);
    let (rows, offset) = (Rows::new(&web.api.state), filter.offset);
    let end = offset + machines.len();
    let is_whole = !filter.is_any();
    let failed = if is_whole && offset == 0 { number_of_failed(&web).await } else { None };
    let board = Board {
        page: "board",
        notice: shown_notice(&web, filter.notice.as_deref()),
        rows: machines.into_iter().map(|machine| rows.row(machine)).collect(),
        total,
        failed,
        is_whole,
        first: offset + 1,
        last: end,
        previous: (offset > 0).then(|| filter.address(offset.saturating_sub(PAGE))),
        next: (end < total).then(|| filter.address(end)),
        interfering: status.servers.into_iter().filter(|server| server.interferes).collect(),
        heard: heard_on_links(&web.api.state),
        steps: NextSteps::new(&web, total).filter(|_| is_whole && offset == 0),
        relays: heard_from_relays(&web.api.state),
        verdicts: VERDICTS.iter().map(|row| (row.id, row.title)).collect(),
        profiles: profile_choices(&web.api.state),
        filter,
        error,
    };
    web.pages().show(StatusCode::OK, "board.html", board)
}

/// The number of machines whose last boot failed; `None` if none did.
async fn number_of_failed(web: &Web) -> Option<usize> {
    let filter = BoardFilter { failed: "true".to_owned(), ..BoardFilter::default() };
    let page = list_machines(&web.api, &filter.query(1)).await.ok()?;
    Some(page.total).filter(|total| *total > 0)
}

/// The row of one machine, with which the script of the board replaces the row that it has.
async fn row(extract::State(web): extract::State<Web>, Path(id): Path<String>) -> Response {
    #[derive(Serialize)]
    struct Row {
        row: BoardRow,
    }
    let query = MachineQuery { machine: Some(id), limit: Some(1), ..MachineQuery::default() };
    match list_machines(&web.api, &query).await.ok().and_then(|mut page| page.machines.pop()) {
        Some(machine) => {
            let row = Rows::new(&web.api.state).row(machine);
            web.pages().show(StatusCode::OK, "machine_row.html", Row { row })
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

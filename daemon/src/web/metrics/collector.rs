//! Collects the figures of the server at the moment of a request. It holds the lock of the events only to copy numbers.

use super::families::{Families, HistogramValue};
use super::{process, table};
use crate::api::Status;
use crate::events::totals::{Totals, WebhookTotals};
use crate::events::{Counters, Events};
use crate::state::State;
use crate::story::{BOUNDS, BootCounts, Durations};
use crate::web::health;
use crate::web::shared::Web;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use proxydhcpd_core::event::LabelKind;
use proxydhcpd_core::story::VERDICTS;
use std::fmt;
use std::time::SystemTime;

/// The figures of the server.
#[derive(Debug)]
pub struct ServerFigures(pub Web);

impl Collector for ServerFigures {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Self(web) = self;
        let (state, families) = (&*web.api.state, &mut Families::new(encoder));
        let (counters, totals) = (state.events.counters(), state.events.totals());
        write_replies(families, &counters, &totals)?;
        write_boots(families, &state.stories.counts())?;
        // A verdict that never occurred is 0, so that its first occurrence is an increase.
        let verdicts = VERDICTS.iter().map(|row| ([row.id], counters.count(row.id)));
        families.counter(&table::VERDICTS, verdicts)?;
        write_transfers(families, &totals)?;
        write_server(families, state, &totals)?;
        write_records(families, state)?;
        write_web(families, web, &totals)?;
        write_process(families, &state.events)
    }
}

fn write_replies(families: &mut Families<'_>, counters: &Counters, totals: &Totals) -> fmt::Result {
    let replies = totals.replies().map(|(family, kind, count)| ([family.name(), kind.name()], count));
    families.counter(&table::REPLIES, replies)?;
    write_labelled(families, &table::SILENCES, counters, LabelKind::Silence)?;
    write_labelled(families, &table::FAILURES, counters, LabelKind::Failure)
}

fn write_labelled(
    families: &mut Families<'_>,
    metric: &table::Metric,
    counters: &Counters,
    kind: LabelKind,
) -> fmt::Result {
    families.counter(metric, counters.of_kind(kind).map(|(label, count)| ([label], count)))
}

fn write_boots(families: &mut Families<'_>, counts: &BootCounts) -> fmt::Result {
    let begun = counts.firmwares().map(|(firmware, counts)| ([firmware], counts.begun));
    families.counter(&table::BOOTS_BEGUN, begun)?;
    let outcomes = counts.firmwares().flat_map(|(firmware, counts)| {
        [("installed", counts.installed), ("system", counts.system), ("failed", counts.failed)]
            .map(|(outcome, count)| ([firmware, outcome], count))
    });
    families.counter(&table::BOOTS, outcomes)?;
    families.histogram(
        &table::BOOT_DURATION,
        counts.stages().map(|(stage, durations)| ([stage.name()], histogram(&durations))),
    )
}

fn histogram(durations: &Durations) -> HistogramValue {
    let bounds = BOUNDS.into_iter().map(f64::from).chain([f64::INFINITY]);
    HistogramValue { sum: durations.sum as f64 / 1000.0, buckets: bounds.zip(durations.buckets).collect() }
}

fn write_transfers(families: &mut Families<'_>, totals: &Totals) -> fmt::Result {
    let transfers = totals.transfers().map(|(service, outcome, count)| ([service.name(), outcome.name()], count));
    families.counter(&table::TRANSFERS, transfers)?;
    families.counter(&table::TRANSFER_OCTETS, totals.octets().map(|(service, octets)| ([service.name()], octets)))
}

fn write_server(families: &mut Families<'_>, state: &State, totals: &Totals) -> fmt::Result {
    let reloads = [(["applied"], totals.reloads_applied), (["failed"], totals.reloads_failed)];
    families.counter(&table::RELOADS, reloads)?;
    let wakes = [(["sent"], totals.wakes_sent), (["failed"], totals.wakes_failed)];
    families.counter(&table::WAKES, wakes)?;
    let WebhookTotals { delivered, retried, given_up, dropped } = totals.webhook_calls;
    let calls = [("delivered", delivered), ("retried", retried), ("given-up", given_up), ("dropped", dropped)];
    families.counter(&table::WEBHOOK_CALLS, calls.map(|(outcome, count)| ([outcome], count)))?;
    let Status { machines, interfaces, servers, .. } = Status::new(state);
    let interfering = servers.iter().filter(|server| server.interferes).count();
    families.gauge(&table::MACHINES, [([], machines)])?;
    families.gauge(&table::INTERFACES, [([], interfaces.len())])?;
    families.gauge(&table::INTERFERING_SERVERS, [([], interfering)])?;
    families.gauge(&table::ALIVE, [([], u64::from(health::is_alive(state)))])?;
    families.gauge(&table::READY, [([], u64::from(health::obstacle(state).is_none()))])
}

fn write_records(families: &mut Families<'_>, state: &State) -> fmt::Result {
    let lost_reports = state.history.lost_reports();
    families.gauge(&table::HISTORY_UP, lost_reports.map(|_| ([], u64::from(state.history.is_open()))))?;
    families.counter(&table::HISTORY_LOST, lost_reports.map(|lost| ([], lost)))?;
    families.counter(&table::STORY_LOST, [([], state.stories.lost_events())])
}

fn write_web(families: &mut Families<'_>, web: &Web, totals: &Totals) -> fmt::Result {
    families.gauge(&table::WEB_CONNECTIONS, [([], web.admission().open())])?;
    let logins = [(["accepted"], totals.logins_accepted), (["refused"], totals.logins_refused)];
    families.counter(&table::WEB_LOGINS, logins)
}

fn write_process(families: &mut Families<'_>, events: &Events) -> fmt::Result {
    families.info(&table::BUILD, [env!("CARGO_PKG_VERSION")])?;
    let started = events.wall_clock(0).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    families.gauge(&table::START_TIME, [([], started.as_secs_f64())])?;
    families.counter(&table::CPU, process::cpu_seconds().map(|seconds| ([], seconds)))?;
    families.gauge(&table::MEMORY, process::resident_memory().map(|octets| ([], octets)))?;
    families.gauge(&table::OPEN_DESCRIPTORS, process::open_descriptors().map(|count| ([], count)))?;
    families.gauge(&table::MAX_DESCRIPTORS, process::max_descriptors().map(|count| ([], count)))
}

//! The reader of events that queues the reports of machines for the history.

use super::convert;
use super::queue::{Job, Shared};
use super::stored::Time;
use crate::events::reader::Reader;
use proxydhcpd_core::event::{Event, What};
use std::sync::Arc;
use std::time::SystemTime;

/// Queues the reports of machines.
#[derive(Debug)]
pub struct ReportReader {
    shared: Arc<Shared>,
    started: Time,
}

impl ReportReader {
    /// A reader for this history. `started` is the wall clock at the start of the server.
    pub fn new(shared: Arc<Shared>, started: SystemTime) -> ReportReader {
        ReportReader { shared, started: Time::from_wall_clock(started) }
    }
}

impl Reader for ReportReader {
    fn read(&mut self, event: &Event<'_>) {
        let What::Report(report) = &event.what else { return };
        let Some(report) = convert::report(event.machine, report, self.started.plus(event.at)) else { return };
        if !(self.shared.is_open() && self.shared.send(Job::Report(Box::new(report)))) {
            self.shared.lose_report();
        }
    }

    fn sum(&self) -> Option<String> {
        let lost = self.shared.lost_reports();
        (lost > 0).then(|| format!("{lost} reports are missing in the history"))
    }
}

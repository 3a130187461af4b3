//! The table of metrics: a row each. The page `docs/monitoring.md` is generated from it.

use std::fmt::Write;

/// A metric.
#[derive(Debug)]
pub struct Metric {
    /// The name, without its unit and the suffix of its kind.
    pub name: &'static str,
    /// The kind.
    pub kind: MetricKind,
    /// The unit; `None` for a number of things.
    pub unit: Option<&'static str>,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// The meaning, as a sentence.
    pub help: &'static str,
}

/// The kinds of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// A number that only grows while the server runs.
    Counter,
    /// A number at this moment.
    Gauge,
    /// A distribution of values in buckets.
    Histogram,
    /// Labels with information.
    Info,
}

impl Metric {
    /// The name of its time series; of a histogram, without their suffixes.
    pub fn full_name(&self) -> String {
        let unit = self.unit.map(|unit| format!("_{unit}")).unwrap_or_default();
        let suffix = match self.kind {
            MetricKind::Counter => "_total",
            MetricKind::Info => "_info",
            MetricKind::Gauge | MetricKind::Histogram => "",
        };
        format!("{}{unit}{suffix}", self.name)
    }
}

impl MetricKind {
    /// The name of the kind.
    pub fn name(self) -> &'static str {
        match self {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
            MetricKind::Info => "info",
        }
    }
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Counter, unit: None, labels, help }
}

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Gauge, unit: None, labels: &[], help }
}

/// Replies.
pub const REPLIES: Metric = counter(
    "proxydhcpd_replies",
    &["family", "kind"],
    "DHCP replies, by the family of the request and the kind of file that the reply names.",
);
/// Silences.
pub const SILENCES: Metric = counter(
    "proxydhcpd_silences",
    &["reason"],
    "DHCP packets without a reply, by reason. Most packets of a network are of no boot client.",
);
/// Failures.
pub const FAILURES: Metric = counter(
    "proxydhcpd_failures",
    &["reason"],
    "Replies that did not leave, requests for files that were refused or failed, offers that a machine did not take, \
     and boot loops, by label.",
);
/// Boots that began.
pub const BOOTS_BEGUN: Metric = counter("proxydhcpd_boots_begun", &["firmware"], "Boots that began, by firmware.");
/// Outcomes of boots.
pub const BOOTS: Metric = counter(
    "proxydhcpd_boots",
    &["firmware", "outcome"],
    "Boots whose system runs, whose machine reported the end of its installation, or that failed with a verdict, by \
     firmware. A boot counts once under each outcome that it has.",
);
/// Durations of boots.
pub const BOOT_DURATION: Metric = Metric {
    name: "proxydhcpd_boot_duration",
    kind: MetricKind::Histogram,
    unit: Some("seconds"),
    labels: &["stage"],
    help: "Time from the first packet of a boot until it reached the stage.",
};
/// Verdicts.
pub const VERDICTS: Metric = counter("proxydhcpd_verdicts", &["verdict"], "Boots that failed, by verdict.");
/// Transfers.
pub const TRANSFERS: Metric =
    counter("proxydhcpd_transfers", &["service", "outcome"], "Requests for files, by service and outcome.");
/// Octets.
pub const TRANSFER_OCTETS: Metric = Metric {
    name: "proxydhcpd_transfer",
    kind: MetricKind::Counter,
    unit: Some("octets"),
    labels: &["service"],
    help: "Octets of files that were sent or, over TFTP, acknowledged. Counted when the transfer ends.",
};
/// Reloads.
pub const RELOADS: Metric =
    counter("proxydhcpd_reloads", &["outcome"], "Reloads of the configuration. One that failed changed nothing.");
/// Requests to wake machines.
pub const WAKES: Metric = counter(
    "proxydhcpd_wakes",
    &["outcome"],
    "Requests to wake a machine, by whether a packet left for it. Nothing shows whether the machine woke.",
);
/// Calls of webhooks.
pub const WEBHOOK_CALLS: Metric = counter(
    "proxydhcpd_webhook_calls",
    &["outcome"],
    "Calls of webhooks that were delivered, given up, or dropped because too many waited; and retried: attempts that \
     failed, and that the server repeats.",
);
/// Machines with an entry.
pub const MACHINES: Metric = gauge("proxydhcpd_machines", "Machines with an entry in the configuration.");
/// Served interfaces.
pub const INTERFACES: Metric = gauge("proxydhcpd_interfaces", "Interfaces that the server serves.");
/// Interfering servers.
pub const INTERFERING_SERVERS: Metric = gauge(
    "proxydhcpd_interfering_servers",
    "Other DHCP and boot servers from which machines may boot instead, as their offers of the last ten minutes show.",
);
/// Whether the threads respond.
pub const ALIVE: Metric =
    gauge("proxydhcpd_alive", "1 if the threads that serve machines respond, as /healthz reports it; otherwise 0.");
/// Whether machines can boot.
pub const READY: Metric = gauge("proxydhcpd_ready", "1 if machines can boot, as /readyz reports it; otherwise 0.");
/// Whether the history is written.
pub const HISTORY_UP: Metric = gauge(
    "proxydhcpd_history_up",
    "1 if the history of boots can be written; otherwise 0. Absent if the history is off.",
);
/// Reports that are missing in the history.
pub const HISTORY_LOST: Metric = counter(
    "proxydhcpd_history_lost_reports",
    &[],
    "Reports of machines that are missing in the history, because its file or its queue had no room. Absent if the \
     history is off.",
);
/// Events that are missing in the stories.
pub const STORY_LOST: Metric = counter(
    "proxydhcpd_story_lost_events",
    &[],
    "Events that are missing in the stories of boots, and so in the figures about boots, because their queue was full.",
);
/// Connections of browsers.
pub const WEB_CONNECTIONS: Metric =
    gauge("proxydhcpd_web_connections", "Open connections to the page, the API and the metrics over TCP.");
/// Logins.
pub const WEB_LOGINS: Metric =
    counter("proxydhcpd_web_logins", &["outcome"], "Attempts of browsers to log in, by password or by link.");
/// The version.
pub const BUILD: Metric = Metric {
    name: "proxydhcpd_build",
    kind: MetricKind::Info,
    unit: None,
    labels: &["version"],
    help: "The version of the server.",
};
/// The start of the process.
pub const START_TIME: Metric = Metric {
    name: "process_start_time",
    kind: MetricKind::Gauge,
    unit: Some("seconds"),
    labels: &[],
    help: "When the server started, in seconds since 1970.",
};
/// The time of the processors.
pub const CPU: Metric = Metric {
    name: "process_cpu",
    kind: MetricKind::Counter,
    unit: Some("seconds"),
    labels: &[],
    help: "Processor time that the server used.",
};
/// The memory.
pub const MEMORY: Metric = Metric {
    name: "process_resident_memory",
    kind: MetricKind::Gauge,
    unit: Some("bytes"),
    labels: &[],
    help: "Memory of the server.",
};
/// The open descriptors.
pub const OPEN_DESCRIPTORS: Metric = gauge("process_open_fds", "Open file descriptors.");
/// The maximum number of descriptors.
pub const MAX_DESCRIPTORS: Metric = gauge("process_max_fds", "The maximum number of open file descriptors.");

/// All metrics, in the order in which the server writes them.
pub const METRICS: [&Metric; 28] = [
    &REPLIES,
    &SILENCES,
    &FAILURES,
    &BOOTS_BEGUN,
    &BOOTS,
    &BOOT_DURATION,
    &VERDICTS,
    &TRANSFERS,
    &TRANSFER_OCTETS,
    &RELOADS,
    &WAKES,
    &WEBHOOK_CALLS,
    &MACHINES,
    &INTERFACES,
    &INTERFERING_SERVERS,
    &ALIVE,
    &READY,
    &HISTORY_UP,
    &HISTORY_LOST,
    &STORY_LOST,
    &WEB_CONNECTIONS,
    &WEB_LOGINS,
    &BUILD,
    &START_TIME,
    &CPU,
    &MEMORY,
    &OPEN_DESCRIPTORS,
    &MAX_DESCRIPTORS,
];

/// The metrics as a table in Markdown.
pub fn markdown() -> String {
    let mut table = "| metric | kind | unit | labels | meaning |\n|---|---|---|---|---|\n".to_owned();
    for metric in METRICS {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, kind, unit) = (metric.full_name(), metric.kind.name(), metric.unit.unwrap_or_default());
        // A write to a string cannot fail.
        let _ = writeln!(table, "| `{name}` | {kind} | {unit} | {} | {} |", labels.join(", "), metric.help);
    }
    table
}

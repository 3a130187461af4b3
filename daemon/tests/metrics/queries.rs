//! The queries of the dashboard and of the alerts, and the series that they select.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// The labels that Prometheus adds to every series.
const OWN_LABELS: [&str; 2] = ["instance", "job"];

/// A series that a query selects: its name, and the values that it requires of labels.
#[derive(Debug)]
pub struct Selector {
    pub name: String,
    /// The labels with the values of which the series must have one. None: the query leaves the value open.
    pub labels: Vec<(String, Vec<String>)>,
}

/// A file of `dist/monitoring`.
pub fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist/monitoring").join(name)
}

/// The queries of the dashboard, with a value for each variable of Grafana.
pub fn of_dashboard() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(file("grafana-dashboard.json")).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let fill = |query: &str| query.replace("$__rate_interval", "5m").replace("$instance", ".*");
    targets.map(|target| fill(target["expr"].as_str().unwrap())).collect()
}

/// The conditions of the alerts: the lines of each `expr`.
pub fn of_alerts() -> Vec<String> {
    let text = fs::read_to_string(file("alerts.yml")).unwrap();
    let rules = text.split("        expr: ").skip(1);
    rules
        .map(|rule| rule.split("\n        for:").next().unwrap().split("\n        labels:").next().unwrap().to_owned())
        .collect()
}

/// The series of the server that a query selects.
pub fn selectors(query: &str) -> Vec<Selector> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let starts = query
        .char_indices()
        .filter(|(at, c)| is_name(*c) && !query[..*at].ends_with(is_name) && is_of_server(&query[*at..]));
    let selector = |(at, _): (usize, char)| {
        let rest = &query[at..];
        let (name, rest) = rest.split_at(rest.find(|c| !is_name(c)).unwrap_or(rest.len()));
        let matchers =
            rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(matchers, _)| matchers);
        let labels = matchers.split(',').filter(|matcher| !matcher.trim().is_empty()).map(matcher);
        let labels = labels.filter(|(label, _)| !OWN_LABELS.contains(&label.as_str())).collect();
        Selector { name: name.to_owned(), labels }
    };
    starts.map(selector).collect()
}

/// The labels by which a query groups.
pub fn grouping(query: &str) -> Vec<String> {
    let lists = query.split(" by (").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
    let labels = lists.flat_map(|list| list.split(',').map(|label| label.trim().to_owned()));
    labels.filter(|label| !OWN_LABELS.contains(&label.as_str()) && label != "le").collect()
}

fn is_of_server(text: &str) -> bool {
    text.starts_with("proxydhcpd_") || text.starts_with("process_")
}

/// The label of a matcher `LABEL="VALUE"` or `LABEL=~"VALUE|VALUE"`, and the values.
fn matcher(matcher: &str) -> (String, Vec<String>) {
    let (label, value) = matcher.split_once('=').unwrap_or_else(|| panic!("no matcher: {matcher}"));
    let values = value.trim_start_matches('~').trim_matches('"').split('|').map(str::to_owned);
    (label.trim().to_owned(), values.collect())
}

//! Reads Prometheus's text format, as far as these tests need it.

use std::collections::{BTreeMap, BTreeSet};

/// The time series of a response.
pub struct Exposition {
    /// The value of each series, by its name and its labels.
    series: BTreeMap<(String, BTreeMap<String, String>), f64>,
    /// The names in the lines `# TYPE`.
    pub families: BTreeSet<String>,
}

impl Exposition {
    pub fn parse(text: &str) -> Exposition {
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        let families = types.map(|(name, _)| name.to_owned()).collect();
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        Exposition { series: samples.map(sample).collect(), families }
    }

    /// The number of series.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// The sum of the series with this name that have these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(name, labels).sum()
    }

    /// Whether there is a series with this name that has these labels.
    pub fn has(&self, name: &str, labels: &[(&str, &str)]) -> bool {
        self.matching(name, labels).next().is_some()
    }

    /// The names of the labels of the series with this name.
    pub fn labels(&self, name: &str) -> BTreeSet<&str> {
        let series = self.series.keys().filter(|(series, _)| series == name);
        series.flat_map(|(_, labels)| labels.keys().map(String::as_str)).collect()
    }

    /// Every value of a label.
    pub fn label_values(&self) -> BTreeSet<&str> {
        self.series.keys().flat_map(|(_, labels)| labels.values().map(String::as_str)).collect()
    }

    fn matching(&self, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = f64> {
        let has = |(label, value): &(&str, &str), found: &BTreeMap<String, String>| {
            found.get(*label).is_some_and(|found| found == value)
        };
        let matching = self
            .series
            .iter()
            .filter(move |((series, found), _)| series == name && labels.iter().all(|label| has(label, found)));
        matching.map(|(_, value)| *value)
    }
}

/// A line `NAME{LABEL="VALUE",...} NUMBER`. No value has a quotation mark or a comma.
fn sample(line: &str) -> ((String, BTreeMap<String, String>), f64) {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("no end of the labels: {line}"));
    let labels = labels.split(',').filter(|label| !label.is_empty()).map(|label| {
        let (name, value) = label.split_once('=').unwrap_or_else(|| panic!("no label: {line}"));
        (name.to_owned(), value.trim_matches('"').to_owned())
    });
    ((name.to_owned(), labels.collect()), value.parse().unwrap_or_else(|_| panic!("no number: {line}")))
}

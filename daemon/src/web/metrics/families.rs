//! Writes families of metrics by their rows of the table. A label value lives as long as the program, so that no client
//! can make one.

use super::table::{Metric, MetricKind};
use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;
use std::fmt;

/// The values of the labels of a metric, in the order of its row.
type Values<const N: usize> = [&'static str; N];

/// Writes families.
#[derive(Debug)]
pub struct Families<'a>(DescriptorEncoder<'a>);

/// A histogram whose buckets count the values up to their bounds, and not up to the bound before.
#[derive(Debug)]
pub struct HistogramValue {
    /// The sum of all values.
    pub sum: f64,
    /// The upper bounds, and the numbers of values. The last bound is infinite.
    pub buckets: Vec<(f64, u64)>,
}

impl<'a> Families<'a> {
    /// A writer of families.
    pub fn new(encoder: DescriptorEncoder<'a>) -> Families<'a> {
        Families(encoder)
    }

    /// Writes a counter with its values.
    pub fn counter<const N: usize, V: EncodeCounterValue>(
        &mut self,
        metric: &Metric,
        values: impl IntoIterator<Item = (Values<N>, V)>,
    ) -> fmt::Result {
        self.family(metric, values, |encoder, value| encoder.encode_counter::<NoLabelSet, V, f64>(value, None))
    }

    /// Writes a gauge with its values.
    pub fn gauge<const N: usize, V: EncodeGaugeValue>(
        &mut self,
        metric: &Metric,
        values: impl IntoIterator<Item = (Values<N>, V)>,
    ) -> fmt::Result {
        self.family(metric, values, |encoder, value| encoder.encode_gauge(value))
    }

    /// Writes a histogram with its values.
    pub fn histogram<const N: usize>(
        &mut self,
        metric: &Metric,
        values: impl IntoIterator<Item = (Values<N>, HistogramValue)>,
    ) -> fmt::Result {
        self.family(metric, values, |encoder, value| {
            let count = value.buckets.iter().map(|(_, count)| count).sum();
            encoder.encode_histogram::<NoLabelSet>(value.sum, count, &value.buckets, None)
        })
    }

    /// Writes an info metric, whose labels are the information.
    pub fn info<const N: usize>(&mut self, metric: &Metric, values: Values<N>) -> fmt::Result {
        let labels: Vec<_> = metric.labels.iter().copied().zip(values).collect();
        self.0.encode_descriptor(metric.name, metric.help, None, MetricType::Info)?.encode_info(&labels)
    }

    fn family<const N: usize, V>(
        &mut self,
        metric: &Metric,
        values: impl IntoIterator<Item = (Values<N>, V)>,
        write: impl Fn(&mut MetricEncoder<'_>, &V) -> fmt::Result,
    ) -> fmt::Result {
        let unit = metric.unit.map(unit);
        let kind = match metric.kind {
            MetricKind::Counter => MetricType::Counter,
            MetricKind::Gauge => MetricType::Gauge,
            MetricKind::Histogram => MetricType::Histogram,
            MetricKind::Info => MetricType::Info,
        };
        let mut encoder = self.0.encode_descriptor(metric.name, metric.help, unit.as_ref(), kind)?;
        for (values, value) in values {
            let labels: Vec<_> = metric.labels.iter().copied().zip(values).collect();
            write(&mut encoder.encode_family(&labels)?, &value)?;
        }
        Ok(())
    }
}

fn unit(name: &str) -> Unit {
    match name {
        "seconds" => Unit::Seconds,
        "bytes" => Unit::Bytes,
        other => Unit::Other(other.to_owned()),
    }
}

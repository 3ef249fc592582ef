//! Numbers that are read at scrape time from whoever knows them.
//!
//! Pools, caches and the catalog keep their own counts; copying them into gauges on every change would cost requests
//! something and could be forgotten. A closure reads them when somebody asks.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// What a number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleKind {
    /// Goes up and down.
    Gauge,
    /// Only grows, since the start of the process.
    Counter,
}

/// One number with its name and labels.
#[derive(Clone, Debug)]
pub struct Sample {
    name: &'static str,
    help: &'static str,
    kind: SampleKind,
    labels: Vec<(&'static str, String)>,
    value: f64,
}

impl Sample {
    /// A number that goes up and down.
    pub fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self { name, help, kind: SampleKind::Gauge, labels: Vec::new(), value }
    }

    /// A number that only grows. The name is the one that a scraper sees and ends in `_total`.
    pub fn counter(name: &'static str, help: &'static str, value: f64) -> Self {
        Self { name, help, kind: SampleKind::Counter, labels: Vec::new(), value }
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.labels.push((name, value.into()));
        self
    }
}

type Read = Box<dyn Fn() -> Vec<Sample> + Send + Sync>;

/// A closure as a collector.
pub(super) struct Closure(Read);

impl Closure {
    pub(super) fn new(read: impl Fn() -> Vec<Sample> + Send + Sync + 'static) -> Self {
        Self(Box::new(read))
    }
}

impl fmt::Debug for Closure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Closure")
    }
}

impl Collector for Closure {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        encode(&(self.0)(), encoder)
    }
}

/// Writes samples; those of one name share a head.
pub(super) fn encode(samples: &[Sample], mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
    for family in samples.chunk_by(|a, b| a.name == b.name) {
        let head = &family[0];
        let (name, kind) = match head.kind {
            SampleKind::Gauge => (head.name, MetricType::Gauge),
            // The library appends the ending.
            SampleKind::Counter => (head.name.strip_suffix("_total").unwrap_or(head.name), MetricType::Counter),
        };
        let mut family_encoder = encoder.encode_descriptor(name, head.help, None, kind)?;
        for sample in family {
            let value = Value(sample.value, kind);
            if sample.labels.is_empty() {
                // A family without labels would write `{}`.
                value.write(&mut family_encoder)?;
            } else {
                value.encode(family_encoder.encode_family(&sample.labels)?)?;
            }
        }
    }
    Ok(())
}

struct Value(f64, MetricType);

impl Value {
    fn write(&self, encoder: &mut MetricEncoder<'_>) -> Result<(), fmt::Error> {
        match self.1 {
            MetricType::Counter => encoder.encode_counter::<NoLabelSet, _, f64>(&self.0, None),
            _ => encoder.encode_gauge(&self.0),
        }
    }
}

impl EncodeMetric for Value {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        self.write(&mut encoder)
    }

    fn metric_type(&self) -> MetricType {
        self.1
    }
}

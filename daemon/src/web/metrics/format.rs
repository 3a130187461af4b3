//! The two formats of the metrics, and which of them a program asks for.

use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::registry::Registry;
use std::fmt;

/// A format of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus's text format.
    Prometheus,
    /// OpenMetrics.
    OpenMetrics,
}

impl Format {
    /// The format that a program prefers that accepts these media types (RFC 9110 12.5.1). Without a preference, it
    /// gets Prometheus's format, which every program reads.
    pub fn accepted(accept: &str) -> Format {
        let quality = |types: &[&str]| {
            accept.split(',').filter_map(MediaRange::parse).fold(0.0, |best: f32, range| {
                let is_meant = types.contains(&range.media_type) && range.is_supported();
                if is_meant { best.max(range.quality) } else { best }
            })
        };
        let open_metrics = quality(&["application/openmetrics-text"]);
        if open_metrics > 0.0 && open_metrics >= quality(&["text/plain", "text/*", "*/*"]) {
            Format::OpenMetrics
        } else {
            Format::Prometheus
        }
    }

    /// The media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// Writes all metrics.
    ///
    /// # Errors
    /// A collector cannot write its metrics.
    pub fn write(self, registry: &Registry) -> Result<String, fmt::Error> {
        let mut text = String::new();
        match self {
            Format::Prometheus => prometheus_text::encode(&mut text, registry)?,
            Format::OpenMetrics => text::encode(&mut text, registry)?,
        }
        Ok(text)
    }
}

/// One media type of `Accept`.
struct MediaRange<'a> {
    media_type: &'a str,
    version: Option<&'a str>,
    quality: f32,
}

impl<'a> MediaRange<'a> {
    fn parse(range: &'a str) -> Option<MediaRange<'a>> {
        let mut parts = range.split(';').map(str::trim);
        let mut parsed = MediaRange { media_type: parts.next()?, version: None, quality: 1.0 };
        for (name, value) in parts.filter_map(|parameter| parameter.split_once('=')) {
            match name {
                "q" => parsed.quality = value.parse().ok()?,
                "version" => parsed.version = Some(value),
                _ => {}
            }
        }
        Some(parsed)
    }

    /// Whether the server writes this version. The versions of OpenMetrics differ in nothing that it writes.
    fn is_supported(&self) -> bool {
        self.version.is_none_or(|version| ["1.0.0", "0.0.1", "0.0.4"].contains(&version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_gets_the_format_that_it_prefers() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.75,\
                          application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.25,*/*;q=0.1";
        for accept in [prometheus, "application/openmetrics-text", "text/plain; q=0.5, application/openmetrics-text"] {
            assert_eq!(Format::accepted(accept), Format::OpenMetrics, "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "text/html,application/xhtml+xml",
            "text/plain;version=0.0.4",
            "application/openmetrics-text;q=0, */*",
            "application/openmetrics-text;q=0.2, text/plain;q=0.3",
            "application/openmetrics-text; version=2.0.0, text/plain; q=0.1",
            "application/openmetrics-text;q=much",
        ] {
            assert_eq!(Format::accepted(accept), Format::Prometheus, "{accept}");
        }
    }
}

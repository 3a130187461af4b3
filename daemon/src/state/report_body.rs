//! Reads the body of a report: a line of text, JSON, or the form of cloud-init.

use proxydhcpd_core::event::installer::{InstallerEvent, InstallerOutcome};
use proxydhcpd_core::event::report::{MachineText, Report, ReportSource};
use proxydhcpd_core::report_request::{MAX_REPORT, ReportFormat};
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use std::fmt;

/// The content of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportContent {
    /// An installer reports what it does.
    Progress(String),
    /// The system is installed.
    Installed(ReportSource),
    /// The installation failed, in the words of the machine.
    Failed(ReportSource, String),
    /// A report that says nothing new.
    Nothing,
}

/// The fields that this server reads of a JSON object; others are ignored.
#[derive(Default)]
struct JsonReport {
    progress: String,
    name: String,
    event_type: String,
    description: String,
    result: String,
}

impl ReportContent {
    /// Reads a body, or its first [`MAX_REPORT`] octets. `None` if it contains nothing that this server understands.
    pub fn parse(format: ReportFormat, body: &[u8]) -> Option<ReportContent> {
        match format {
            ReportFormat::PhoneHome => is_phone_home(body).then_some(Self::Installed(ReportSource::PhoneHome)),
            ReportFormat::Line if body.trim_ascii_start().starts_with(b"{") => {
                JsonReport::parse(body).and_then(Self::from_json)
            }
            ReportFormat::Line => {
                let text = String::from_utf8_lossy(body).into_owned();
                (!MachineText::new(&text).is_empty()).then_some(Self::Progress(text))
            }
        }
    }

    fn from_json(report: JsonReport) -> Option<ReportContent> {
        let JsonReport { progress, name, event_type, description, result } = &report;
        if !event_type.is_empty() {
            let event = InstallerEvent { name, event_type, description, result };
            return Some(match event.outcome() {
                InstallerOutcome::Progress => Self::Progress(event.text()),
                InstallerOutcome::Nothing => Self::Nothing,
                InstallerOutcome::Installed => Self::Installed(ReportSource::Autoinstall),
                InstallerOutcome::Failed => Self::Failed(ReportSource::Autoinstall, event.text()),
            });
        }
        match result.to_ascii_lowercase().as_str() {
            "success" | "installed" => Some(Self::Installed(ReportSource::Report)),
            "fail" | "failed" => Some(Self::Failed(ReportSource::Report, progress.clone())),
            "" if progress.is_empty() => None,
            "" => Some(Self::Progress(progress.clone())),
            _ => Some(Self::Progress(format!("{progress}: {result}"))),
        }
    }

    /// The report for an event. `None` if the content says nothing new.
    pub fn report(&self) -> Option<Report<'_>> {
        Some(match self {
            Self::Progress(text) => Report::Progress { text: MachineText::new(text) },
            Self::Installed(source) => Report::Installed { source: *source },
            Self::Failed(source, text) => Report::InstallFailed { source: *source, text: MachineText::new(text) },
            Self::Nothing => return None,
        })
    }
}

impl JsonReport {
    /// Reads an object. If there may be more of it than this body, the fields so far count.
    fn parse(body: &[u8]) -> Option<JsonReport> {
        let mut report = JsonReport::default();
        let mut reader = serde_json::Deserializer::from_slice(body);
        let read = reader.deserialize_map(&mut report).and_then(|()| reader.end());
        match read {
            Ok(()) => Some(report),
            Err(error) if error.is_eof() && body.len() >= MAX_REPORT => Some(report),
            Err(_) => None,
        }
    }
}

impl<'de> Visitor<'de> for &mut JsonReport {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        while let Some(key) = object.next_key::<String>()? {
            let field = match key.as_str() {
                "progress" => &mut self.progress,
                "name" => &mut self.name,
                "event_type" => &mut self.event_type,
                "description" => &mut self.description,
                "result" => &mut self.result,
                _ => {
                    object.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *field = object.next_value()?;
        }
        Ok(())
    }
}

/// Whether the form has a field that cloud-init sends.
fn is_phone_home(form: &[u8]) -> bool {
    let keys = form.split(|octet| *octet == b'&').filter_map(|field| field.split(|octet| *octet == b'=').next());
    let is_known =
        |key: &[u8]| [&b"instance_id"[..], b"hostname", b"fqdn"].contains(&key) || key.starts_with(b"pub_key_");
    keys.map(<[u8]>::trim_ascii).any(is_known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(body: &str) -> Option<ReportContent> {
        ReportContent::parse(ReportFormat::Line, body.as_bytes())
    }

    #[test]
    fn a_line_or_an_object_reports_progress() {
        let progress = |text: &str| Some(ReportContent::Progress(text.to_owned()));
        assert_eq!(line("copying files"), progress("copying files"));
        assert_eq!(line(" {\"progress\": \"copying\", \"percent\": 3}"), progress("copying"));
        assert_eq!(line("{\"progress\":\"a\",\"result\":\"WARN\"}"), progress("a: WARN"));
        for unreadable in ["", " \r\n", "{", "{}", "{\"progress\": 1}", "{\"colour\": \"red\"}"] {
            assert_eq!(line(unreadable), None, "{unreadable:?}");
        }
        assert_eq!(ReportContent::parse(ReportFormat::Line, b"a\xff"), progress("a\u{fffd}"));
    }

    #[test]
    fn a_result_ends_the_installation() {
        let failed = |source, text: &str| Some(ReportContent::Failed(source, text.to_owned()));
        assert_eq!(line("{\"result\":\"SUCCESS\"}"), Some(ReportContent::Installed(ReportSource::Report)));
        assert_eq!(line("{\"progress\":\"disk\",\"result\":\"failed\"}"), failed(ReportSource::Report, "disk"));
        let event = |result: &str| {
            line(&format!(
                "{{\"name\": \"subiquity/Install/install\", \"event_type\": \"finish\", \"timestamp\": 1.5, \
                 \"description\": \"\", \"result\": \"{result}\", \"origin\": \"curtin\", \"level\": \"INFO\"}}"
            ))
        };
        assert_eq!(event("SUCCESS"), Some(ReportContent::Nothing));
        let text = "subiquity/Install/install (subiquity/Install/install): FAIL";
        assert_eq!(event("FAIL"), failed(ReportSource::Autoinstall, text));
    }

    /// Every event of curtin has its fields in this order. The last one has the log of the installation behind them.
    #[test]
    fn the_fields_before_a_log_that_is_too_long_count() {
        let log = "QUJD".repeat(MAX_REPORT);
        let event = format!(
            "{{\"name\": \"cmd-install\", \"description\": \"curtin command install\", \"event_type\": \"finish\", \
             \"origin\": \"curtin\", \"timestamp\": 1796045667.5, \"level\": \"DEBUG\", \"result\": \"SUCCESS\", \
             \"files\": [{{\"path\": \"/var/log/curtin/install.log\", \"content\": \"{log}"
        );
        let kept = &event[..MAX_REPORT];
        assert_eq!(line(kept), Some(ReportContent::Installed(ReportSource::Autoinstall)));
        assert_eq!(line(&kept[..MAX_REPORT - 1]), None, "the whole report, which ends too early");
        assert_eq!(line(&format!("{{\"progress\": \"{}", "x".repeat(MAX_REPORT))), None, "a field that is too long");
        assert_eq!(line("{\"progress\": \"copying\"} and more"), None);
    }

    #[test]
    fn the_form_of_cloud_init_means_installed() {
        let parse = |form: &str| ReportContent::parse(ReportFormat::PhoneHome, form.as_bytes());
        let installed = Some(ReportContent::Installed(ReportSource::PhoneHome));
        assert_eq!(parse("pub_key_rsa=ssh-rsa+AAAA%0A&instance_id=i-1&hostname=web1&fqdn=web1.example.org"), installed);
        assert_eq!(parse("hostname=web1"), installed);
        for other in ["", "a=b", "{\"hostname\":1}", "xhostname=1"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}

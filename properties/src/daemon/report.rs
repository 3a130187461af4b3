//! The body of a report says something or nothing; what is shown of it is short and cannot control a terminal.

use proxydhcpd::state::report_body::ReportContent;
use proxydhcpd_core::event::report::{MAX_SHOWN, Report};
use proxydhcpd_core::report_request::{MAX_REPORT, ReportFormat};

/// Reads the format, and the body.
pub fn check(data: &[u8]) {
    let (format, body) = match data.split_first() {
        Some((0, body)) => (ReportFormat::PhoneHome, body),
        Some((_, body)) => (ReportFormat::Line, body),
        None => (ReportFormat::Line, data),
    };
    let body = &body[..body.len().min(MAX_REPORT)];
    let Some(content) = ReportContent::parse(format, body) else { return };
    assert!(!body.is_empty(), "{content:?} of nothing");
    let text = match content.report() {
        Some(Report::Progress { text } | Report::InstallFailed { text, .. }) => text,
        Some(Report::Installed { .. }) => return,
        Some(_) => panic!("a body says nothing else: {content:?}"),
        None => return assert_eq!(content, ReportContent::Nothing),
    };
    let shown = text.to_string();
    assert!(
        shown.starts_with('"') && shown.ends_with('"') && shown.len() <= MAX_SHOWN + "\"\u{2026}\"".len(),
        "{shown:?}"
    );
    assert!(!shown.contains(char::is_control), "{shown:?}");
}

/// Bodies of scripts, of curtin and of cloud-init.
pub fn seeds() -> Vec<Vec<u8>> {
    let lines: [&str; 8] = [
        "copying files",
        " {\"progress\": \"copying\", \"percent\": 3}",
        "{\"progress\":\"a\",\"result\":\"WARN\"}",
        "{\"progress\":\"disk\",\"result\":\"failed\"}",
        "{\"result\":\"SUCCESS\"}",
        "{\"name\": \"subiquity/Install/install\", \"event_type\": \"finish\", \"timestamp\": 1.5, \
         \"description\": \"\", \"result\": \"FAIL\", \"origin\": \"curtin\", \"level\": \"INFO\"}",
        "{\"name\": \"cmd-install\", \"event_type\": \"finish\", \"result\": \"SUCCESS\", \
         \"files\": [{\"path\": \"/l\"}]}",
        "wget http://192.0.2.10:8080/machine/name=web1/token=0a0b0c/done\n\u{1b}[2J",
    ];
    let forms = ["pub_key_rsa=ssh-rsa+AAAA%0A&instance_id=i-1&hostname=web1&fqdn=web1.example.org", "a=b"];
    let lines = lines.into_iter().map(|line| [&[1], line.as_bytes()].concat());
    lines.chain(forms.into_iter().map(|form| [&[0], form.as_bytes()].concat())).collect()
}

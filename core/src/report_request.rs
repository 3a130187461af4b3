//! A report that a machine posts: which machine sends it, and what it proves.

use crate::claimed_identity::ClaimedIdentity;
use crate::file_name::normalize;
use crate::file_ticket::FileTicket;
use crate::observations::Observations;
use crate::plan::Plan;
use crate::render_context::{DONE, PHONE_HOME, REPORT, RenderContext};
use crate::request::FileRequest;
use alloc::string::String;

/// The maximum length of a report, in octets. Of a longer one the server reads only the beginning: the last event of
/// curtin has the fields of every event first, and then the log of the installation.
pub const MAX_REPORT: usize = 8 << 10;

/// A report whose token the daemon must verify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportRequest {
    /// The name of the machine's entry; `None` if the URL names no machine of the plan.
    pub machine: Option<String>,
    /// The token in the URL.
    pub token: Option<String>,
    /// The format of the report.
    pub format: ReportFormat,
    /// The decisions about the request. If the report says that the machine is installed, it completes the machine's
    /// boot-once, as its `done_url` does.
    pub ticket: FileTicket,
}

/// The format of a report, by its URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportFormat {
    /// A line of text, or JSON.
    Line,
    /// The form of cloud-init's module `phone_home`.
    PhoneHome,
}

/// The format of reports to this name; `None` if the name takes no reports. Only such names and a `done_url` may be
/// posted to.
pub fn report_format(name: &[u8]) -> Option<ReportFormat> {
    let name = normalize(name).ok()?;
    format_of(ClaimedIdentity::parse(&name)?.1)
}

fn format_of(name: &str) -> Option<ReportFormat> {
    match name {
        REPORT => Some(ReportFormat::Line),
        PHONE_HOME => Some(ReportFormat::PhoneHome),
        _ => None,
    }
}

/// The report that a POST of this request is; `None` if its name takes no reports.
pub fn report_request(plan: &Plan, observations: &Observations, request: &FileRequest<'_>) -> Option<ReportRequest> {
    let name = normalize(request.name).ok()?;
    let (claimed, rest) = ClaimedIdentity::parse(&name)?;
    let format = format_of(rest)?;
    let machine = claimed.name.as_deref().and_then(|name| plan.inventory.get_by_name(name));
    let machine = machine.map(|machine| machine.name.into());
    let token = claimed.token.clone();
    let context = RenderContext::new(plan, observations, request, claimed);
    let ticket = FileTicket::new(plan, observations, request, &context, DONE);
    Some(ReportRequest { machine, token, format, ticket })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_names_take_reports() {
        let cases: [(&[u8], Option<ReportFormat>); 7] = [
            (b"/machine/name=web1/token=0a/report", Some(ReportFormat::Line)),
            (b"machine/report", Some(ReportFormat::Line)),
            (b"/machine/name=web1/token=0a/report/phone-home", Some(ReportFormat::PhoneHome)),
            (b"/report", None),
            (b"/machine/name=web1/done", None),
            (b"/machine/name=web1/report/x", None),
            (b"/machine/name=web1/../report", None),
        ];
        for (name, format) in cases {
            assert_eq!(report_format(name), format, "{name:?}");
        }
    }
}

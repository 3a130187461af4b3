//! A report of a machine about its boot or its installation, in an event. The texts are the machine's words: they are
//! short, escaped, and shown as a quotation.

use crate::ipxe_error::{IpxeError, ScriptCommand};
use core::fmt;

/// A report of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report<'a> {
    /// An installer reports what it does.
    Progress {
        /// The step, in the words of the installer.
        text: MachineText<'a>,
    },
    /// The system of the machine is installed.
    Installed {
        /// The way in which the server knows.
        source: ReportSource,
    },
    /// The installation failed.
    InstallFailed {
        /// The way in which the server knows.
        source: ReportSource,
        /// The failure, in the words of the installer.
        text: MachineText<'a>,
    },
    /// A command in a script of the server failed.
    ScriptError {
        /// The command.
        command: ScriptCommand,
        /// The error number of iPXE.
        error: IpxeError,
        /// The file that the command was to load or to start, as the script names it; may be empty.
        file: MachineText<'a>,
    },
    /// An iPXE reports the memory of its machine.
    Memory {
        /// The size of the memory, in MiB.
        mib: u32,
    },
    /// A line that the machine sent by syslog.
    Syslog {
        /// The severity (RFC 5424 6.2.1): 0 is an emergency, 7 is debugging.
        severity: u8,
        /// The program that wrote the line; empty if unknown.
        program: MachineText<'a>,
        /// The line.
        text: MachineText<'a>,
    },
}

/// The way in which a report about an installation arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportSource {
    /// The module `phone_home` of cloud-init.
    PhoneHome,
    /// The reports of Ubuntu's installer and of curtin.
    Autoinstall,
    /// The `done_url`.
    DoneUrl,
    /// A report with a `result`.
    Report,
}

/// Why the server does not accept a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportRefusal {
    /// The token is missing, invalid or expired.
    Token,
    /// The machine, or all machines together, report too often.
    Rate,
    /// The report is too long.
    Size,
    /// The report did not arrive in time, or its connection broke.
    Incomplete,
    /// The report contains nothing that the server understands.
    Unreadable,
    /// The line came from an address that is no machine's.
    UnknownSender,
}

/// A text of a machine. [`fmt::Display`] shows at most 200 octets of it, in quotation marks, without control
/// characters. `...` replaces a token: Debian's installer sends the commands of its preseed by syslog, with their URLs,
/// and a reader of the log could use the token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MachineText<'a>(&'a str);

/// Maximum length of a shown text, in octets.
pub const MAX_SHOWN: usize = 200;

impl<'a> MachineText<'a> {
    /// The first line of this text that is not blank, without spaces around it.
    pub fn new(text: &'a str) -> MachineText<'a> {
        MachineText(text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default())
    }

    /// Whether the text is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text without quotation marks, escaped and truncated as it is shown.
    pub fn shown(self) -> Shown<'a> {
        Shown(self.0)
    }
}

impl fmt::Debug for MachineText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for MachineText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.shown())
    }
}

/// The escaped and truncated form of a [`MachineText`], without quotation marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        let (mut left, mut rest) = (MAX_SHOWN, self.0);
        while let Some(c) = rest.chars().next() {
            if let Some(behind) = behind_token(rest) {
                let Some(after) = left.checked_sub(HIDDEN_TOKEN.len()) else { return f.write_char('\u{2026}') };
                (left, rest) = (after, behind);
                f.write_str(HIDDEN_TOKEN)?;
                continue;
            }
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
            let escaped = c.escape_debug();
            let is_plain = c == '\'' || escaped.len() == 1;
            let length = if is_plain { c.len_utf8() } else { escaped.len() };
            let Some(after) = left.checked_sub(length) else { return f.write_char('\u{2026}') };
            left = after;
            if is_plain { f.write_char(c)? } else { write!(f, "{escaped}")? }
        }
        Ok(())
    }
}

/// The text that stands for a token.
const HIDDEN_TOKEN: &str = "token=...";

/// The text behind the token with which this text begins.
fn behind_token(text: &str) -> Option<&str> {
    let (name, behind) = text.split_at_checked("token=".len())?;
    let token = behind.trim_start_matches(|c: char| c.is_ascii_hexdigit());
    (name.eq_ignore_ascii_case("token=") && token.len() < behind.len()).then_some(token)
}

impl ReportRefusal {
    /// The label of the counter.
    pub fn label(self) -> &'static str {
        match self {
            ReportRefusal::Token => "report:token",
            ReportRefusal::Rate => "report:rate",
            ReportRefusal::Size => "report:size",
            ReportRefusal::Incomplete => "report:incomplete",
            ReportRefusal::Unreadable => "report:unreadable",
            ReportRefusal::UnknownSender => "report:unknown-sender",
        }
    }
}

impl fmt::Display for ReportRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ReportRefusal::Token => "its token is missing, invalid or expired",
            ReportRefusal::Rate => "too many reports",
            ReportRefusal::Size => "it is too long",
            ReportRefusal::Incomplete => "it did not arrive completely in time",
            ReportRefusal::Unreadable => "it contains nothing that this server understands",
            ReportRefusal::UnknownSender => "its sender's address is not that of a machine that this server knows",
        })
    }
}

impl fmt::Display for ReportSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ReportSource::PhoneHome => "phone_home",
            ReportSource::Autoinstall => "the installer's webhook",
            ReportSource::DoneUrl => "done_url",
            ReportSource::Report => "report_url",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    #[test]
    fn a_text_is_quoted_escaped_and_short() {
        let odd = MachineText::new("\n  a \"b\"\\\u{1b}[31m\u{202e}\tß'  \nsecond");
        assert_eq!(odd.to_string(), "\"a \\\"b\\\"\\\\\\u{1b}[31m\\u{202e}\\tß'\"");
        let long = "\u{7}".repeat(10_000);
        let shown = MachineText::new(&long).shown().to_string();
        assert!(shown.len() <= MAX_SHOWN + 3 && shown.ends_with('\u{2026}'), "{shown}");
        assert_eq!(MachineText::new(&"x".repeat(200)).shown().to_string(), "x".repeat(200));
        assert_eq!(format!("{:?}", MachineText::new(" \n\r\n")), "\"\"");
    }

    #[test]
    fn a_text_never_shows_a_token() {
        let shown = |text: &str| MachineText::new(text).shown().to_string();
        let url = "http://192.0.2.10/machine/name=web1/token=0123abcd";
        assert_eq!(
            shown(&format!("wget -q {url}/done; wget {url}")),
            "wget -q http://192.0.2.10/machine/name=web1/token=.../done; wget http://192.0.2.10/machine/name=web1/token=..."
        );
        assert_eq!(shown("TOKEN=AB12 token= ß token"), "token=... token= ß token");
        for end in 185..200 {
            let shown = shown(&format!("{}token={}", "x".repeat(end), "5".repeat(40)));
            assert!(!shown.contains('5') && shown.len() <= MAX_SHOWN + 3, "{shown}");
        }
    }
}

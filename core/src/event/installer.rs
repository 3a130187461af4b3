//! The events that Ubuntu's installer and curtin post to a webhook, and what they say about the installation.
//!
//! Each event has a hierarchical name, such as `subiquity/Install/install/curtin_install`, and a start or a finish with
//! a result: SUCCESS, WARN or FAIL. A failure of a part is also one of the parts around it (curtin's documentation,
//! "Reporting").

use alloc::format;
use alloc::string::String;

/// An event of the installer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InstallerEvent<'a> {
    /// The name.
    pub name: &'a str,
    /// `start` or `finish`.
    pub event_type: &'a str,
    /// The part that begins or ends, in words; may be empty.
    pub description: &'a str,
    /// The result of a finish; may be empty.
    pub result: &'a str,
}

/// The meaning of an event for the installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstallerOutcome {
    /// A part of the installation begins, or has ended with a problem.
    Progress,
    /// A part of the installation has ended well, which the start of the next part shows.
    Nothing,
    /// The system is installed.
    Installed,
    /// The installation failed.
    Failed,
}

/// The last events of an installation that succeeded. Ubuntu's installer copies its logs after the late commands, and
/// then restarts the machine, so that the finish of its very last event often does not arrive.
const LAST: [&str; 3] = ["subiquity/Shutdown/copy_logs_to_target", "subiquity/Shutdown/shutdown", "cmd-install"];

/// The event whose start shows that the installation is complete.
const SHUTDOWN: &str = "subiquity/Shutdown/shutdown";

/// The parts without which there is no installation. Other parts may fail: the search for an update of the installer
/// fails in a network without Internet.
const ESSENTIAL: [&str; 4] = ["subiquity/Install/install", "subiquity/Early/", "subiquity/Late/", "cmd-install"];

impl InstallerEvent<'_> {
    /// The meaning of the event for the installation.
    pub fn outcome(&self) -> InstallerOutcome {
        match (self.event_type, self.result) {
            ("start", _) if self.name == SHUTDOWN => InstallerOutcome::Installed,
            ("start", _) => InstallerOutcome::Progress,
            ("finish", "SUCCESS") if LAST.contains(&self.name) => InstallerOutcome::Installed,
            ("finish", "FAIL") if self.is_essential() => InstallerOutcome::Failed,
            ("finish", "SUCCESS" | "") => InstallerOutcome::Nothing,
            _ => InstallerOutcome::Progress,
        }
    }

    /// The event in words.
    pub fn text(&self) -> String {
        let what = if self.description.is_empty() { self.name } else { self.description };
        match self.event_type {
            "finish" => format!("{what} ({}): {}", self.name, self.result),
            _ => what.into(),
        }
    }

    fn is_essential(&self) -> bool {
        let is_part_of = |whole: &str| match whole.ends_with('/') {
            true => self.name.strip_prefix(whole).is_some_and(|part| !part.contains('/')),
            false => self.name == whole,
        };
        ESSENTIAL.iter().any(|whole| is_part_of(whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(name: &str, event_type: &str, result: &str) -> InstallerOutcome {
        InstallerEvent { name, event_type, result, description: "" }.outcome()
    }

    #[test]
    fn the_end_of_the_installation_is_that_of_the_last_part() {
        use InstallerOutcome::{Failed, Installed, Nothing, Progress};
        for (name, event_type, result, expected) in [
            ("subiquity/Install/install", "start", "", Progress),
            ("subiquity/Install/install/curtin_install", "finish", "SUCCESS", Nothing),
            ("subiquity/Install/install", "finish", "SUCCESS", Nothing),
            ("subiquity/Late/run_user_supplied", "finish", "SUCCESS", Nothing),
            ("subiquity/Shutdown/copy_logs_to_target", "start", "", Progress),
            ("subiquity/Shutdown/copy_logs_to_target", "finish", "SUCCESS", Installed),
            ("subiquity/Shutdown/shutdown", "start", "", Installed),
            ("cmd-install", "finish", "SUCCESS", Installed),
            ("cmd-install", "finish", "FAIL", Failed),
            ("subiquity/Install/install", "finish", "FAIL", Failed),
            ("subiquity/Late/run_user_supplied", "finish", "FAIL", Failed),
            ("subiquity/Late/run_user_supplied/command_1", "finish", "FAIL", Progress),
            ("subiquity/Refresh/check_for_update", "finish", "FAIL", Progress),
            ("subiquity/Install/install", "finish", "WARN", Progress),
            ("", "", "", Progress),
        ] {
            assert_eq!(outcome(name, event_type, result), expected, "{name} {event_type} {result}");
        }
    }

    #[test]
    fn a_finish_shows_its_result() {
        let mut event = InstallerEvent { name: "a/b", event_type: "start", description: "copying files", result: "" };
        assert_eq!(event.text(), "copying files");
        (event.event_type, event.result) = ("finish", "FAIL");
        assert_eq!(event.text(), "copying files (a/b): FAIL");
    }
}

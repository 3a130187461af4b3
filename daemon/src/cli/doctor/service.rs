//! The state of the systemd unit `proxydhcpd`.

use crate::cli::found_fault::FoundFault;
use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

const UNIT: &str = "proxydhcpd.service";
const PROPERTIES: &str = "--property=LoadState,ActiveState,SubState,Result,UnitFileState,NRestarts,DynamicUser,User";

/// The properties of the unit, as systemd names them.
#[derive(Debug, Default)]
pub struct Unit(HashMap<String, String>);

impl Unit {
    /// Asks systemd. Without systemd, and without the unit, all properties are empty.
    pub fn query() -> Unit {
        if !Path::new("/run/systemd/system").exists() {
            return Unit::default();
        }
        let output = Command::new("systemctl").args(["show", UNIT, PROPERTIES]).output();
        Unit::parse(&output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default())
    }

    fn parse(text: &str) -> Unit {
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Unit(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    fn property(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Whether systemd runs the server as a user that exists only while it runs.
    pub fn has_dynamic_user(&self) -> bool {
        self.property("DynamicUser") == "yes"
    }

    /// The faults of the unit. A host without the unit, such as one with a container, has none.
    pub fn faults(&self) -> Vec<FoundFault> {
        let mut faults = Vec::new();
        let mut add = |code, summary: String, cure: &str| faults.push(FoundFault::new(code, UNIT, summary, cure));
        match self.property("LoadState") {
            "masked" => {
                let summary = "the service proxydhcpd is masked, so systemd cannot start it".to_owned();
                add("service-masked", summary, "run `systemctl unmask proxydhcpd`");
                return faults;
            }
            "loaded" => {}
            _ => return faults,
        }
        let result = self.property("Result");
        match (self.property("ActiveState"), self.property("SubState")) {
            ("failed", _) => add(
                "service-failed",
                format!("the service proxydhcpd has failed ({result})"),
                "read the reason in `journalctl -u proxydhcpd -n 50`, correct it, and run \
                 `systemctl restart proxydhcpd`",
            ),
            (_, "auto-restart") => add(
                "service-restarting",
                format!("the service proxydhcpd ends again and again ({} restarts)", self.property("NRestarts")),
                "read the reason in `journalctl -u proxydhcpd -n 50`",
            ),
            _ => {}
        }
        if self.property("UnitFileState") == "disabled" {
            let summary = "the service proxydhcpd does not start when this host starts".to_owned();
            add("service-disabled", summary, "run `systemctl enable proxydhcpd`");
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str) -> Vec<&'static str> {
        Unit::parse(text).faults().iter().map(|fault| fault.code).collect()
    }

    #[test]
    fn each_state_that_needs_an_administrator_is_a_fault() {
        assert_eq!(codes("LoadState=loaded\nActiveState=active\nSubState=running\nUnitFileState=enabled\n"), [""; 0]);
        assert_eq!(codes("LoadState=not-found\nActiveState=inactive\n"), [""; 0]);
        assert_eq!(codes(""), [""; 0]);
        assert_eq!(codes("LoadState=masked\nActiveState=inactive\n"), ["service-masked"]);
        assert_eq!(
            codes("LoadState=loaded\nActiveState=failed\nResult=exit-code\nUnitFileState=disabled\n"),
            ["service-failed", "service-disabled"]
        );
        assert_eq!(codes("LoadState=loaded\nActiveState=activating\nSubState=auto-restart\n"), ["service-restarting"]);
    }
}

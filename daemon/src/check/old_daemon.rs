//! Finds files of the Python daemon on this host that interfere with this server.

use proxydhcpd_reading::diagnostic::Diagnostic;
use std::path::Path;

/// The unit of the Python daemon. A unit in this directory overrides the unit of the same name in this server's
/// package.
const UNIT: &str = "etc/systemd/system/proxydhcpd.service";

/// Warns of a unit that systemd starts instead of this server's unit. `root` is `/` except in tests. A modified copy of
/// this server's unit causes no warning, because the administrator intends it.
pub fn shadowing_unit(root: &Path) -> Option<Diagnostic> {
    let text = std::fs::read_to_string(root.join(UNIT)).ok()?;
    let start = text.lines().filter_map(|line| line.trim().strip_prefix("ExecStart=")).map(str::trim).next_back()?;
    let starts_this_server = start.split_whitespace().next().is_some_and(|program| program.ends_with("/proxydhcpd"))
        && !text.contains("Type=forking");
    let warning = || {
        let problem = format!("/{UNIT} overrides the unit of this server, and starts `{start}`");
        let fix = format!(
            "if that is the Python daemon: systemctl disable --now proxydhcpd, rm /{UNIT}, systemctl daemon-reload, \
             and systemctl enable --now proxydhcpd"
        );
        Diagnostic::warning(problem).help(fix)
    };
    (!starts_this_server).then(warning)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warning_for(text: &str) -> Option<String> {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("etc/systemd/system")).unwrap();
        std::fs::write(root.path().join(UNIT), text).unwrap();
        shadowing_unit(root.path()).map(|warning| warning.one_line())
    }

    #[test]
    fn a_unit_of_the_python_daemon_with_this_servers_name_causes_a_warning() {
        let text = "[Service]\nType=forking\nExecStart=/usr/bin/python3 /opt/proxyDHCPd/src/proxydhcpd.py -d\n";
        let warning = warning_for(text).unwrap();
        assert!(warning.contains("starts `/usr/bin/python3 /opt/proxyDHCPd/src/proxydhcpd.py -d`"), "{warning}");
    }

    #[test]
    fn a_copy_of_this_servers_unit_causes_no_warning() {
        assert_eq!(warning_for("[Service]\nType=notify\nExecStart=/usr/sbin/proxydhcpd --log-target auto\n"), None);
        assert_eq!(shadowing_unit(Path::new("/nowhere")), None);
    }
}

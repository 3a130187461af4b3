//! What the Python daemon may have left on this machine and what gets in our way.

use crate::config::diagnostic::Diagnostic;
use std::path::Path;

/// Units here go before those of packages, and the old daemon's has the name of ours.
const UNIT: &str = "etc/systemd/system/proxydhcpd.service";

/// A unit that systemd starts in place of ours. `root`: `/`. A copy of our own unit is the operator's, and is left
/// alone.
pub fn shadowing_unit(root: &Path) -> Option<Diagnostic> {
    let text = std::fs::read_to_string(root.join(UNIT)).ok()?;
    let start = text.lines().filter_map(|line| line.trim().strip_prefix("ExecStart=")).map(str::trim).next_back()?;
    let is_ours = start.split_whitespace().next().is_some_and(|program| program.ends_with("/proxydhcpd"))
        && !text.contains("Type=forking");
    let warning = || {
        let what = format!("/{UNIT} goes before the unit of this server, and starts `{start}`");
        let cure = format!(
            "if that is the Python daemon: systemctl disable --now proxydhcpd, rm /{UNIT}, systemctl daemon-reload, \
             and \
             systemctl enable --now proxydhcpd"
        );
        Diagnostic::warning(what).help(cure)
    };
    (!is_ours).then(warning)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Option<String> {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("etc/systemd/system")).unwrap();
        std::fs::write(root.path().join(UNIT), text).unwrap();
        shadowing_unit(root.path()).map(|warning| warning.one_line())
    }

    #[test]
    fn the_old_daemons_unit_of_our_name_is_told_of() {
        let text = "[Service]\nType=forking\nExecStart=/usr/bin/python3 /opt/proxyDHCPd/src/proxydhcpd.py -d\n";
        let told = told(text).unwrap();
        assert!(told.contains("starts `/usr/bin/python3 /opt/proxyDHCPd/src/proxydhcpd.py -d`"), "{told}");
    }

    #[test]
    fn a_copy_of_our_own_unit_is_left_alone() {
        assert_eq!(told("[Service]\nType=notify\nExecStart=/usr/sbin/proxydhcpd --log-target auto\n"), None);
        assert_eq!(shadowing_unit(Path::new("/nowhere")), None);
    }
}

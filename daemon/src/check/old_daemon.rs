//! Finds files of the Python daemon on this host that interfere with this server.

use proxydhcpd_reading::diagnostic::Diagnostic;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// The unit of the Python daemon. A unit in this directory overrides the unit of the same name in this server's
/// package.
const UNIT: &str = "etc/systemd/system/proxydhcpd.service";
/// Its drop-ins, which `systemctl edit` writes. They outlive the unit, and apply to that of this server.
const DROP_INS: &str = "etc/systemd/system/proxydhcpd.service.d";
/// pip and packages write the path of Python into the first lines of a program.
const HEAD: u64 = 256;

/// Warns of each unit and drop-in by which systemd starts another program than this server. `root` is `/` except in
/// tests. A modified copy of this server's unit causes no warning, because the administrator intends it.
pub fn shadowing_units(root: &Path) -> Vec<Diagnostic> {
    let unit = shadowed_by(root, Path::new(UNIT)).map(|problem| {
        let fix = format!(
            "if that is the Python daemon: systemctl disable --now proxydhcpd, rm /{UNIT}, systemctl daemon-reload, \
             and systemctl enable --now proxydhcpd"
        );
        Diagnostic::warning(problem).help(fix)
    });
    let drop_ins = drop_ins(root).into_iter().filter_map(|file| {
        let problem = shadowed_by(root, &file)?;
        let fix = format!(
            "if that is for the Python daemon: rm /{}, systemctl daemon-reload, and systemctl restart proxydhcpd",
            file.display()
        );
        Some(Diagnostic::warning(problem).help(fix))
    });
    unit.into_iter().chain(drop_ins).collect()
}

/// Returns the drop-ins of the unit, in the order in which systemd reads them.
fn drop_ins(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root.join(DROP_INS)).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| Path::new(DROP_INS).join(entry.file_name())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "conf"));
    files.sort();
    files
}

/// Returns the problem with a unit or a drop-in, unless it starts this server.
fn shadowed_by(root: &Path, file: &Path) -> Option<String> {
    let text = fs::read_to_string(root.join(file)).ok()?;
    let start = text.lines().filter_map(|line| line.trim().strip_prefix("ExecStart=")).map(str::trim).next_back()?;
    // These characters before the path say how systemd starts the program.
    let program = start.split_whitespace().next()?.trim_start_matches(['-', '@', ':', '+', '!']);
    let begin = format!("/{} overrides the unit of this server, and starts `{start}`", file.display());
    if !program.ends_with("/proxydhcpd") || text.contains("Type=forking") {
        return Some(begin);
    }
    match head(&root.join(program.trim_start_matches('/'))) {
        Ok(head) if is_python(&head) => Some(format!("{begin}, a program in Python")),
        Err(ErrorKind::NotFound) => Some(format!("{begin}, which does not exist")),
        _ => None,
    }
}

fn head(program: &Path) -> Result<Vec<u8>, ErrorKind> {
    let mut head = Vec::new();
    let read = File::open(program).and_then(|file| file.take(HEAD).read_to_end(&mut head));
    read.map(|_| head).map_err(|error| error.kind())
}

/// Whether a program with these first octets is a script, and they name Python.
fn is_python(head: &[u8]) -> bool {
    head.starts_with(b"#!") && head.windows(6).any(|word| word == b"python")
}

#[cfg(test)]
mod tests {
    use super::*;

    const COPY: &str = "[Service]\nType=notify\nExecStart=/usr/sbin/proxydhcpd --log-target auto\n";
    const OLD: &str = "[Service]\nType=simple\nExecStart=/usr/bin/proxydhcpd -c /etc/proxyDHCPd/proxy.ini\n";

    fn warnings(files: &[(&str, &str)]) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = root.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        shadowing_units(root.path()).iter().map(Diagnostic::one_line).collect()
    }

    #[test]
    fn a_unit_of_the_python_daemon_with_this_servers_name_causes_a_warning() {
        let text = "[Service]\nType=forking\nExecStart=/usr/bin/python3 /opt/proxyDHCPd/src/proxydhcpd.py -d\n";
        let warnings = warnings(&[(UNIT, text)]);
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("starts `/usr/bin/python3 /opt/proxyDHCPd/src/proxydhcpd.py -d`"), "{warnings:?}");
    }

    /// The unit that the Python daemon ships starts a program with the name of this server's.
    #[test]
    fn a_copy_of_the_unit_that_the_python_daemon_ships_causes_a_warning_wherever_its_program_is() {
        for head in ["#!/usr/bin/python3\n", "#!/bin/sh\n'''exec' \"/opt/a venv/bin/python3\" \"$0\" \"$@\"\n"] {
            let warnings = warnings(&[(UNIT, OLD), ("usr/bin/proxydhcpd", head)]);
            assert_eq!(warnings.len(), 1, "{head}");
            assert!(warnings[0].contains("proxy.ini`, a program in Python"), "{warnings:?}");
        }
        let removed = warnings(&[(UNIT, OLD)]);
        assert!(removed.len() == 1 && removed[0].contains("proxy.ini`, which does not exist"), "{removed:?}");
    }

    #[test]
    fn a_drop_in_of_the_python_daemon_causes_a_warning_with_its_name() {
        let drop_in = format!("{DROP_INS}/override.conf");
        let text = "[Service]\nExecStart=\nExecStart=-/usr/bin/proxydhcpd -p -c /srv/proxy.ini\n";
        let warnings = warnings(&[(&drop_in, text), (&format!("{DROP_INS}/limits.conf"), "[Service]\nTasksMax=9\n")]);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains(&format!("/{drop_in} overrides")), "{warnings:?}");
        assert!(warnings[0].contains(&format!("rm /{drop_in}, systemctl daemon-reload")), "{warnings:?}");
    }

    #[test]
    fn a_copy_of_this_servers_unit_causes_no_warning() {
        assert!(warnings(&[(UNIT, COPY), ("usr/sbin/proxydhcpd", "\x7fELF")]).is_empty());
        assert!(shadowing_units(Path::new("/nowhere")).is_empty());
    }
}

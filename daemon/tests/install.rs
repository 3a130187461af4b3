//! Tests `make install` and `make uninstall`, into a directory, and what the packages say about these files. Tests with
//! a real systemd are in e2e, and `make packages-test` installs the packages.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

#[test]
fn the_unit_starts_the_program_where_it_was_installed() {
    for prefix in ["/usr", "/usr/local"] {
        let root = tempfile::tempdir().unwrap();
        make(root.path(), prefix, "install");
        let program = root.path().join(format!(".{prefix}/sbin/proxydhcpd"));
        assert_eq!(fs::metadata(&program).unwrap().permissions().mode() & 0o777, 0o755);
        let path = root.path().join("usr/lib/systemd/system/proxydhcpd.service");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        let catalog = root.path().join("usr/lib/systemd/catalog/proxydhcpd.catalog");
        assert_eq!(fs::metadata(&catalog).unwrap().permissions().mode() & 0o777, 0o644);
        let unit = fs::read_to_string(path).unwrap();
        let start = format!("ExecStart={prefix}/sbin/proxydhcpd serve\n");
        for file in [
            "bash-completion/completions/proxydhcpd",
            "zsh/site-functions/_proxydhcpd",
            "fish/vendor_completions.d/proxydhcpd.fish",
        ] {
            let script = fs::metadata(root.path().join(format!(".{prefix}/share/{file}"))).unwrap();
            assert_eq!(script.permissions().mode() & 0o777, 0o644, "{file}");
        }
        assert!(unit.contains(&start) && unit.contains(&format!("{prefix}/sbin/proxydhcpd check")), "{unit}");
    }
}

#[test]
fn uninstall_removes_all_files_except_the_operators() {
    let root = tempfile::tempdir().unwrap();
    make(root.path(), "/usr", "install");
    make(root.path(), "/usr", "uninstall");
    assert_eq!(files(root.path()), 0);
    assert!(!root.path().join("var/lib/proxydhcpd").exists(), "an empty boot directory is removed");

    make(root.path(), "/usr", "install");
    fs::write(root.path().join("etc/proxydhcpd/proxydhcpd.toml"), "").unwrap();
    fs::write(root.path().join("var/lib/proxydhcpd/boot/boot.ipxe"), "#!ipxe\n").unwrap();
    make(root.path(), "/usr", "uninstall");
    assert_eq!(files(root.path()), 2);
}

/// debhelper takes every file that `make install` lays. RPM needs a list.
#[test]
fn the_rpm_package_lists_every_file_of_make_install_and_no_other() {
    let root = tempfile::tempdir().unwrap();
    make(root.path(), "/usr", "install");
    let spec = fs::read_to_string("../dist/packages/proxydhcpd.spec").unwrap();
    // A line is a path, perhaps with `%dir` (the directory without what it contains) or `%doc` before it.
    let lines = spec.split_once("%files\n").unwrap().1.lines();
    let listed: Vec<&str> = lines.filter(|line| ["/", "%d"].iter().any(|begin| line.starts_with(begin))).collect();
    let is_below = |path: &str, directory: &str| path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'));
    let covers = |line: &str, path: &str| match line.split_once(' ') {
        Some(("%dir", directory)) => path == directory,
        _ => line.ends_with(path) || is_below(path, line.trim_start_matches("%doc ").trim_end_matches("/*")),
    };
    let paths = paths(root.path());
    let paths: Vec<&str> = paths.iter().map(|path| path.strip_prefix(root.path().to_str().unwrap()).unwrap()).collect();
    for path in &paths {
        assert!(listed.iter().any(|line| covers(line, path)), "%files of proxydhcpd.spec lacks {path}");
    }
    for line in &listed {
        let is_there = |path: &str| covers(line, path) || is_below(path, line.trim_start_matches("%dir "));
        assert!(paths.iter().any(|path| is_there(path)), "make install has nothing for: {line}");
    }
}

#[test]
fn the_manifests_and_the_pages_name_the_version_of_the_server_and_no_other() {
    let version = env!("CARGO_PKG_VERSION");
    for (file, line) in [
        ("dist/nix/package.nix", format!("version = \"{version}\";\n")),
        ("CHANGELOG.md", format!("# Changelog\n\n## {version}\n")),
    ] {
        let text = fs::read_to_string(format!("../{file}")).unwrap();
        assert!(text.contains(&line), "{file} lacks: {line}");
    }
    for file in ["dist/containers/compose.yaml", "dist/containers/kubernetes.yaml", "README.md", "docs/installing.md"] {
        let text = fs::read_to_string(format!("../{file}")).unwrap();
        // After its name: a file (`proxydhcpd-0.9.0-`, `proxydhcpd_0.9.0-`), or an image (`proxydhcpd:0.9.0`).
        let after_names = text.split("proxydhcpd").skip(1).filter_map(|after| after.strip_prefix(['-', '_', ':']));
        let versions: Vec<&str> = after_names.filter(|after| after.starts_with(|c: char| c.is_ascii_digit())).collect();
        assert!(!versions.is_empty(), "{file} names no version");
        for named in versions {
            let end = named.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(named.len());
            assert_eq!(named[..end].trim_end_matches('.'), version, "{file}: {named:.20}");
        }
    }
}

/// `make run` is the first command that a newcomer tries.
#[test]
fn make_with_a_cargo_that_is_too_old_names_the_required_version_and_how_to_install_it() {
    let directory = tempfile::tempdir().unwrap();
    let old = directory.path().join("cargo");
    fs::write(&old, "#!/bin/sh\necho 'cargo 1.85.0 (0123abc 2025-01-01)'\n").unwrap();
    fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).unwrap();
    let missing = directory.path().join("missing");
    for (cargo, message) in [
        (&old, "has version 1.85.0; Rust 1.90 or newer is required. Install rustup"),
        (&missing, "'{}' is not installed, and the server is written in Rust. Install rustup"),
    ] {
        let mut make = Command::new("make");
        make.args(["toolchain", &format!("CARGO={}", cargo.display())]).current_dir("..");
        let output = make.output().unwrap();
        let (stderr, message) =
            (String::from_utf8_lossy(&output.stderr), message.replace("{}", &cargo.to_string_lossy()));
        assert!(!output.status.success() && stderr.contains(&message), "{stderr}");
    }
}

/// Runs a target of the Makefile. /bin/true replaces the program.
fn make(root: &Path, prefix: &str, target: &str) {
    let mut command = Command::new("make");
    command.args(["--silent", "--old-file=build", "PROGRAM=/bin/true"]).current_dir("..");
    command.args([format!("DESTDIR={}", root.display()), format!("PREFIX={prefix}"), target.to_owned()]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn files(directory: &Path) -> usize {
    paths(directory).iter().filter(|path| Path::new(path).is_file()).count()
}

/// All files and empty directories below the directory.
fn paths(directory: &Path) -> Vec<String> {
    let entries: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    if entries.is_empty() {
        return vec![directory.to_str().unwrap().to_owned()];
    }
    let below =
        |path: std::path::PathBuf| if path.is_dir() { paths(&path) } else { vec![path.to_str().unwrap().to_owned()] };
    entries.into_iter().flat_map(below).collect()
}

//! Tests that messages about local errors name the actual cause, and no other. Runs the real binary. Needs root.

mod common;

use common::server::{PROGRAM, Server, unprivileged_with};
use proxydhcpd_testbed::Host;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Runs `check` as a user without capabilities, and returns its output.
fn check(host: &Host, arguments: &[&str]) -> String {
    let words = unprivileged_with("-all");
    let mut command = Command::new("setpriv");
    command.args(&words).arg("check").args(arguments);
    let output = host.on(|| command.output().unwrap());
    String::from_utf8_lossy(&[output.stderr, output.stdout].concat()).into_owned()
}

#[test]
fn a_file_that_is_unreadable_or_no_regular_file_is_not_reported_as_missing() {
    let dir = tempfile::tempdir().unwrap();
    set_mode(dir.path(), 0o755);
    let at = |name: &str| dir.path().join(name);
    for directory in ["boot", "boot/closed", "boot/directory", "closed"] {
        fs::create_dir(at(directory)).unwrap();
    }
    for file in ["boot/unreadable", "boot/closed/linux", "boot/file", "closed/machines.csv"] {
        fs::write(at(file), "text").unwrap();
    }
    symlink("nowhere", at("boot/broken")).unwrap();
    symlink("/etc/hostname", at("boot/out")).unwrap();
    set_mode(&at("boot/unreadable"), 0o600);
    set_mode(&at("boot/closed"), 0o700);
    let mut text = format!("boot-dir = {:?}\n", at("boot"));
    for (number, kernel) in
        ["gone", "unreadable", "closed/linux", "broken", "out", "directory", "file/linux"].iter().enumerate()
    {
        text += &format!("[profile.p{number}]\nkernel = \"{kernel}\"\n");
    }
    fs::write(at("proxydhcpd.toml"), text).unwrap();
    let host = Host::new();
    let config = at("proxydhcpd.toml");
    let output = check(&host, &["-c", config.to_str().unwrap()]);
    let boot = at("boot").display().to_string();
    for expected in [
        format!("there is no file {boot}/gone yet"),
        format!("this server may not read {boot}/unreadable: permission denied\n"),
        format!("this server may not read {boot}/closed/linux: permission denied in the directory {boot}/closed\n"),
        format!("{boot}/broken is a link to nowhere, which does not exist"),
        format!("{boot}/out is a link out of the served directory"),
        format!("{boot}/directory is a directory, not a file"),
        format!("there is no file {boot}/file/linux: {boot}/file is a file, not a directory"),
    ] {
        assert!(output.contains(&expected), "{expected}\n{output}");
    }
    assert_eq!(output.matches("there is no file").count(), 2, "{output}");

    set_mode(&at("closed"), 0o700);
    let (file, template) = (at("closed/machines.csv"), at("boot/file"));
    fs::write(&config, format!("machine-files = {file:?}\ntemplate-dir = {template:?}\n")).unwrap();
    let output = check(&host, &["-c", config.to_str().unwrap()]);
    let closed = at("closed").display().to_string();
    let denied =
        format!("this server may not read {closed}/machines.csv: permission denied in the directory {closed}\n");
    assert!(output.contains(&denied), "{output}");
    assert!(output.contains(&format!("{boot}/file is not a directory\n")), "{output}");
}

#[test]
fn an_interface_that_is_not_served_is_reported_with_the_reason() {
    let (host, other) = (Host::with_ipv4_only(), Host::new());
    host.cable("eth0", &other, "eth0");
    host.run(
        "ip address add 192.0.2.10/24 dev eth0\nip link add down0 type veth peer name bare0\nip link set bare0 up\n\
         ip link add br0 type bridge\nip link add port0 type veth peer name port1\nip link set port0 master br0 up",
    );
    let output = |pattern: &str| check(&host, &["-i", pattern]);
    for (pattern, expected, help) in [
        ("eth9", "this host has no interface called eth9", "did you mean eth0?"),
        ("wlan*", "this host has no interface called wlan*", "this host has lo, eth0"),
        ("down0", "interface down0 is down", "`ip link set down0 up`"),
        ("bare0", "interface bare0 has no address that the configuration allows", "as soon as it has one"),
        ("port0", "interface port0 is a port of a bridge or bond", "name the bridge or bond instead"),
    ] {
        let text = output(pattern);
        assert!(text.contains(&format!("warning: {expected}")) && text.contains(help), "{text}");
        assert!(text.contains("interfaces      none yet: no configured interface can be served now\n"), "{text}");
    }
    assert!(!output("eth*").contains("warning: interface"), "{}", output("eth*"));
    host.run("ip link delete eth0");
    let text = check(&host, &[]);
    assert!(text.contains("interfaces      none yet: no interface is up with an address\n"), "{text}");

    let server = Server::start(&host, &["--boot-dir", "BOOT", "-i", "eth9"]);
    server.wait_for_line("this host has no interface called eth9");
}

/// Some containers have no /proc.
#[test]
fn without_proc_the_owner_of_a_port_is_reported_as_unknown() {
    let (host, other) = (Host::new(), Host::new());
    host.cable("eth0", &other, "eth0");
    host.run("ip address add 192.0.2.10/24 dev eth0");
    let without_proc = "mount -t tmpfs none /proc && exec \"$0\" \"$@\"";
    let arguments = ["--mount", "sh", "-c", without_proc, PROGRAM, "--boot-dir", "BOOT"];
    let server = Server::start_program("unshare", &host, &arguments);
    server.wait_for_line(
        "cannot receive relayed requests: cannot bind UDP port 67 on 192.0.2.10: cannot read its owner from \
         /proc/thread-self/net/udp",
    );
    let log = server.log();
    assert!(
        log.contains("/proc/thread-self/net/udp: No such file or directory (os error 2); is /proc mounted?"),
        "{log}"
    );
}

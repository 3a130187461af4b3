//! Tests special files, files on storage that does not respond, and floods of reloads. Runs the real binary. Needs
//! root.

mod common;

use common::lease::FileLease;
use common::server::{PROGRAM, Server, one_network};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use proxydhcpd_testbed::{Host, wait_up_to};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Reading a special file could block, or never end.
#[test]
fn special_files_are_refused_at_once_wherever_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for sub in ["conf.d", "machines", "templates"] {
        fs::create_dir(at(sub)).unwrap();
    }
    fs::write(at("proxydhcpd.toml"), "").unwrap();
    assert_eq!(check(&at("proxydhcpd.toml")), (Some(0), String::new()));
    for (name, what) in [
        ("conf.d/a.toml", "cannot read the configuration file"),
        ("machines/a.csv", "cannot read the machines"),
        ("machines/a.json", "cannot read the machines"),
        ("machines/a.toml", "cannot read the machines"),
        ("templates/a.cfg", "cannot read this template"),
    ] {
        mkfifo(&at(name), Mode::S_IRWXU).unwrap();
        let (status, output) = check(&at("proxydhcpd.toml"));
        let reason = format!("{what}: it is a named pipe, not a regular file");
        assert!(status == Some(2) && output.contains(&reason) && output.contains(name), "{name}: {status:?} {output}");
        fs::remove_file(at(name)).unwrap();
    }
    symlink("/dev/zero", at("machines/a.csv")).unwrap();
    let (status, output) = check(&at("proxydhcpd.toml"));
    assert!(status == Some(2) && output.contains("it is a device, not a regular file"), "{output}");
    fs::remove_file(at("machines/a.csv")).unwrap();
    for (link, reason) in [("/dev/zero", "it is a device"), ("pipe", "it is a named pipe")] {
        let _ = mkfifo(&at("pipe"), Mode::S_IRWXU);
        let _ = fs::remove_file(at("linked.toml"));
        symlink(link, at("linked.toml")).unwrap();
        let (status, output) = check(&at("linked.toml"));
        assert!(status == Some(2) && output.contains(reason), "{output}");
    }
    fs::File::create(at("long.toml")).unwrap().set_len((64 << 20) + 1).unwrap();
    let (status, output) = check(&at("long.toml"));
    assert!(status == Some(2) && output.contains("it is longer than 64 MiB"), "{output}");
}

#[test]
fn a_reload_of_a_special_file_fails_and_the_next_reload_works() {
    let (host, _machine) = one_network();
    let server = Server::start_configured(&host, tempfile::tempdir().unwrap(), "");
    server.wait_for_line("ready");
    let file = server.directory.path().join("proxydhcpd.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::remove_file(&file).unwrap();
    mkfifo(&file, Mode::S_IRWXU).unwrap();
    server.signal(Signal::SIGHUP);
    server.wait_for_line("it is a named pipe, not a regular file");
    server.wait_for_line("reload failed");
    fs::remove_file(&file).unwrap();
    fs::write(&file, text).unwrap();
    server.signal(Signal::SIGHUP);
    server.wait_for_line("INFO  reloaded");
}

/// On network storage that does not respond, a file is regular, but opening it blocks.
#[test]
fn a_reload_that_hangs_causes_a_warning_and_the_next_reload_works() {
    let (host, _machine) = one_network();
    let server = Server::start_configured(&host, tempfile::tempdir().unwrap(), "");
    server.wait_for_line("ready");
    let at = |name: &str| server.directory.path().join(name);
    let text = fs::read_to_string(at("proxydhcpd.toml")).unwrap();
    let lease = FileLease::take(&at("proxydhcpd.toml"), at("lease"));
    server.signal(Signal::SIGHUP);
    lease.wait_until_opened();
    wait_up_to(Duration::from_secs(40), "the warning", || {
        server.log().contains("the reload that started 30 s ago is still waiting for a file").then_some(())
    });
    assert!(!server.log().contains("INFO  reloaded"), "{}", server.log());
    fs::write(at("new"), text).unwrap();
    fs::rename(at("new"), at("proxydhcpd.toml")).unwrap();
    server.signal(Signal::SIGHUP);
    server.wait_for_line("INFO  reloaded");
    lease.release();
    assert!(server.is_running());
}

#[test]
fn a_flood_of_signals_causes_one_reload_a_second_without_repeated_warnings() {
    let (host, _machine) = one_network();
    let server = Server::start_configured(&host, tempfile::tempdir().unwrap(), "");
    server.wait_for_line("ready");
    // The files are no older than the server, so the server may reload them once more.
    std::thread::sleep(Duration::from_secs(5));
    let before = server.log().lines().count();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        server.signal(Signal::SIGHUP);
    }
    server.wait_for_line("INFO  reloaded");
    let log = server.log();
    let reloads = log.matches("INFO  reloaded").count();
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap();
    assert!(reloads <= seconds + 3, "{reloads} in {seconds} s: {log}");
    let more = log.lines().count() - before;
    assert!(more <= reloads + 2, "{more} lines of {reloads} reloads: {log}");
}

/// Runs `check` on this file. Returns the exit status and the errors.
fn check(file: &Path) -> (Option<i32>, String) {
    let mut program = Command::new("timeout");
    program.args(["20", PROGRAM, "check", "-b"]).arg(file.parent().unwrap()).arg("-c").arg(file);
    program.env("STATE_DIRECTORY", file.parent().unwrap().join("state"));
    let output = Host::new().on(|| program.stdin(Stdio::null()).output().unwrap());
    let errors = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), errors)
}

//! The program under test: the real binary, started in the same way as by an administrator.

use crate::process::Process;
use crate::work_dir::WorkDir;
use anyhow::{Context, Result, ensure};
use proxydhcpd_testbed::Host;
use proxydhcpd_testbed::raw::format_mac;
use std::cell::Cell;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Starts the server with these arguments. Returns when the server has notified its service manager that it is ready
/// (sd_notify(3)).
pub fn start(work: &WorkDir, host: &Host, arguments: &[&OsStr]) -> Result<Process> {
    let notify = work.socket("notify");
    // If the case starts the server a second time, the first server has left this socket.
    let _ = fs::remove_file(&notify);
    let socket = UnixDatagram::bind(&notify).with_context(|| notify.display().to_string())?;
    socket.set_nonblocking(true)?;

    let mut command = Process::command(binary()?);
    // Each host has a separate state directory, and no server uses that of the host that runs the tests.
    let state = work.file(&format!("state-{}", format_mac(host.mac("eth0"))));
    command.args(arguments).env("NOTIFY_SOCKET", &notify).env("STATE_DIRECTORY", state);
    command.env("RUNTIME_DIRECTORY", runtime_directory(work, host));
    let mut process = Process::start(work, host, "proxydhcpd", &mut command)?;
    let ready = Cell::new(false);
    process.wait_until("READY=1", Duration::from_secs(20), || {
        let mut message = [0; 4096];
        while let Ok(length) = socket.recv(&mut message) {
            if message[..length].split(|byte| *byte == b'\n').any(|line| line == b"READY=1") {
                ready.set(true);
            }
        }
        Ok(ready.get())
    })?;
    Ok(process)
}

/// Runs a command that asks the server on this host, such as `story`, and returns its output.
pub fn ask(work: &WorkDir, host: &Host, arguments: &[&OsStr]) -> Result<String> {
    let output = client(work, host)?.args(arguments).output()?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Returns the program as a command that asks the server on this host, without arguments.
pub fn client(work: &WorkDir, host: &Host) -> Result<Command> {
    let mut command = Command::new(binary()?);
    command.env("RUNTIME_DIRECTORY", runtime_directory(work, host));
    Ok(command)
}

/// The directory for the control socket of the server on this host.
fn runtime_directory(work: &WorkDir, host: &Host) -> PathBuf {
    work.socket(&format_mac(host.mac("eth0")))
}

/// Returns the output of `check` with these arguments on this host.
pub fn check(host: &Host, arguments: &[&OsStr]) -> Result<String> {
    let mut command = Command::new(binary()?);
    let output = host.on(|| command.arg("check").args(arguments).output())?;
    ensure!(output.status.success(), "check: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Returns the path of the binary that the environment variable PROXYDHCPD names, or of the one that `make test` has
/// built.
pub fn binary() -> Result<PathBuf> {
    let path = match env::var_os("PROXYDHCPD") {
        Some(path) => PathBuf::from(path),
        None => target().join("local/proxydhcpd"),
    };
    ensure!(path.is_file(), "{} is missing: cargo build --package proxydhcpd --profile local", path.display());
    Ok(path)
}

fn target() -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    env::var_os("CARGO_TARGET_DIR").map_or(default, PathBuf::from)
}

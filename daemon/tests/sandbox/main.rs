//! The sandbox of the real server: what each of its threads may do, what a reload may change, and what the server says
//! about it. Runs the real binary in network namespaces. Needs root.

#[path = "../common/mod.rs"]
mod common;
#[cfg(target_arch = "x86_64")]
mod forbidden_acts;
mod reloads;
mod start;

use common::server::Server;
use proxydhcpd_testbed::Host;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// The fields of /proc/PID/status for a thread.
fn status(process: u32, thread: u32) -> impl Fn(&str) -> String {
    let text = fs::read_to_string(format!("/proc/{process}/task/{thread}/status")).unwrap();
    move |field| {
        let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("no {field} in {text}")).trim().to_owned()
    }
}

/// The line of the log about the sandbox.
fn sandbox_line(server: &Server) -> String {
    server.wait_for_line("sandbox");
    let log = server.log();
    let line = log.lines().find(|line| line.contains("sandbox: ") || line.contains("sandbox off"));
    line.unwrap_or_else(|| panic!("no line: {log}")).to_owned()
}

/// Fetches a file of the server by HTTP from the machine. `None`: the server refuses it.
fn fetch(machine: &Host, name: &str) -> Option<String> {
    let url = format!("http://192.0.2.10:8080/{name}");
    let output = machine.on(|| {
        Command::new("curl").args(["--silent", "--fail", "--max-time", "10", &url]).stdin(Stdio::null()).output()
    });
    let output = output.unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

/// Runs a shell script in the mount namespace of the server. Its mounts end with the server.
fn in_mounts_of(server: &Server, script: &str) {
    let mut command = Command::new("nsenter");
    command.arg(format!("--mount=/proc/{}/ns/mnt", server.pid())).args(["--", "sh", "-ec", script]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Creates a directory with a file, whose content is the path of the directory.
fn directory_with_file(path: &Path, name: &str) {
    fs::create_dir_all(path).unwrap();
    fs::write(path.join(name), path.display().to_string()).unwrap();
}

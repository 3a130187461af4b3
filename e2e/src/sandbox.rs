//! A room of our own in the kernel, which it clears by itself.
//!
//! Cases start emulators, servers and network namespaces as root. Whatever ends a run, the reader's Ctrl-C or a SIGKILL
//! from a watchdog, nothing of that may stay behind. So the test program starts itself a second time as the first
//! process of new PID, mount and network namespaces: when that process goes, the kernel kills all others and drops
//! every interface.

use anyhow::{Context, Result, ensure};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::{env, fs};

const INSIDE: &str = "PROXYDHCPD_E2E_INSIDE";

/// `ip netns` keeps its names under /run, and so do sockets of the cases: a /run that nobody else sees. A systemd of
/// ours wants control groups of version 2 only, whatever this machine has mounted.
const ROOM: [&[&str]; 3] = [
    &["mount", "--no-mtab", "-t", "tmpfs", "tmpfs", "/run"],
    &["mount", "--no-mtab", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup"],
    &["ip", "link", "set", "lo", "up"],
];

/// Returns inside the room; outside it replaces this process by one that goes in.
pub fn enter() -> Result<()> {
    if env::var_os(INSIDE).is_none() {
        ensure!(
            fs::metadata("/proc/self")?.uid() == 0,
            "namespaces, taps and port 67 need root: run the tests as root"
        );
        let program = env::current_exe()?;
        // Being the first of its PID namespace the inner process gets no SIGINT or SIGTERM, and unshare holds them back
        // too. It is the end of cargo, which does hear Ctrl-C, that ends the room.
        let error = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare"])
            .args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--"])
            .arg(program)
            .args(env::args_os().skip(1))
            .env(INSIDE, "1")
            .exec();
        return Err(error).context("setpriv and unshare of util-linux are needed");
    }
    for command in ROOM {
        let output = Command::new(command[0]).args(&command[1..]).output()?;
        ensure!(output.status.success(), "{}: {}", command.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

//! Separate namespaces for the tests, which the kernel cleans up.
//!
//! Cases start emulators, servers and network namespaces as root. However a run ends, by Ctrl-C or by a SIGKILL from a
//! watchdog, none of these may remain. So the test program starts itself a second time, as the first process of new
//! PID, mount and network namespaces: when that process ends, the kernel kills all others and removes every interface.

use anyhow::{Context, Result, ensure};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::{env, fs};

const INSIDE: &str = "PROXYDHCPD_E2E_INSIDE";

/// The commands that set up the namespaces. `ip netns` and the cases store names and sockets under /run, so /run is
/// private. The tests with systemd need control groups of version 2 only, even if this host has mounted others.
const SETUP: [&[&str]; 3] = [
    &["mount", "--no-mtab", "-t", "tmpfs", "tmpfs", "/run"],
    &["mount", "--no-mtab", "-t", "cgroup2", "cgroup2", "/sys/fs/cgroup"],
    &["ip", "link", "set", "lo", "up"],
];

/// Returns if this process is in the sandbox. Otherwise replaces this process with one that enters the sandbox.
pub fn enter() -> Result<()> {
    if env::var_os(INSIDE).is_none() {
        ensure!(
            fs::metadata("/proc/self")?.uid() == 0,
            "namespaces, taps and port 67 require root: run the tests as root"
        );
        let program = env::current_exe()?;
        // As the first process of its PID namespace, the inner process receives no SIGINT or SIGTERM, and unshare does
        // not forward them. Cargo does receive Ctrl-C, and its end ends the sandbox.
        let error = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare"])
            .args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--"])
            .arg(program)
            .args(env::args_os().skip(1))
            .env(INSIDE, "1")
            .exec();
        return Err(error).context("cannot run setpriv, which util-linux provides");
    }
    for command in SETUP {
        let output = Command::new(command[0]).args(&command[1..]).output()?;
        ensure!(output.status.success(), "{}: {}", command.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

//! Separate namespaces for a whole run, which the kernel cleans up.
//!
//! Tests start emulators, servers and network namespaces as root. However a run ends, by Ctrl-C or by a SIGKILL from a
//! watchdog, none of these may remain. So the program starts itself a second time, as the first process of new PID,
//! mount and network namespaces: when that process ends, the kernel kills all others and removes every interface.

use crate::Host;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::{env, process};

/// The variable that is set inside.
const INSIDE: &str = "PROXYDHCPD_SANDBOX";

/// Returns if this process is in the sandbox. Otherwise replaces this process with one that enters the sandbox.
///
/// The sandbox has a loopback interface and an empty /run in memory, where tests store sockets and large files.
pub fn enter() {
    if env::var_os(INSIDE).is_some_and(|pid| pid == process::id().to_string().as_str()) {
        Host::current().run("mount --no-mtab -t tmpfs -o mode=0755,size=1g tmpfs /run\nip link set lo up");
        return;
    }
    assert!(nix::unistd::geteuid().is_root(), "only root can create network namespaces: run this as root");
    // As the first process of its PID namespace, the inner process receives no SIGINT or SIGTERM, and unshare does not
    // forward them. Cargo does receive Ctrl-C, and its end ends the sandbox.
    let error = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "unshare"])
        .args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--"])
        .arg(env::current_exe().unwrap())
        .args(env::args_os().skip(1))
        .env(INSIDE, "1")
        .exec();
    panic!("cannot run setpriv, which util-linux provides: {error}");
}

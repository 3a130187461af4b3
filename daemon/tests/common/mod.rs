//! Hosts for tests. Each host is an unnamed network namespace, which exists only while a descriptor of it is open, so
//! no test leaves a namespace behind, however the test ends. Needs root.

#![allow(dead_code)] // each test binary uses only a part

pub mod boot_once;
pub mod ipv6;
pub mod lease;
pub mod loaders;
pub mod raw;
pub mod server;

use nix::sched::{CloneFlags, setns, unshare};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The timeout for an event that must occur.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// A host with network interfaces.
pub struct Host(File);

impl Host {
    /// Creates a host with only a loopback interface.
    pub fn new() -> Self {
        let original = current();
        unshare(CloneFlags::CLONE_NEWNET).expect("these tests create network namespaces: run them as root");
        let host = Host(current());
        run("ip link set lo up");
        setns(original, CloneFlags::CLONE_NEWNET).unwrap();
        host
    }

    /// Creates a host without IPv6. With IPv6, the kernel would add a link-local address a second or two after a link
    /// is up, and a test would see that change.
    pub fn with_ipv4_only() -> Self {
        let host = Host::new();
        host.set_sysctl("ipv6/conf/all/disable_ipv6", "1");
        host.set_sysctl("ipv6/conf/default/disable_ipv6", "1");
        host
    }

    /// Runs code on this host: its sockets and its processes belong to the host.
    pub fn on<T>(&self, work: impl FnOnce() -> T) -> T {
        let original = current();
        setns(&self.0, CloneFlags::CLONE_NEWNET).unwrap();
        let result = work();
        setns(original, CloneFlags::CLONE_NEWNET).unwrap();
        result
    }

    /// Runs each line as a command on this host.
    pub fn run(&self, commands: &str) {
        self.on(|| commands.lines().for_each(run));
    }

    /// Sets a kernel parameter through its file in /proc/sys/net, because a minimal Debian has no sysctl(8).
    pub fn set_sysctl(&self, name: &str, value: &str) {
        self.on(|| fs::write(format!("/proc/sys/net/{name}"), value).unwrap());
    }

    /// Connects this host with another one by a cable, and sets both interfaces up.
    pub fn cable(&self, name: &str, other: &Host, other_name: &str) {
        let path = format!("/proc/{}/fd/{}", std::process::id(), other.0.as_raw_fd());
        self.run(&format!("ip link add {name} type veth peer name {other_name} netns {path}\nip link set {name} up"));
        other.run(&format!("ip link set {other_name} up"));
    }

    /// Returns the index of an interface of this host.
    pub fn index(&self, name: &str) -> u32 {
        self.on(|| nix::net::if_::if_nametoindex(name).unwrap())
    }
}

/// A process that ends with the test, even if the test is killed.
pub struct Peer(pub Child);

impl Peer {
    /// Starts a command, and pipes its standard error.
    pub fn start(command: &str) -> Self {
        let mut child = Command::new("setpriv");
        child.args(["--pdeathsig", "KILL", "--"]).args(command.split_whitespace());
        Peer(child.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs `work` on this thread without this capability.
pub fn without_capability<T>(capability: CapabilitySet, work: impl FnOnce() -> T) -> T {
    let all = capabilities(None).unwrap();
    set_capabilities(None, CapabilitySets { effective: all.effective - capability, ..all }).unwrap();
    let result = work();
    set_capabilities(None, all).unwrap();
    result
}

/// Repeats `attempt` until it succeeds, and returns its value. Panics after [`TIMEOUT`].
pub fn wait_for<T>(what: &str, attempt: impl FnMut() -> Option<T>) -> T {
    wait_up_to(TIMEOUT, what, attempt)
}

/// Repeats `attempt` until it succeeds, and returns its value. Panics after `timeout`.
pub fn wait_up_to<T>(timeout: Duration, what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + timeout;
    loop {
        if let Some(result) = attempt() {
            return result;
        }
        assert!(Instant::now() < end, "timeout while waiting for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn current() -> File {
    File::open("/proc/thread-self/ns/net").unwrap()
}

fn run(command: &str) {
    let mut words = command.split_whitespace();
    let Some(program) = words.next() else { return };
    let output = Command::new(program).args(words).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}

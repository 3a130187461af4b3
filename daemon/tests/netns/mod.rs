//! Hosts for tests, each a network namespace without a name: it lives as long as something holds it open, so whatever
//! way a test ends, nothing stays behind. Needs root.

#![allow(dead_code)] // each test binary uses some of it

pub mod ipv6;
pub mod lease;
pub mod loaders;
pub mod boot_once;
pub mod raw;
pub mod server;

use nix::sched::{CloneFlags, setns, unshare};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for something that must happen.
pub const TIMEOUT: Duration = Duration::from_secs(10);

pub struct Host(File);

impl Host {
    pub fn new() -> Self {
        let home = current();
        unshare(CloneFlags::CLONE_NEWNET).expect("these tests make network namespaces: run them as root");
        let host = Host(current());
        run("ip link set lo up");
        setns(home, CloneFlags::CLONE_NEWNET).unwrap();
        host
    }

    /// Without IPv6: a link-local address that the kernel publishes a second or two after a link is up would be a
    /// change that nobody made.
    pub fn with_ipv4_only() -> Self {
        let host = Host::new();
        host.set_sysctl("ipv6/conf/all/disable_ipv6", "1");
        host.set_sysctl("ipv6/conf/default/disable_ipv6", "1");
        host
    }

    /// Does it on this host: sockets that it opens and processes that it starts are the host's.
    pub fn on<T>(&self, work: impl FnOnce() -> T) -> T {
        let home = current();
        setns(&self.0, CloneFlags::CLONE_NEWNET).unwrap();
        let done = work();
        setns(home, CloneFlags::CLONE_NEWNET).unwrap();
        done
    }

    /// `run` for each line.
    pub fn run(&self, commands: &str) {
        self.on(|| commands.lines().for_each(run));
    }

    /// Sets one of its parameters below /proc/sys/net: a minimal Debian has no sysctl(8).
    pub fn set_sysctl(&self, name: &str, value: &str) {
        self.on(|| fs::write(format!("/proc/sys/net/{name}"), value).unwrap());
    }

    /// A cable between two hosts, both ends up.
    pub fn cable(&self, name: &str, other: &Host, other_name: &str) {
        let path = format!("/proc/{}/fd/{}", std::process::id(), other.0.as_raw_fd());
        self.run(&format!("ip link add {name} type veth peer name {other_name} netns {path}\nip link set {name} up"));
        other.run(&format!("ip link set {other_name} up"));
    }

    pub fn index(&self, name: &str) -> u32 {
        self.on(|| nix::net::if_::if_nametoindex(name).unwrap())
    }
}

/// A process that ends with the test, even if the test is killed.
pub struct Peer(pub Child);

impl Peer {
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

/// Does it on this thread without this capability.
pub fn without_capability<T>(capability: CapabilitySet, work: impl FnOnce() -> T) -> T {
    let all = capabilities(None).unwrap();
    set_capabilities(None, CapabilitySets { effective: all.effective - capability, ..all }).unwrap();
    let done = work();
    set_capabilities(None, all).unwrap();
    done
}

/// Looks until it is there.
pub fn wait_for<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    wait_up_to(TIMEOUT, what, look)
}

pub fn wait_up_to<T>(patience: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
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

//! Hosts, each with a separate network.

use nix::ifaddrs::getifaddrs;
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::Command;

/// A host with network interfaces: a network namespace without a name, which exists only while this value or a process
/// on the host exists.
#[derive(Debug)]
pub struct Host {
    namespace: File,
}

#[expect(clippy::new_without_default, reason = "to create a namespace is no default")]
impl Host {
    /// Creates a host with only a loopback interface.
    pub fn new() -> Host {
        let _original = Original(current());
        unshare(CloneFlags::CLONE_NEWNET).expect("tests create network namespaces: run them as root");
        run("ip link set lo up");
        Host { namespace: current() }
    }

    /// Creates a host without IPv6. With IPv6, the kernel would add a link-local address a second or two after a link
    /// is up, and a test would see that change.
    pub fn with_ipv4_only() -> Host {
        let host = Host::new();
        host.set_sysctl("ipv6/conf/all/disable_ipv6", "1");
        host.set_sysctl("ipv6/conf/default/disable_ipv6", "1");
        host
    }

    /// Creates a host without duplicate address detection, which would delay the use of an IPv6 address for a second or
    /// two.
    pub fn without_dad() -> Host {
        let host = Host::new();
        host.set_sysctl("ipv6/conf/default/accept_dad", "0");
        host
    }

    /// Returns the host on which this thread runs.
    pub fn current() -> Host {
        Host { namespace: current() }
    }

    /// Runs code on this host: its sockets and its processes belong to the host.
    pub fn on<T>(&self, work: impl FnOnce() -> T) -> T {
        let _original = Original(current());
        setns(&self.namespace, CloneFlags::CLONE_NEWNET).unwrap();
        work()
    }

    /// Runs each line as a command on this host.
    pub fn run(&self, commands: &str) {
        self.on(|| commands.lines().for_each(run));
    }

    /// Sets a kernel parameter through its file in /proc/sys/net, because a minimal Debian has no sysctl(8).
    pub fn set_sysctl(&self, name: &str, value: &str) {
        self.on(|| fs::write(format!("/proc/sys/net/{name}"), value).unwrap());
    }

    /// Makes this host a router.
    pub fn forward(&self) {
        self.set_sysctl("ipv4/ip_forward", "1");
        self.set_sysctl("ipv6/conf/all/forwarding", "1");
    }

    /// Connects this host with another one by a cable, and sets both interfaces up.
    pub fn cable(&self, name: &str, other: &Host, other_name: &str) {
        let path = other.namespace_path();
        self.run(&format!("ip link add {name} type veth peer name {other_name} netns {}", path.display()));
        self.run(&format!("ip link set {name} up"));
        other.run(&format!("ip link set {other_name} up"));
    }

    /// Adds an address, with its prefix length, to an interface. An IPv6 address can be used at once.
    pub fn add_address(&self, interface: &str, address: &str) {
        let nodad = if address.contains(':') { "nodad" } else { "" };
        self.run(&format!("ip address add {address} dev {interface} {nodad}"));
    }

    /// Returns the index of an interface of this host.
    pub fn index(&self, interface: &str) -> u32 {
        self.on(|| nix::net::if_::if_nametoindex(interface).unwrap())
    }

    /// Returns the Ethernet address of an interface of this host.
    pub fn mac(&self, interface: &str) -> [u8; 6] {
        let addresses = self.on(|| getifaddrs().unwrap());
        let mut links = addresses
            .filter(|each| each.interface_name == interface)
            .filter_map(|each| each.address?.as_link_addr()?.addr());
        links.next().unwrap_or_else(|| panic!("{interface} has no Ethernet address"))
    }

    /// Returns the number of UDP sockets of this host, of both address families, that are bound to this port.
    pub fn udp_sockets(&self, port: u16) -> usize {
        let tables =
            self.on(|| ["udp", "udp6"].map(|name| fs::read_to_string(format!("/proc/thread-self/net/{name}"))));
        // The second word of a line is the local address, as ADDRESS:PORT. A host without IPv6 has no second table.
        let suffix = format!(":{port:04X}");
        let is_bound = |line: &&str| line.split_whitespace().nth(1).is_some_and(|local| local.ends_with(&suffix));
        tables.iter().flatten().map(|table| table.lines().filter(is_bound).count()).sum()
    }

    /// Returns a path by which other programs enter this host, while this process has the host.
    pub fn namespace_path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), self.namespace.as_raw_fd()))
    }
}

/// The namespace to which the thread returns, also if the work on a host panics: the thread may run another test.
struct Original(File);

impl Drop for Original {
    fn drop(&mut self) {
        setns(&self.0, CloneFlags::CLONE_NEWNET).unwrap();
    }
}

fn current() -> File {
    File::open("/proc/thread-self/ns/net").unwrap()
}

fn run(command: &str) {
    let mut words = command.split_whitespace();
    let Some(program) = words.next() else { return };
    let output = Command::new(program).args(words).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr).trim());
}

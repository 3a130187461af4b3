//! Ethernet segments, which connect hosts and emulated machines.

use crate::Host;
use std::sync::atomic::{AtomicU32, Ordering};

/// An Ethernet segment: the bridge `br0` on a host without addresses. Emulated machines run on that host, each on a tap
/// of the bridge.
#[derive(Debug)]
pub struct Segment {
    switch: Host,
}

/// The number of the next port. No two segments use the same number, so no two machines have the same MAC address.
static NEXT_PORT: AtomicU32 = AtomicU32::new(0);

#[expect(clippy::new_without_default, reason = "to create a namespace is no default")]
impl Segment {
    /// Creates the bridge.
    pub fn new() -> Segment {
        // The bridge and its ports have no address, so all captured packets come from the hosts.
        let switch = Host::with_ipv4_only();
        // A bridge without spanning tree and snooping forwards from the first packet on.
        switch.run("ip link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0\nip link set br0 up");
        Segment { switch }
    }

    /// Returns the host with the bridge.
    pub fn switch(&self) -> &Host {
        &self.switch
    }

    /// Adds an interface with this name on this segment to `host`. The interface has these addresses, each with its
    /// prefix length.
    pub fn plug(&self, host: &Host, name: &str, addresses: &[&str]) {
        self.plug_in(host, name, addresses);
    }

    /// Does the same as [`Self::plug`], with a limited rate towards the host (`tc-tbf(8)`: `4mbit`).
    pub fn plug_with_rate(&self, host: &Host, name: &str, addresses: &[&str], rate: &str) {
        let port = self.plug_in(host, name, addresses);
        self.switch.run(&format!("tc qdisc add dev {port} root tbf rate {rate} burst 16kb latency 200ms"));
    }

    /// Does the same as [`Self::plug`], and returns the name of the bridge's port.
    fn plug_in(&self, host: &Host, name: &str, addresses: &[&str]) -> String {
        let port = format!("port{}", NEXT_PORT.fetch_add(1, Ordering::Relaxed));
        self.switch.cable(&port, host, name);
        self.attach(&port);
        for address in addresses {
            host.add_address(name, address);
        }
        port
    }

    /// Creates a tap on the bridge for a machine. Returns the tap, and a MAC address for the machine's network card.
    pub fn tap(&self) -> (String, String) {
        let number = NEXT_PORT.fetch_add(1, Ordering::Relaxed);
        let tap = format!("tap{number}");
        let [.., high, low] = number.to_be_bytes();
        self.switch.run(&format!("ip tuntap add dev {tap} mode tap"));
        self.attach(&tap);
        // The MAC address begins with QEMU's prefix.
        (tap, format!("52:54:00:00:{high:02x}:{low:02x}"))
    }

    fn attach(&self, port: &str) {
        self.switch.run(&format!("ip link set {port} master br0 up"));
    }
}

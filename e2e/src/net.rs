//! Private networks: segments (each a bridge, with ports for machines), and hosts that are connected to segments.

use crate::work_dir::WorkDir;
use anyhow::{Context, Result, ensure};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// An Ethernet segment: a namespace with a bridge. Machines run in that namespace, each on a tap of the bridge.
#[derive(Debug)]
pub struct Segment {
    /// The name of the network namespace.
    pub namespace: String,
}

/// A host: a namespace with an interface on every segment to which it is connected.
#[derive(Debug)]
pub struct Host {
    /// The name of the network namespace.
    pub namespace: String,
}

/// The number of the next bridge port. No two cases use the same number.
static NEXT_PORT: AtomicU32 = AtomicU32::new(0);

impl Segment {
    /// Creates the namespace and its bridge.
    pub fn new(work: &WorkDir, name: &str) -> Result<Segment> {
        let namespace = new_namespace(work, name)?;
        // A bridge without spanning tree and snooping forwards from the first packet on. The bridge has no address, so
        // all captured packets come from the hosts.
        ip(&[
            "-n",
            &namespace,
            "link",
            "add",
            "br0",
            "type",
            "bridge",
            "stp_state",
            "0",
            "forward_delay",
            "0",
            "mcast_snooping",
            "0",
        ])?;
        ip(&["-n", &namespace, "link", "set", "br0", "addrgenmode", "none", "up"])?;
        Ok(Segment { namespace })
    }

    /// Adds an interface with this name on this segment to `host`. The interface has these addresses, each with its
    /// prefix length.
    pub fn plug(&self, host: &Host, name: &str, addresses: &[&str]) -> Result<()> {
        self.plug_in(host, name, addresses).map(drop)
    }

    /// Does the same as [`Self::plug`], with a limited rate towards the host (`tc-tbf(8)`: `4mbit`).
    pub fn plug_with_rate(&self, host: &Host, name: &str, addresses: &[&str], rate: &str) -> Result<()> {
        let port = self.plug_in(host, name, addresses)?;
        let limit = ["root", "tbf", "rate", rate, "burst", "16kb", "latency", "200ms"];
        let tc = &["-n", &self.namespace, "qdisc", "add", "dev", &port];
        run("tc", &[&tc[..], &limit].concat())
    }

    /// Does the same as [`Self::plug`], and returns the name of the bridge's port.
    fn plug_in(&self, host: &Host, name: &str, addresses: &[&str]) -> Result<String> {
        let port = format!("port{}", NEXT_PORT.fetch_add(1, Ordering::Relaxed));
        ip(&["-n", &self.namespace, "link", "add", &port, "type", "veth", "peer", name, "netns", &host.namespace])?;
        self.attach(&port)?;
        for address in addresses {
            let mut arguments = vec!["-n", &host.namespace, "address", "add", address, "dev", name];
            // Duplicate address detection would delay the use of an IPv6 address for a second or two.
            if address.contains(':') {
                arguments.push("nodad");
            }
            ip(&arguments)?;
        }
        ip(&["-n", &host.namespace, "link", "set", name, "up"])?;
        Ok(port)
    }

    /// Creates a tap on the bridge for a machine in this segment's namespace. Returns the tap, and a MAC address for
    /// the machine's network card.
    pub fn tap(&self) -> Result<(String, String)> {
        let number = NEXT_PORT.fetch_add(1, Ordering::Relaxed);
        let tap = format!("tap{number}");
        let [.., high, low] = number.to_be_bytes();
        ip(&["-n", &self.namespace, "tuntap", "add", "dev", &tap, "mode", "tap"])?;
        self.attach(&tap)?;
        // The MAC address begins with QEMU's prefix.
        Ok((tap, format!("52:54:00:00:{high:02x}:{low:02x}")))
    }

    fn attach(&self, port: &str) -> Result<()> {
        ip(&["-n", &self.namespace, "link", "set", port, "addrgenmode", "none", "master", "br0", "up"])
    }
}

impl Host {
    /// Creates the namespace, with a loopback interface.
    pub fn new(work: &WorkDir, name: &str) -> Result<Host> {
        let namespace = new_namespace(work, name)?;
        ip(&["-n", &namespace, "link", "set", "lo", "up"])?;
        // The hosts are up before a machine is switched on, so duplicate address detection is not needed.
        let disable_dad = "echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad";
        ip(&["netns", "exec", &namespace, "sh", "-c", disable_dad])?;
        Ok(Host { namespace })
    }

    /// Adds a route to `network` through `gateway`.
    pub fn route(&self, network: &str, gateway: &str) -> Result<()> {
        ip(&["-n", &self.namespace, "route", "add", network, "via", gateway])
    }

    /// Makes this host a router.
    pub fn forward(&self) -> Result<()> {
        let both = "echo 1 >/proc/sys/net/ipv4/ip_forward && echo 1 >/proc/sys/net/ipv6/conf/all/forwarding";
        ip(&["netns", "exec", &self.namespace, "sh", "-c", both])
    }

    /// Returns the Ethernet address of an interface.
    pub fn mac(&self, interface: &str) -> Result<String> {
        let output = Command::new("ip").args(["-n", &self.namespace, "-o", "link", "show", interface]).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut words = text.split_whitespace().skip_while(|word| *word != "link/ether").skip(1);
        words.next().map(str::to_owned).with_context(|| format!("{interface} has no Ethernet address: {text}"))
    }
}

fn new_namespace(work: &WorkDir, name: &str) -> Result<String> {
    let namespace = format!("{}-{name}", work.id);
    ip(&["netns", "add", &namespace])?;
    Ok(namespace)
}

fn ip(arguments: &[&str]) -> Result<()> {
    run("ip", arguments)
}

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program).args(arguments).output().with_context(|| format!("{program}: run e2e/setup"))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {}: {}", arguments.join(" "), stderr.trim());
    Ok(())
}

//! The MTU of served links, and paths with a smaller one. Firmware often ignores fragments and ICMP errors: a TFTP
//! block that is larger than the path allows never arrives, and the machine shows PXE-E23 or stops.

use crate::cli::found_fault::FoundFault;
use crate::preview::Preview;
use std::process::Command;

/// The MTU of Ethernet. Firmware requests TFTP blocks that fit into it.
const ETHERNET: u32 = 1500;

/// The faults, and a line for each link.
pub fn examine(context: &Preview) -> (Vec<FoundFault>, Vec<String>) {
    let mut faults = Vec::new();
    let links = &context.links;
    for link in links.iter().filter(|link| link.mtu < ETHERNET) {
        faults.push(FoundFault::new(
            "small-mtu",
            &*link.name,
            format!("{} has an MTU of {}, less than the {ETHERNET} octets of Ethernet", link.name, link.mtu),
            format!(
                "run `ip link set {} mtu {ETHERNET}` if the network carries such packets; the server sends TFTP blocks \
                 that fit, but replies of other servers may not",
                link.name
            ),
        ));
    }
    // The kernel remembers a smaller MTU of a path for ten minutes after a router has reported it.
    for family in ["-4", "-6"] {
        let output = Command::new("ip").args([family, "-oneline", "route", "show", "cache"]).output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        for path in small_paths(&text) {
            let Some(link) = links.iter().find(|link| *link.name == *path.interface && path.mtu < link.mtu) else {
                continue;
            };
            faults.push(FoundFault::new(
                "small-path-mtu",
                format!("{} to {}", link.name, path.destination),
                format!(
                    "the path to {} has an MTU of {}, but {} has {}: large TFTP blocks to machines there are lost",
                    path.destination, path.mtu, link.name, link.mtu
                ),
                format!(
                    "correct the MTU of that path (often a tunnel), or run `ip link set {} mtu {}`",
                    link.name, path.mtu
                ),
            ));
        }
    }
    let lines = links.iter().map(|link| format!("MTU of {}: {}", link.name, link.mtu));
    (faults, lines.collect())
}

/// A path whose MTU the kernel has learned.
#[derive(Debug, PartialEq, Eq)]
struct SmallPath<'a> {
    destination: &'a str,
    interface: &'a str,
    mtu: u32,
}

/// The paths in the output of `ip route show cache`: `ADDRESS via ROUTER dev NAME ... mtu 1400`.
fn small_paths(text: &str) -> Vec<SmallPath<'_>> {
    let path = |line| {
        let words: Vec<&str> = str::split_whitespace(line).filter(|word| *word != "\\" && *word != "lock").collect();
        let after = |word: &str| words.iter().position(|each| *each == word).and_then(|at| words.get(at + 1).copied());
        Some(SmallPath { destination: words.first()?, interface: after("dev")?, mtu: after("mtu")?.parse().ok()? })
    };
    text.lines().filter_map(path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_learned_mtu_is_read_from_the_output_of_ip() {
        let text = "10.9.0.5 via 192.0.2.1 dev eth0 \\    cache expires 594sec mtu 1400 \n\
                    10.9.0.6 dev eth0 \\    cache \n10.9.0.7 via 192.0.2.1 dev eth1 \\ cache mtu lock 1280\nmtu\n\n";
        let found: Vec<_> = small_paths(text).iter().map(|path| (path.destination, path.interface, path.mtu)).collect();
        assert_eq!(found, [("10.9.0.5", "eth0", 1400), ("10.9.0.7", "eth1", 1280)]);
    }
}

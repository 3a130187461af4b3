//! Whether the server runs, which process has each of its ports, and whether a second one runs.

use crate::cli::found_fault::FoundFault;
use crate::net::port_owner::{self, PortOwner, Transport};
use crate::preview::Preview;
use crate::preview::ports;
use std::collections::BTreeSet;

/// The ports on which a second server would show.
const SHARED_PORTS: [u16; 4] = [67, 69, 4011, 547];

/// The faults, and a line for each port of the server.
pub fn examine(context: &Preview) -> (Vec<FoundFault>, Vec<String>) {
    let mut faults = Vec::new();
    let owners: Vec<_> = ports::needed(context).into_iter().map(|needed| (needed, needed.owner())).collect();
    // Another user's processes are visible only to root.
    let is_hidden =
        |owner: &Option<PortOwner>| owner.as_ref().is_some_and(|owner| owner.process.is_none()) && !is_root();
    let hides_server = owners.iter().any(|(_, owner)| is_hidden(owner));
    if !ports::is_running() && !hides_server {
        faults.push(FoundFault::new(
            "server-not-running",
            "this host",
            "proxydhcpd does not run on this host: none of its processes has UDP port 4011",
            "start it with `systemctl start proxydhcpd`, and read `journalctl -u proxydhcpd` if it does not stay up",
        ));
    }
    let mut lines = Vec::new();
    for (needed, owner) in owners {
        let (name, port, transport) = (needed.name, needed.port, needed.transport);
        if is_hidden(&owner) {
            lines.push(format!("{name} {port}: in use by a process of another user"));
            continue;
        }
        let text = owner.as_ref().map_or("free".to_owned(), |owner| format!("in use by {owner}"));
        lines.push(format!("{name} {port}: {text}"));
        if let Some(owner) = owner.filter(|owner| !ports::is_proxydhcpd(owner)) {
            faults.push(FoundFault::new(
                "port-held",
                format!("{transport} {port}"),
                format!("the {name} {port} is in use by {owner}, so the server cannot use it"),
                "stop that program, or configure it to leave the port; the server takes the port when it is free",
            ));
        }
    }
    lines.extend(hides_server.then(|| "ports: only root sees these processes, so run the doctor as root".to_owned()));
    faults.extend(second_server());
    (faults, lines)
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Two processes of proxydhcpd in one network answer each machine twice.
fn second_server() -> Option<FoundFault> {
    let sockets = SHARED_PORTS.into_iter().flat_map(|port| {
        let bound = port_owner::bound_sockets(Transport::Udp, port).unwrap_or_default();
        bound.into_iter().map(|socket| socket.owner()).filter(ports::is_proxydhcpd)
    });
    let processes: BTreeSet<u32> = sockets.filter_map(|owner| Some(owner.process?.pid)).collect();
    let [first, second, ..] = processes.into_iter().collect::<Vec<_>>()[..] else { return None };
    Some(FoundFault::new(
        "second-server",
        "this host",
        format!("two processes of proxydhcpd run on this host (pid {first} and {second}), and both answer machines"),
        "stop one of them: look at `systemctl status proxydhcpd` and at containers that share the network of this host",
    ))
}

//! Lays the networks of the benchmarks in a sandbox, and runs a command there. When the command ends, or this program,
//! nothing of them remains.
//!
//! ```text
//! testbed COMMAND [ARGUMENT]...
//! ```
//!
//! The command runs on the host of the clients. Three cables connect it with the hosts of the servers, whose
//! namespaces the variables of the environment name, for `nsenter --net=$TESTBED_SERVER`. Cables have the MTU of
//! Ethernet: `lo`, with an MTU of 64 KiB, is not a network that machines boot from.
//!
//! | host | interface, addresses | interface of the clients, addresses |
//! |---|---|---|
//! | `TESTBED_SERVER` | `boot0`: 10.77.0.1/24, fd77::1/64 | `load0`: 10.77.0.2/24, fd77::2/64 |
//! | `TESTBED_ABSENT` | `boot0`: 10.78.0.1/16 | `absent0`: 10.78.1.1/16 to 10.78.1.10/16, fe80::78:1/64 |
//! | `TESTBED_STORM` | `boot0`: 10.90.0.2/16 | `storm0`: 10.90.0.3/16, and the machines from 10.90.16.0 on |

use proxydhcpd_testbed::{Host, Process, sandbox};
use std::env;
use std::process::exit;

fn main() {
    let Some(program) = env::args_os().nth(1) else {
        eprintln!("usage: testbed COMMAND [ARGUMENT]...");
        exit(2);
    };
    sandbox::enter();
    let clients = Host::current();
    let server = connect(&clients, "load0", &["10.77.0.1/24", "fd77::1/64"], &["10.77.0.2/24", "fd77::2/64"]);
    let mut present: Vec<String> = (1..=10).map(|number| format!("10.78.1.{number}/16")).collect();
    // Not derived from a hardware address, which would make all clients there one machine.
    present.push("fe80::78:1/64".into());
    let absent = connect(&clients, "absent0", &["10.78.0.1/16"], &present);
    let storm = connect(&clients, "storm0", &["10.90.0.2/16"], &["10.90.0.3/16"]);
    // By routes, because the kernel's table of neighbours is too small for an entry each.
    for network in ["10.90.16.0/20", "10.90.32.0/19", "10.90.64.0/18", "10.90.128.0/17"] {
        storm.run(&format!("ip route add {network} via 10.90.0.3"));
    }
    let mut command = Process::command(program);
    command.args(env::args_os().skip(2));
    command.env("TESTBED_SERVER", server.namespace_path()).env("TESTBED_ABSENT", absent.namespace_path());
    command.env("TESTBED_STORM", storm.namespace_path());
    let status = Process::spawn(&mut command).wait();
    exit(status.code().unwrap_or(1));
}

/// Connects an interface of the clients to `boot0` of a new host. Returns the host.
fn connect(clients: &Host, name: &str, host_addresses: &[&str], addresses: &[impl AsRef<str>]) -> Host {
    let host = Host::without_dad();
    clients.cable(name, &host, "boot0");
    host_addresses.iter().for_each(|address| host.add_address("boot0", address));
    addresses.iter().for_each(|address| clients.add_address(name, address.as_ref()));
    host
}

//! Tests that the server with an imported configuration sends each of nine kinds of machines the same as the original
//! DHCP server. The tests run ISC dhcpd. The files `expected` contain the results of Kea 2.2.0. Needs root and
//! e2e/setup.

use super::corpus::machines;
use super::machine::{BootResult, Vector, boot_result};
use super::{SERVER, plan, proxydhcpd_reply, this_host};
use proxydhcpd::net::port_owner::{Transport, bound_sockets};
use proxydhcpd_core::link::Network4;
use proxydhcpd_import::{HostInfo, import};
use proxydhcpd_reading::diagnostic::Source;
use proxydhcpd_testbed::raw::{self, RawSocket};
use proxydhcpd_testbed::{Process, wait_for};
use std::fs;
use std::path::{Path, PathBuf};

fn samples(of: &str) -> Vec<PathBuf> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(of);
    let mut directories: Vec<PathBuf> = fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    directories.sort();
    assert!(directories.len() > 2);
    directories
}

fn imported(directory: &Path, file: &str) -> String {
    let source = Source::new(file, fs::read(directory.join(file)).unwrap()).unwrap();
    let networks = vec![("eth0".to_owned(), Network4 { address: SERVER, prefix: 24 })];
    let host = HostInfo { networks, ..this_host() };
    import(&source, None, &host).unwrap_or_else(|errors| panic!("{directory:?}: {}", errors[0]))
}

#[test]
fn an_imported_dhcpd_conf_boots_what_iscs_dhcpd_booted() {
    let (server, client) = raw::network();
    for directory in samples("import-isc") {
        let text = imported(&directory, "dhcpd.conf");
        let scratch = tempfile::tempdir().unwrap();
        let conf = fs::read_to_string(directory.join("dhcpd.conf")).unwrap();
        let _dhcpd = server.on(|| dhcpd(scratch.path(), &conf));
        let dhcpd_results = results_on_wire(&client.on(RawSocket::open));
        assert_eq!(proxydhcpd_results(&text), dhcpd_results, "{directory:?}:\n{text}");
    }
}

/// If the variable `KEA` contains the path of a kea-dhcp4, the test runs it and updates the files `expected`.
#[test]
fn an_imported_configuration_of_kea_boots_what_kea_booted() {
    for directory in samples("import-kea") {
        let text = imported(&directory, "kea-dhcp4.conf");
        let expected = directory.join("expected");
        if let Some(program) = std::env::var_os("KEA") {
            let (server, client) = raw::network();
            let scratch = tempfile::tempdir().unwrap();
            let conf = fs::read_to_string(directory.join("kea-dhcp4.conf")).unwrap();
            let _kea = server.on(|| kea(program.to_str().unwrap(), scratch.path(), &conf));
            fs::write(&expected, results_on_wire(&client.on(RawSocket::open))).unwrap();
        }
        assert_eq!(proxydhcpd_results(&text), fs::read_to_string(&expected).unwrap(), "{directory:?}:\n{text}");
    }
}

/// Returns the results of the server on this wire, one line for each kind of machine.
fn results_on_wire(wire: &RawSocket) -> String {
    table(&mut |machine| {
        boot_result(machine, &mut |request| {
            // A DHCP server does not use port 4011, and replies to every client that requests an address.
            if request.to.port() != 67 {
                return None;
            }
            wire.send(&request.from, &request.to, &request.octets);
            let mut reply = None;
            wire.receive_until(|payload| {
                let is_reply = payload[4..8] == request.octets[4..8];
                reply = is_reply.then(|| payload.to_vec());
                is_reply
            });
            reply
        })
    })
}

fn proxydhcpd_results(text: &str) -> String {
    let plan = plan(text);
    table(&mut |machine| boot_result(machine, &mut |request| proxydhcpd_reply(&plan, request)))
}

/// Returns the results as a table, without Raspberry Pis, because they boot none of these files. The results omit a
/// leading slash in a name, because it makes no difference.
fn table(boot_result: &mut dyn FnMut(&Vector) -> Option<BootResult>) -> String {
    let machines = machines();
    let machines = machines.iter().filter(|(_, machine)| !machine.is_raspberry_pi());
    let line = |(kind, machine): &(&str, Vector)| match boot_result(machine) {
        Some(BootResult::File(name, Some(server))) => format!("{kind} {} {server}\n", name.trim_start_matches('/')),
        Some(BootResult::File(name, None)) => format!("{kind} {}\n", name.trim_start_matches('/')),
        Some(BootResult::Menu(..)) => format!("{kind} a menu\n"),
        None => format!("{kind} nothing\n"),
    };
    machines.map(line).collect()
}

fn kea(program: &str, directory: &Path, conf: &str) -> Process {
    let file = directory.join("kea-dhcp4.conf");
    let memfile = r#""Dhcp4": { "lease-database": { "type": "memfile", "persist": false },"#;
    fs::write(&file, conf.replacen("\"Dhcp4\": {", memfile, 1)).unwrap();
    let peer = Process::start(&format!("{program} -c {}", file.display()));
    // Kea reads from a packet socket, which it opens after the socket on port 67.
    let reads = || fs::read_to_string("/proc/thread-self/net/packet").is_ok_and(|sockets| sockets.lines().count() > 1);
    wait_for("kea", || {
        (bound_sockets(Transport::Udp, 67).is_ok_and(|sockets| !sockets.is_empty()) && reads()).then_some(())
    });
    peer
}

/// Starts ISC dhcpd with broadcast replies, and without its ping, which takes a second.
fn dhcpd(directory: &Path, conf: &str) -> Process {
    let program = proxydhcpd_testbed::cache::path("tools/dhcpd");
    let (file, leases) = (directory.join("dhcpd.conf"), directory.join("leases"));
    fs::write(&file, format!("ping-check false;\nalways-broadcast on;\n{conf}")).unwrap();
    fs::write(&leases, "").unwrap();
    let peer = Process::start(&format!(
        "{} -4 -f -q -cf {} -lf {} --no-pid eth0",
        program.display(),
        file.display(),
        leases.display()
    ));
    wait_for("dhcpd", || bound_sockets(Transport::Udp, 67).is_ok_and(|sockets| !sockets.is_empty()).then_some(()));
    peer
}

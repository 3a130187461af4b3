//! Tests `--proxy-only`: if a DHCP server has port 67 of the same host, the machines of all its networks contact port
//! 4011. Needs root.

mod common;

use common::server::{Server, vector};
use proxydhcpd_testbed::Host;
use std::fs;
use std::net::UdpSocket;
use std::time::Duration;

/// Creates a host, a router, and a machine in another network behind the router.
fn routed() -> (Host, Host, Host) {
    let (host, router, machine) = (Host::new(), Host::new(), Host::new());
    host.cable("eth0", &router, "eth0");
    router.cable("eth1", &machine, "eth0");
    host.run("ip address add 192.0.2.10/24 dev eth0\nip route add default via 192.0.2.1");
    router.run("ip address add 192.0.2.1/24 dev eth0\nip address add 198.51.100.1/24 dev eth1");
    router.set_sysctl("ipv4/ip_forward", "1");
    machine.run("ip address add 198.51.100.7/24 dev eth0\nip route add default via 198.51.100.1");
    (host, router, machine)
}

/// Whether the machine receives its file name on port 4011, although it has received no offer.
fn is_answered(machine: &Host) -> bool {
    let mut request = vector("ovmf-x64-request-4011");
    request[12..16].copy_from_slice(&[198, 51, 100, 7]);
    let socket = machine.on(|| UdpSocket::bind("198.51.100.7:4011").unwrap());
    socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    socket.send_to(&request, "192.0.2.10:4011").unwrap();
    let mut reply = [0; 1500];
    socket.recv(&mut reply).is_ok_and(|_| reply[108..].starts_with(b"ipxe.efi\0"))
}

#[test]
fn with_proxy_only_a_machine_behind_a_router_is_answered_without_an_offer_through_its_relay() {
    let (host, _router, machine) = routed();
    let server = Server::start(&host, &["--proxy-only", "--boot-dir", "BOOT"]);
    server.wait_for_line("ready");
    assert!(is_answered(&machine), "{}", server.log());
    drop(server);

    let file = tempfile::NamedTempFile::new().unwrap();
    let old = "[proxy]\ninterface = eth0\ntftpd = 192.0.2.99\nfilename = pxelinux.0\nvendor_specific_information = x\n\
               [pxe]\n[ipxe]\nenabled = true\n";
    fs::write(&file, old).unwrap();
    let server = Server::start(&host, &["-p", "-c", file.path().to_str().unwrap(), "--boot-dir", "BOOT"]);
    server.wait_for_line("ready");
    assert!(is_answered(&machine), "{}", server.log());
    drop(server);

    // If the server receives relayed requests, it answers on port 4011 only after an offer.
    let server = Server::start(&host, &["--boot-dir", "BOOT"]);
    server.wait_for_line("ready");
    assert!(!is_answered(&machine), "{}", server.log());
}

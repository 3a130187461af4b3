//! The kernel has more news of interfaces than the server can take: it drops them (ENOBUFS).

use crate::common::server::{Server, one_network, request_loader, vector};
use nix::sys::signal::Signal;
use proxydhcpd_testbed::{Host, wait_for};
use socket2::SockRef;
use std::fs;
use std::net::UdpSocket;
use std::time::Duration;

/// The number of interfaces that come and go while the server is stopped.
const INTERFACES: usize = 400;

#[test]
fn after_lost_news_of_interfaces_the_server_serves_those_that_are_there() {
    let (host, machine) = one_network();
    let server = Server::start_configured(&host, tempfile::tempdir().unwrap(), "");
    server.wait_for_line("ready");
    assert!(request_loader(&machine).is_some());
    let descriptors = || fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count();
    let before = descriptors();

    server.signal(Signal::SIGSTOP);
    let each = |number: usize| {
        format!(
            "link add m{number} link eth0 type macvlan\nlink set m{number} up\n\
             addr add 10.9.{}.{}/32 dev m{number}\nlink del m{number}\n",
            number / 250,
            1 + number % 250
        )
    };
    let batch = tempfile::NamedTempFile::new().unwrap();
    fs::write(batch.path(), (0..INTERFACES).map(each).collect::<String>()).unwrap();
    host.run(&format!("ip -batch {}", batch.path().display()));
    let other = Host::new();
    host.cable("eth1", &other, "eth0");
    host.run("ip address add 198.51.100.10/24 dev eth1");
    assert!(has_lost_messages(&host), "the buffer did not overflow: this test proves nothing");
    server.signal(Signal::SIGCONT);

    wait_for("an offer on the new interface", || receives_offer(&other).then_some(()));
    assert!(request_loader(&machine).is_some());
    let log = server.log();
    assert!(!log.contains(" ERROR "), "{log}");
    // The new link has some sockets; none is left of the others.
    wait_for("the sockets of the new link only", || (descriptors() <= before + 10).then_some(()));
}

/// Whether a machine without an address receives an offer within half a second.
fn receives_offer(machine: &Host) -> bool {
    machine.on(|| {
        let socket = UdpSocket::bind("0.0.0.0:68").unwrap();
        socket.set_broadcast(true).unwrap();
        SockRef::from(&socket).bind_device(Some(b"eth0")).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        socket.send_to(&vector("ovmf-x64-discover"), "255.255.255.255:67").unwrap();
        socket.recv(&mut [0; 1500]).is_ok()
    })
}

/// Whether the kernel has counted lost messages on a netlink socket of this host.
fn has_lost_messages(host: &Host) -> bool {
    let table = host.on(|| fs::read_to_string("/proc/thread-self/net/netlink").unwrap());
    table.lines().skip(1).any(|row| row.split_ascii_whitespace().nth(8).is_some_and(|drops| drops != "0"))
}

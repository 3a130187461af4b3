//! A host of the network takes all descriptors that the server has for clients.

use crate::common::boot_once::{TestSite, machine_url};
use crate::common::server::{PROGRAM, request_loader};
use proxydhcpd_testbed::wait_for;
use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

/// The server looks for changes of the completions every five seconds.
const LOOK: Duration = Duration::from_secs(7);

/// Before November 2026, the server could not list its completions then, and let all machines install again.
#[test]
fn machines_that_are_installed_stay_so_while_a_host_takes_all_descriptors() {
    let (site, server) = TestSite::start();
    let completions = server.directory.path().join("state/boot-once");
    for machine in ["web1", "web2"] {
        site.fetch(&machine_url(machine, "linux"), &[]);
        wait_for("the completion", || completions.join(machine).exists().then_some(()));
    }
    let server = server.kill_and_restart_by(&["prlimit", "--nofile=256", PROGRAM], &site.host);
    server.wait_for_line("ready");
    assert_eq!(site.boots_kernel(), [false, false, true]);
    for last in 120..136 {
        site.machine.run(&format!("ip address add 192.0.2.{last}/24 dev eth0"));
    }
    // The directory changes, so the server reads it at its next look.
    site.fetch(&site.done_url("web3"), &[]);
    let held: (Vec<UdpSocket>, Vec<TcpStream>) = site.machine.on(|| {
        let read = |number: u32| {
            let socket = UdpSocket::bind(format!("192.0.2.{}:0", 120 + number % 16)).unwrap();
            socket.send_to(b"\0\x01linux\0octet\0", "192.0.2.10:69").unwrap();
            socket
        };
        let download = |number: u32| {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            let from: SocketAddr = format!("192.0.2.{}:0", 120 + number % 16).parse().unwrap();
            socket.bind(&from.into()).unwrap();
            socket.connect(&"192.0.2.10:8080".parse::<SocketAddr>().unwrap().into()).ok()?;
            let mut stream = TcpStream::from(socket);
            stream.write_all(b"GET /linux HTTP/1.1\r\nHost: x\r\n\r\n").ok()?;
            Some(stream)
        };
        ((0..200).map(read).collect(), (0..200).filter_map(download).collect())
    });
    let descriptors = || fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count();
    assert!(descriptors() > 150, "the attack has no effect: {} descriptors", descriptors());
    std::thread::sleep(LOOK);
    assert!(request_loader(&site.machine).is_some(), "DHCP needs no descriptor");
    assert_eq!(site.boots_kernel(), [false; 3], "{}", server.log());
    drop(held);
    std::thread::sleep(LOOK);
    assert_eq!(site.boots_kernel(), [false; 3], "{}", server.log());
    for machine in ["web1", "web2", "web3"] {
        assert!(completions.join(machine).exists(), "{machine}: {}", server.log());
    }
    assert!(!server.log().contains("boots its profile again"), "{}", server.log());
}

//! A fault without its proof has no verdict. Each test plays the fault without its decisive packet, because a machine
//! that falls silent may run, or may be switched off.

use super::common::server::{Server, one_network, request_loader, vector};
use super::network::verdicts;
use proxydhcpd_testbed::Host;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

cases![
    a_machine_that_falls_silent_after_two_discovers_has_no_verdict,
    a_machine_that_falls_silent_after_its_loader_has_no_verdict,
    a_loader_that_is_loaded_twice_has_no_verdict,
    a_machine_that_falls_silent_after_its_kernel_has_no_verdict,
    a_machine_that_restarts_once_after_its_kernel_has_no_verdict_and_one_that_does_it_again_has,
];

/// Longer than every wait after which the server judges a boot.
const LONG: Duration = Duration::from_secs(75);

/// A machine at 192.0.2.107, and its server.
struct Boot {
    machine: Host,
    server: Server,
    _host: Host,
}

impl Boot {
    fn start() -> Boot {
        let (host, machine) = one_network();
        let server = Server::start(&host, &["--boot-dir", "BOOT"]);
        server.wait_for_line("ready");
        let write = |name: &str, octets: &[u8]| fs::write(server.boot.path().join(name), octets).unwrap();
        write("boot.ipxe", b"#!ipxe\nkernel linux\ninitrd gone.gz\nboot\n");
        write("linux", &vec![0x4b; 2_000_000]);
        Boot { machine, server, _host: host }
    }

    /// Broadcasts the DISCOVER of the firmware or of iPXE.
    fn discover(&self, packet: &str) {
        let socket = self.machine.on(|| UdpSocket::bind("0.0.0.0:68").unwrap());
        socket2::SockRef::from(&socket).bind_device(Some(b"eth0")).unwrap();
        socket.set_broadcast(true).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.send_to(&vector(packet), (Ipv4Addr::BROADCAST, 67)).unwrap();
        socket.recv(&mut [0; 1500]).unwrap();
        // The server records the offer after it has sent it; a machine takes seconds for its REQUEST.
        thread::sleep(Duration::from_millis(500));
    }

    /// Loads the loader by TFTP, block by block.
    fn load(&self) {
        assert_eq!(request_loader(&self.machine).as_deref(), Some("ipxe.efi"));
        let socket = self.machine.on(|| UdpSocket::bind("192.0.2.107:0").unwrap());
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        socket.send_to(b"\0\x01ipxe.efi\0octet\0", "192.0.2.10:69").unwrap();
        let mut data = [0; 600];
        loop {
            let (length, from) = socket.recv_from(&mut data).unwrap();
            assert_eq!(data[..2], [0, 3], "DATA");
            socket.send_to(&[0, 4, data[2], data[3]], from).unwrap();
            if length < 516 {
                return;
            }
        }
    }

    /// Requests a file by HTTP, and returns the status line.
    fn get(&self, path: &str) -> String {
        let mut stream = self.machine.on(|| TcpStream::connect("192.0.2.10:8080").unwrap());
        write!(stream, "GET /{path} HTTP/1.1\r\nHost: 192.0.2.10\r\nConnection: close\r\n\r\n").unwrap();
        let mut response = Vec::new();
        stream.read_to_end(&mut response).unwrap();
        String::from_utf8_lossy(&response).lines().next().unwrap_or_default().to_owned()
    }

    fn has_no_verdict(&self, after: Duration) {
        thread::sleep(after);
        assert_eq!(verdicts(&self.server.log()).len(), 0, "{}", self.server.log());
    }
}

/// Not `no-address`, and not `not-contacted`: three DISCOVERs, and an address that the machine takes, are missing.
fn a_machine_that_falls_silent_after_two_discovers_has_no_verdict() {
    let boot = Boot::start();
    boot.discover("ovmf-x64-discover");
    thread::sleep(Duration::from_secs(4));
    boot.discover("ovmf-x64-discover");
    boot.has_no_verdict(LONG);
}

/// Not `loader-not-started`: no second request of the firmware shows that the loader did not run.
fn a_machine_that_falls_silent_after_its_loader_has_no_verdict() {
    let boot = Boot::start();
    boot.discover("ovmf-x64-discover");
    boot.load();
    boot.has_no_verdict(LONG);
}

/// Not `boot-loop`: a third fetch within two minutes is missing.
fn a_loader_that_is_loaded_twice_has_no_verdict() {
    let boot = Boot::start();
    boot.discover("ovmf-x64-discover");
    boot.load();
    boot.load();
    boot.has_no_verdict(LONG);
}

/// Not `initrd-missing`: the script names an initrd that does not exist, and the machine does not request it.
fn a_machine_that_falls_silent_after_its_kernel_has_no_verdict() {
    let boot = Boot::start();
    boot.discover("ovmf-x64-discover");
    boot.load();
    boot.discover("ipxe-x64-discover");
    assert!(boot.get("boot.ipxe").contains("200") && boot.get("linux").contains("200"));
    boot.has_no_verdict(LONG);
}

/// Not `system-not-started`: a person may restart a machine that has just loaded its kernel. Twice in a row proves it.
fn a_machine_that_restarts_once_after_its_kernel_has_no_verdict_and_one_that_does_it_again_has() {
    let boot = Boot::start();
    for repeat in 0..2 {
        boot.discover("ovmf-x64-discover");
        assert_eq!(verdicts(&boot.server.log()).len(), 0, "repeat {repeat}: {}", boot.server.log());
        boot.load();
        boot.discover("ipxe-x64-discover");
        assert!(boot.get("boot.ipxe").contains("200") && boot.get("linux").contains("200"));
        boot.has_no_verdict(Duration::from_secs(8));
    }
    boot.discover("ovmf-x64-discover");
    boot.server.wait_for_line("VERDICT=system-not-started");
}

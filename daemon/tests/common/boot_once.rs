//! A site with boot-once machines, and a client that impersonates them.

use super::server::{PROGRAM, Server, one_network};
use proxydhcpd_testbed::{Host, TIMEOUT};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

/// The file exceeds the buffers of a connection, so a client that stops reading delays its transfer.
const KERNEL_SIZE: usize = 32 << 20;
/// A configuration with three boot-once machines.
pub const CONFIG: &str = "
[profile.installer]
kernel = \"linux\"
[machine.web1]
mac = \"52:54:00:00:00:01\"
profile = \"installer\"
boot = \"once\"
[machine.web2]
mac = \"52:54:00:00:00:02\"
profile = \"installer\"
boot = \"once\"
[machine.web3]
mac = \"52:54:00:00:00:03\"
profile = \"installer\"
boot = \"once\"
";

/// A server at 192.0.2.10 with three boot-once machines, and a client that impersonates them.
pub struct TestSite {
    pub host: Host,
    pub machine: Host,
}

impl TestSite {
    pub fn start() -> (TestSite, Server) {
        TestSite::start_in(tempfile::tempdir().unwrap())
    }

    pub fn start_in(directory: TempDir) -> (TestSite, Server) {
        TestSite::with_config(directory, CONFIG)
    }

    pub fn with_config(directory: TempDir, config: &str) -> (TestSite, Server) {
        let (host, machine) = one_network();
        fs::create_dir_all(directory.path().join("templates")).unwrap();
        fs::write(directory.path().join("templates/done-url"), "{{ done_url }}").unwrap();
        let server = Server::start_configured(&host, directory, config);
        fs::File::create(server.boot.path().join("linux")).unwrap().set_len(KERNEL_SIZE as u64).unwrap();
        fs::write(server.boot.path().join("initrd"), "initrd").unwrap();
        server.wait_for_line("ready");
        (TestSite { host, machine }, server)
    }

    /// Fetches a URL with curl, and returns the body, whatever the status is.
    pub fn fetch(&self, url: &str, arguments: &[&str]) -> Vec<u8> {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--max-time", "60"]).args(arguments).arg(url);
        let output = self.machine.on(|| curl.output().expect("curl is missing: run e2e/setup"));
        assert!(output.status.success(), "curl {url}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Returns the URL that this machine's installer fetches when it is done.
    pub fn done_url(&self, machine: &str) -> String {
        String::from_utf8(self.fetch(&machine_url(machine, "done-url"), &[])).unwrap()
    }

    /// Whether each machine boots its kernel (`true`) or its disk.
    pub fn boots_kernel(&self) -> [bool; 3] {
        ["web1", "web2", "web3"].map(|machine| {
            let script = self.fetch(&machine_url(machine, "menu.ipxe"), &[]);
            let script = String::from_utf8(script).unwrap();
            let (kernel, disk) = (script.contains("kernel "), script.contains("sanboot "));
            assert_ne!(kernel, disk, "{script}");
            kernel
        })
    }

    /// Sends a request for the client's address to the DHCP server, as the machine with this number.
    pub fn request_address(&self, number: u8) {
        self.machine.run("ip route replace 255.255.255.255 dev eth0");
        let socket = self.machine.on(|| UdpSocket::bind("0.0.0.0:68").unwrap());
        socket.set_broadcast(true).unwrap();
        let mut request = vec![1, 1, 6, 0, 1, 2, 3, number, 0, 0, 0x80, 0];
        request.resize(28, 0);
        request.extend([0x52, 0x54, 0, 0, 0, number]);
        request.resize(236, 0);
        request.extend(b"\x63\x82\x53\x63\x35\x01\x03\x32\x04\xc0\0\x02\x6b\x36\x04\xc0\0\x02\x01\x3c\x09PXEClient\x5d\x02\0\0\xff");
        request.resize(300, 0);
        self.machine.on(|| socket.send_to(&request, "255.255.255.255:67").unwrap());
    }

    /// Begins an HTTP transfer, whose connection closes at its end.
    pub fn begin_http_transfer(&self, name: &str) -> TcpStream {
        let mut stream = self.machine.on(|| TcpStream::connect("192.0.2.10:8080").unwrap());
        write!(stream, "GET /{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        stream.read_exact(&mut [0; 65_536]).unwrap();
        stream
    }

    /// Begins a TFTP transfer of a file with one full block, and does not acknowledge that block.
    pub fn begin_tftp_transfer(&self, name: &str) -> TftpTransfer {
        let socket = self.machine.on(|| UdpSocket::bind("192.0.2.107:0").unwrap());
        socket.set_read_timeout(Some(TIMEOUT)).unwrap();
        socket.send_to(format!("\0\x01{name}\0octet\0").as_bytes(), "192.0.2.10:69").unwrap();
        let (_, server) = socket.recv_from(&mut [0; 600]).unwrap();
        TftpTransfer { socket, server }
    }

    pub fn abort_http_transfer(&self) {
        drop(self.begin_http_transfer("machine/name=web1/linux"));
    }

    pub fn abort_tftp_transfer(&self) {
        let socket = self.machine.on(|| UdpSocket::bind("192.0.2.107:0").unwrap());
        socket.set_read_timeout(Some(TIMEOUT)).unwrap();
        socket.send_to(b"\0\x01machine/name=web1/linux\0octet\0", "192.0.2.10:69").unwrap();
        let mut block = [0; 600];
        for number in 1..=2 {
            let (length, from) = socket.recv_from(&mut block).unwrap();
            assert_eq!((length, &block[..4]), (516, &[0, 3, 0, number][..]));
            // The client aborts the transfer after the second block.
            let reply = if number == 1 { &b"\0\x04\0\x01"[..] } else { b"\0\x05\0\0gone\0" };
            socket.send_to(reply, from).unwrap();
        }
    }
}

/// A transfer that has begun.
pub struct TftpTransfer {
    socket: UdpSocket,
    server: SocketAddr,
}

impl TftpTransfer {
    /// Receives the rest of the file, which has two blocks.
    pub fn end(&self) {
        for block in 1..=2 {
            self.socket.send_to(&[0, 4, 0, block], self.server).unwrap();
        }
    }
}

pub fn machine_url(machine: &str, name: &str) -> String {
    format!("http://192.0.2.10:8080/machine/name={machine}/{name}")
}

pub fn rearm(directory: &Path, machines: &[&str]) -> Output {
    let config = directory.join("proxydhcpd.toml");
    Command::new(PROGRAM).arg("-c").arg(config).arg("rearm").args(machines).output().unwrap()
}

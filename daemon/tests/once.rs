//! Machines that boot once: what uses that up, what does not, and how long it holds. Through the real binary over HTTP and
//! TFTP, in network namespaces. Needs root.

mod netns;

use netns::server::{PROGRAM, Server, one_network};
use netns::{Host, wait_for};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

/// More than the two ends of a connection hold back for a client that does not read.
const KERNEL: usize = 32 << 20;
const CONFIG: &str = "
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

#[test]
fn a_whole_fetch_of_the_kernel_over_http_or_tftp_uses_up_the_boot_of_that_machine() {
    let (site, server) = Site::start();
    site.fetch(&http("web1", "linux"), &[]);
    server.wait_for_line("web1 has used up its boot by /machine/name=web1/linux");
    assert_eq!(site.boots(), [false, true, true]);
    site.fetch("tftp://192.0.2.10/machine/name=web2/linux", &[]);
    server.wait_for_line("web2 has used up its boot by machine/name=web2/linux");
    assert_eq!(site.boots(), [false, false, true]);
    // The whole in a part is the whole.
    site.fetch(&http("web3", "linux"), &["--range", "0-"]);
    server.wait_for_line("web3 has used up its boot");
    assert_eq!(site.boots(), [false; 3]);
    assert!(server.log().matches("has used up its boot").count() == 3, "{}", server.log());
}

#[test]
fn what_is_not_the_whole_kernel_uses_nothing_up() {
    let (site, server) = Site::start();
    let linux = http("web1", "linux");
    let head = site.fetch(&linux, &["--head"]);
    let head = String::from_utf8(head).unwrap();
    let tag = head.lines().find_map(|line| line.strip_prefix("Etag: ")).unwrap_or_else(|| panic!("{head}"));
    for part in ["0-1048575", "1-", "-1"] {
        site.fetch(&linux, &["--range", part]);
    }
    site.fetch(&linux, &["--header", &format!("If-None-Match: {tag}")]);
    site.fetch(&linux, &["--header", &format!("If-Match: {tag}"), "--range", "99999999999-"]);
    site.fetch(&http("web1", "initrd"), &[]);
    site.fetch(&http("web1", "done"), &["--head"]);
    site.fetch(&http("web1", "done"), &["--range", "0-1"]);
    site.go_away_in_the_middle_of_http();
    site.go_away_in_the_middle_of_tftp();
    for line in [
        "HEAD /machine/name=web1/linux 200,",
        "GET /machine/name=web1/linux 206,",
        "GET /machine/name=web1/linux 304,",
        "GET /machine/name=web1/linux 416,",
        "HEAD /machine/name=web1/done 200,",
        "GET /machine/name=web1/linux 200,",
        "machine/name=web1/linux by TFTP, 512 octets",
    ] {
        server.wait_for_line(line);
    }
    assert_eq!(site.boots(), [true; 3]);
    assert!(!server.log().contains("used up"), "{}", server.log());
}

#[test]
fn the_booted_system_uses_its_boot_up_by_get_or_post() {
    let (site, server) = Site::start();
    assert_eq!(site.fetch(&http("web1", "done"), &[]), b"noted\n");
    server.wait_for_line("web1 has used up its boot by /machine/name=web1/done");
    assert_eq!(site.fetch(&http("web2", "done"), &["--data", "status=installed"]), b"noted\n");
    server.wait_for_line("web2 has used up its boot by /machine/name=web2/done");
    assert_eq!(site.boots(), [false, false, true]);
    // Nothing else can be posted.
    site.fetch(&http("web3", "linux"), &["--data", "x"]);
    server.wait_for_line("POST /machine/name=web3/linux 405");
    assert_eq!(site.boots(), [false, false, true]);
}

#[test]
fn a_boot_that_is_used_up_stays_so_after_a_crash_until_it_is_given_back() {
    let (site, server) = Site::start();
    site.fetch(&http("web1", "linux"), &[]);
    let mark = server.folder.path().join("state/used-up/web1");
    wait_for("the mark", || mark.exists().then_some(()));
    let server = server.killed_and_started_again(&site.host);
    server.wait_for_line("ready");
    assert_eq!(site.boots(), [false, true, true]);

    let listed = rearm(server.folder.path(), &[]);
    assert_eq!(String::from_utf8_lossy(&listed.stdout), "web1\n");
    let wrong = rearm(server.folder.path(), &["web2"]);
    assert!(!wrong.status.success() && String::from_utf8_lossy(&wrong.stderr).contains("web2 has not used up a boot"));
    assert!(rearm(server.folder.path(), &["web1"]).status.success());
    wait_for("web1 to boot again", || site.boots()[0].then_some(()));
    site.fetch(&http("web1", "linux"), &[]);
    server.wait_for_line("web1 has used up its boot");
    wait_for("the mark", || mark.exists().then_some(()));
    assert_eq!(site.boots(), [false, true, true]);
}

#[test]
fn where_nothing_can_be_kept_the_server_says_so_and_once_is_once_until_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("state"), "in the way").unwrap();
    let (site, server) = Site::start_in(folder);
    let warning = "state/used-up cannot be written (Not a directory (os error 20)): machines that boot once boot again \
                   after a restart of the server";
    assert_eq!(server.log().matches(warning).count(), 1, "{}", server.log());
    for machine in ["web1", "web2"] {
        site.fetch(&http(machine, "linux"), &[]);
        server.wait_for_line(&format!("{machine} has used up its boot"));
    }
    server.wait_for_line("web1 has used up its boot, which is forgotten at a restart");
    assert_eq!(site.boots(), [false, false, true]);
    assert_eq!(server.log().matches("ERROR").count(), 1, "{}", server.log());
    let server = server.killed_and_started_again(&site.host);
    server.wait_for_line("ready");
    assert_eq!(site.boots(), [true; 3]);
}

/// A server at 192.0.2.10 with three machines that boot once, and somebody who asks in their names.
struct Site {
    host: Host,
    machine: Host,
}

impl Site {
    fn start() -> (Site, Server) {
        Site::start_in(tempfile::tempdir().unwrap())
    }

    fn start_in(folder: TempDir) -> (Site, Server) {
        let (host, machine) = one_network();
        let server = Server::configured(&host, folder, CONFIG);
        fs::File::create(server.boot.path().join("linux")).unwrap().set_len(KERNEL as u64).unwrap();
        fs::write(server.boot.path().join("initrd"), "initrd").unwrap();
        server.wait_for_line("ready");
        (Site { host, machine }, server)
    }

    /// Whatever the status.
    fn fetch(&self, url: &str, arguments: &[&str]) -> Vec<u8> {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--max-time", "60"]).args(arguments).arg(url);
        let output = self.machine.on(|| curl.output().expect("curl is missing: run e2e/setup"));
        assert!(output.status.success(), "curl {url}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Whether each machine boots its kernel now, or its disk.
    fn boots(&self) -> [bool; 3] {
        ["web1", "web2", "web3"].map(|machine| {
            let script = self.fetch(&http(machine, "menu.ipxe"), &[]);
            let script = String::from_utf8(script).unwrap();
            let (kernel, disk) = (script.contains("kernel "), script.contains("sanboot "));
            assert_ne!(kernel, disk, "{script}");
            kernel
        })
    }

    fn go_away_in_the_middle_of_http(&self) {
        let mut stream = self.machine.on(|| TcpStream::connect("192.0.2.10:8080").unwrap());
        stream.write_all(b"GET /machine/name=web1/linux HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        stream.read_exact(&mut [0; 65_536]).unwrap();
    }

    fn go_away_in_the_middle_of_tftp(&self) {
        let socket = self.machine.on(|| UdpSocket::bind("192.0.2.107:0").unwrap());
        socket.set_read_timeout(Some(netns::PATIENCE)).unwrap();
        socket.send_to(b"\0\x01machine/name=web1/linux\0octet\0", "192.0.2.10:69").unwrap();
        let mut block = [0; 600];
        for number in 1..=2 {
            let (length, from) = socket.recv_from(&mut block).unwrap();
            assert_eq!((length, &block[..4]), (516, &[0, 3, 0, number][..]));
            // Of the second, it wants to hear no more.
            let reply = if number == 1 { &b"\0\x04\0\x01"[..] } else { b"\0\x05\0\0gone\0" };
            socket.send_to(reply, from).unwrap();
        }
    }
}

fn http(machine: &str, name: &str) -> String {
    format!("http://192.0.2.10:8080/machine/name={machine}/{name}")
}

fn rearm(folder: &Path, machines: &[&str]) -> Output {
    let config = folder.join("proxydhcpd.toml");
    Command::new(PROGRAM).arg("-c").arg(config).arg("rearm").args(machines).output().unwrap()
}

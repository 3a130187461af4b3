//! Compares the stories in a capture with those of the server that was running while tcpdump captured.

use super::common::played_network::{PlayedNetwork, all_kinds, run_of};
use super::common::server::{Server, vector};
use super::replay;
use proxydhcpd_testbed::{Host, Process, Segment, peers, wait_up_to};
use serde_json::Value;
use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// The kinds of boots whose captures show more than the server knows, with the reason.
const RICHER: &[(&str, &str)] = &[
    ("bios-menu", "the script names the kernel of the item, and the profile of the machine does not"),
    ("uefi-menu", "as bios-menu"),
];

/// A running tcpdump, which writes to a file.
struct Capture {
    process: Process,
    directory: TempDir,
}

impl Capture {
    /// Captures on an interface of a host.
    fn start(host: &Host, interface: &str) -> Capture {
        let directory = tempfile::tempdir().unwrap();
        let (file, log) = (directory.path().join("boot.pcap"), directory.path().join("log"));
        let mut command = Process::command("tcpdump");
        command.args(["-i", interface, "-n", "-s", "0", "-B", "32768", "-U", "--immediate-mode", "-Z", "root", "-w"]);
        command.arg(&file).stdin(Stdio::null()).stderr(fs::File::create(&log).unwrap());
        let process = host.on(|| Process::spawn(&mut command));
        let is_listening = || fs::read_to_string(&log).ok()?.contains("listening on").then_some(());
        wait_up_to(Duration::from_secs(20), "tcpdump", is_listening);
        Capture { process, directory }
    }

    /// Stops tcpdump, and returns the stories in its capture.
    fn stories(mut self) -> (Value, String) {
        // tcpdump reads the packets of the last moments.
        thread::sleep(Duration::from_secs(1));
        self.process.signal(nix::sys::signal::Signal::SIGINT);
        self.process.wait();
        let file: PathBuf = self.directory.path().join("boot.pcap");
        let file = file.to_str().unwrap();
        let output = replay(&["--json", file]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.is_empty(), "{stderr}");
        let text = String::from_utf8(replay(&[file]).stdout).unwrap();
        (serde_json::from_slice(&output.stdout).unwrap(), text)
    }
}

/// The boots of a machine, each as its stages and the code of its verdict.
fn summary(story: &Value) -> Vec<String> {
    let boots = story["boots"].as_array().unwrap().iter();
    let names = |boot: &Value| -> Vec<String> {
        let stages = boot["stages"].as_array().unwrap().iter();
        stages.map(|stage| stage["name"].as_str().unwrap().to_owned()).collect()
    };
    boots.map(|boot| format!("{}: {}", names(boot).join(" "), boot["verdict"]["code"])).collect()
}

/// The story of a machine in the running server.
fn live_story(server: &Server, mac: &str) -> Value {
    let output = server.client(&["story", "-c", "CONFIG", mac, "--json"]).output().unwrap();
    assert!(output.status.success(), "{mac}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The story of a machine in a capture.
fn captured_story<'a>(stories: &'a Value, mac: &str) -> &'a Value {
    let found = stories.as_array().unwrap().iter().find(|story| story["hardware"] == mac);
    found.unwrap_or_else(|| panic!("{mac} is not in {stories:#}"))
}

#[test]
fn good_boots_have_the_stages_that_the_server_saw() {
    let kinds = all_kinds();
    let run = run_of(&kinds, kinds.len(), kinds.len());
    let network = PlayedNetwork::start(&run);
    let capture = Capture::start(&network.host, "eth0");
    let report = network.play(&run);
    let (stories, text) = capture.stories();
    let mut others = Vec::new();
    for boot in &report.boots {
        let mac = boot.mac.map(|octet| format!("{octet:02x}")).join(":");
        let (live, captured) = (live_story(&network.server, &mac), captured_story(&stories, &mac));
        let (expected, found) = (summary(&live), summary(captured));
        let is_known = RICHER.iter().any(|(kind, _)| *kind == boot.kind);
        if expected != found && !is_known {
            others.push(format!("{}: live {expected:?}, captured {found:?}", boot.kind));
        }
    }
    assert!(others.is_empty(), "{}\n{text}", others.join("\n"));
}

/// A network with a DHCP server at 192.0.2.1, the server at 192.0.2.10, and a machine.
struct Fault {
    server: Server,
    host: Host,
    machine: Host,
    capture: Capture,
    _dhcp_server: Process,
    _dhcp_host: Host,
    _segment: Segment,
}

impl Fault {
    fn stage(dhcp_options: &str, files: &[(&str, &str)]) -> Fault {
        let segment = Segment::new();
        let [dhcp_host, host, machine] = [(), (), ()].map(|()| Host::new());
        segment.plug(&dhcp_host, "eth0", &["192.0.2.1/24"]);
        segment.plug(&host, "eth0", &["192.0.2.10/24"]);
        segment.plug(&machine, "eth0", &["192.0.2.107/24"]);
        let options = format!("--dhcp-range=192.0.2.100,192.0.2.106,1h --no-ping {dhcp_options}");
        let dhcp_server = peers::start_dnsmasq(&dhcp_host, 67, &options);
        let server = Server::start_configured(&host, tempfile::tempdir().unwrap(), "");
        for (name, text) in files {
            fs::write(server.boot.path().join(name), text).unwrap();
        }
        server.wait_for_line("ready");
        let capture = Capture::start(&host, "eth0");
        Fault { server, host, machine, capture, _dhcp_server: dhcp_server, _dhcp_host: dhcp_host, _segment: segment }
    }

    /// Waits until the server has this verdict about the machine, and compares it with that in the capture.
    fn ends_in(self, code: &str) {
        let Fault { server, host, machine, capture, .. } = self;
        let is_judged = || {
            // The clock of the capture is that of its packets.
            machine.on(|| UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"tick", "192.0.2.10:9")).unwrap();
            let output = server.client(&["story", "-c", "CONFIG", MAC, "--json"]).output().unwrap();
            let story: Value = serde_json::from_slice(&output.stdout).ok()?;
            summary(&story).iter().any(|boot| boot.ends_with(&format!("\"{code}\""))).then_some(story)
        };
        let live = wait_up_to(Duration::from_secs(100), &format!("the verdict {code}"), is_judged);
        // The server judges every few seconds.
        for _ in 0..5 {
            thread::sleep(Duration::from_secs(1));
            is_judged();
        }
        let (stories, text) = capture.stories();
        assert_eq!(summary(captured_story(&stories, MAC)), summary(&live), "{text}\n{live:#}");
        assert!(text.contains(&format!("({code})")), "{text}");
        drop(host);
    }
}

/// The MAC address in the vectors of OVMF.
const MAC: &str = "02:00:00:00:01:07";

/// A socket on port 68 of a machine.
fn client_socket(machine: &Host) -> UdpSocket {
    let socket = machine.on(|| UdpSocket::bind("0.0.0.0:68").unwrap());
    socket2::SockRef::from(&socket).bind_device(Some(b"eth0")).unwrap();
    socket.set_broadcast(true).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

/// Sends a DISCOVER and, after an offer, a REQUEST to 192.0.2.1.
fn take_address(machine: &Host) {
    let socket = client_socket(machine);
    let broadcast = (Ipv4Addr::BROADCAST, 67);
    let discover = vector("ovmf-x64-discover");
    let mut request = vector("ovmf-x64-request-to-primary");
    request[4..8].copy_from_slice(&discover[4..8]);
    socket.send_to(&discover, broadcast).unwrap();
    socket.recv(&mut [0; 1500]).unwrap();
    thread::sleep(Duration::from_millis(500));
    socket.send_to(&request, broadcast).unwrap();
}

/// Requests the loader on port 4011 as the machine at 192.0.2.107.
fn contact_boot_server(machine: &Host) {
    let socket = machine.on(|| UdpSocket::bind("192.0.2.107:4011").unwrap());
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.send_to(&vector("ovmf-x64-request-4011"), "192.0.2.10:4011").unwrap();
    socket.recv(&mut [0; 1500]).unwrap();
}

#[test]
fn a_firewall_that_drops_read_requests_has_the_verdict_of_the_server() {
    let fault = Fault::stage("", &[]);
    fault.host.run("nft add table inet t");
    fault.host.run("nft add chain inet t c { type filter hook input priority 0 ; }");
    fault.host.run("nft add rule inet t c udp dport 69 drop");
    take_address(&fault.machine);
    contact_boot_server(&fault.machine);
    let socket = fault.machine.on(|| UdpSocket::bind("192.0.2.107:0").unwrap());
    for _ in 0..3 {
        socket.send_to(b"\0\x01snponly.efi\0octet\0tsize\x000\0", "192.0.2.10:69").unwrap();
        thread::sleep(Duration::from_secs(2));
    }
    fault.ends_in("tftp-requests-blocked");
}

#[test]
fn option_60_has_the_verdict_of_the_server() {
    let fault = Fault::stage("--dhcp-option-force=60,PXEClient", &[]);
    take_address(&fault.machine);
    fault.ends_in("option-60");
}

#[test]
fn a_missing_kernel_has_the_verdict_of_the_server() {
    let script = "#!ipxe\nkernel debian/linux || shell\nboot\n";
    let fault = Fault::stage("", &[("boot.ipxe", script)]);
    take_address(&fault.machine);
    contact_boot_server(&fault.machine);
    let port = http_port(&fault.server);
    let url = format!("http://192.0.2.10:{port}");
    for path in ["boot.ipxe", "debian/linux"] {
        fault.machine.run(&format!("curl -s -o /dev/null {url}/{path}"));
    }
    fault.ends_in("kernel-missing");
}

/// The port on which the server serves HTTP, from its log.
fn http_port(server: &Server) -> u16 {
    let log = server.log();
    let (_, rest) = log.split_once("HTTP on port ").unwrap();
    rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
}

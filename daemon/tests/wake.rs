//! Wakes machines: the packets that arrive at them, over links and through a router, as tshark reads them. Needs root.

mod common;

use common::server::{Server, unprivileged_with, vector};
use nix::sys::signal::Signal;
use proxydhcpd::net::port_owner::{Transport, bound_sockets};
use proxydhcpd_testbed::raw::RawSocket;
use proxydhcpd_testbed::{Host, Process, wait_for};
use serde_json::Value;
use std::fs;
use std::net::UdpSocket;
use std::os::unix::net::UnixStream;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const CONFIG: &str = "
[machine.web1]
mac = [\"52:54:00:00:00:01\", \"52:54:00:00:01:01\"]
[machine.far]
mac = \"52:54:00:00:00:07\"
[machine.quiet]
uuid = \"11223344-5566-7788-99aa-bbccddeeff00\"
";

/// The MAC address of the machine behind the relay.
const FAR: [u8; 6] = [0x52, 0x54, 0, 0, 0, 7];

/// tcpdump on an interface of a host.
struct Capture {
    directory: TempDir,
    _process: Process,
}

impl Capture {
    fn start(host: &Host, interface: &str) -> Capture {
        let directory = tempfile::tempdir().unwrap();
        let [packets, log] = ["packets", "log"].map(|name| directory.path().join(name));
        let mut command = Process::command("tcpdump");
        command.args(["-i", interface, "-U", "--immediate-mode", "-Z", "root", "-w"]).arg(&packets).arg("udp port 9");
        command.stdin(Stdio::null()).stderr(fs::File::create(&log).unwrap());
        let process = host.on(|| Process::spawn(&mut command));
        wait_for("tcpdump", || fs::read_to_string(&log).unwrap().contains("listening on").then_some(()));
        Capture { directory, _process: process }
    }

    /// The magic packets, each as its Ethernet destination, its IP destination, its UDP port and its MAC address.
    fn magic_packets(&self) -> Vec<String> {
        let mut tshark = Command::new("tshark");
        tshark.arg("-r").arg(self.directory.path().join("packets")).args(["-Y", "wol", "-T", "fields"]);
        for field in ["eth.dst", "ip.dst", "ipv6.dst", "udp.dstport", "wol.mac"] {
            tshark.args(["-e", field]);
        }
        let output = tshark.stderr(Stdio::null()).output().expect("tshark is missing: run e2e/setup").stdout;
        let packet = |line: &str| {
            let (mut words, macs): (Vec<&str>, Vec<&str>) =
                line.split_whitespace().partition(|word| !word.contains(','));
            // tshark shows each of the sixteen addresses.
            let macs: Vec<&str> = macs[0].split(',').collect();
            assert_eq!(macs, [macs[0]; 16], "{line}");
            words.push(macs[0]);
            words.join(" ")
        };
        String::from_utf8(output).unwrap().lines().map(packet).collect()
    }

    fn wait_for(&self, expected: &[&str]) {
        wait_for(&format!("{expected:?}"), || (self.magic_packets() == expected).then_some(()));
    }
}

fn start(host: &Host, config: &str) -> Server {
    let server = Server::start_configured(host, tempfile::tempdir().unwrap(), config);
    server.wait_for_line("ready");
    wait_for("the control socket", || UnixStream::connect(server.control_socket()).ok());
    server
}

/// Wakes machines by the command. Returns its status and what it prints.
fn wake(server: &Server, machines: &[&str]) -> (Option<i32>, String) {
    let arguments = [&["wake"], machines, &["-c", "CONFIG"]].concat();
    let Output { status, stdout, stderr } = server.client(&arguments).output().unwrap();
    (status.code(), [stdout, stderr].map(|text| String::from_utf8(text).unwrap()).concat())
}

/// Wakes a machine by the API. Returns the status code and the JSON of the response.
fn post(server: &Server, machine: &str) -> (u16, Value) {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--max-time", "20", "--write-out", "\n%{http_code}", "--request", "POST", "--unix-socket"]);
    curl.arg(server.control_socket()).arg(format!("http://localhost/api/v1/machines/{machine}/wake"));
    let output = String::from_utf8(curl.output().expect("curl is missing: run e2e/setup").stdout).unwrap();
    let (body, code) = output.rsplit_once('\n').unwrap();
    (code.parse().unwrap(), serde_json::from_str(body).unwrap())
}

/// Boots the machine with this MAC address, as far as its first request, on a link of the server.
fn discover(machine: &Host, mac: [u8; 6]) {
    let mut request = vector("ovmf-x64-discover");
    request[28..34].copy_from_slice(&mac);
    let wire = machine.on(RawSocket::open);
    wire.send(&"0.0.0.0:68".parse().unwrap(), &"255.255.255.255:67".parse().unwrap(), &request);
}

/// A server at 192.0.2.10 on eth0, a router to 10.1.0.0/24, and a machine there.
struct Routed {
    server_host: Host,
    router: Host,
    machine: Host,
}

impl Routed {
    fn new() -> Routed {
        let [server_host, router, machine] = [(), (), ()].map(|()| Host::with_ipv4_only());
        server_host.cable("eth0", &router, "eth0");
        router.cable("eth1", &machine, "eth0");
        server_host.add_address("eth0", "192.0.2.10/24");
        router.add_address("eth0", "192.0.2.1/24");
        router.add_address("eth1", "10.1.0.1/24");
        server_host.run("ip route add 10.1.0.0/16 via 192.0.2.1");
        router.forward();
        Routed { server_host, router, machine }
    }

    /// Lets the router forward broadcasts to a subnet.
    fn forward_broadcasts(&self) {
        for interface in ["all", "eth0", "eth1"] {
            self.router.set_sysctl(&format!("ipv4/conf/{interface}/bc_forwarding"), "1");
        }
    }

    /// Relays the first request of the machine to the server.
    fn relay_discover(&self, server: &Server) {
        let address: std::net::IpAddr = [192, 0, 2, 10].into();
        let receives = || bound_sockets(Transport::Udp, 67).unwrap().iter().any(|socket| socket.address == address);
        self.server_host.on(|| wait_for("the socket for relays", || receives().then_some(())));
        self.relay(&relayed_discover());
        server.wait_for_line("52:54:00:00:00:07");
    }

    fn relay(&self, request: &[u8]) {
        let relay = self.router.on(|| UdpSocket::bind("10.1.0.1:67").unwrap());
        relay.send_to(request, "192.0.2.10:67").unwrap();
    }
}

fn relayed_discover() -> Vec<u8> {
    let mut request = vector("relayed-x64-discover-option-82");
    request[24..28].copy_from_slice(&[10, 1, 0, 1]);
    request[28..34].copy_from_slice(&FAR);
    request
}

#[test]
fn every_address_of_a_machine_is_woken_on_every_link_until_one_shows_where_it_is() {
    let (host, [near, other]) = (Host::without_dad(), [(), ()].map(|()| Host::without_dad()));
    host.cable("eth0", &near, "eth0");
    host.cable("eth1", &other, "eth0");
    host.add_address("eth0", "192.0.2.10/24");
    host.add_address("eth1", "198.51.100.10/24");
    let server = start(&host, CONFIG);
    let captures = [&near, &other].map(|machine| Capture::start(machine, "eth0"));
    let everywhere = "web1: sent a packet to wake 52:54:00:00:00:01, 52:54:00:00:01:01 to \
                      eth0 (255.255.255.255), eth1 (255.255.255.255)\n";
    assert_eq!(wake(&server, &["web1"]), (Some(0), everywhere.to_owned()));
    let packet = |mac: &str| format!("ff:ff:ff:ff:ff:ff 255.255.255.255 9 {mac}");
    let both = [packet("52:54:00:00:00:01"), packet("52:54:00:00:01:01")];
    captures.iter().for_each(|capture| capture.wait_for(&[&both[0], &both[1]]));
    server.wait_for_line("sent a packet to wake web1 (52:54:00:00:00:01, 52:54:00:00:01:01)");

    discover(&other, [0x52, 0x54, 0, 0, 1, 1]);
    let found = wait_for("a packet on one link", || {
        let (code, record) = post(&server, "52-54-00-00-00-01");
        assert_eq!(code, 200, "{record}");
        (record["sent"].as_array().unwrap().len() == 1).then_some(record)
    });
    assert_eq!(found["machine"], "web1");
    assert_eq!(found["sent"][0]["interface"], "eth1");
    assert_eq!(found["sent"][0]["destination"], "255.255.255.255");
    // The link is gone, and so is the machine.
    host.run("ip link delete eth1");
    wait_for("the end of the link", || {
        let (code, error) = post(&server, "web1");
        let problem = error["problem"].as_str().unwrap_or_default();
        (code == 409 && problem.contains("last seen on eth1, which the server does not serve now")).then_some(())
    });
}

#[test]
fn a_link_without_ipv4_gets_a_multicast_to_all_nodes() {
    let (host, machine) = (Host::without_dad(), Host::without_dad());
    host.cable("eth0", &machine, "eth0");
    host.add_address("eth0", "2001:db8::10/64");
    wait_for("a link-local address", || {
        let addresses = host.on(|| Command::new("ip").args(["-6", "address", "show", "eth0"]).output().unwrap().stdout);
        String::from_utf8(addresses).unwrap().contains("fe80::").then_some(())
    });
    let server = start(&host, CONFIG);
    let capture = Capture::start(&machine, "eth0");
    assert_eq!(wake(&server, &["52:54:00:00:00:09"]).0, Some(0));
    capture.wait_for(&["33:33:00:00:00:01 ff02::1 9 52:54:00:00:00:09"]);
}

#[test]
fn a_machine_behind_a_relay_is_woken_through_its_router_once_the_subnet_is_known() {
    let network = Routed::new();
    let server = start(&network.server_host, CONFIG);
    network.relay_discover(&server);
    let error = wait_for("the story of the machine", || {
        let (code, error) = post(&server, "far");
        (code == 409).then_some(error)
    });
    let text = |key: &str| error[key].as_str().unwrap().to_owned();
    assert!(text("problem").contains("behind the relay 10.1.0.1, and the size of the subnet of 10.1.0.1 is unknown"));
    assert!(text("cure").contains("relayed-subnets = [\"10.1.0.0/24\"]") && text("cure").contains("bc_forwarding"));

    server.edit_config("", "[dhcp]\nrelayed-subnets = [\"10.1.0.0/24\"]\n");
    server.signal(Signal::SIGHUP);
    server.wait_for_line("INFO  reloaded");
    let [before, behind] = [(&network.router, "eth0"), (&network.machine, "eth0")]
        .map(|(host, interface)| Capture::start(host, interface));
    let (code, printed) = wake(&server, &["far"]);
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("to 10.1.0.255 behind the relay 10.1.0.1\nrouters drop directed broadcasts"), "{printed}");
    // A router forwards no broadcast by default.
    wait_for("the packet at the router", || (before.magic_packets().len() == 1).then_some(()));
    network.forward_broadcasts();
    assert_eq!(wake(&server, &["far"]).0, Some(0));
    behind.wait_for(&["ff:ff:ff:ff:ff:ff 10.1.0.255 9 52:54:00:00:00:07"]);

    // After a restart, the history says where the machine is.
    let mut server = server;
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), Some(0));
    let server = server.kill_and_restart(&network.server_host);
    server.wait_for_line("ready");
    let sent = wait_for("the history", || {
        UnixStream::connect(server.control_socket()).ok()?;
        let (code, record) = post(&server, "far");
        (code == 200 && record["sent"][0]["destination"] == "10.1.0.255").then_some(record)
    });
    assert_eq!(sent["sent"][0]["relay"], "10.1.0.1");
    wait_for("another packet", || (behind.magic_packets().len() >= 2).then_some(()));
}

#[test]
fn the_subnet_of_a_rule_shows_the_size_as_well() {
    let network = Routed::new();
    let rule = "[[rule]]\nname = \"building\"\nsubnet = \"10.1.0.0/24\"\nprofile = \"local-disk\"\n";
    let server = start(&network.server_host, &format!("{CONFIG}{rule}"));
    network.forward_broadcasts();
    network.relay_discover(&server);
    let capture = Capture::start(&network.machine, "eth0");
    let sent = wait_for("the story of the machine", || {
        let (code, record) = post(&server, "far");
        (code == 200 && record["sent"][0]["relay"] == "10.1.0.1").then_some(record)
    });
    assert_eq!(sent["sent"][0]["destination"], "10.1.0.255");
    capture.wait_for(&["ff:ff:ff:ff:ff:ff 10.1.0.255 9 52:54:00:00:00:07"]);
}

#[test]
fn a_machine_that_the_server_cannot_wake_is_refused_with_the_cure() {
    let (host, machine) = common::server::one_network();
    let server = start(&host, CONFIG);
    let (code, unknown) = post(&server, "wbe1");
    assert_eq!((code, &unknown["cure"]), (404, &"did you mean web1?".into()));
    let (code, without_mac) = post(&server, "quiet");
    assert_eq!(code, 409);
    assert!(without_mac["problem"].as_str().unwrap().contains("its entry has no MAC address"), "{without_mac}");
    assert!(without_mac["cure"].as_str().unwrap().contains("add `mac` to the entry of quiet"), "{without_mac}");
    let capture = Capture::start(&machine, "eth0");
    // The others are woken nevertheless.
    let (code, printed) = wake(&server, &["quiet", "wbe1", "far"]);
    assert_eq!(code, Some(1), "{printed}");
    capture.wait_for(&["ff:ff:ff:ff:ff:ff 255.255.255.255 9 52:54:00:00:00:07"]);
    host.run(
        "nft add table inet t\n\
         nft add chain inet t o { type filter hook output priority 0 ; }\n\
         nft add rule inet t o udp dport 9 drop",
    );
    let (code, dropped) = post(&server, "web1");
    assert_eq!(code, 409, "{dropped}");
    assert!(
        dropped["cure"].as_str().unwrap().contains("let the firewall of this host pass UDP to port 9"),
        "{dropped}"
    );
    server.wait_for_line("WARN  cannot wake web1: a packet to 255.255.255.255 on eth0 was not sent");
    assert_eq!(capture.magic_packets().len(), 1);
}

#[test]
fn a_server_without_privileges_wakes_machines() {
    let (host, machine) = common::server::one_network();
    let server = start(&host, CONFIG);
    let words = [vec!["setpriv".to_owned()], unprivileged_with("-all,+net_bind_service")].concat();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let directory = server.directory.path().to_owned();
    Command::new("chown").args(["-R", "65534"]).arg(&directory).status().unwrap();
    let server = server.kill_and_restart_by(&words, &host);
    server.wait_for_line("ready");
    wait_for("the control socket", || UnixStream::connect(server.control_socket()).ok());
    let capture = Capture::start(&machine, "eth0");
    assert_eq!(wake(&server, &["far"]).0, Some(0));
    capture.wait_for(&["ff:ff:ff:ff:ff:ff 255.255.255.255 9 52:54:00:00:00:07"]);
}

//! `doctor` on a host with a running server, a DHCP server in its network, and one fault at a time. Needs root.

mod common;

use common::server::{HIDE_INSTALLED_LOADERS, PROGRAM, Server, state_dir, unprivileged_with};
use nix::sys::signal::Signal;
use proxydhcpd_testbed::{Host, Process, Segment, peers, unprivileged, wait_for};
use serde_json::Value;
use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

/// A host with a server, and a DHCP server in its network.
struct Site {
    host: Host,
    _segment: Segment,
    _primary: (Host, Process),
}

impl Site {
    fn new() -> Site {
        let (segment, host, primary) = (Segment::new(), Host::without_dad(), Host::without_dad());
        segment.plug(&host, "eth0", &["192.0.2.10/24"]);
        segment.plug(&primary, "eth0", &["192.0.2.1/24"]);
        let options = "--interface=eth0 --no-ping --dhcp-authoritative --dhcp-range=192.0.2.100,192.0.2.120,1h";
        let dnsmasq = peers::start_dnsmasq(&primary, 67, options);
        Site { host, _segment: segment, _primary: (primary, dnsmasq) }
    }

    fn server(&self) -> Server {
        let server = Server::start(&self.host, &["--boot-dir", "BOOT"]);
        server.wait_for_line("ready");
        server
    }

    /// Loads rules into the packet filter of the host.
    fn filter(&self, rules: &str) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, rules).unwrap();
        self.host.run(&format!("nft -f {}", file.path().display()));
    }
}

/// Runs `doctor --json` with the boot directory of the server. Returns the exit status, the findings as `code: where`,
/// the findings, and standard error.
fn doctor(host: &Host, server: &Server) -> (Option<i32>, Vec<String>, Vec<Value>, String) {
    let boot = server.boot.path().to_str().unwrap();
    let Output { status, stdout, stderr } =
        host.on(|| Command::new(PROGRAM).args(["doctor", "--json", "-b", boot]).output().unwrap());
    let stderr = String::from_utf8(stderr).unwrap();
    let json: Value = serde_json::from_slice(&stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"));
    let findings = json.as_array().unwrap().clone();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    // The test host's systemd unit, if it has one, is not the subject.
    let is_subject = |finding: &&Value| !text(finding, "code").starts_with("service-");
    let findings: Vec<Value> = findings.iter().filter(is_subject).cloned().collect();
    let codes = findings.iter().map(|finding| format!("{}: {}", text(finding, "code"), text(finding, "where")));
    (status.code(), codes.collect(), findings, stderr)
}

#[test]
fn a_good_host_has_no_fault() {
    let site = Site::new();
    let server = site.server();
    let (status, codes, findings, _) = doctor(&site.host, &server);
    assert_eq!((status, codes), (Some(0), vec![]), "{findings:#?}\n{}", server.log());
    let boot = server.boot.path().to_str().unwrap();
    let output = site.host.on(|| Command::new(PROGRAM).args(["doctor", "-b", boot]).output().unwrap());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.ends_with("\nno fault found\n"), "{text}");
    assert!(text.contains("boot server port 4011: in use by proxydhcpd (pid "), "{text}");
    assert!(text.contains("firewall: this host has no rules"), "{text}");
    assert_eq!(output.stderr, b"", "no progress without a terminal");
}

/// The rules name the interface, as those of firewalld do. The twin accepts the port.
#[test]
fn a_firewall_that_drops_a_port_is_found_and_its_twin_is_not() {
    const RULES: &str = "table inet filter { chain input { type filter hook input priority 0; policy accept;\n\
                         ct state established,related accept\n iifname eth0 udp dport 4011 VERDICT\n }\n}";
    let site = Site::new();
    let server = site.server();
    site.filter(&RULES.replace("VERDICT", "accept"));
    let (status, codes, findings, stderr) = doctor(&site.host, &server);
    assert_eq!((status, codes), (Some(0), vec![]), "{findings:#?}");
    assert!(stderr.contains("firewall: tried with packets"), "{stderr}");

    site.filter(&format!("flush ruleset\n{}", RULES.replace("VERDICT", "drop")));
    let (status, codes, findings, _) = doctor(&site.host, &server);
    assert_eq!(status, Some(1));
    assert_eq!(codes, ["firewall-drops: eth0, udp 4011", "firewall-drops: eth0, udp 4011"], "{findings:#?}");
    let summaries: Vec<&str> = findings.iter().map(|finding| finding["summary"].as_str().unwrap()).collect();
    assert!(summaries[0].contains("UDP port 4011 (boot server) on eth0") && summaries[1].contains("over IPv6"));
    assert!(findings[0]["cure"].as_str().unwrap().contains("firewall-cmd --permanent --add-port=4011/udp"));
}

/// Without CAP_SYS_ADMIN, as in a container, there is no copy of the firewall.
#[test]
fn where_no_namespace_is_allowed_the_rules_are_read_instead() {
    let site = Site::new();
    let _server = site.server();
    let chain = "chain input { type filter hook input priority 0; policy accept;\n";
    site.filter(&format!("table inet filter {{ {chain} udp dport {{ 69, 4011 }} counter drop\n}}\n}}"));
    let words = [unprivileged("-all,+net_admin"), vec![PROGRAM.to_owned(), "doctor".to_owned()]].concat();
    let output = site.host.on(|| Command::new("setpriv").args(words).output().unwrap());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("firewall: its rules were read, no packets were sent (Operation not permitted"), "{text}");
    for service in ["UDP port 4011 (boot server)", "UDP port 69 (TFTP)"] {
        assert!(text.contains(&format!("the firewall of this host drops packets of {service}\n")), "{text}");
    }
    assert!(!text.contains("drops packets of UDP port 67"), "{text}");
}

/// A usual firewall: it accepts only known connections and some ports. The table also has a rule on another interface.
#[test]
fn a_policy_that_drops_is_tried_with_every_service_in_both_directions() {
    let site = Site::new();
    site.host.run("ip link add other0 type veth peer name other1");
    let server = site.server();
    let rules = "table inet filter { chain input { type filter hook input priority 0; policy drop;\n iif lo accept\n\
                 iif other0 udp dport 69 drop\n ct state established,related accept\n meta l4proto icmpv6 accept\n\
                 udp dport { 67, 68, 69, 546, 547, 4011 } accept\n tcp dport 8080 accept\n}\n}";
    site.filter(rules);
    let (status, codes, findings, _) = doctor(&site.host, &server);
    assert_eq!((status, codes), (Some(0), vec![]), "{findings:#?}");

    site.filter(&format!("flush ruleset\n{}", rules.replace("69, 546, 547,", "").replace("8080", "80")));
    let (_, codes, findings, _) = doctor(&site.host, &server);
    let expected = ["udp 69", "tcp 8080", "udp 547"].map(|port| format!("firewall-drops: eth0, {port}"));
    assert_eq!(codes, expected, "{findings:#?}");

    // Without the rule for known connections, the acknowledgements of TFTP are lost.
    site.filter(&format!("flush ruleset\n{}", rules.replace("ct state established,related accept", "")));
    let (_, codes, findings, _) = doctor(&site.host, &server);
    assert_eq!(codes, ["firewall-drops: eth0, udp high ports"], "{findings:#?}");

    let outgoing = "flush ruleset\ntable inet filter { chain output { type filter hook output priority 0;\n\
                    udp sport 4011 drop\n}\n}";
    site.filter(outgoing);
    let (_, codes, findings, _) = doctor(&site.host, &server);
    assert_eq!(codes, ["firewall-drops: eth0, udp 4011"; 2], "{findings:#?}");
}

#[test]
fn a_port_of_another_process_and_a_server_that_does_not_run_are_named() {
    let site = Site::new();
    let mut server = site.server();
    server.signal(Signal::SIGTERM);
    server.exit_code();
    let _owner = site.host.on(|| UdpSocket::bind("0.0.0.0:4011").unwrap());
    let (status, codes, findings, _) = doctor(&site.host, &server);
    assert_eq!(status, Some(1));
    assert_eq!(codes, ["server-not-running: this host", "port-held: UDP 4011"], "{findings:#?}");
    let summary = findings[1]["summary"].as_str().unwrap();
    assert!(summary.contains(&format!("(pid {})", std::process::id())), "{summary}");
}

#[test]
fn a_second_server_on_this_host_is_found() {
    let site = Site::new();
    let server = site.server();
    let second = Server::start(&site.host, &["--boot-dir", "BOOT"]);
    second.wait_for_line("4011");
    wait_for("its socket on port 67", || (site.host.udp_sockets(67) > 3).then_some(()));
    let (status, codes, findings, _) = doctor(&site.host, &server);
    assert_eq!(status, Some(1));
    assert!(codes.contains(&"second-server: this host".to_owned()), "{findings:#?}");
}

/// The server runs without rights, as under systemd.
#[test]
fn a_loader_that_the_user_of_the_server_cannot_read_is_named() {
    let site = Site::new();
    let program = unprivileged_with("+net_bind_service");
    let arguments: Vec<&str> = program.iter().map(String::as_str).chain(["--boot-dir", "BOOT"]).collect();
    let server = Server::start_program("setpriv", &site.host, &arguments);
    fs::set_permissions(server.boot.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let loader = server.boot.path().join("ipxe-arm64.efi");
    server.wait_for_line("ready");
    fs::set_permissions(&loader, fs::Permissions::from_mode(0o600)).unwrap();
    let (status, codes, findings, stderr) = doctor(&site.host, &server);
    assert_eq!(status, Some(1), "{}", server.log());
    let expected = format!("unreadable-file: {}", loader.display());
    assert!(codes.contains(&expected), "{expected} in {findings:#?}\n{stderr}");
    assert!(stderr.contains("files: opened as user 65534"), "{stderr}");

    let (owned_by_root, writable) = (tempfile::tempdir().unwrap(), state_dir());
    let unwritable = |directory: &Path| {
        let arguments = ["doctor", "--json", "--state-dir", directory.to_str().unwrap()];
        let output = site.host.on(|| Command::new(PROGRAM).args(arguments).output().unwrap());
        String::from_utf8(output.stdout).unwrap().contains("unwritable-state")
    };
    assert_eq!((unwritable(owned_by_root.path()), unwritable(writable.path())), (true, false));
}

#[test]
fn a_link_with_a_small_mtu_and_the_findings_of_check_are_reported() {
    let site = Site::new();
    let server = site.server();
    site.host.run("ip link set eth0 mtu 1400");
    let (status, codes, findings, _) = doctor(&site.host, &server);
    assert_eq!((status, codes), (Some(1), vec!["small-mtu: eth0".to_owned()]), "{findings:#?}");

    let file = server.directory.path().join("bad.toml");
    fs::write(&file, "boot-dri = \"/srv\"\n").unwrap();
    let file = file.to_str().unwrap();
    let output = site.host.on(|| Command::new(PROGRAM).args(["doctor", "--json", "-c", file]).output().unwrap());
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let error = found.as_array().unwrap().iter().find(|finding| finding["code"] == "check-error").unwrap();
    assert_eq!((output.status.code(), error["where"].as_str().unwrap()), (Some(1), &*format!("{file}:1:1")));
    let output = site.host.on(|| Command::new(PROGRAM).args(["doctor", "-c", file]).output().unwrap());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(&format!("error: unknown key `boot-dri`\n --> {file}:1:1\n")), "{text}");
}

/// A default profile needs the loaders of the site, unless it has its own.
#[test]
fn missing_loaders_are_named_and_come_before_the_findings_about_files() {
    let site = Site::new();
    let server = site.server();
    let empty = tempfile::tempdir().unwrap();
    let codes = |profile: &str, kernel: &str| {
        let file = server.directory.path().join("profile.toml");
        let directory = empty.path();
        fs::write(&file, format!("boot-dir = {directory:?}\ndefault-profile = {profile:?}\n{kernel}")).unwrap();
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", HIDE_INSTALLED_LOADERS, PROGRAM, "doctor", "--json", "-c"]).arg(&file);
        let output = site.host.on(|| command.output().unwrap());
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        let codes = found.as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap().to_owned());
        codes.filter(|code| code.starts_with("check") || code == "no-loader").collect::<Vec<_>>()
    };
    let found = codes("system", "[profile.system]\nkernel = \"linux\"\n");
    assert!(found.starts_with(&["no-loader".into(), "no-loader".into(), "check-warning".into()]), "{found:?}");
    assert!(!codes("local-disk", "").contains(&"no-loader".to_owned()));
}

/// A router reports that its next link is smaller, and the kernel remembers that.
#[test]
fn a_path_with_a_smaller_mtu_is_named() {
    let site = Site::new();
    let server = site.server();
    let (router, far) = (Host::new(), Host::new());
    site.host.cable("eth1", &router, "eth0");
    router.cable("eth1", &far, "eth0");
    router.forward();
    site.host.run("ip address add 203.0.113.10/24 dev eth1\nip route add 198.51.100.0/24 via 203.0.113.1");
    router.run("ip address add 203.0.113.1/24 dev eth0\nip address add 198.51.100.1/24 dev eth1");
    router.run("ip link set eth1 mtu 1400");
    far.run("ip address add 198.51.100.7/24 dev eth0\nip route add default via 198.51.100.1");
    let socket = site.host.on(|| UdpSocket::bind("0.0.0.0:0").unwrap());
    wait_for("the router's report", || {
        // The kernel refuses the packet once it knows the MTU of the path.
        socket.send_to(&[0; 1460], "198.51.100.7:9").ok();
        let output = site.host.on(|| Command::new("ip").args(["route", "show", "cache"]).output().unwrap());
        String::from_utf8_lossy(&output.stdout).contains("mtu 1400").then_some(())
    });
    let (_, codes, findings, _) = doctor(&site.host, &server);
    assert!(codes.contains(&"small-path-mtu: eth1 to 198.51.100.7".to_owned()), "{findings:#?}");
}

#[test]
fn without_rights_it_says_what_was_not_examined() {
    let site = Site::new();
    let _server = site.server();
    let words = [unprivileged("-all"), vec![PROGRAM.to_owned(), "doctor".to_owned()]].concat();
    let output = site.host.on(|| Command::new("setpriv").args(words).output().unwrap());
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("the network was not examined") && text.contains("firewall: not examined"), "{text}");
    // Only root sees that the process is the server.
    assert!(!text.contains("proxydhcpd does not run") && text.contains("only root sees these processes"), "{text}");
}

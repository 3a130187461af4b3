//! `probe` on networks with real DHCP servers and a running server: what it receives, what it reports, and that it
//! takes no lease. Needs root.

mod common;

use common::server::{HIDE_INSTALLED_LOADERS, PROGRAM, Server, request_loader};
use proxydhcpd_core::identity::PROBE_MAC;
use proxydhcpd_core::wire::dhcp4::{Message, MessageType};
use proxydhcpd_testbed::raw::{self, RawSocket};
use proxydhcpd_testbed::{Host, Process, Segment, TIMEOUT, cache, peers, unprivileged, wait_for};
use serde_json::Value;
use std::fs;
use std::net::UdpSocket;
use std::process::{Command, Output, Stdio};
use std::thread;

const RANGE: &str = "--dhcp-authoritative --no-ping --dhcp-range=192.0.2.100,192.0.2.120,1h";
/// The roles that boot, as `--json` names them.
const BOOTING: [&str; 4] = ["bios", "uefi-pxe", "uefi-http", "ipxe"];

/// Creates a segment with the host of the server and that of the DHCP server.
fn network() -> (Segment, Host, Host) {
    let segment = Segment::new();
    let (host, primary) = (host_on(&segment, "192.0.2.10/24"), host_on(&segment, "192.0.2.1/24"));
    (segment, host, primary)
}

fn host_on(segment: &Segment, address: &str) -> Host {
    let host = Host::with_ipv4_only();
    segment.plug(&host, "eth0", &[address]);
    host
}

/// Starts the server with fake loaders, and waits until it is ready.
fn server(host: &Host) -> Server {
    let server = Server::start(host, &["--boot-dir", "BOOT"]);
    server.wait_for_line("ready");
    server
}

fn dnsmasq(host: &Host, options: &str) -> Process {
    peers::start_dnsmasq(host, 67, &format!("--interface=eth0 {options}"))
}

/// Runs `probe --json` with the boot directory of the server.
fn probe(host: &Host, server: &Server, arguments: &[&str]) -> (Option<i32>, Value) {
    let boot = server.boot.path().to_str().unwrap();
    let output = run(host, &[&["probe", "--json", "--timeout", "1", "-b", boot], arguments].concat());
    let json = serde_json::from_slice(&output.stdout);
    (output.status.code(), json.unwrap_or_else(|error| panic!("{error}: {output:?}")))
}

fn run(host: &Host, arguments: &[&str]) -> Output {
    let hide = ["--mount", "sh", "-c", HIDE_INSTALLED_LOADERS, PROGRAM];
    host.on(|| Command::new("unshare").args(hide).args(arguments).output().unwrap())
}

/// Returns the codes of the findings.
fn codes(probed: &Value) -> Vec<&str> {
    probed["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

/// Returns the replies to this role, as `server: origin`.
fn servers(probed: &Value, role: &str) -> Vec<String> {
    let asked = probed["roles"].as_array().unwrap().iter().filter(|asked| asked["role"] == role);
    let replies = asked.flat_map(|asked| asked["replies"].as_array().unwrap());
    let mut servers: Vec<String> = replies
        .map(|heard| format!("{}: {}", heard["server"].as_str().unwrap(), heard["origin"].as_str().unwrap()))
        .collect();
    servers.sort();
    servers
}

#[test]
fn it_receives_the_offers_of_the_server_and_of_dnsmasq_and_takes_no_lease() {
    let (segment, host, primary) = network();
    let server = server(&host);
    let directory = tempfile::tempdir().unwrap();
    let leases = directory.path().join("leases");
    // A lease file that dnsmasq writes. `peers::start_dnsmasq` would have none.
    let mut command = Process::command("dnsmasq");
    command.args(["--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root", "--pid-file="]);
    command.arg("--interface=eth0").args(RANGE.split(' ')).arg(format!("--dhcp-leasefile={}", leases.display()));
    let _dnsmasq = primary.on(|| Process::spawn(command.stderr(Stdio::null())));
    wait_for("dnsmasq", || (primary.udp_sockets(67) > 0).then_some(()));

    let (status, probed) = probe(&host, &server, &[]);
    assert_eq!((status, codes(&probed)), (Some(0), vec![]), "{probed:#}\n{}", server.log());
    for role in BOOTING {
        assert_eq!(servers(&probed, role), ["192.0.2.10: this-server", "192.0.2.1: another"], "{role}: {probed:#}");
    }
    assert_eq!(servers(&probed, "plain"), ["192.0.2.1: another"]);
    let of_bios = &probed["roles"][0]["replies"];
    let file = of_bios.as_array().unwrap().iter().find(|heard| heard["origin"] == "this-server").unwrap();
    assert_eq!((&file["boot_file"], &file["address"]), (&"undionly.kpxe".into(), &Value::Null));
    assert_eq!(fs::read_to_string(&leases).unwrap_or_default(), "", "no lease");
    // The probe is no machine. The server adds events to its stories within 25 ms, and this port keeps their order.
    let listed = || -> Value {
        let listed = server.client(&["machines", "--json", "-c", "CONFIG"]).output().unwrap();
        serde_json::from_slice(&listed.stdout).unwrap()
    };
    let player = host_on(&segment, "192.0.2.107/24");
    wait_for("a machine", || {
        drop(request_loader(&player));
        (listed()["total"] == 1).then_some(())
    });
    assert_eq!(listed()["machines"][0]["id"], "02:00:00:00:01:07");
    assert!(!server.log().contains("WARN"), "{}", server.log());
}

/// Both servers on one host share port 67. They receive copies of the requests, and the probe their replies.
#[test]
fn a_dhcp_server_on_the_host_of_the_server_is_distinguished_from_it() {
    let (_segment, host, _primary) = network();
    let _dnsmasq = dnsmasq(&host, &format!("--bind-dynamic {RANGE}"));
    let server = server(&host);
    let (status, probed) = probe(&host, &server, &[]);
    assert_eq!((status, codes(&probed)), (Some(0), vec![]), "{probed:#}\n{}", server.log());
    for role in BOOTING {
        assert_eq!(servers(&probed, role), ["192.0.2.10: this-host", "192.0.2.10: this-server"], "{role}: {probed:#}");
    }
}

#[test]
fn a_rival_boot_server_is_named() {
    let (segment, host, primary) = network();
    let another = host_on(&segment, "192.0.2.3/24");
    let server = server(&host);
    let _primary = dnsmasq(&primary, RANGE);
    let _another =
        dnsmasq(&another, "--dhcp-range=192.0.2.0,proxy --pxe-service=X86-64_EFI,theirs,theirs.efi,192.0.2.3");
    let (status, probed) = probe(&host, &server, &[]);
    assert_eq!((status, codes(&probed)), (Some(1), vec!["two-boot-servers"]), "{probed:#}");
    let finding = &probed["findings"][0];
    assert_eq!(finding["where"], "eth0");
    let summary = finding["summary"].as_str().unwrap();
    assert!(summary.contains("192.0.2.3, 192.0.2.10"), "{summary}");
    assert!(finding["cure"].as_str().unwrap().starts_with("stop the boot server on 192.0.2.3,"), "{finding}");
}

#[test]
fn option_60_and_a_boot_file_of_the_dhcp_server_are_named() {
    let (_segment, host, primary) = network();
    let server = server(&host);
    let _primary = dnsmasq(&primary, &format!("{RANGE} --dhcp-option-force=60,PXEClient --dhcp-boot=theirs.0"));
    let (status, probed) = probe(&host, &server, &[]);
    assert_eq!(status, Some(1));
    let mut found = codes(&probed);
    found.sort_unstable();
    assert_eq!(found, ["dhcp-server-boot-file", "dhcp-server-option-60"], "{probed:#}");
    let summary = |code: &str| {
        let found = probed["findings"].as_array().unwrap().iter().find(|finding| finding["code"] == code);
        found.unwrap()["summary"].as_str().unwrap().to_owned()
    };
    let class = "the DHCP server 192.0.2.1 sends option 60 (PXEClient), so UEFI machines ask it for their boot file \
                 and no other server";
    assert_eq!(summary("dhcp-server-option-60"), class);
    let file = "the DHCP server 192.0.2.1 sends the boot file theirs.0, so machines may load it instead of the file of \
                this server";
    assert_eq!(summary("dhcp-server-boot-file"), file);
}

#[test]
fn the_clients_to_which_a_dhcp_server_names_a_boot_file_are_named() {
    let (_segment, host, primary) = network();
    let server = server(&host);
    let _primary = dnsmasq(&primary, &format!("{RANGE} --dhcp-match=set:old,93,0 --dhcp-boot=tag:old,theirs.0"));
    let (_, probed) = probe(&host, &server, &[]);
    assert_eq!(codes(&probed), ["dhcp-server-boot-file"], "{probed:#}");
    let summary = probed["findings"][0]["summary"].as_str().unwrap();
    assert!(summary.contains("sends the boot file theirs.0 to x86 BIOS, PXE, so machines"), "{summary}");
}

/// ISC dhcpd sends from a packet socket.
#[test]
fn the_offers_of_isc_dhcpd_are_received_and_its_lease_file_stays_empty() {
    let (_segment, host, primary) = network();
    let server = server(&host);
    let directory = tempfile::tempdir().unwrap();
    let (config, leases) = (directory.path().join("dhcpd.conf"), directory.path().join("leases"));
    fs::write(&config, "ping-check off;\nsubnet 192.0.2.0 netmask 255.255.255.0 { range 192.0.2.100 192.0.2.120; }\n")
        .unwrap();
    fs::write(&leases, "").unwrap();
    let mut command = Process::command(cache::path("tools/dhcpd"));
    command.args(["-4", "-f", "--no-pid", "-cf"]).arg(&config).arg("-lf").arg(&leases).arg("eth0");
    let _dhcpd = primary.on(|| Process::spawn(command.stderr(Stdio::null())));
    wait_for("dhcpd", || (primary.udp_sockets(67) > 0).then_some(()));
    let (status, probed) = probe(&host, &server, &[]);
    assert_eq!((status, codes(&probed)), (Some(0), vec![]), "{probed:#}");
    assert_eq!(servers(&probed, "plain"), ["192.0.2.1: another"]);
    let written = fs::read_to_string(&leases).unwrap();
    assert!(!written.contains("lease 192.0.2"), "{written}");
}

/// Some servers send a unicast to the offered address, which the host of the probe does not have, and to the hardware
/// address of the probe, which no network card has.
#[test]
fn a_reply_to_the_offered_address_is_received() {
    let (_segment, host, primary) = network();
    let (receiver, raw) = primary.on(|| (UdpSocket::bind("0.0.0.0:67").unwrap(), RawSocket::open()));
    receiver.set_read_timeout(Some(TIMEOUT)).unwrap();
    let answer = thread::spawn(move || {
        let mut packet = [0; 1500];
        let length = receiver.recv(&mut packet).unwrap();
        // The DISCOVER becomes an OFFER: op, yiaddr, and option 53, which is the first.
        packet[0] = 2;
        packet[16..20].copy_from_slice(&[192, 0, 2, 150]);
        packet[242] = 2;
        let (from, to) = ("192.0.2.1:67".parse().unwrap(), "192.0.2.150:68".parse().unwrap());
        let mut frame = raw::frame(&from, &to, &packet[..length]);
        frame[..6].copy_from_slice(&PROBE_MAC);
        raw.send_frame(&frame);
    });
    let output = run(&host, &["probe", "--json", "--timeout", "1"]);
    answer.join().unwrap();
    let probed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(probed["roles"][0]["replies"][0]["address"], "192.0.2.150", "{probed:#}");
}

#[test]
fn without_a_dhcp_server_and_without_a_server_it_reports_both() {
    let (_segment, host, _primary) = network();
    let started = server(&host);
    let (status, probed) = probe(&host, &started, &[]);
    assert_eq!((status, codes(&probed)), (Some(1), vec!["no-dhcp-server"]), "{probed:#}");
    drop(started);
    let output = run(&host, &["probe", "--timeout", "1"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("no boot server answers on eth0, and proxydhcpd does not run on this host"), "{text}");
}

#[test]
fn a_role_that_the_server_does_not_answer_is_named_with_the_reason() {
    let (_segment, host, primary) = network();
    let server = server(&host);
    fs::remove_file(server.boot.path().join("undionly.kpxe")).unwrap();
    let _primary = dnsmasq(&primary, RANGE);
    drop(server);
    let server = Server::start(&host, &["--boot-dir", "BOOT", "--no-http"]);
    server.wait_for_line("ready");
    fs::remove_file(server.boot.path().join("undionly.kpxe")).unwrap();
    server.signal(nix::sys::signal::Signal::SIGHUP);
    server.wait_for_line("reload");
    let (status, probed) = probe(&host, &server, &["--no-http"]);
    assert_eq!((status, codes(&probed)), (Some(1), vec!["this-server-silent"]), "{probed:#}");
    let summary = probed["findings"][0]["summary"].as_str().unwrap();
    assert!(summary.contains("x86 BIOS, PXE on eth0: no loader for x86 BIOS here"), "{summary}");
}

#[test]
fn a_chosen_server_is_asked_as_by_a_relay_and_on_port_4011() {
    let (_segment, host, primary) = network();
    let server = server(&host);
    let (status, probed) = probe(&primary, &server, &["--server", "192.0.2.10"]);
    assert_eq!((status, codes(&probed)), (Some(0), vec![]), "{probed:#}\n{}", server.log());
    assert_eq!(servers(&probed, "bios"), ["192.0.2.10: another"; 2]);
    // The same server, asked from its host.
    let (status, probed) = probe(&host, &server, &["--server", "192.0.2.10"]);
    assert_eq!((status, codes(&probed)), (Some(0), vec![]), "{probed:#}\n{}", server.log());
    assert_eq!(servers(&probed, "uefi-pxe"), ["192.0.2.10: this-server"; 2]);
    let (status, probed) = probe(&host, &server, &["--server", "192.0.2.1"]);
    assert_eq!((status, codes(&probed)), (Some(1), vec!["server-silent"]), "{probed:#}");
}

#[test]
fn over_ipv6_the_advertises_are_received() {
    let segment = Segment::new();
    let (host, primary) = (Host::without_dad(), Host::without_dad());
    segment.plug(&host, "eth0", &["192.0.2.10/24", "2001:db8::10/64"]);
    segment.plug(&primary, "eth0", &["192.0.2.1/24", "2001:db8::1/64"]);
    let server = Server::start(&host, &["--boot-dir", "BOOT"]);
    server.wait_for_line("ready");
    let _dnsmasq = dnsmasq(&primary, &format!("{RANGE} --dhcp-range=2001:db8::100,2001:db8::200,64,1h"));
    let (status, probed) = probe(&host, &server, &[]);
    assert_eq!((status, codes(&probed)), (Some(0), vec![]), "{probed:#}\n{}", server.log());
    let roles = probed["roles"].as_array().unwrap();
    let over6 = roles.iter().find(|asked| asked["ipv6"] == true && asked["role"] == "uefi-pxe").unwrap();
    let origins: Vec<&str> =
        over6["replies"].as_array().unwrap().iter().map(|heard| heard["origin"].as_str().unwrap()).collect();
    assert!(origins.contains(&"this-server") && origins.contains(&"another"), "{over6:#}");
}

/// The packets on the wire are few, all DISCOVERs, and all from the documented address.
#[test]
fn at_most_two_discovers_for_each_role_are_sent_and_no_request() {
    let (_segment, host, primary) = network();
    let receiver = primary.on(|| UdpSocket::bind("0.0.0.0:67").unwrap());
    let output = run(&host, &["probe", "--json", "--timeout", "1"]);
    assert_eq!(output.status.code(), Some(1));
    receiver.set_nonblocking(true).unwrap();
    let mut packet = [0; 1500];
    let mut received = 0;
    while let Ok(length) = receiver.recv(&mut packet) {
        received += 1;
        let message = Message::parse(&packet[..length]).unwrap();
        assert_eq!(message.message_type(), Some(MessageType::Discover));
        assert_eq!(message.header.chaddr[..6], PROBE_MAC);
    }
    assert_eq!(received, 10, "five roles, each repeated once because no server answers");
}

/// Silence proves nothing if the packets cannot leave.
#[test]
fn a_firewall_that_stops_the_requests_is_the_only_finding() {
    let (_segment, host, _primary) = network();
    let rules = tempfile::NamedTempFile::new().unwrap();
    let chain = "chain out { type filter hook output priority 0; policy accept;\n udp dport 67 drop\n}";
    fs::write(&rules, format!("table inet t {{ {chain}\n}}\n")).unwrap();
    host.run(&format!("nft -f {}", rules.path().display()));
    let output = run(&host, &["probe", "--json", "--timeout", "1"]);
    let probed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), codes(&probed)), (Some(1), vec!["cannot-send"]), "{probed:#}");
    assert!(probed["findings"][0]["summary"].as_str().unwrap().contains("Operation not permitted"), "{probed:#}");
}

/// A boot server that answers every client. Linux accepts such an offer.
#[test]
fn an_offer_without_an_address_to_a_client_that_does_not_boot_is_named() {
    let (_segment, host, primary) = network();
    let (receiver, raw) = primary.on(|| (UdpSocket::bind("0.0.0.0:67").unwrap(), RawSocket::open()));
    receiver.set_read_timeout(Some(TIMEOUT)).unwrap();
    let answer = thread::spawn(move || {
        let mut packet = [0; 1500];
        // The fifth client is the one without option 60.
        let length = loop {
            let length = receiver.recv(&mut packet).unwrap();
            if Message::parse(&packet[..length]).unwrap().option(60).is_none() {
                break length;
            }
        };
        (packet[0], packet[242]) = (2, 2);
        let (from, to) = ("192.0.2.1:67".parse().unwrap(), "255.255.255.255:68".parse().unwrap());
        raw.send(&from, &to, &packet[..length]);
    });
    let output = run(&host, &["probe", "--json", "--timeout", "1"]);
    answer.join().unwrap();
    let probed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(codes(&probed).contains(&"plain-client-answered"), "{probed:#}");
}

#[test]
fn without_the_permission_it_says_which_one_is_missing() {
    let (_segment, host, _primary) = network();
    let words = [unprivileged("-all"), vec![PROGRAM.to_owned(), "probe".to_owned()]].concat();
    let output = host.on(|| Command::new("setpriv").args(words).output().unwrap());
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("run it as root, or with CAP_NET_RAW"), "{text}");
}

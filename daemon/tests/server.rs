//! Tests the running server: busy ports, changes of interfaces and files, and signals. Runs the real binary in network
//! namespaces. Needs root.

mod common;

use common::loaders::boot_dir;
use common::server::{
    PROGRAM, Server, one_network, request_loader, request_loader_for, state_dir, unprivileged_with, vector,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use proxydhcpd_testbed::{Host, TIMEOUT, wait_for};
use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Arguments of setpriv that run the server as root, but without this capability.
const WITHOUT_CAP_NET_RAW: [&str; 3] = ["--bounding-set=-net_raw", "--", PROGRAM];

#[test]
fn busy_tftp_and_http_ports_cause_warnings_with_their_owner_and_are_not_offered() {
    let (host, machine) = one_network();
    let _tftp = host.on(|| UdpSocket::bind("0.0.0.0:69").unwrap());
    let _http = host.on(|| std::net::TcpListener::bind("0.0.0.0:8080").unwrap());
    let server = Server::start(&host, &["--boot-dir", "BOOT"]);
    server.wait_for_line("ready");
    let log = server.log();
    let us = format!("(pid {}) on 0.0.0.0", std::process::id());
    for port in ["UDP port 69", "TCP port 8080"] {
        assert!(log.lines().any(|line| line.contains("WARN") && line.contains(port) && line.contains(&us)), "{log}");
    }
    // Neither TFTP nor HTTP is open, so the server offers no file.
    assert!(request_loader(&machine).is_none(), "offered a file without a server for it");
}

#[test]
fn the_start_logs_once_the_loaders_that_secure_boot_would_refuse() {
    let (host, _machine) = one_network();
    let server = Server::start(&host, &["--boot-dir", "BOOT"]);
    server.wait_for_line("ready");
    let log = server.log();
    let line = "not signed, which matters only with Secure Boot: ipxe-arm64.efi, ipxe-ia32.efi, \
                ipxe-loong64.efi, ipxe-riscv64.efi, ipxe.efi";
    assert_eq!(log.matches(line).count(), 1, "{log}");
}

#[test]
fn without_any_dhcp_socket_it_exits_with_status_1_and_names_the_owners_of_the_ports() {
    let (host, _machine) = one_network();
    let _dhcp = host.on(|| UdpSocket::bind("0.0.0.0:67").unwrap());
    let _boot = host.on(|| UdpSocket::bind("0.0.0.0:4011").unwrap());
    let output = run_by("setpriv", &host, &[&WITHOUT_CAP_NET_RAW[..], &["--boot-dir", "/nowhere"]].concat());
    let printed = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(
        printed.contains("UDP port 67") && printed.contains("UDP port 4011") && printed.contains("nothing to serve"),
        "{printed}"
    );
}

#[test]
fn port_4011_alone_is_enough_to_start() {
    let (host, machine) = one_network();
    let _dhcp = host.on(|| UdpSocket::bind("0.0.0.0:67").unwrap());
    let arguments = [&WITHOUT_CAP_NET_RAW[..], &["--boot-dir", "BOOT"]].concat();
    let server = Server::start_program("setpriv", &host, &arguments);
    server.wait_for_line("ready");
    let log = server.log();
    let us = format!("(pid {}) on 0.0.0.0", std::process::id());
    let warning = log.lines().find(|line| line.contains("no DHCP broadcasts")).unwrap_or_else(|| panic!("{log}"));
    assert!(["WARN", "UDP port 67", &us, "CAP_NET_RAW"].iter().all(|part| warning.contains(part)), "{warning}");
    assert!(!log.contains("DHCP on port 67"), "{log}");
    assert!(request_loader(&machine).is_some());
}

/// The port stays free for its owner, which may restart at any time.
#[test]
fn with_cap_net_raw_it_serves_through_a_packet_socket_if_another_process_has_port_67() {
    let (host, machine) = one_network();
    let dhcp = host.on(|| UdpSocket::bind("0.0.0.0:67").unwrap());
    let words = unprivileged_with("-all,+net_bind_service,+net_raw");
    let words: Vec<&str> = words.iter().map(String::as_str).chain(["--boot-dir", "BOOT"]).collect();
    let server = Server::start_program("setpriv", &host, &words);
    server.wait_for_line("ready");
    let log = server.log();
    let owner = "on 0.0.0.0 does not share UDP port 67";
    assert!(log.lines().any(|line| line.contains("INFO") && line.contains(owner)), "{log}");
    assert!(log.contains("DHCP on port 67") && !log.contains("WARN"), "{log}");
    // The server does not take the port later. If it did, the log would contain this message about the server's
    // address.
    assert!(!log.contains("requests that relays send to"), "{log}");

    let client = machine.on(|| UdpSocket::bind("0.0.0.0:68").unwrap());
    socket2::SockRef::from(&client).bind_device(Some(b"eth0")).unwrap();
    client.set_broadcast(true).unwrap();
    client.set_read_timeout(Some(TIMEOUT)).unwrap();
    client.send_to(&vector("ovmf-x64-discover"), "255.255.255.255:67").unwrap();
    let (mut offer, mut received) = ([0; 1500], [0; 1500]);
    let (_, from) = client.recv_from(&mut offer).unwrap();
    assert_eq!(from, "192.0.2.10:67".parse().unwrap());
    assert_eq!((offer[0], &offer[16..20]), (2, &[0; 4][..]), "not a proxyDHCP offer");
    dhcp.set_read_timeout(Some(TIMEOUT)).unwrap();
    dhcp.recv(&mut received).unwrap();
}

#[test]
fn it_waits_for_interfaces_and_follows_them() {
    let host = Host::new();
    let server = Server::start(&host, &["--boot-dir", "BOOT"]);
    server.wait_for_line("ready");
    let machine = Host::new();
    host.cable("eth0", &machine, "eth0");
    machine.run("ip address add 192.0.2.107/24 dev eth0");
    host.run("ip address add 192.0.2.10/24 dev eth0");
    server.wait_for_line("serving eth0 as 192.0.2.10");
    wait_for("a reply from the new address", || request_loader(&machine));

    host.run("ip address add 198.51.100.10/24 dev eth0\nip address del 192.0.2.10/24 dev eth0");
    server.wait_for_line("serving eth0 as 198.51.100.10");
    host.run("ip link set eth0 down\nip link set eth0 name lan0\nip link set lan0 up");
    server.wait_for_line("serving lan0 as 198.51.100.10");
    host.run("ip link del lan0");
    server.wait_for_line("lan0 is no longer served");
    assert!(server.is_running());
}

#[test]
fn a_reload_reads_the_boot_dir_as_a_whole_and_a_broken_file_changes_nothing() {
    let (host, machine) = one_network();
    let server = Server::start(&host, &["-c", "CONFIG"]);
    server.wait_for_line("ready");
    assert_eq!(request_loader(&machine).as_deref(), Some("ipxe.efi"));

    let config = server.directory.path().join("proxydhcpd.toml");
    let good = fs::read_to_string(&config).unwrap();
    fs::write(&config, "boot-dir = 7\n").unwrap();
    server.signal(Signal::SIGHUP);
    server.wait_for_line("reload failed");
    assert!(server.log().contains(&format!("{}:1:12", config.display())), "{}", server.log());
    assert_eq!(request_loader(&machine).as_deref(), Some("ipxe.efi"));

    let boot = server.boot.path();
    fs::rename(boot.join("ipxe.efi"), boot.join("snponly.efi")).unwrap();
    fs::write(&config, good).unwrap();
    server.signal(Signal::SIGHUP);
    server.wait_for_line("INFO  reloaded");
    assert_eq!(request_loader(&machine).as_deref(), Some("snponly.efi"));
}

#[test]
fn changed_files_are_loaded_without_a_signal_and_an_error_is_logged_once() {
    let (host, machine) = one_network();
    let server = Server::start(&host, &["-c", "CONFIG"]);
    server.wait_for_line("ready");
    assert_eq!(request_loader(&machine).as_deref(), Some("ipxe.efi"));
    // Later checks of the files compare with the first check, so the test waits for that.
    std::thread::sleep(Duration::from_secs(1));

    let config = server.directory.path().join("proxydhcpd.toml");
    let good = fs::read_to_string(&config).unwrap();
    fs::write(&config, "boot-dir = 7\n").unwrap();
    server.wait_for_line("reload failed");
    assert_eq!(request_loader(&machine).as_deref(), Some("ipxe.efi"));

    fs::rename(server.boot.path().join("ipxe.efi"), server.boot.path().join("snponly.efi")).unwrap();
    fs::write(config.with_extension("new"), good).unwrap();
    fs::rename(config.with_extension("new"), &config).unwrap();
    server.wait_for_line("INFO  reloaded");
    assert_eq!(request_loader(&machine).as_deref(), Some("snponly.efi"));
    assert_eq!(server.log().matches("reload failed").count(), 1, "{}", server.log());
}

#[test]
fn files_in_conf_d_are_reloaded_and_a_broken_one_changes_nothing() {
    let (host, machine) = one_network();
    let server = Server::start(&host, &["-c", "CONFIG"]);
    server.wait_for_line("ready");
    let conf_d = server.directory.path().join("conf.d");
    fs::create_dir(&conf_d).unwrap();
    let profile = |loader: &str| format!("[profile.x]\nloaders = {{ uefi-x64 = \"{loader}\" }}\n");
    fs::copy(server.boot.path().join("ipxe.efi"), server.boot.path().join("grub.efi")).unwrap();
    fs::write(conf_d.join("x.toml"), profile("grub.efi")).unwrap();
    fs::write(conf_d.join("y.toml"), "default-profile = \"x\"\n").unwrap();
    server.signal(Signal::SIGHUP);
    server.wait_for_line("INFO  reloaded");
    assert_eq!(request_loader(&machine).as_deref(), Some("grub.efi"));

    // The first broken text names a missing file, and the second has an unknown key.
    for (broken, location) in
        [(profile("gone.efi"), "x.toml:2:24: gone.efi"), ("[profil.x]\n".into(), "x.toml:1:2: unknown")]
    {
        fs::write(conf_d.join("x.toml"), broken).unwrap();
        server.signal(Signal::SIGHUP);
        server.wait_for_line(location);
        assert_eq!(request_loader(&machine).as_deref(), Some("grub.efi"));
    }
}

#[test]
fn a_change_that_needs_new_ports_is_refused_as_a_whole() {
    let (host, _machine) = one_network();
    let server = Server::start(&host, &["-c", "CONFIG"]);
    server.wait_for_line("ready");
    let config = server.directory.path().join("proxydhcpd.toml");
    let more = fs::read_to_string(&config).unwrap()
        + "[http]\nport = 8081\n[profile.grub]\nloaders = { uefi-x64 = \"gone.efi\" }\n";
    fs::write(&config, more).unwrap();
    server.signal(Signal::SIGHUP);
    server.wait_for_line("a change of HTTP needs a restart");
    server.wait_for_line("gone.efi cannot be offered");
    assert!(server.is_running());
}

#[test]
fn start_and_reload_report_errors_of_the_text_and_of_the_files_together() {
    let (host, machine) = one_network();
    let server = Server::start(&host, &["-c", "CONFIG"]);
    server.wait_for_line("ready");
    let config = server.directory.path().join("proxydhcpd.toml");
    let text = fs::read_to_string(&config).unwrap()
        + "[[rule]]\nprofil = \"grub\"\n[profile.grub]\nloaders = { uefi-x64 = \"gone.efi\" }\n";
    fs::write(&config, text).unwrap();
    server.signal(Signal::SIGHUP);
    for part in ["unknown key `profil`", "gone.efi cannot be offered"] {
        server.wait_for_line(part);
    }
    assert_eq!(request_loader(&machine).as_deref(), Some("ipxe.efi"));

    let started = run(&host, &["-c", config.to_str().unwrap()]);
    let printed = String::from_utf8_lossy(&started.stderr);
    assert_eq!(started.status.code(), Some(2), "{printed}");
    assert!(printed.contains("unknown key `profil`") && printed.contains("gone.efi cannot be offered"), "{printed}");
}

#[test]
fn files_are_served_only_at_the_addresses_of_served_interfaces() {
    let (host, machine) = one_network();
    let elsewhere = Host::new();
    host.cable("eth1", &elsewhere, "eth0");
    host.run("ip address add 198.51.100.10/24 dev eth1");
    elsewhere.run("ip address add 198.51.100.7/24 dev eth0\nip route add 192.0.2.0/24 via 198.51.100.10");
    let mut server = Server::start(&host, &["--boot-dir", "BOOT", "-i", "eth0"]);
    server.wait_for_line("ready");
    let fetch = |from: &Host, url: &str| {
        let arguments = ["--silent", "--fail", "--max-time", "3", "--output", "/dev/null", url];
        from.on(|| Command::new("curl").args(arguments).status().expect("curl is missing: run e2e/setup").success())
    };
    for (from, address, served) in [
        (&machine, "192.0.2.10", true),
        // A machine behind a router may reach the address of a served interface through an interface that is not
        // served.
        (&elsewhere, "192.0.2.10", true),
        (&elsewhere, "198.51.100.10", false),
    ] {
        assert_eq!(fetch(from, &format!("http://{address}:8080/ipxe.efi")), served, "HTTP at {address}");
        assert_eq!(fetch(from, &format!("tftp://{address}/ipxe.efi")), served, "TFTP at {address}");
    }
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), Some(0));
    for label in ["http:refused:denied ", "tftp:unserved-interface "] {
        assert!(server.log().contains(label), "no {label}in {}", server.log());
    }
}

#[test]
fn max_transfers_above_the_limit_of_open_files_causes_a_warning() {
    let (host, _machine) = one_network();
    for (max_transfers, warned) in [("100", false), ("1048576", true)] {
        let server = Server::start(&host, &["--boot-dir", "BOOT", "--max-transfers", max_transfers]);
        server.wait_for_line("ready");
        assert_eq!(server.log().contains("raise the limit of open files"), warned, "{}", server.log());
    }
}

#[test]
fn a_legacy_file_whose_tftpd_is_a_local_address_enables_tftp_and_http() {
    let (host, machine) = one_network();
    host.run("ip address add 192.0.2.11/24 dev eth0");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("proxy.ini");
    fs::write(&file, legacy_file("listen_address = 192.0.2.10").replace("192.0.2.99", "192.0.2.11")).unwrap();
    let server = Server::start(&host, &["-c", file.to_str().unwrap(), "--boot-dir", "BOOT"]);
    server.wait_for_line("ready");
    assert!(server.log().contains("TFTP on port 69, HTTP on port 8080"), "{}", server.log());
    assert_eq!(request_loader(&machine).as_deref(), Some("ipxe.efi"));
    let url = "tftp://192.0.2.11/ipxe.efi";
    let arguments = ["--silent", "--fail", "--max-time", "3", "--output", "/dev/null", url];
    assert!(machine.on(|| Command::new("curl").args(arguments).status().unwrap().success()));
    drop(server);

    // Another server has the TFTP port, so TFTP and HTTP both stay off.
    let _other = host.on(|| UdpSocket::bind("0.0.0.0:69").unwrap());
    let server = Server::start(&host, &["-c", file.to_str().unwrap(), "--boot-dir", "BOOT"]);
    server.wait_for_line("ready");
    assert!(server.log().contains("this server's TFTP and HTTP are off"), "{}", server.log());
}

#[test]
fn a_machine_gets_one_line_in_ten_seconds_and_the_rest_is_summarized_at_the_end() {
    let (host, machine) = one_network();
    let mut server = Server::start(&host, &["--boot-dir", "BOOT"]);
    server.wait_for_line("ready");
    for _ in 0..4 {
        assert!(request_loader(&machine).is_some());
    }
    // The server sends a reply before it counts it, so the line of another reply shows that these are counted.
    assert!(request_loader_for(&machine, Some(11)).is_some());
    server.wait_for_line("(ARM 64 UEFI) on eth0: ");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), Some(0));
    let log = server.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("(x64 UEFI) on eth0: ")).collect();
    let [line] = lines[..] else { panic!("{log}") };
    assert!(line.ends_with("(loader for x64 UEFI, redirect)"), "names a profile, but there are none: {line}");
    assert!(log.contains("3 more replies in the last minute"), "{log}");
}

#[test]
fn sigterm_lets_a_transfer_finish_and_exits_with_status_0() {
    let (host, machine) = one_network();
    let mut server = Server::start(&host, &["--boot-dir", "BOOT"]);
    let big = fs::File::create(server.boot.path().join("big")).unwrap();
    big.set_len(64 << 20).unwrap();
    server.wait_for_line("ready");
    let mut stream = machine.on(|| TcpStream::connect("192.0.2.10:8080").unwrap());
    stream.write_all(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut first = [0; 4096];
    stream.read_exact(&mut first).unwrap();
    server.signal(Signal::SIGTERM);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.len() + first.len() > 64 << 20, "cut off after {} octets", rest.len());
    assert_eq!(server.exit_code(), Some(0));
    assert!(server.log().contains("stopped"));
}

#[test]
fn sigterm_waits_no_longer_than_two_seconds_for_a_stalled_client() {
    let (host, machine) = one_network();
    let mut server = Server::start(&host, &["--boot-dir", "BOOT"]);
    fs::File::create(server.boot.path().join("big")).unwrap().set_len(64 << 20).unwrap();
    server.wait_for_line("ready");
    let mut stream = machine.on(|| TcpStream::connect("192.0.2.10:8080").unwrap());
    stream.write_all(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    stream.read_exact(&mut [0; 4096]).unwrap();
    let start = Instant::now();
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

#[test]
fn the_background_process_serves_once_its_parent_has_exited_with_0() {
    let (host, machine) = one_network();
    let (boot, directory) = (boot_dir(), tempfile::tempdir().unwrap());
    fs::write(directory.path().join("relative.toml"), format!("boot-dir = {:?}\n", boot.path())).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["-d", "-c", "relative.toml"]).current_dir(directory.path()).stdin(Stdio::null());
    command.env("STATE_DIRECTORY", directory.path()).env("RUNTIME_DIRECTORY", directory.path());
    let output = host.on(|| command.output().unwrap());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let background = Background(server_on(&host).expect("port 4011 is free"));
    assert_eq!(request_loader(&machine).as_deref(), Some("ipxe.efi"));

    // The server has left the directory to which the path of its configuration was relative.
    fs::rename(boot.path().join("ipxe.efi"), boot.path().join("snponly.efi")).unwrap();
    kill(background.0, Signal::SIGHUP).unwrap();
    wait_for("the reload", || (request_loader(&machine)? == "snponly.efi").then_some(()));
    kill(background.0, Signal::SIGTERM).unwrap();
    wait_for("its end", || kill(background.0, None).is_err().then_some(()));
}

#[test]
fn the_exit_status_of_the_parent_shows_the_error() {
    let (host, _machine) = one_network();
    let _boot = host.on(|| UdpSocket::bind("0.0.0.0:4011").unwrap());
    assert_eq!(run(&host, &["-d", "-c", "/nowhere.ini"]).status.code(), Some(2));
    assert_eq!(run(&host, &["-d", "-p", "--boot-dir", "/tmp"]).status.code(), Some(1), "its one port is taken");
    assert_eq!(run(&host, &["--boot-dir", "/nowhere/at/all"]).status.code(), Some(2));
    assert_eq!(server_on(&host), Some(Pid::this()), "a process was left behind");
}

#[test]
fn a_legacy_file_with_an_address_of_another_host_exits_with_status_1() {
    let (host, _machine) = one_network();
    let directory = tempfile::tempdir().unwrap();
    for (proxy, part) in [
        ("listen_address = 203.0.113.1", "203.0.113.1"),
        ("interface = eth7", "eth7"),
        ("interface = eth0\nlisten_address = 127.0.0.1", "127.0.0.1"),
        ("", "neither"),
    ] {
        let file = directory.path().join("proxy.ini");
        fs::write(&file, legacy_file(proxy)).unwrap();
        let output = run(&host, &["-c", file.to_str().unwrap()]);
        let printed = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{proxy}: {printed}");
        assert!(printed.lines().any(|line| line.starts_with("CRITICAL:") && line.contains(part)), "{printed}");
    }
}

#[test]
fn an_architecture_unknown_to_a_legacy_file_causes_one_warning() {
    let (host, machine) = one_network();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("proxy.ini");
    fs::write(&file, legacy_file("interface = eth0")).unwrap();
    let server = Server::start(&host, &["-c", file.to_str().unwrap()]);
    server.wait_for_line("ready");
    assert!(server.log().contains("this server's TFTP and HTTP are off"), "{}", server.log());
    for _ in 0..3 {
        assert!(request_loader_for(&machine, Some(11)).is_none());
    }
    assert_eq!(request_loader(&machine).as_deref(), Some("ipxe.efi"));
    let warned = "Unsupported architecture detected: [0, 11]. Dropping payload.";
    assert_eq!(server.log().matches(warned).count(), 1, "{}", server.log());
    assert!(server.log().contains("set arm64_bootstrap in [ipxe] to serve"), "{}", server.log());
}

#[test]
fn it_serves_without_root_and_with_the_one_capability_of_its_unit() {
    let (host, machine) = one_network();
    let words = unprivileged_with("-all,+net_bind_service");
    let words: Vec<&str> = words.iter().map(String::as_str).chain(["--boot-dir", "BOOT"]).collect();
    let server = Server::start_program("setpriv", &host, &words);
    server.wait_for_line("ready");
    assert_eq!(request_loader(&machine).as_deref(), Some("ipxe.efi"));
    assert!(!server.log().contains("WARN"), "{}", server.log());
}

#[test]
fn files_that_its_user_may_not_read_cause_warnings_and_are_not_offered() {
    let (host, machine) = one_network();
    let words = unprivileged_with("-all,+net_bind_service");
    let words: Vec<&str> = words.iter().map(String::as_str).chain(["--boot-dir", "BOOT"]).collect();
    let server = Server::start_program("setpriv", &host, &words);
    server.wait_for_line("ready");
    for name in ["boot.ipxe", "rescue.ipxe"] {
        let path = server.boot.path().join(name);
        fs::write(&path, "#!ipxe\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }
    server.signal(Signal::SIGHUP);
    server.wait_for_line("INFO  reloaded");
    for warning in ["boot.ipxe is not a regular file that this server may read", "not in the menu: rescue.ipxe: "] {
        assert!(server.log().contains(&format!("WARN  {warning}")), "{}", server.log());
    }
    let fetch = |name: &str| {
        let url = format!("http://192.0.2.10:8080/{name}");
        let output = machine.on(|| Command::new("curl").args(["--silent", "--fail", &url]).output().unwrap());
        String::from_utf8(output.stdout).unwrap()
    };
    let script = fetch("boot.ipxe");
    assert!(script.starts_with("#!ipxe") && script.contains("/menu.ipxe"), "{script}");
    let menu = fetch("machine/mac=52-54-00-12-34-56/uuid=/platform=efi/arch=x86_64/menu.ipxe");
    assert!(menu.contains("local disk") && !menu.contains("rescue"), "{menu}");
}

#[test]
fn its_unit_is_hardened() {
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/../dist/systemd/proxydhcpd.service");
    let mut command = Command::new("systemd-analyze");
    let output = command.args(["security", "--offline=true", "--threshold=15", unit]).output();
    let output = output.expect("systemd-analyze is missing: run e2e/setup");
    assert!(output.status.success(), "more than 1.5: {}", String::from_utf8_lossy(&output.stdout));
}

/// Returns the text of a legacy file with these lines of `[proxy]`.
fn legacy_file(proxy: &str) -> String {
    format!(
        "[proxy]\n{proxy}\ntftpd = 192.0.2.99\nfilename = pxelinux.0\nvendor_specific_information = x\n[pxe]\n\
         [ipxe]\nenabled = true\n"
    )
}

/// A process that no parent waits for. The test kills the process when it ends, even if it fails.
struct Background(Pid);

impl Drop for Background {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGKILL);
    }
}

fn run(host: &Host, arguments: &[&str]) -> Output {
    run_by(PROGRAM, host, arguments)
}

fn run_by(program: &str, host: &Host, arguments: &[&str]) -> Output {
    let state = state_dir();
    let mut command = Command::new(program);
    command.args(arguments).env("STATE_DIRECTORY", state.path()).stdin(Stdio::null());
    command.env("RUNTIME_DIRECTORY", state.path());
    host.on(|| command.output().unwrap())
}

/// Returns the process that has port 4011 on this host, or `None` if the port is free.
fn server_on(host: &Host) -> Option<Pid> {
    use proxydhcpd::net::port_owner::{Transport, port_owner};
    let process = host.on(|| port_owner(Transport::Udp, Ipv4Addr::UNSPECIFIED.into(), 4011))?.process?;
    Some(Pid::from_raw(process.pid as i32))
}

//! Tests with ports that are busy at the start and become free later. The server then opens such a port and offers its
//! service, but never takes a port from an owner that is only restarting. The sockets and dnsmasq are real, in network
//! namespaces. Needs root.

mod common;

use common::loaders::boot_dir;
use common::server::{Server, one_network, request_loader, unprivileged_with, vector};
use proxydhcpd::boot_once::{BootOnceState, EventReceiver};
use proxydhcpd::config::flags::Flags;
use proxydhcpd::config::{Loaded, load_from_dir};
use proxydhcpd::edits::Edits;
use proxydhcpd::events::Events;
use proxydhcpd::net::link::{LinkFilter, list};
use proxydhcpd::net::port_owner::{Transport, bound_sockets};
use proxydhcpd::net::socket::Socket;
use proxydhcpd::net::udp::HOLD_OFF;
use proxydhcpd::serve::listeners::{Listener, Listeners};
use proxydhcpd::serve::workers::Workers;
use proxydhcpd::settings::Enabled;
use proxydhcpd::site::Site;
use proxydhcpd::state::State;
use proxydhcpd_testbed::{CapabilitySet, Host, Process, TIMEOUT, peers, wait_for, wait_up_to, without_capability};
use std::fs;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The server checks every five seconds, and opens a port that has been free for ten seconds. A busy host needs more
/// time.
const RETRY_TIMEOUT: Duration = Duration::from_secs(40);

const SERVER_ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);

#[test]
fn ports_4011_and_8080_are_opened_when_they_are_free_even_with_only_the_capabilities_of_the_unit() {
    let (host, machine) = one_network();
    let boot = host.on(|| UdpSocket::bind("0.0.0.0:4011").unwrap());
    let http = host.on(|| TcpListener::bind("0.0.0.0:8080").unwrap());
    let arguments = unprivileged_with("-all,+net_bind_service");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(["--boot-dir", "BOOT"]).collect();
    let server = Server::start_program("setpriv", &host, &arguments);
    server.wait_for_line("ready");
    let offer = wait_for("an offer", || offer(&machine, "ovmf-x64-discover"));
    assert!(is_direct(&offer), "sent to a port that another process has");
    let script = wait_for("an offer", || self::offer(&machine, "ipxe-x64-discover"));
    assert_eq!(file(&script), "tftp://192.0.2.10/boot.ipxe");

    drop((boot, http));
    for line in ["UDP port 4011 is open now", "TCP port 8080 is open now"] {
        wait_up_to(RETRY_TIMEOUT, line, || server.log().contains(line).then_some(()));
        assert_eq!(server.log().matches(line).count(), 1);
    }
    let log = server.log();
    assert_eq!(log.matches("cannot bind ").count(), 2, "one warning for each: {log}");
    // The server logs the line when it opens the port, and changes its offers afterwards.
    wait_for("the redirect shape", || {
        self::offer(&machine, "ovmf-x64-discover").filter(|redirect| !is_direct(redirect))
    });
    assert_eq!(wait_for("a reply", || request_loader(&machine)), "ipxe.efi");
    wait_for("a script by HTTP", || {
        let script = self::offer(&machine, "ipxe-x64-discover")?;
        (file(&script) == "http://192.0.2.10:8080/boot.ipxe").then_some(())
    });
    assert!(fetches(&machine, "http://192.0.2.10:8080/boot.ipxe"));
}

/// The user of a container may lack the capability. An error is better than a server that is "ready" but receives
/// nothing.
#[test]
fn a_server_without_permission_for_its_ports_fails_with_advice_unless_the_ports_are_turned_off() {
    let (host, _) = one_network();
    let start = |flags: &[&str]| {
        let arguments = unprivileged_with("-all");
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(["--boot-dir", "BOOT"]).collect();
        Server::start_program("setpriv", &host, &[&arguments, flags].concat())
    };
    let mut server = start(&["--no-http"]);
    assert_eq!(server.exit_code(), Some(1), "{}", server.log());
    let log = server.log();
    let ports = "cannot open UDP port 67, UDP port 547, UDP port 69: permission denied";
    assert!(log.contains(ports) && log.contains("CAP_NET_BIND_SERVICE") && log.contains("--no-tftp"), "{log}");
    assert!(!log.contains("ready"), "{log}");

    let server = start(&["--proxy-only", "--no-tftp"]);
    server.wait_for_line("ready");
}

#[test]
fn port_69_is_opened_when_it_is_free_and_loaders_are_offered() {
    let (host, machine) = one_network();
    let tftp = host.on(|| UdpSocket::bind("0.0.0.0:69").unwrap());
    let server = Server::start(&host, &["--boot-dir", "BOOT"]);
    server.wait_for_line("ready");
    assert!(request_loader(&machine).is_none(), "offered a file without a server for it");
    drop(tftp);
    let line = "UDP port 69 is open now: this server offers loaders";
    wait_up_to(RETRY_TIMEOUT, line, || server.log().contains(line).then_some(()));
    assert_eq!(wait_for("a reply", || request_loader(&machine)), "ipxe.efi");
    assert!(fetches(&machine, "tftp://192.0.2.10/ipxe.efi"));
    // A reload keeps the ports that were opened since the start.
    server.signal(nix::sys::signal::Signal::SIGHUP);
    server.wait_for_line("INFO  reloaded");
    assert_eq!(wait_for("a reply", || request_loader(&machine)), "ipxe.efi");
}

/// The administrator follows the warning: reconfigures dnsmasq to share the port, and restarts it.
#[test]
fn once_dnsmasq_shares_port_67_each_broadcast_arrives_once() {
    for capabilities in ["-all,+net_bind_service", "-all,+net_bind_service,+net_raw"] {
        let (host, machine) = one_network();
        let dnsmasq = start_dnsmasq(&host, "");
        let arguments = unprivileged_with(capabilities);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).chain(["--boot-dir", "BOOT"]).collect();
        let server = Server::start_program("setpriv", &host, &arguments);
        server.wait_for_line("ready");
        drop(dnsmasq);
        let dnsmasq = start_dnsmasq(&host, "--bind-dynamic");
        server.wait_for_line(
            "UDP port 67 is open now: this server receives DHCP broadcasts; the DHCP server now shares the port",
        );
        wait_for("the end of the packet socket", || (packet_sockets(&host) == 0).then_some(()));
        server.wait_for_line("it receives the requests that relays send to 192.0.2.10; this server does not");

        let client = client(&machine);
        let mut discover = vector("ovmf-x64-discover");
        for xid in [*b"1st ", *b"2nd "] {
            discover[4..8].copy_from_slice(&xid);
            client.send_to(&discover, "255.255.255.255:67").unwrap();
            let mut offers = [receive(&client), receive(&client)];
            offers.sort_by_key(|offer| offer[16..20].to_vec());
            assert!(offers.iter().all(|offer| offer[4..8] == xid), "a third reply");
            assert!(offers[0][16..20] == [0; 4] && offers[1][16] == 192, "not one of each");
        }
        drop(dnsmasq);
    }
}

#[test]
fn port_67_is_left_to_a_restarting_dnsmasq_and_opened_minutes_after_its_end() {
    let (host, machine) = one_network();
    let dnsmasq = start_dnsmasq(&host, "");
    let directory = boot_dir();
    let (mut loaded, start) = (loaded(directory.path()), Instant::now());
    let links = host.on(|| list(&LinkFilter::default()).unwrap());
    let mut listeners = host.on(|| {
        without_capability(CapabilitySet::NET_RAW, || {
            Listeners::open(&loaded.settings, &links, start, &Events::default()).unwrap()
        })
    });
    assert!(!listeners.opened.iter().any(is_port_67));
    let settings = loaded.settings.clone();
    let retry = |listeners: &mut Listeners, seconds| {
        host.on(|| listeners.retry(&settings, start + Duration::from_secs(seconds)));
        listeners.opened.iter().any(is_port_67)
    };
    assert!(!retry(&mut listeners, 5));
    drop(dnsmasq);
    wait_until_free(&host);
    assert!(!retry(&mut listeners, 4 + HOLD_OFF.as_secs()));
    let dnsmasq = start_dnsmasq(&host, "");
    assert!(!retry(&mut listeners, 5 + HOLD_OFF.as_secs()));
    drop(dnsmasq);
    wait_until_free(&host);
    let last = 5 + 2 * HOLD_OFF.as_secs();
    assert!(!retry(&mut listeners, last - 1));
    assert!(!listeners.shares_dhcp_port);
    assert!(retry(&mut listeners, last) && listeners.shares_dhcp_port);
    assert!(!opens_more(&host, &mut listeners, &loaded), "opened twice");

    let site = Site::build(&mut loaded, listeners.open).unwrap();
    let state = State::new(
        site,
        links,
        BootOnceState::new(directory.path(), EventReceiver::default()).unwrap(),
        Edits::default(),
        Events::default(),
    );
    let mut workers = Workers::new(Arc::new(state)).unwrap();
    let dhcp = listeners.opened.drain(..).filter(|listener| matches!(listener, Listener::Dhcp(..)));
    host.on(|| dhcp.for_each(|listener| workers.start(listener).unwrap()));
    wait_for("an offer", || offer(&machine, "ovmf-x64-discover"));
}

/// If the server took the port, dnsmasq could not restart, and the server would gain only relayed requests.
#[test]
fn with_a_packet_socket_port_67_is_never_taken_from_a_dnsmasq_that_does_not_share_it() {
    let (host, _machine) = one_network();
    let dnsmasq = start_dnsmasq(&host, "");
    let directory = boot_dir();
    let (loaded, start) = (loaded(directory.path()), Instant::now());
    let mut listeners = host.on(|| Listeners::open(&loaded.settings, &[], start, &Events::default()).unwrap());
    assert!(listeners.opened.drain(..).any(|listener| matches!(listener, Listener::Dhcp(_, Socket::Packet(_)))));
    drop(dnsmasq);
    wait_until_free(&host);
    let much_later = start + 100 * HOLD_OFF;
    host.on(|| listeners.retry(&loaded.settings, much_later));
    assert!(listeners.opened.is_empty());
    drop(start_dnsmasq(&host, ""));
    wait_until_free(&host);
    let _sharing = start_dnsmasq(&host, "--bind-dynamic");
    host.on(|| listeners.retry(&loaded.settings, much_later));
    assert!(listeners.opened.iter().any(is_port_67) && listeners.shares_dhcp_port);
}

#[test]
fn the_tftp_server_of_a_legacy_file_is_not_replaced_when_it_ends() {
    let (host, _machine) = one_network();
    let links = host.on(|| list(&LinkFilter::default()).unwrap());
    let directory = boot_dir();
    let (mut loaded, start) = (loaded(directory.path()), Instant::now());
    loaded.settings.ipv6_interfaces = None;
    for (enabled, taken) in [(Enabled::IfLocal(SERVER_ADDRESS), false), (Enabled::Yes, true)] {
        // This socket receives packets of both address families.
        let other_socket = host.on(|| UdpSocket::bind("[::]:69").unwrap());
        (loaded.settings.tftp.enabled, loaded.settings.http.enabled) = (enabled, enabled);
        let mut listeners = host.on(|| Listeners::open(&loaded.settings, &links, start, &Events::default()).unwrap());
        drop(other_socket);
        host.on(|| {
            wait_for("the end of the socket", || bound_sockets(Transport::Udp, 69).unwrap().is_empty().then_some(()));
            listeners.retry(&loaded.settings, start + Duration::from_secs(9));
            assert!(!listeners.open.tftp && !listeners.open.tftp6, "its owner may be restarting");
            listeners.retry(&loaded.settings, start + Duration::from_secs(1000));
        });
        assert_eq!((listeners.open.tftp, listeners.open.tftp6), (taken, taken), "{enabled:?}");
        drop(listeners);
        wait_until_free(&host);
    }
}

#[test]
fn a_port_without_permission_is_not_retried() {
    let (host, _machine) = one_network();
    let other_socket = host.on(|| UdpSocket::bind("0.0.0.0:69").unwrap());
    let directory = boot_dir();
    let (loaded, start) = (loaded(directory.path()), Instant::now());
    let mut listeners = host.on(|| Listeners::open(&loaded.settings, &[], start, &Events::default()).unwrap());
    drop(other_socket);
    host.on(|| {
        wait_for("the end of the socket", || bound_sockets(Transport::Udp, 69).unwrap().is_empty().then_some(()));
        let much_later = start + Duration::from_secs(60);
        without_capability(CapabilitySet::NET_BIND_SERVICE, || listeners.retry(&loaded.settings, much_later));
        listeners.retry(&loaded.settings, much_later);
    });
    assert!(!listeners.open.tftp);
}

fn is_port_67(listener: &Listener) -> bool {
    matches!(listener, Listener::Dhcp(address, Socket::Udp(_)) if address.ip() == Ipv4Addr::BROADCAST)
}

/// Whether the server opens another port if it retries much later.
fn opens_more(host: &Host, listeners: &mut Listeners, loaded: &Loaded) -> bool {
    let before = listeners.opened.len();
    host.on(|| listeners.retry(&loaded.settings, Instant::now() + 100 * HOLD_OFF));
    listeners.opened.len() > before
}

/// Returns a configuration with only this boot directory, and without IPv6.
fn loaded(directory: &Path) -> Loaded {
    let flags = Flags { boot_dir: Some(directory.to_owned()), ..Flags::default() };
    let mut loaded = load_from_dir(&flags, "/nowhere".as_ref()).unwrap();
    loaded.settings.ipv6_interfaces = Some(Vec::new());
    loaded
}

/// Starts dnsmasq, and returns when its sockets are open. Unless the arguments change that, dnsmasq does not share port
/// 67.
fn start_dnsmasq(host: &Host, arguments: &str) -> Process {
    let range = "--dhcp-authoritative --dhcp-range=192.0.2.200,192.0.2.220,1h --no-ping";
    peers::start_dnsmasq(host, 67, &format!("--interface=et* {range} {arguments}"))
}

/// Waits until port 67 is free. A closed socket may remain open for a moment in a process that another test is
/// starting.
fn wait_until_free(host: &Host) {
    host.on(|| wait_for("a free port 67", || bound_sockets(Transport::Udp, 67).unwrap().is_empty().then_some(())));
}

fn packet_sockets(host: &Host) -> usize {
    host.on(|| fs::read_to_string("/proc/thread-self/net/packet").unwrap().lines().skip(1).count())
}

/// Broadcasts the test vector of this name, and returns the server's offer if one arrives.
fn offer(machine: &Host, name: &str) -> Option<Vec<u8>> {
    let client = client(machine);
    client.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    client.send_to(&vector(name), "255.255.255.255:67").unwrap();
    let mut buffer = [0; 1500];
    let length = client.recv(&mut buffer).ok()?;
    Some(buffer[..length].to_vec())
}

fn client(machine: &Host) -> UdpSocket {
    // As with port 67, the previous client's socket may remain open for a moment.
    let client = machine.on(|| wait_for("the machine's port 68", || UdpSocket::bind("0.0.0.0:68").ok()));
    socket2::SockRef::from(&client).bind_device(Some(b"eth0")).unwrap();
    client.set_broadcast(true).unwrap();
    client.set_read_timeout(Some(TIMEOUT)).unwrap();
    client
}

fn receive(client: &UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 1500];
    let length = client.recv(&mut buffer).unwrap();
    buffer[..length].to_vec()
}

/// Whether PXE_DISCOVERY_CONTROL is 8, so the client loads the file that this packet names.
fn is_direct(offer: &[u8]) -> bool {
    offer.windows(6).any(|window| window == [43, 4, 6, 1, 8, 255])
}

fn file(offer: &[u8]) -> String {
    let file = offer[108..236].split(|&octet| octet == 0).next().unwrap();
    String::from_utf8(file.to_vec()).unwrap()
}

fn fetches(machine: &Host, url: &str) -> bool {
    let arguments = ["--silent", "--fail", "--max-time", "3", "--output", "/dev/null", url];
    machine.on(|| Command::new("curl").args(arguments).status().expect("curl is missing: run e2e/setup").success())
}

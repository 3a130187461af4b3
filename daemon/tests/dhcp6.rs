//! Tests DHCPv6 with the server's binary, over a cable from one network namespace to another. Needs root.

mod common;

use common::ipv6::{ALL_SERVERS, ALL_SERVERS_AND_RELAYS, Client, plug_in, request_for, server_id, url};
use common::server::{Server, vector};
use nix::sys::signal::Signal;
use proxydhcpd::net::port_owner::{Transport, bound_sockets};
use proxydhcpd_core::wire::dhcp6::{MessageType, Packet, code};
use proxydhcpd_testbed::{Host, wait_for};
use std::fs;
use std::net::{Ipv6Addr, SocketAddrV6, UdpSocket};
use std::time::{Duration, Instant};

/// Creates a host at 192.0.2.10, 2001:db8::10 and fe80::10, and a machine at fe80::207.
fn network() -> (Host, Host) {
    let host = Host::new();
    let machine = plug_in(&host, "eth0", 0);
    host.run("ip address add 192.0.2.10/24 dev eth0");
    (host, machine)
}

#[test]
fn firmware_gets_an_advertise_on_547_and_a_url_on_4011() {
    let (host, machine) = network();
    let server = Server::start(&host, &["-c", "CONFIG"]);
    server.wait_for_line("2001:db8::10");
    let (advertise, from) = Client::at_link_local(&machine, 546).wait_for_reply(&vector("ovmf-pxe6-solicit"), 547);
    assert_eq!(from.port(), 547);
    let message = Packet::parse(&advertise).unwrap().message;
    assert_eq!(message.message_type, MessageType::Advertise);
    assert!(message.option(code::BOOT_FILE_URL).is_none() && message.option(code::IA_NA).is_none());
    let request = request_for(&server_id(&advertise));
    let (reply, from) = Client::at_link_local(&machine, 4011).wait_for_reply(&request, 4011);
    assert_eq!(from.port(), 4011);
    let message = Packet::parse(&reply).unwrap().message;
    assert_eq!(
        (message.message_type, url(&reply).as_deref()),
        (MessageType::Reply, Some("tftp://[2001:db8::10]/ipxe.efi"))
    );
}

#[test]
fn on_4011_the_server_delays_the_reply_over_ipv6_until_the_firmware_listens() {
    let (host, machine) = network();
    let _server = Server::start(&host, &["-b", "BOOT"]);
    let (advertise, _) = Client::at_link_local(&machine, 546).wait_for_reply(&vector("ovmf-pxe6-solicit"), 547);
    let client = Client::at_link_local(&machine, 4011);
    let request = request_for(&server_id(&advertise));
    client.wait_for_reply(&request, 4011);
    for _ in 0..3 {
        let start = Instant::now();
        client.ask(&request, 4011).expect("a reply within the rate limit");
        assert!(start.elapsed() >= Duration::from_millis(100), "{:?}", start.elapsed());
    }
}

#[test]
fn other_clients_and_requests_to_other_servers_get_no_reply() {
    let (host, machine) = network();
    let server = Server::start(&host, &["-c", "CONFIG"]);
    server.wait_for_line("2001:db8::10");
    let client = Client::at_link_local(&machine, 546);
    client.wait_for_reply(&vector("ovmf-pxe6-solicit"), 547);
    for ignored in
        ["ovmf-ip6-autoconfig-solicit", "ipxe6-solicit", "ipxe6-information-request", "truncated-option-solicit"]
    {
        assert_eq!(client.ask(&vector(ignored), 547), None, "{ignored}");
    }
    let other = Client::at_link_local(&machine, 4011).ask(&vector("ovmf-pxe6-request-4011-other-server"), 4011);
    assert_eq!(other, None);
}

#[test]
fn the_duid_is_the_same_after_a_restart_and_without_its_file() {
    let (host, machine) = network();
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("state")).unwrap();
    let duid_file = directory.path().join("state/duid");
    let server = Server::start_configured(&host, directory, "");
    let client = Client::at_link_local(&machine, 546);
    let duid = |client: &Client| server_id(&client.wait_for_reply(&vector("ovmf-pxe6-solicit"), 547).0);
    let first = duid(&client);
    let server = server.kill_and_restart(&host);
    assert_eq!(duid(&client), first);
    fs::remove_file(&duid_file).unwrap();
    let _server = server.kill_and_restart(&host);
    assert_eq!(duid(&client), first);
}

#[test]
fn with_ipv6_disabled_there_is_no_reply_over_ipv6() {
    let (host, machine) = network();
    let server = Server::start_configured(&host, tempfile::tempdir().unwrap(), "ipv6-interfaces = []\n");
    server.wait_for_line("serving eth0 as 192.0.2.10");
    assert_eq!(Client::at_link_local(&machine, 546).ask(&vector("ovmf-pxe6-solicit"), 547), None);
    assert!(!server.log().contains("DHCPv6"), "{}", server.log());
}

#[test]
fn with_ipv6_disabled_or_a_legacy_configuration_no_ipv6_socket_is_open() {
    let (host, _machine) = network();
    let server = Server::start_configured(&host, tempfile::tempdir().unwrap(), "");
    server.wait_for_line("ready");
    assert!(["udp6", "tcp6"].iter().all(|table| open_sockets(&host, table) > 0), "the test proves nothing");
    drop(server);

    let server = Server::start_configured(&host, tempfile::tempdir().unwrap(), "ipv6-interfaces = []\n");
    assert_only_ipv4_is_served(&host, &server);
    drop(server);

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("proxy.ini");
    // If this server is the TFTP server (`tftpd`), it also serves HTTP.
    let legacy = "[proxy]\nlisten_address = 192.0.2.10\ntftpd = 192.0.2.10\nfilename = pxelinux.0\n\
               vendor_specific_information = x\n[pxe]\n[ipxe]\nenabled = true\n";
    fs::write(&file, legacy).unwrap();
    let server = Server::start(&host, &["-c", file.to_str().unwrap(), "--boot-dir", "BOOT"]);
    assert_only_ipv4_is_served(&host, &server);
}

fn assert_only_ipv4_is_served(host: &Host, server: &Server) {
    server.wait_for_line("TFTP on port 69, HTTP on port 8080");
    server.wait_for_line("ready");
    let open = |table| open_sockets(host, table);
    assert!(open("udp") > 0 && open("tcp") > 0, "the test proves nothing");
    assert_eq!((open("udp6"), open("tcp6")), (0, 0), "{}", server.log());
}

/// Returns the number of sockets that this table of the kernel lists.
fn open_sockets(host: &Host, table: &str) -> usize {
    let table = host.on(|| fs::read_to_string(format!("/proc/thread-self/net/{table}")).unwrap());
    table.lines().skip(1).count()
}

#[test]
fn with_ipv4_disabled_no_dhcpv4_port_is_open() {
    let (host, machine) = network();
    let server = Server::start_configured(&host, tempfile::tempdir().unwrap(), "ipv4-interfaces = []\n");
    server.wait_for_line("serving eth0 as 2001:db8::10");
    server.wait_for_line("ready");
    let is_bound4 =
        |port| host.on(|| bound_sockets(Transport::Udp, port).unwrap()).iter().any(|socket| socket.address.is_ipv4());
    assert!(!is_bound4(67) && !is_bound4(4011), "{}", server.log());
    Client::at_link_local(&machine, 546).wait_for_reply(&vector("ovmf-pxe6-solicit"), 547);
}

/// The exit status is the same as with IPv4.
#[test]
fn without_any_port_of_the_enabled_families_the_exit_status_is_1() {
    let (host, _machine) = network();
    let (v4_off, proxy_only) = ("ipv4-interfaces = []\n", "[dhcp]\nproxy-only = true\n");
    let mut no_family =
        Server::start_configured(&host, tempfile::tempdir().unwrap(), &format!("{v4_off}ipv6-interfaces = []\n"));
    assert_eq!(no_family.exit_code(), Some(1), "{}", no_family.log());
    assert!(no_family.log().contains("nothing to serve"), "{}", no_family.log());

    // Another process has bound the port for IPv6, and the port is free for IPv4.
    let _boot = host.on(|| UdpSocket::bind("[::]:4011").unwrap());
    let mut port_in_use =
        Server::start_configured(&host, tempfile::tempdir().unwrap(), &format!("{v4_off}{proxy_only}"));
    assert_eq!(port_in_use.exit_code(), Some(1), "{}", port_in_use.log());
    for part in ["cannot bind UDP port 4011 on ::", "nothing to serve"] {
        assert!(port_in_use.log().contains(part), "{}", port_in_use.log());
    }
    let server = Server::start_configured(&host, tempfile::tempdir().unwrap(), v4_off);
    server.wait_for_line("ready");
}

#[test]
fn a_reload_that_would_enable_or_disable_a_family_is_refused_as_a_whole() {
    let (host, _machine) = network();
    for key in ["ipv4-interfaces", "ipv6-interfaces"] {
        let (none, some) = (format!("{key} = []\n"), format!("{key} = [\"eth*\"]\n"));
        for (before, after, refused) in [(&*none, "", true), (&some, &none, true), ("", &some, false)] {
            let server = Server::start_configured(&host, tempfile::tempdir().unwrap(), before);
            server.wait_for_line("page for operators at");
            let open = || ["udp", "udp6", "tcp", "tcp6"].map(|table| open_sockets(&host, table));
            let open_before = open();
            server.edit_config(before, after);
            server.signal(Signal::SIGHUP);
            if refused {
                server.wait_for_line(&format!("a change of `{key}` from none or to none needs a restart"));
                server.wait_for_line("reload failed");
            } else {
                server.wait_for_line("INFO  reloaded");
            }
            assert_eq!(open(), open_before, "{}", server.log());
        }
    }
}

#[test]
fn a_link_that_is_added_or_recreated_after_the_start_is_served() {
    let host = Host::new();
    let server = Server::start(&host, &["-c", "CONFIG"]);
    server.wait_for_line("no interface to serve yet");
    for _ in 0..2 {
        let machine = plug_in(&host, "lan", 0);
        let (_, from) = Client::at_link_local(&machine, 546).wait_for_reply(&vector("ovmf-pxe6-solicit"), 547);
        assert_eq!(from.ip(), "fe80::10".parse::<Ipv6Addr>().unwrap());
        host.run("ip link del lan");
    }
}

/// The periodic check would find the link within five seconds. By then, the machine may have given up.
#[test]
fn a_new_link_is_served_at_once() {
    let host = Host::new();
    let server = Server::start(&host, &["-c", "CONFIG"]);
    server.wait_for_line("ready");
    for number in 0..3 {
        let machine = plug_in(&host, &format!("lan{number}"), number);
        let start = Instant::now();
        let client = Client::at_link_local(&machine, 546);
        client.wait_for_reply(&vector("ovmf-pxe6-solicit"), 547);
        assert!(start.elapsed() < Duration::from_millis(1500), "{number}: {:?}", start.elapsed());
    }
}

#[test]
fn with_two_links_the_boot_server_replies_once_from_the_link_of_the_request_with_its_url() {
    let host = Host::new();
    let machines = [0, 1].map(|number| plug_in(&host, &format!("eth{number}"), number));
    let _server = Server::start(&host, &["-c", "CONFIG"]);
    for (number, machine) in machines.iter().enumerate() {
        let (advertise, _) = Client::at_link_local(machine, 546).wait_for_reply(&vector("ovmf-pxe6-solicit"), 547);
        let replies = Client::at_link_local(machine, 4011).replies(
            &request_for(&server_id(&advertise)),
            ALL_SERVERS_AND_RELAYS,
            4011,
        );
        let [(reply, from)] = &replies[..] else { panic!("{} replies on link {number}", replies.len()) };
        let expected = SocketAddrV6::new(
            Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, number as u16, 0x10),
            4011,
            0,
            machine.index("eth0"),
        );
        assert_eq!(*from, expected.into());
        assert_eq!(url(reply), Some(format!("tftp://[{}]/ipxe.efi", host_address(number))));
    }
}

/// Returns the host's address on the link with this number.
fn host_address(number: usize) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, number as u16, 0, 0, 0, 0, 0x10)
}

/// The relay sends to each destination in turn. Every socket that has joined a group receives the request, so a faulty
/// server would send several replies.
#[test]
fn a_relay_gets_one_reply_from_the_global_address() {
    let host = Host::new();
    let relays = [0, 1].map(|number| plug_in(&host, &format!("eth{number}"), number));
    let server = Server::start(&host, &["-c", "CONFIG"]);
    server.wait_for_line("ready");
    for (number, relay) in relays.iter().enumerate() {
        let socket = Client::at_address(relay, &format!("2001:db8:{number}::207"), 547);
        for to in [host_address(number), ALL_SERVERS, ALL_SERVERS_AND_RELAYS] {
            let replies = socket.replies(&vector("relayed-pxe6-solicit"), to, 547);
            let [(reply, from)] = &replies[..] else { panic!("{} replies at {to}: {}", replies.len(), server.log()) };
            assert_eq!(*from, SocketAddrV6::new(host_address(number), 547, 0, 0).into(), "{to}");
            assert_eq!(url(reply), Some(format!("tftp://[{}]/ipxe.efi", host_address(number))));
        }
    }
}

#[test]
fn relays_without_a_server_address_are_served_after_the_only_link_was_recreated() {
    let host = Host::new();
    let server = Server::start(&host, &["-c", "CONFIG"]);
    server.wait_for_line("no interface to serve yet");
    for round in 0..3 {
        let relay = plug_in(&host, "lan", 0);
        let socket = Client::at_address(&relay, "2001:db8::207", 547);
        let request = vector("relayed-pxe6-solicit");
        wait_for("the link", || (socket.replies(&request, ALL_SERVERS, 547).len() == 1).then_some(()));
        let replies = socket.replies(&request, ALL_SERVERS, 547);
        assert_eq!(replies.len(), 1, "in round {round}");
        host.run("ip link del lan");
        server.wait_for_line("lan is no longer served");
    }
}

#[test]
fn with_proxy_only_port_4011_is_open_and_547_is_not() {
    let (host, machine) = network();
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("state")).unwrap();
    // The vector's request contains this server DUID.
    fs::write(directory.path().join("state/duid"), "00030001020000000010\n").unwrap();
    let server = Server::start_configured(&host, directory, "[dhcp]\nproxy-only = true\n");
    server.wait_for_line("serving eth0 as 192.0.2.10 and 2001:db8::10");
    server.wait_for_line("ready");
    let ports = |port| host.on(|| bound_sockets(Transport::Udp, port).unwrap());
    assert!(ports(4011).iter().any(|socket| socket.address == Ipv6Addr::UNSPECIFIED));
    assert_eq!((ports(547), ports(67)), (Vec::new(), Vec::new()));
    assert_eq!(Client::at_link_local(&machine, 546).ask(&vector("ovmf-pxe6-solicit"), 547), None);
    Client::at_link_local(&machine, 4011).wait_for_reply(&vector("ovmf-pxe6-request-4011"), 4011);
}

//! DHCPv6 through the real binary, over a cable from one network namespace to another. Needs root.

mod netns;

use netns::server::{Server, vector};
use netns::{Host, wait_for};
use nix::sys::signal::Signal;
use proxydhcpd_core::wire::dhcp6::{MessageType, Packet, code};
use socket2::SockRef;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::time::Duration;

const GROUP: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);

/// A host at 192.0.2.10, 2001:db8::10 and fe80::10, and a machine at fe80::207.
fn network() -> (Host, Host) {
    let (host, machine) = (Host::new(), Host::new());
    host.cable("eth0", &machine, "eth0");
    host.run("ip address add 192.0.2.10/24 dev eth0\nip address add fe80::10/64 dev eth0 nodad");
    host.run("ip address add 2001:db8::10/64 dev eth0 nodad");
    machine.run("ip address add fe80::207/64 dev eth0 nodad\nip address add 2001:db8::207/64 dev eth0 nodad");
    (host, machine)
}

/// The machine's own port.
struct Client<'a> {
    machine: &'a Host,
    socket: UdpSocket,
}

impl<'a> Client<'a> {
    fn at(machine: &'a Host, port: u16) -> Client<'a> {
        let address = SocketAddrV6::new("fe80::207".parse().unwrap(), port, 0, machine.index("eth0"));
        let socket = machine.on(|| wait_for("the machine's port", || UdpSocket::bind(address).ok()));
        SockRef::from(&socket).set_multicast_if_v6(machine.index("eth0")).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        Client { machine, socket }
    }

    /// What the first answer is, and from where.
    fn ask(&self, octets: &[u8], port: u16) -> Option<(Vec<u8>, SocketAddr)> {
        let group = SocketAddrV6::new(GROUP, port, 0, self.machine.index("eth0"));
        self.socket.send_to(octets, group).unwrap();
        let mut reply = [0; 1500];
        let (length, from) = self.socket.recv_from(&mut reply).ok()?;
        Some((reply[..length].to_vec(), from))
    }

    /// The same, asked until a server that has just been started hears it.
    fn wait_for_answer(&self, octets: &[u8], port: u16) -> (Vec<u8>, SocketAddr) {
        wait_for("an answer", || self.ask(octets, port))
    }
}

/// The DUID in an answer.
fn server_id(reply: &[u8]) -> Vec<u8> {
    Packet::parse(reply).unwrap().message.option(code::SERVER_ID).unwrap().to_vec()
}

/// The REQUEST of a vector, for the server of this DUID.
fn request_for(server: &[u8]) -> Vec<u8> {
    let (request, of_vector) = (vector("ovmf-pxe6-request-4011"), [0, 2, 0, 10, 0, 3, 0, 1, 2, 0, 0, 0, 0, 0x10]);
    let at = request.windows(of_vector.len()).position(|window| window == of_vector).unwrap();
    let option = [&[0, 2, 0, server.len() as u8][..], server].concat();
    [&request[..at], &option, &request[at + of_vector.len()..]].concat()
}

#[test]
fn a_firmware_is_led_from_547_to_4011_and_given_a_url() {
    let (host, machine) = network();
    let server = Server::start(&host, &["-c", "CONFIG"]);
    server.wait_for_line("2001:db8::10");
    let (advertise, from) = Client::at(&machine, 546).wait_for_answer(&vector("ovmf-pxe6-solicit"), 547);
    assert_eq!(from.port(), 547);
    let told = Packet::parse(&advertise).unwrap().message;
    assert_eq!(told.kind, MessageType::Advertise);
    assert!(told.option(code::BOOT_FILE_URL).is_none() && told.option(code::IA_NA).is_none());
    let request = request_for(&server_id(&advertise));
    let (reply, from) = Client::at(&machine, 4011).wait_for_answer(&request, 4011);
    assert_eq!(from.port(), 4011);
    let told = Packet::parse(&reply).unwrap().message;
    let url = String::from_utf8_lossy(told.option(code::BOOT_FILE_URL).unwrap()).into_owned();
    assert!(told.kind == MessageType::Reply && url.starts_with("tftp://[2001:db8::10]/"), "{url}");
}

#[test]
fn who_is_no_boot_client_and_who_asks_another_server_hear_nothing() {
    let (host, machine) = network();
    let server = Server::start(&host, &["-c", "CONFIG"]);
    server.wait_for_line("2001:db8::10");
    let client = Client::at(&machine, 546);
    client.wait_for_answer(&vector("ovmf-pxe6-solicit"), 547);
    for silent in
        ["ovmf-ip6-autoconfig-solicit", "ipxe6-solicit", "ipxe6-information-request", "truncated-option-solicit"]
    {
        assert_eq!(client.ask(&vector(silent), 547), None, "{silent}");
    }
    let other = Client::at(&machine, 4011).ask(&vector("ovmf-pxe6-request-4011-other-server"), 4011);
    assert_eq!(other, None);
}

#[test]
fn the_server_is_the_same_after_a_restart_and_without_what_it_had_kept() {
    let (host, machine) = network();
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("state")).unwrap();
    let kept = folder.path().join("state/duid");
    let server = Server::configured(&host, folder, "");
    let client = Client::at(&machine, 546);
    let duid = |client: &Client<'_>| server_id(&client.wait_for_answer(&vector("ovmf-pxe6-solicit"), 547).0);
    let first = duid(&client);
    let server = server.killed_and_started_again(&host);
    assert_eq!(duid(&client), first);
    std::fs::remove_file(&kept).unwrap();
    let _server = server.killed_and_started_again(&host);
    assert_eq!(duid(&client), first);
}

#[test]
fn a_family_that_is_switched_off_is_not_heard() {
    let (host, machine) = network();
    let server = Server::configured(&host, tempfile::tempdir().unwrap(), "ipv6-interfaces = []\n");
    server.wait_for_line("serving eth0 as 192.0.2.10");
    assert_eq!(Client::at(&machine, 546).ask(&vector("ovmf-pxe6-solicit"), 547), None);
    assert!(!server.log().contains("DHCPv6"), "{}", server.log());
}

#[test]
fn where_ipv6_is_switched_off_and_with_an_old_file_no_socket_of_it_is_open() {
    let (host, _machine) = network();
    let server = Server::configured(&host, tempfile::tempdir().unwrap(), "");
    server.wait_for_line("ready");
    assert!(["udp6", "tcp6"].iter().all(|table| open_sockets(&host, table) > 0), "this shows nothing");
    drop(server);

    let server = Server::configured(&host, tempfile::tempdir().unwrap(), "ipv6-interfaces = []\n");
    serves_over_ipv4_alone(&host, &server);
    drop(server);

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("proxy.ini");
    // Whose TFTP is ours: then HTTP is open, too.
    let old = "[proxy]\nlisten_address = 192.0.2.10\ntftpd = 192.0.2.10\nfilename = pxelinux.0\n\
               vendor_specific_information = x\n[pxe]\n[ipxe]\nenabled = true\n";
    std::fs::write(&file, old).unwrap();
    let server = Server::start(&host, &["-c", file.to_str().unwrap(), "--boot-dir", "BOOT"]);
    serves_over_ipv4_alone(&host, &server);
}

fn serves_over_ipv4_alone(host: &Host, server: &Server) {
    server.wait_for_line("TFTP on port 69, HTTP on port 8080");
    server.wait_for_line("ready");
    let open = |table| open_sockets(host, table);
    assert!(open("udp") > 0 && open("tcp") > 0, "this shows nothing");
    assert_eq!((open("udp6"), open("tcp6")), (0, 0), "{}", server.log());
}

/// How many the kernel lists in this table.
fn open_sockets(host: &Host, table: &str) -> usize {
    let table = host.on(|| std::fs::read_to_string(format!("/proc/thread-self/net/{table}")).unwrap());
    table.lines().skip(1).count()
}

#[test]
fn a_reload_that_would_switch_ipv6_on_or_off_is_refused_as_a_whole() {
    let (host, _machine) = network();
    let (none, some) = ("ipv6-interfaces = []\n", "ipv6-interfaces = [\"eth*\"]\n");
    for (before, after, refused) in [(none, "", true), (some, none, true), ("", some, false)] {
        let server = Server::configured(&host, tempfile::tempdir().unwrap(), before);
        server.wait_for_line("ready");
        let open = open_sockets(&host, "udp6");
        server.change(before, after);
        server.signal(Signal::SIGHUP);
        if refused {
            server.wait_for_line("a change of `ipv6-interfaces` from none or to none needs a restart");
            server.wait_for_line("not reloaded");
        } else {
            server.wait_for_line("INFO  reloaded");
        }
        assert_eq!(open_sockets(&host, "udp6"), open, "{}", server.log());
    }
}

#[test]
fn a_link_that_comes_after_the_start_is_heard_and_again_when_it_was_made_anew() {
    let host = Host::new();
    let server = Server::start(&host, &["-c", "CONFIG"]);
    server.wait_for_line("waiting for an interface with an address");
    for _ in 0..2 {
        let machine = Host::new();
        host.cable("lan", &machine, "eth0");
        host.run("ip address add fe80::10/64 dev lan nodad");
        machine.run("ip address add fe80::207/64 dev eth0 nodad");
        let (_, from) = Client::at(&machine, 546).wait_for_answer(&vector("ovmf-pxe6-solicit"), 547);
        assert_eq!(from.ip(), "fe80::10".parse::<Ipv6Addr>().unwrap());
        host.run("ip link del lan");
    }
}

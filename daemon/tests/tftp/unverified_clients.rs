//! Tests with unverified clients: TFTP does not amplify forged requests, and still serves every machine.

use crate::client::{Client, rrq};
use crate::common::server::{Server, one_network, vector};
use crate::{BOTH_FAMILIES, RecordedEvent, TestServer, pattern, settings};
use proxydhcpd::serve::tftp::{Family, TftpSilence};
use proxydhcpd::settings::TftpConfig;
use proxydhcpd_core::transfer::Outcome;
use proxydhcpd_core::wire::tftp::{TftpOptions, TftpPacket};
use proxydhcpd_testbed::raw::{RawSocket, SERVER_MAC, format_mac};
use proxydhcpd_testbed::{Host, wait_for};
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

const LARGE_WINDOW: [(&str, &str); 2] = [("blksize", "1468"), ("windowsize", "64")];

/// The octets of the IPv4 and UDP headers.
const HEADERS: usize = 28;

fn single_port() -> TftpConfig {
    TftpConfig { single_port: true, ..settings() }
}

/// Requests a file, and returns the window that the OACK grants, or `None` if it grants none.
fn window(client: &mut Client, server: SocketAddr, name: &str) -> Option<u16> {
    client.request(server, name, &LARGE_WINDOW);
    let (from, packet) = client.packet();
    let TftpPacket::Oack(agreed) = packet else { panic!("{packet:?}") };
    let window = value(&agreed, b"windowsize");
    client.error(from, 8);
    window
}

fn value(options: &TftpOptions<'_>, name_to_find: &[u8]) -> Option<u16> {
    let (_, value) = options.iter().find(|(name, _)| *name == name_to_find)?;
    Some(std::str::from_utf8(value).unwrap().parse().unwrap())
}

// --- The granted window ----------------------------------------------------------------------------------------------

#[test]
fn the_window_of_an_unverified_client_depends_on_how_hard_its_port_is_to_guess() {
    let cases = [
        (settings(), Some(64)),
        (TftpConfig { ports: Some(21_000..=21_999), ..settings() }, Some(62)),
        (TftpConfig { ports: Some(22_000..=22_063), ..settings() }, Some(4)),
        (TftpConfig { ports: Some(22_100..=22_115), ..settings() }, None),
        (single_port(), None),
    ];
    for family in BOTH_FAMILIES {
        for (settings, granted) in &cases {
            let served = TestServer::for_unverified_clients(family, settings.clone());
            served.write_file("file", &pattern(100));
            assert_eq!(window(&mut served.client(), served.address(), "file"), *granted, "{settings:?}");
            let known = TestServer::with_family(family, settings.clone());
            known.write_file("file", &pattern(100));
            assert_eq!(window(&mut known.client(), known.address(), "file"), Some(64), "{settings:?}");
        }
    }
}

#[test]
fn an_unverified_client_on_a_known_port_gets_its_file_block_by_block() {
    for family in BOTH_FAMILIES {
        let served = TestServer::for_unverified_clients(family, single_port());
        let content = pattern(300_001);
        served.write_file("file", &content);
        let mut got = Vec::new();
        served.client().fetch(served.address(), "file", &LARGE_WINDOW, |_, payload| got.extend_from_slice(payload));
        assert!(got == content);
        assert_eq!(
            served.next_event(),
            RecordedEvent::Ended { name: "file".into(), octets: 300_001, outcome: Outcome::Completed }
        );
    }
}

// --- Honest clients --------------------------------------------------------------------------------------------------

/// GRUB fetches its modules, lists and font in this way, and shim sends the same requests.
#[test]
fn many_files_in_blocks_of_512_octets_arrive_fast_even_at_an_unverified_client() {
    for served in [TestServer::new(settings()), TestServer::for_unverified_clients(Family::V4, single_port())] {
        let content = pattern(20_000);
        served.write_file("module", &content);
        let began = Instant::now();
        for _ in 0..50 {
            let mut got = Vec::new();
            served.client().fetch(served.address(), "module", &[], |_, payload| got.extend_from_slice(payload));
            assert!(got == content);
        }
        let max = Duration::from_secs(5);
        assert!(began.elapsed() < max, "a megabyte in {:?}", began.elapsed());
    }
}

/// Each machine requests the size, loads the file, and resends its packet after four seconds of silence, as EDK2 does.
#[test]
fn thirty_machines_behind_one_address_are_all_served() {
    for settings in [settings(), single_port()] {
        let served = TestServer::for_unverified_clients(Family::V4, settings);
        let content = pattern(60_000);
        served.write_file("ipxe.efi", &content);
        let server = served.address();
        thread::scope(|scope| {
            for _ in 0..30 {
                scope.spawn(|| {
                    let client = Client::new();
                    client.socket.set_read_timeout(Some(Duration::from_secs(4))).unwrap();
                    assert!(load_as_edk2(client, server, &content), "a machine gave up");
                });
            }
        });
    }
}

/// Loads a file as EDK2 does. Returns whether it arrived with at most six tries for each packet.
fn load_as_edk2(client: Client, server: SocketAddr, content: &[u8]) -> bool {
    let mut buffer = [0; 2048];
    let mut last = rrq("ipxe.efi", &[("tsize", "0"), ("blksize", "1468"), ("windowsize", "4")]);
    let (mut to, mut window, mut tries, mut got, mut since, mut probing) = (server, 1, 0, Vec::new(), 0, true);
    client.socket.send_to(&last, to).unwrap();
    loop {
        let Ok((length, from)) = client.socket.recv_from(&mut buffer) else {
            tries += 1;
            if tries == 6 {
                return false;
            }
            client.socket.send_to(&last, to).unwrap();
            continue;
        };
        let ack = |block: u16| [&[0, 4][..], &block.to_be_bytes()].concat();
        match TftpPacket::read(&buffer[..length]).unwrap() {
            TftpPacket::Oack(_) if probing => {
                client.error(from, 8);
                probing = false;
                last = rrq("ipxe.efi", &LARGE_WINDOW);
                to = server;
            }
            TftpPacket::Oack(agreed) => {
                window = value(&agreed, b"windowsize").unwrap_or(1);
                (last, to) = (ack(0), from);
            }
            TftpPacket::Data { block, payload } if usize::from(block) == got.len() / 1468 + 1 => {
                got.extend_from_slice(payload);
                since += 1;
                let ends = payload.len() < 1468;
                if !ends && since < window {
                    continue;
                }
                since = 0;
                (last, to) = (ack(block), from);
                if ends {
                    client.socket.send_to(&last, to).unwrap();
                    return got == content;
                }
            }
            TftpPacket::Data { .. } => (last, to) = (ack((got.len() / 1468) as u16), from),
            other => panic!("{other:?}"),
        }
        tries = 0;
        client.socket.send_to(&last, to).unwrap();
    }
}

// --- Room, if ACKs can be forged -------------------------------------------------------------------------------------

/// If the port is known, one or two forged ACKs cost an attacker almost nothing.
#[test]
fn forged_transfers_with_a_few_blind_acks_are_evicted_and_one_that_loads_is_not() {
    let attack = |acks: &[u16]| {
        let served =
            TestServer::for_unverified_clients(Family::V4, TftpConfig { max_transfers: Some(40), ..single_port() });
        served.write_file("file", &pattern(2000 * 1468));
        let at = |last| Client::bind(([127, 0, 0, last], 0).into());
        let (address, block) = (served.address(), [("blksize", "1468")]);
        thread::scope(|scope| {
            let loading = scope.spawn(move || at(9).fetch(address, "file", &block, |_, _| {}));
            thread::sleep(Duration::from_millis(200));
            let forgers: Vec<Client> = (0..39).map(|number| at(20 + number % 13)).collect();
            for forger in &forgers {
                forger.request(address, "file", &block);
                acks.iter().for_each(|block| forger.ack(address, *block));
            }
            at(10).request(address, "file", &block);
            assert_eq!(served.next_event(), RecordedEvent::Ignored(TftpSilence::MaxTransfers));
            let began = Instant::now();
            for last in 10..13 {
                assert_begins_to_load(&at(last), address, began + Duration::from_millis(6000));
            }
            eprintln!("ACKs {acks:?}: three machines after {:?}", began.elapsed());
            assert_eq!(loading.join().unwrap(), 2000 * 1468);
        });
    };
    thread::scope(|scope| {
        for acks in [&[0][..], &[0, 1], &[0, 1, 2]] {
            scope.spawn(move || attack(acks));
        }
    });
}

/// Repeats the request, as a machine does, until the first block arrives. Panics if none arrives before `end`.
fn assert_begins_to_load(client: &Client, server: SocketAddr, end: Instant) {
    client.socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut block = [0; 2048];
    loop {
        client.request(server, "file", &[]);
        match client.socket.recv(&mut block) {
            Ok(_) => return client.ack(server, 1),
            Err(_) => assert!(Instant::now() < end, "a machine gets no reply"),
        }
    }
}

/// If transfers without any ACK use all ports, the server evicts them.
#[test]
fn forged_requests_that_take_all_ports_are_evicted_for_a_machine() {
    let served =
        TestServer::for_unverified_clients(Family::V4, TftpConfig { ports: Some(22_200..=22_215), ..settings() });
    served.write_file("file", &pattern(5000));
    let forgers: Vec<Client> = (0..16).map(|last| Client::bind(([127, 0, 0, 20 + last], 0).into())).collect();
    forgers.iter().for_each(|forger| forger.request(served.address(), "file", &LARGE_WINDOW));
    let client = Client::bind(([127, 0, 0, 10], 0).into());
    client.request(served.address(), "file", &[]);
    assert_eq!(served.next_event(), RecordedEvent::Failed(ErrorKind::AddrInUse));
    assert_begins_to_load(&client, served.address(), Instant::now() + Duration::from_millis(6000));
}

// --- Attacks, over a cable -------------------------------------------------------------------------------------------

/// A host on the server's link, whose address an attacker forges: the attacker sends packets from this address, and the
/// host does not reply to what it receives.
struct Victim {
    socket: UdpSocket,
    sent: usize,
}

impl Victim {
    fn on(machine: &Host) -> Victim {
        let socket = machine.on(|| UdpSocket::bind("192.0.2.107:2070").unwrap());
        socket2::SockRef::from(&socket).set_recv_buffer_size(16 << 20).unwrap();
        socket.set_nonblocking(true).unwrap();
        Victim { socket, sent: 0 }
    }

    fn send(&mut self, octets: &[u8], port: u16) {
        self.socket.send_to(octets, ("192.0.2.10", port)).unwrap();
        self.sent += octets.len() + HEADERS;
    }

    fn ack(&mut self, block: u16, port: u16) {
        self.send(&[&[0, 4][..], &block.to_be_bytes()].concat(), port);
    }

    /// Returns the number of octets in the IP packets that have arrived.
    fn received(&self) -> usize {
        let mut buffer = [0; 2048];
        let mut octets = 0;
        while let Ok((length, _)) = self.socket.recv_from(&mut buffer) {
            octets += length + HEADERS;
        }
        octets
    }

    /// Checks that the victim received at most `max_factor` octets for each octet that the attacker sent.
    #[track_caller]
    fn assert_factor_below(&self, received: usize, max_factor: usize) {
        let factor = received as f64 / self.sent as f64;
        eprintln!("{} octets for {}: {factor:.1} times", received, self.sent);
        assert!(received <= max_factor * self.sent, "{received} octets for {}: {factor:.1} times", self.sent);
    }
}

fn start_attacked(arguments: &[&str]) -> (Host, Host, Server) {
    let (host, machine) = one_network();
    let server = Server::start(&host, &[&["--boot-dir", "BOOT", "-v"], arguments].concat());
    std::fs::write(server.boot.path().join("big.bin"), pattern(8 << 20)).unwrap();
    server.wait_for_line("ready");
    (host, machine, server)
}

/// Without ACKs, a transfer lasts at most 7 s. After a blind ACK, the server resends a block after 1 s and after 3 s.
const ALL_REPEATS: Duration = Duration::from_secs(8);

#[test]
fn two_forged_packets_are_hardly_amplified_with_any_setting_of_the_ports() {
    let forged = |arguments: &[&str], options: &[(&str, &str)], max_factor| {
        let (_host, machine, _server) = start_attacked(arguments);
        let mut victim = Victim::on(&machine);
        victim.send(&rrq("big.bin", options), 69);
        thread::sleep(Duration::from_millis(50));
        if !options.is_empty() {
            victim.ack(0, 69);
        }
        thread::sleep(ALL_REPEATS);
        victim.assert_factor_below(victim.received(), max_factor);
    };
    thread::scope(|scope| {
        scope.spawn(|| forged(&[], &LARGE_WINDOW, 4));
        scope.spawn(|| forged(&[], &[], 38));
        scope.spawn(|| forged(&["--tftp-ports", "50000-50999"], &LARGE_WINDOW, 4));
        scope.spawn(|| forged(&["--tftp-single-port"], &LARGE_WINDOW, 46));
        scope.spawn(|| forged(&["--tftp-single-port"], &[], 38));
    });
}

#[test]
fn blind_acks_to_a_known_port_are_amplified_at_most_53_times_and_to_half_a_mebibyte_a_second() {
    let (_host, machine, _server) = start_attacked(&["--tftp-single-port"]);
    let mut victim = Victim::on(&machine);
    let began = Instant::now();
    victim.send(&rrq("big.bin", &LARGE_WINDOW), 69);
    thread::sleep(Duration::from_millis(50));
    let mut received = 0;
    for block in 0..3000 {
        victim.ack(block, 69);
        received += victim.received();
        thread::sleep(Duration::from_millis(1));
    }
    thread::sleep(Duration::from_millis(200));
    received += victim.received();
    victim.assert_factor_below(received, 53);
    let max = (64 << 10) as f64 + began.elapsed().as_secs_f64() * f64::from(512 << 10);
    assert!((received as f64) < max, "{received} octets in {:?}", began.elapsed());
}

#[test]
fn acks_to_all_ports_of_a_range_are_amplified_at_most_four_times() {
    for (range, ports, window) in [
        ("50000-50063", 50_000..=50_063_u16, 4),
        ("50000-50255", 50_000..=50_255, 16),
        ("50000-50007", 50_000..=50_007, 1),
    ] {
        let (_host, machine, _server) = start_attacked(&["--tftp-ports", range]);
        let mut victim = Victim::on(&machine);
        let began = Instant::now();
        victim.send(&rrq("big.bin", &LARGE_WINDOW), 69);
        thread::sleep(Duration::from_millis(50));
        let mut received = 0;
        for round in 0..20 {
            for port in ports.clone() {
                victim.ack(round * window, port);
            }
            thread::sleep(Duration::from_millis(20));
            received += victim.received();
        }
        eprint!("{range}: ");
        victim.assert_factor_below(received, if window == 1 { 8 } else { 4 });
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}

/// The machine sends its DHCPREQUEST as a broadcast on its link, which no host elsewhere can forge.
#[test]
fn a_machine_confirmed_by_dhcp_gets_its_window_on_the_single_port_as_well() {
    let (_host, machine, server) = start_attacked(&["--tftp-single-port"]);
    let mut client = machine.on(|| Client::bind(([192, 0, 2, 107], 0).into()));
    let address = ([192, 0, 2, 10], 69).into();
    assert_eq!(window(&mut client, address, "big.bin"), None);
    machine.run("ip route add 255.255.255.255 dev eth0");
    let dhcp = machine.on(|| UdpSocket::bind("0.0.0.0:68").unwrap());
    dhcp.set_broadcast(true).unwrap();
    dhcp.send_to(&vector("ovmf-x64-request-to-primary"), "255.255.255.255:67").unwrap();
    wait_for("the window", || window(&mut client, address, "big.bin").filter(|window| *window == 64));
    let mut octets = 0;
    let began = Instant::now();
    client.fetch(address, "big.bin", &LARGE_WINDOW, |_, payload| octets += payload.len());
    assert_eq!(octets, 8 << 20);
    assert!(began.elapsed() < Duration::from_secs(4), "8 MiB took {:?}: half a MiB a second takes 16", began.elapsed());
    assert!(server.log().contains("block by block"), "{}", server.log());
}

/// The attacker sends a hundred requests a second for three seconds. Each reply waits in the send buffer for three
/// seconds, while ARP fails.
#[test]
fn requests_from_addresses_that_do_not_exist_do_not_delay_other_clients() {
    for arguments in [&["--tftp-single-port"][..], &[]] {
        let (host, machine, server) = start_attacked(arguments);
        host.run(&format!("ip link set eth0 address {}", format_mac(SERVER_MAC)));
        std::fs::write(server.boot.path().join("ipxe.efi"), pattern(100_000)).unwrap();
        machine.run("ip address add 192.0.2.108/24 dev eth0");
        let wire = machine.on(RawSocket::open);
        let (mut slowest, mut number) = (Duration::ZERO, 0_u32);
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(3) {
            for _ in 0..10 {
                number += 1;
                let absent = format!("192.0.2.{}:{}", 130 + number % 100, 2000 + number).parse().unwrap();
                let name = if arguments.is_empty() { "missing" } else { "big.bin" };
                wire.send(&absent, &"192.0.2.10:69".parse().unwrap(), &rrq(name, &[]));
            }
            let at = Instant::now();
            let mut client = machine.on(|| Client::bind(([192, 0, 2, 108], 0).into()));
            client.fetch(([192, 0, 2, 10], 69).into(), "ipxe.efi", &[("blksize", "1468")], |_, _| {});
            client.request(([192, 0, 2, 10], 69), "missing", &[]);
            assert_eq!(client.error_code(), 1);
            slowest = slowest.max(at.elapsed());
            thread::sleep(Duration::from_millis(90));
        }
        eprintln!("{arguments:?}: the slowest took {slowest:?}");
        assert!(slowest < Duration::from_millis(900), "{arguments:?}: {slowest:?}");
    }
}

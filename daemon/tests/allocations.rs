//! Counts what the DHCP thread allocates while it answers machines that it has not seen before. The server is real and
//! runs on a test host; it is this program, so that its allocator counts. Needs root.

mod common;

use common::ipv6::{ALL_SERVERS_AND_RELAYS, Client, plug_in, request_for, server_id};
use common::server::{Server, vector};
use libtest_mimic::{Arguments, Trial};
use proxydhcpd_testbed::raw::{self, RawSocket};
use proxydhcpd_testbed::wait_for;
use std::alloc::{GlobalAlloc, Layout, System};
use std::env;
use std::fs::{self, File};
use std::net::SocketAddrV4;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// Counts the allocations of the DHCP thread.
struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every method passes its arguments on to the system's allocator. The other methods of the trait call these.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(usize::from(is_dhcp_thread()), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `GlobalAlloc::dealloc`; `place` comes from `alloc` above.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn is_dhcp_thread() -> bool {
    let mut name = [0_u8; 16];
    // SAFETY: the kernel writes at most 16 octets.
    unsafe { libc::prctl(libc::PR_GET_NAME, name.as_mut_ptr()) };
    name.starts_with(b"dhcp\0")
}

/// The environment variable with the file into which the server writes the number of allocations.
const COUNT_FILE: &str = "ALLOCATIONS";
/// How often it does that.
const WRITE_EVERY: Duration = Duration::from_millis(10);

fn main() -> ExitCode {
    if let Some(file) = env::var_os(COUNT_FILE) {
        // The sandbox of the server lets it open no such file later.
        let file = File::create(file).unwrap();
        thread::spawn(move || write_counts(&file));
        return proxydhcpd::cli::main();
    }
    let trial = Trial::test("a_machine_that_is_answered_costs_no_allocation", || {
        a_machine_that_is_answered_costs_no_allocation();
        Ok(())
    });
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit()
}

fn write_counts(file: &File) {
    loop {
        // All numbers have the same length, so that each replaces the one before it.
        file.write_all_at(format!("{:020}\n", ALLOCATIONS.load(Ordering::Relaxed)).as_bytes(), 0).unwrap();
        thread::sleep(WRITE_EVERY);
    }
}

/// A server that counts.
struct CountingServer {
    server: Server,
    counts: PathBuf,
}

impl CountingServer {
    /// The number of allocations. Waits until the server has written the number of this moment.
    fn allocations(&self) -> usize {
        thread::sleep(10 * WRITE_EVERY);
        let whole = || fs::read_to_string(&self.counts).ok()?.strip_suffix('\n')?.parse().ok();
        wait_for("the number of allocations", whole)
    }

    /// The number of UDP datagrams that the server has sent.
    fn replies(&self) -> usize {
        let read = |file| fs::read_to_string(format!("/proc/{}/net/{file}", self.server.pid())).unwrap();
        let (snmp, snmp6) = (read("snmp"), read("snmp6"));
        let udp = snmp.lines().filter(|line| line.starts_with("Udp:")).nth(1).unwrap();
        let udp6 = snmp6.lines().find(|line| line.starts_with("Udp6OutDatagrams")).unwrap();
        let number = |text: Option<&str>| text.unwrap().parse::<usize>().unwrap();
        number(udp.split_whitespace().nth(4)) + number(udp6.split_whitespace().nth(1))
    }

    /// Lets machines send requests, and waits until each has a reply. `request` sends that of the machine with this
    /// number.
    fn answer(&self, kind: &str, numbers: Range<u16>, request: &mut dyn FnMut(u16)) {
        let mut replies = self.replies();
        let numbers: Vec<u16> = numbers.collect();
        // As many at a time as a receive buffer holds.
        for numbers in numbers.chunks(50) {
            numbers.iter().for_each(|number| request(*number));
            replies += numbers.len();
            wait_for(&format!("a reply to each machine {kind}"), || (self.replies() >= replies).then_some(()));
        }
    }
}

/// Changes the end of a machine's DUID: option 1 with 18 octets.
fn set_duid(packet: &mut [u8], number: u16) {
    let duid = packet.windows(4).position(|window| window == [0, 1, 0, 18]).unwrap() + 4;
    packet[duid + 16..duid + 18].copy_from_slice(&number.to_be_bytes());
}

fn a_machine_that_is_answered_costs_no_allocation() {
    let (host, client) = raw::network();
    let machine6 = plug_in(&host, "eth1", 7);
    let directory = tempfile::tempdir().unwrap();
    let counts = directory.path().join("counts");
    let (program, variable) = (env::current_exe().unwrap(), format!("{COUNT_FILE}={}", counts.display()));
    // A line of the log needs memory; their number is limited. At this level, a reply has none.
    let arguments = [&variable, program.to_str().unwrap(), "-c", "CONFIG", "--log-level", "warn"];
    let server = CountingServer { server: Server::start_program("env", &host, &arguments), counts };
    wait_for("the server's ports", || (host.udp_sockets(67) > 1 && host.udp_sockets(4011) > 1).then_some(()));
    wait_for("the server's ports", || (host.udp_sockets(547) > 1).then_some(()));

    let wire = client.on(RawSocket::open);
    let relay6 = Client::at_address(&machine6, "2001:db8:7::207", 547);
    let boot_client6 = Client::at_link_local(&machine6, 4011);
    let send4 = |packet: &str, number: u16, from: &str, to: &str| {
        let (mut octets, from) = (vector(packet), from.parse::<SocketAddrV4>().unwrap());
        octets[32..34].copy_from_slice(&number.to_be_bytes());
        if from.port() == 4011 {
            octets[12..16].copy_from_slice(&from.ip().octets());
        }
        wire.send(&from, &to.parse().unwrap(), &octets);
    };
    let server_at = "2001:db8:7::10".parse().unwrap();
    let solicit = |number: u16| {
        let mut octets = vector("relayed-pxe6-solicit");
        set_duid(&mut octets, number);
        relay6.send(&octets, server_at, 547);
    };
    solicit(0);
    let (reply, _) = relay6.receive().expect("an ADVERTISE");
    let duid = server_id(&reply);

    let mut broadcast = |number| send4("ovmf-x64-discover", number, "0.0.0.0:68", "255.255.255.255:67");
    let mut ipxe = |number| send4("ipxe-x64-discover", number, "0.0.0.0:68", "255.255.255.255:67");
    let mut relayed = |number| send4("relayed-x64-discover-option-82", number, "198.51.100.1:67", "192.0.2.10:67");
    let mut at_4011 = |number| {
        let from = format!("192.0.2.{}:4011", 20 + number % 200);
        send4("ovmf-x64-request-4011", number, &from, "192.0.2.10:4011");
    };
    let mut relayed6 = |number| solicit(number);
    // The server replies a tenth of a second later. Machines at one address may send eight requests at once.
    let mut at_4011_over_ipv6 = |number: u16| {
        let mut octets = request_for(&duid);
        set_duid(&mut octets, number);
        boot_client6.send(&octets, ALL_SERVERS_AND_RELAYS, 4011);
    };
    /// Its name, the number of machines, and what sends the request of one.
    type RequestKind<'a> = (&'a str, u16, &'a mut dyn FnMut(u16));
    let kinds: [RequestKind<'_>; 6] = [
        ("broadcast", 200, &mut broadcast),
        ("from an iPXE", 200, &mut ipxe),
        ("relayed", 200, &mut relayed),
        ("on port 4011", 150, &mut at_4011),
        ("relayed over IPv6", 200, &mut relayed6),
        ("on port 4011 over IPv6", 2, &mut at_4011_over_ipv6),
    ];
    for (kind, machines, request) in kinds {
        // The first time, all buffers of replies that wait are in use at once.
        server.answer(kind, 1..1 + machines, request);
        server.answer(kind, 1 + machines..1 + 2 * machines, request);
        let before = server.allocations();
        server.answer(kind, 1 + 2 * machines..1 + 3 * machines, request);
        assert_eq!(server.allocations() - before, 0, "allocations of {machines} answers {kind}");
    }
}

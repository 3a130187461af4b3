//! Whatever the server overhears of other servers and of machines, a finding names a cause only if the server overheard
//! it, and the number of findings is bounded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proxydhcpd_core::answer::{Replies, answer, overhear_offer};
use proxydhcpd_core::arrival::{Arrival, Port};
use proxydhcpd_core::link::{Link, Network4};
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::observations::boot_attempts::BootAttempts;
use proxydhcpd_core::observations::finding::{Advice, Cause, Diagnosis, Finding};
use proxydhcpd_core::wire::dhcp4::{Header, Message, Writer, code};
use proxydhcpd_fuzz::site;
use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// The time between two runs. It is so long that no boot attempt of the earlier run continues.
const A_DAY: u64 = 24 * 60 * 60 * 1000;
/// The number of findings that are reported at once. After that, the limit is one finding a minute.
const MAX_AT_ONCE: u64 = 20;

/// The observations of all runs. The runs share them, because they are large, but each run has separate boot attempts.
static OBSERVATIONS: Mutex<(Option<Observations>, u64)> = Mutex::new((None, 0));

fuzz_target!(|input: (bool, Vec<[u8; 5]>, &[u8])| {
    let (is_configured, steps, octets) = input;
    let mut shared = OBSERVATIONS.lock().unwrap_or_else(PoisonError::into_inner);
    let (observations, now) = &mut *shared;
    *now += A_DAY;
    let observations = observations.get_or_insert_with(|| Observations::new(0));
    observations.boot_attempts = BootAttempts::new(0);
    let mut observed = Observed::new(observations, *now);
    for [kind, pause, machine, server, bits] in steps {
        observed.now += 250 * u64::from(pause);
        let machine = machine % 2;
        let header = Header { xid: u32::from(bits >> 7), chaddr: chaddr(machine), ..Header::default() };
        // One of the four possible servers is this server.
        let server = Ipv4Addr::new(192, 0, 2, 8 + server % 4);
        match kind % 6 {
            0 => observed.overhear(octets),
            1 => observed.overhear(&offer(header, server, bits, octets)),
            2 => observed.ask(is_configured, &machine_packet(1, header, bits, &[]), Port::Dhcp),
            3 => {
                let header = Header { secs: u16::from(bits >> 2), ..header };
                let taken = [(code::SERVER_ID, server), (code::REQUESTED_ADDRESS, address(machine))];
                observed.ask(is_configured, &machine_packet(3, header, bits, &taken), Port::Dhcp);
            }
            4 => {
                let header = Header { ciaddr: address(machine), ..header };
                observed.ask(is_configured, &machine_packet(3, header, bits, &[]), Port::BootServer);
            }
            _ => observed.look(),
        }
    }
    observed.look();
});

/// The facts that the packets of this run contain, recorded independently of the observations.
struct Observed<'a> {
    observations: &'a mut Observations,
    start: u64,
    now: u64,
    found: u64,
    /// The servers whose offers have an address. The next two sets contain those with an option 60 and with a boot
    /// file.
    with_address: HashSet<Ipv4Addr>,
    with_class: HashSet<Ipv4Addr>,
    with_file: HashSet<Ipv4Addr>,
}

impl Observed<'_> {
    fn new(observations: &mut Observations, now: u64) -> Observed<'_> {
        let none = HashSet::new;
        Observed {
            observations,
            start: now,
            now,
            found: 0,
            with_address: none(),
            with_class: none(),
            with_file: none(),
        }
    }

    fn overhear(&mut self, octets: &[u8]) {
        let message = Message::parse(octets);
        let result = overhear_offer(self.observations, &links(), 1, octets, self.now);
        assert_eq!(result.is_ok(), message.is_ok());
        let Ok(message) = message else { return };
        let Some(server) = message.address(code::SERVER_ID) else { return };
        let has_address = !message.header.yiaddr.is_unspecified();
        if server == SERVER && !has_address {
            // This server sent the message, so it is not recorded.
            return;
        }
        let note = |servers: &mut HashSet<Ipv4Addr>, is: bool| is && servers.insert(server);
        note(&mut self.with_address, has_address);
        note(&mut self.with_class, message.option(code::VENDOR_CLASS).is_some());
        note(&mut self.with_file, !message.file().is_empty() || message.option(code::BOOT_FILE).is_some());
    }

    fn ask(&mut self, is_configured: bool, datagram: &[u8], port: Port) {
        let (from, to) = match port {
            Port::Dhcp => ("0.0.0.0:68", Ipv4Addr::BROADCAST),
            Port::BootServer => ("192.0.2.107:4011", SERVER),
        };
        let (from, to) = (from.parse().expect("an address"), to.into());
        let links = links();
        let arrival =
            Arrival { datagram, port, from, to, links: &links, link: 0, via_other_link: false, now: self.now };
        answer(site(is_configured), self.observations, &arrival, &mut Replies::default());
    }

    fn look(&mut self) {
        for finding in self.observations.boot_attempts.expire(self.now) {
            self.found += 1;
            self.assert_true(&finding);
            let text = format!("{finding} {}: {}", finding.diagnosis, Advice(&finding));
            assert!(text.chars().all(|letter| (' '..='~').contains(&letter)), "{text:?}");
        }
        let passed = self.now - self.start;
        assert!(self.found <= MAX_AT_ONCE + passed / 60_000 + 1, "{} findings in {passed} ms", self.found);
    }

    fn assert_true(&self, finding: &Finding) {
        if let Diagnosis::AddressUntaken(_, server) = finding.diagnosis {
            assert!(self.with_address.contains(&server), "{server} offered no address");
        }
        match (finding.cause, finding.diagnosis.server()) {
            (Cause::AnotherServer(another), _) => assert!(self.with_class.contains(&another), "{another}"),
            (Cause::Option60, Some(server)) => assert!(self.with_class.contains(&server), "{server}"),
            (Cause::BootFile, Some(server)) => assert!(self.with_file.contains(&server), "{server}"),
            _ => {}
        }
    }
}

fn links() -> [Link; 1] {
    let ipv4 = vec![Network4 { address: SERVER, prefix: 24 }];
    [Link { index: 1, name: "eth0".into(), mtu: 1500, ipv4, ipv6: Vec::new() }]
}

fn chaddr(machine: u8) -> [u8; 16] {
    let mut chaddr = [0; 16];
    chaddr[..6].copy_from_slice(&[2, 0, 0, 0, 2, machine]);
    chaddr
}

fn address(machine: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, 107 + machine)
}

/// Returns an OFFER with the fields that these bits select, or an ACK.
fn offer(mut header: Header, server: Ipv4Addr, bits: u8, more: &[u8]) -> Vec<u8> {
    let has = |bit: u8| bits & 1 << bit != 0;
    header.op = 2;
    if has(0) {
        header.yiaddr = address(header.chaddr[5]);
    }
    if has(1) {
        header.file[0] = b'a';
    }
    let mut options = vec![(code::MESSAGE_TYPE, vec![if has(2) { 5 } else { 2 }])];
    options.push((code::SERVER_ID, server.octets().into()));
    if has(3) {
        options.push((code::VENDOR_CLASS, b"PXEClient".into()));
    }
    if has(4) {
        options.push((code::BOOT_FILE, more.get(..255).unwrap_or(more).into()));
    }
    write(&header, &options)
}

/// Returns a DISCOVER or a REQUEST of firmware, or of an iPXE.
fn machine_packet(kind: u8, header: Header, bits: u8, addresses: &[(u8, Ipv4Addr)]) -> Vec<u8> {
    let arch = if bits & 1 == 0 { 7 } else { 0 };
    let mut options = vec![(code::MESSAGE_TYPE, vec![kind]), (code::ARCHITECTURE, vec![0, arch])];
    options.push((code::VENDOR_CLASS, b"PXEClient:Arch:00007:UNDI:003000".into()));
    if bits & 2 != 0 {
        options.push((code::USER_CLASS, b"iPXE".into()));
        options.push((code::IPXE, vec![0x13, 1, 1, 0x15, 1, 1, 0x18, 1, 1, 0x27, 1, 1]));
    }
    options.extend(addresses.iter().map(|(code, address)| (*code, address.octets().into())));
    write(&header, &options)
}

fn write(header: &Header, options: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(header, &mut out);
    options.iter().for_each(|(code, value)| {
        writer.option(*code, value);
    });
    writer.finish(0);
    out
}

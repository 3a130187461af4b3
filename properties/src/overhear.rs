//! Whatever the server overhears of other servers and of machines, a finding names a cause only if the server overheard
//! it, and the number of findings is bounded.

use crate::input::{Input, sized};
use crate::plans::plan;
use crate::seeds;
use proxydhcpd_core::answer::{Replies, answer, overhear_offer};
use proxydhcpd_core::arrival::{Arrival, Port};
use proxydhcpd_core::link::{Link, Network4};
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::observations::finding::{Advice, Cause, Diagnosis, Finding};
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::wire::dhcp4::{Header, Message, Writer, code};
use std::collections::HashSet;
use std::net::Ipv4Addr;

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// The number of findings that are reported at once. After that, the limit is one finding a minute.
const MAX_AT_ONCE: u64 = 20;

/// Reads a choice of the plan, an offer of another server, and steps: what happens, after which pause, to which of two
/// machines, by which of four servers, and with which fields.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let plan = plan(input.next());
    let octets = input.octets();
    let mut observations = Observations::new(0);
    let mut observed = Observed::new(&mut observations);
    while !input.is_empty() {
        let [kind, pause, machine, server, bits]: [u8; 5] = input.next();
        observed.now += 250 * u64::from(pause);
        let machine = machine % 2;
        let header = Header { xid: u32::from(bits >> 7), chaddr: chaddr(machine), ..Header::default() };
        // One of the four possible servers is this server.
        let server = Ipv4Addr::new(192, 0, 2, 8 + server % 4);
        match kind % 6 {
            0 => observed.overhear(octets),
            1 => observed.overhear(&offer(header, server, bits, octets)),
            2 => observed.ask(plan, &machine_packet(1, header, bits, &[]), Port::Dhcp),
            3 => {
                let header = Header { secs: u16::from(bits >> 2), ..header };
                let taken = [(code::SERVER_ID, server), (code::REQUESTED_ADDRESS, address(machine))];
                observed.ask(plan, &machine_packet(3, header, bits, &taken), Port::Dhcp);
            }
            4 => {
                let header = Header { ciaddr: address(machine), ..header };
                observed.ask(plan, &machine_packet(3, header, bits, &[]), Port::BootServer);
            }
            _ => observed.look(),
        }
    }
    observed.look();
}

/// The facts that the packets of an input contain, recorded independently of the observations.
struct Observed<'a> {
    observations: &'a mut Observations,
    now: u64,
    found: u64,
    /// The servers whose offers have an address. The next two sets contain those with an option 60 and with a boot
    /// file.
    with_address: HashSet<Ipv4Addr>,
    with_class: HashSet<Ipv4Addr>,
    with_file: HashSet<Ipv4Addr>,
}

impl Observed<'_> {
    fn new(observations: &mut Observations) -> Observed<'_> {
        let none = HashSet::new;
        Observed { observations, now: 0, found: 0, with_address: none(), with_class: none(), with_file: none() }
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

    fn ask(&mut self, plan: &Plan, datagram: &[u8], port: Port) {
        let (from, to) = match port {
            Port::Dhcp => ("0.0.0.0:68", Ipv4Addr::BROADCAST),
            Port::BootServer => ("192.0.2.107:4011", SERVER),
        };
        let (from, to) = (from.parse().expect("an address"), to.into());
        let links = links();
        let arrival =
            Arrival { datagram, port, from, to, links: &links, link: 0, via_other_link: false, now: self.now };
        answer(plan, self.observations, &arrival, &mut Replies::default());
    }

    fn look(&mut self) {
        for finding in self.observations.boot_attempts.expire(self.now) {
            self.found += 1;
            self.assert_true(&finding);
            let text = format!("{finding} {}: {}", finding.diagnosis, Advice(&finding));
            assert!(text.chars().all(|letter| (' '..='~').contains(&letter)), "{text:?}");
        }
        assert!(self.found <= MAX_AT_ONCE + self.now / 60_000 + 1, "{} findings in {} ms", self.found, self.now);
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

/// Offers of captures, with the steps of a machine that takes another offer, and of one that takes none.
pub fn seeds() -> Vec<Vec<u8>> {
    let offers = seeds::captured(&[68]).into_iter().map(|packet| packet.octets);
    let taken: &[u8] =
        &[2, 1, 0, 0, 0, 1, 1, 0, 1, 0x1b, 3, 8, 0, 1, 0, 5, 255, 0, 0, 0, 3, 255, 1, 1, 0, 5, 255, 0, 0, 0];
    let untaken: Vec<u8> =
        (0..6).flat_map(|_| [[2, 40, 1, 0, 0], [0, 1, 0, 0, 0], [5, 1, 0, 0, 0]]).flatten().collect();
    let with = move |offer: Vec<u8>| [taken, &untaken].map(|steps| [&[1][..], &sized(&offer), steps].concat());
    offers.flat_map(with).collect()
}

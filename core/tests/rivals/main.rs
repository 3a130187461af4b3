//! Who did not take our offer, told from a run of packets; the test moves the clock.

mod causes;
#[path = "../common/mod.rs"]
mod common;

use common::{HERE, Packet, ask_again, links, plan};
use proxydhcpd_core::answer::overhear_offer;
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::fetch::{fetch, is_first_request};
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::observations::finding::{Cause, Finding, Advice, Diagnosis};
use proxydhcpd_core::plan::{IpxeTarget, Plan, TftpServer};
use proxydhcpd_core::request::{Protocol, FileRequest};
use std::net::Ipv4Addr;

const PRIMARY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// A boot server beside us.
const OTHER_BOOT_SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 3);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 107);
const IPXE: &[u8] = &[0xeb, 3, 1, 21, 1, 0x13, 1, 1, 0x15, 1, 1, 0x18, 1, 1, 0x27, 1, 1];
const SECOND: u64 = 1000;

/// A network, its clock, and what was found so far. Housekeeping looks every five seconds.
struct Network {
    plan: Plan,
    memory: Observations,
    now: u64,
    findings: Vec<Finding>,
}

impl Network {
    fn new(plan: Plan) -> Network {
        Network { plan, memory: Observations::new(1), now: 0, findings: Vec::new() }
    }

    fn wait(&mut self, milliseconds: u64) {
        for _ in 0..milliseconds / 100 {
            self.now += 100;
            if self.now.is_multiple_of(5 * SECOND) {
                self.findings.extend(self.memory.boot_attempts.expire(self.now));
            }
        }
    }

    fn receive(&mut self, packet: &Packet, port: Port) {
        let from = if port == Port::Dhcp { "0.0.0.0:68" } else { "192.0.2.107:4011" };
        let to = if port == Port::Dhcp { "255.255.255.255" } else { "192.0.2.10" };
        ask_again(&self.plan, &mut self.memory, &packet.octets(), port, from, to, self.now);
    }

    fn discover(&mut self, packet: Packet) {
        self.receive(&packet, Port::Dhcp);
    }

    /// `secs` as iPXE fills it in.
    fn request(&mut self, packet: Packet, secs: u16) {
        let mut packet = packet.set(53, &[3]).set(50, &ADDRESS.octets()).set(54, &PRIMARY.octets());
        packet.header.secs = secs;
        self.receive(&packet, Port::Dhcp);
    }

    /// What a server offers to this machine, beside its own name; with an address, or as a boot server does.
    fn overhear_offer_of(&mut self, to: &Packet, server: Ipv4Addr, yiaddr: Option<Ipv4Addr>, options: &[(u8, &[u8])]) {
        let mut offer = again(to);
        (offer.header.op, offer.header.yiaddr) = (2, yiaddr.unwrap_or(Ipv4Addr::UNSPECIFIED));
        offer.options = vec![(53, vec![2]), (54, server.octets().to_vec())];
        let offer = options.iter().fold(offer, |offer, (code, value)| offer.set(*code, value));
        overhear_offer(&mut self.memory, &links(), &offer.octets(), self.now).unwrap();
    }

    /// What an innocent DHCP server offers.
    fn overhear_primary(&mut self, to: &Packet) {
        self.overhear_offer_of(to, PRIMARY, Some(ADDRESS), &[]);
    }

    fn come_to_4011(&mut self) {
        self.receive(&Packet::request_4011(), Port::BootServer);
    }

    fn fetch(&mut self) {
        self.memory.note_file_request(ADDRESS.into(), false, self.now);
    }

    /// As the daemon notes it.
    fn fetch_by_name(&mut self, name: &str) {
        let (server, client) = (Ipv4Addr::new(192, 0, 2, 10).into(), (ADDRESS, 1030).into());
        let request = FileRequest { protocol: Protocol::Http(8080), name: name.as_bytes(), server, client, interface: "eth0" };
        let beginning = is_first_request(request.name, &fetch(&self.plan, &self.memory, &request));
        self.memory.note_file_request(request.client.ip(), beginning, self.now);
    }

    fn fetch_loader(&mut self) {
        self.memory.note_file_request(ADDRESS.into(), true, self.now);
    }

    /// A UEFI firmware that takes its address and then asks nobody here.
    fn shut_out(&mut self) {
        self.shut_out_by(|_| {});
    }

    /// The same, and what others offer it.
    fn shut_out_by(&mut self, offers: impl Fn(&mut Network)) {
        self.discover(Packet::discover());
        offers(self);
        self.wait(4 * SECOND);
        self.request(Packet::discover(), 0);
        self.wait(30 * SECOND);
    }

    /// A UEFI firmware that boots as far as our iPXE.
    fn load(&mut self) {
        self.discover(Packet::discover());
        self.wait(4 * SECOND);
        self.request(Packet::discover(), 0);
        self.wait(2 * SECOND);
        self.come_to_4011();
        self.wait(2 * SECOND);
        self.fetch_loader();
        self.wait(2 * SECOND);
    }

    /// Our iPXE that takes its address and does not come for our script, and what others offer it.
    fn boot_another(&mut self, offers: impl Fn(&mut Network)) {
        self.load();
        self.discover(ipxe());
        offers(self);
        self.request(ipxe(), 3);
        self.wait(70 * SECOND);
    }

    /// What is told of a machine, behind its name.
    fn reports(&self) -> Vec<String> {
        self.findings.iter().map(|finding| format!("{}. {}", finding.diagnosis, Advice(finding))).collect()
    }

    fn causes(&self) -> Vec<Cause> {
        self.findings.iter().map(|finding| finding.cause).collect()
    }

    fn diagnoses(&self) -> Vec<Diagnosis> {
        self.findings.iter().map(|finding| finding.diagnosis).collect()
    }
}

fn ipxe() -> Packet {
    Packet::discover().set(77, b"iPXE").set(175, IPXE)
}

fn from_machine(packet: Packet, machine: u8) -> Packet {
    let mut packet = packet;
    packet.header.chaddr[5] = machine;
    packet
}

#[test]
fn a_firmware_that_takes_an_address_and_does_not_come_is_told_of_once_a_server() {
    let mut network = Network::new(plan());
    network.shut_out();
    assert_eq!(network.diagnoses(), [Diagnosis::ShutOut(PRIMARY)]);
    let Finding { hardware, ipxe, link, .. } = network.findings[0];
    assert_eq!((hardware.mac(), ipxe, link), (Some([2, 0, 0, 0, 1, 7]), false, 2));
    for _ in 0..10 {
        network.shut_out();
    }
    assert_eq!(network.findings.len(), 1, "the same server");
}

/// EDK2's wait for an answer of 4011 is ten seconds, and then the machine may begin anew.
#[test]
fn a_firmware_that_begins_anew_at_once_is_told_of() {
    let mut network = Network::new(plan());
    for _ in 0..3 {
        network.discover(Packet::discover());
        network.wait(4 * SECOND);
        network.request(Packet::discover(), 0);
        network.wait(11 * SECOND);
    }
    assert_eq!(network.diagnoses(), [Diagnosis::ShutOut(PRIMARY)]);
}

#[test]
fn a_machine_that_boots_is_never_told_of() {
    let mut network = Network::new(plan());
    for _ in 0..5 {
        network.load();
        network.discover(ipxe());
        network.request(ipxe(), 3);
        network.wait(20 * SECOND);
        network.fetch();
        network.wait(200 * SECOND);
    }
    assert_eq!(network.diagnoses(), []);
}

/// Without router advertisements it pauses for 16 s (protocol.md 3.6); this one is slow besides.
#[test]
fn an_ipxe_that_takes_its_time_is_not_told_of() {
    let mut network = Network::new(plan());
    network.load();
    network.discover(ipxe());
    network.request(ipxe(), 3);
    network.wait(50 * SECOND);
    network.fetch();
    network.wait(100 * SECOND);
    assert_eq!(network.diagnoses(), []);
}

#[test]
fn an_ipxe_that_boots_what_the_primary_names_is_told_of() {
    let mut network = Network::new(plan());
    network.load();
    network.discover(ipxe());
    network.request(ipxe(), 3);
    network.wait(70 * SECOND);
    assert_eq!(network.diagnoses(), [Diagnosis::BootsAnother(PRIMARY)]);
}

/// What the primary names is not there, and the firmware goes on to its HTTP boot, which is our iPXE again.
#[test]
fn an_ipxe_that_gives_up_and_is_loaded_anew_is_told_of() {
    let mut network = Network::new(plan());
    network.load();
    network.discover(ipxe());
    network.request(ipxe(), 3);
    network.wait(45 * SECOND);
    network.fetch_loader();
    network.wait(5 * SECOND);
    assert_eq!(network.diagnoses(), [Diagnosis::BootsAnother(PRIMARY)]);
}

/// The same with the files that a real one asks for: HTTP boot begins soon, and iPXE asks for its `autoexec.ipxe`
/// before it asks for an address.
#[test]
fn what_ipxe_asks_for_before_its_address_is_no_script_of_ours() {
    let mut network = Network::new(plan());
    network.load();
    network.discover(ipxe());
    network.request(ipxe(), 3);
    network.wait(20 * SECOND);
    network.fetch_by_name("ipxe.efi");
    network.fetch_by_name("autoexec.ipxe");
    network.wait(SECOND);
    network.discover(ipxe());
    network.request(ipxe(), 3);
    network.wait(65 * SECOND);
    assert_eq!(network.diagnoses(), [Diagnosis::BootsAnother(PRIMARY)]);
}

/// netboot.xyz is an iPXE with a script of its own, and so is many a USB stick.
#[test]
fn an_ipxe_that_did_not_come_from_us_or_was_started_from_our_menu_may_have_its_own_script() {
    let mut network = Network::new(plan());
    network.discover(ipxe());
    network.request(ipxe(), 3);
    network.wait(100 * SECOND);
    assert_eq!(network.diagnoses(), [], "a stick");

    let mut network = Network::new(plan());
    network.load();
    network.discover(ipxe());
    network.request(ipxe(), 3);
    network.wait(SECOND);
    network.fetch();
    for _ in 0..4 {
        network.wait(SECOND);
        network.discover(ipxe());
        network.request(ipxe(), 3);
        network.wait(65 * SECOND);
    }
    assert_eq!(network.diagnoses(), [], "from our menu");
}

/// What names undionly.kpxe to every machine keeps iPXE loading itself.
#[test]
fn an_ipxe_that_loads_itself_from_the_primary_in_a_circle_is_told_of() {
    let mut network = Network::new(plan());
    for _ in 0..4 {
        network.discover(ipxe());
        network.request(ipxe(), 3);
        network.wait(12 * SECOND);
    }
    assert_eq!(network.diagnoses(), [Diagnosis::BootsAnother(PRIMARY)]);
}

#[test]
fn an_ipxe_that_waited_and_saw_no_offer_says_so() {
    let mut network = Network::new(plan());
    network.load();
    network.discover(ipxe());
    network.wait(3 * SECOND);
    network.request(ipxe(), 6);
    network.wait(70 * SECOND);
    assert_eq!(network.diagnoses(), [Diagnosis::OfferUnseen(PRIMARY)]);

    let mut network = Network::new(plan());
    network.load();
    network.discover(ipxe());
    network.request(ipxe(), 6);
    network.wait(70 * SECOND);
    assert_eq!(network.diagnoses(), [], "its server told it not to wait (175.176)");
}

#[test]
fn beside_machines_that_come_a_single_one_that_does_not_is_not_told_of() {
    let mut network = Network::new(plan());
    network.load();
    network.shut_out();
    network.shut_out();
    assert_eq!(network.diagnoses(), [], "it may have been switched off");
    network.shut_out();
    assert_eq!(network.diagnoses(), [Diagnosis::ShutOut(PRIMARY)], "somebody has set option 60 since");
}

#[test]
fn a_machine_that_nobody_gives_an_address_is_told_of() {
    let mut network = Network::new(plan());
    network.discover(Packet::discover());
    for pause in [4, 8, 16] {
        network.wait(pause * SECOND);
        network.discover(Packet::discover());
    }
    network.wait(30 * SECOND);
    assert_eq!(network.diagnoses(), [], "it still waits");
    network.wait(10 * SECOND);
    assert_eq!(network.diagnoses(), [Diagnosis::NoAddress(4)]);
}

#[test]
fn a_slow_dhcp_server_is_none_that_does_not_answer() {
    let mut network = Network::new(plan());
    network.discover(Packet::discover());
    for pause in [4, 8, 16] {
        network.wait(pause * SECOND);
        network.discover(Packet::discover());
    }
    network.wait(31 * SECOND);
    network.request(Packet::discover(), 0);
    network.wait(2 * SECOND);
    network.come_to_4011();
    network.wait(100 * SECOND);
    assert_eq!(network.diagnoses(), []);
}

/// A relay may send the REQUEST to the server that was chosen alone.
#[test]
fn a_machine_whose_request_we_do_not_hear_is_not_told_of_if_it_comes() {
    let mut network = Network::new(plan());
    network.discover(Packet::discover());
    for pause in [4, 8] {
        network.wait(pause * SECOND);
        network.discover(Packet::discover());
    }
    network.wait(5 * SECOND);
    network.come_to_4011();
    network.wait(100 * SECOND);
    assert_eq!(network.diagnoses(), []);
}

#[test]
fn a_request_that_is_not_answered_is_the_dhcp_servers_matter() {
    let mut network = Network::new(plan());
    network.discover(Packet::discover());
    network.wait(4 * SECOND);
    network.request(Packet::discover(), 0);
    network.wait(4 * SECOND);
    network.request(Packet::discover(), 0);
    network.wait(100 * SECOND);
    assert_eq!(network.diagnoses(), []);
}

/// Two interfaces of ours on one segment.
#[test]
fn a_packet_heard_twice_is_one() {
    let mut network = Network::new(plan());
    for pause in [4000, 100] {
        network.discover(Packet::discover());
        network.discover(Packet::discover());
        network.wait(pause);
    }
    network.wait(60 * SECOND);
    assert_eq!(network.diagnoses(), [], "two DISCOVERs, each twice: it was switched off");

    network.discover(Packet::discover());
    network.request(Packet::discover(), 0);
    network.request(Packet::discover(), 0);
    network.wait(30 * SECOND);
    assert_eq!(network.diagnoses(), [Diagnosis::ShutOut(PRIMARY)]);
}

#[test]
fn who_is_led_elsewhere_is_not_waited_for() {
    let elsewhere = Plan { tftp: Some(TftpServer::Remote(PRIMARY)), boot_server: false, ..plan() };
    let given = Plan { ipxe: IpxeTarget::Configured("http://192.0.2.80/boot.ipxe".into()), ..plan() };
    for (plan, packet) in [(elsewhere, Packet::discover()), (given, ipxe())] {
        let mut network = Network::new(plan);
        for _ in 0..5 {
            network.discover(again(&packet));
            network.request(again(&packet), 3);
            network.wait(100 * SECOND);
        }
        assert_eq!(network.diagnoses(), []);
    }
}

fn again(packet: &Packet) -> Packet {
    Packet { header: packet.header.clone(), options: packet.options.clone() }
}

/// Its boot ROM takes the address of an OFFER without a word (protocol.md 2.11).
#[test]
fn a_raspberry_pi_that_sends_no_request_is_not_told_of() {
    let mut network = Network::new(plan());
    for _ in 0..5 {
        network.discover(Packet::discover().set(93, &[0, 0]).set(97, &[0x44; 17]).set(60, b"PXEClient:Arch:00000"));
        network.wait(5 * SECOND);
    }
    network.wait(100 * SECOND);
    assert_eq!(network.diagnoses(), []);
}

/// Whoever plays servers to us gets us to write some lines, and then one a minute.
#[test]
fn no_host_can_make_us_say_much() {
    let mut network = Network::new(plan());
    for server in 0..200u8 {
        let machine = |packet| from_machine(packet, server);
        network.discover(machine(Packet::discover()));
        let request = machine(Packet::discover()).set(53, &[3]).set(50, &[192, 0, 2, 99]).set(54, &[192, 0, 2, server]);
        network.receive(&request, Port::Dhcp);
    }
    network.wait(60 * SECOND);
    assert_eq!(network.findings.len(), 20);
}

//! Tests findings about machines that did not take the server's offer. Each test sends a sequence of packets, and moves
//! the clock.

mod causes;
#[path = "../common/mod.rs"]
mod common;
mod no_address;

use common::{Packet, SERVER, ask_again, links, machine_at, plan};
use proxydhcpd_core::answer::overhear_offer;
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::fetch::{fetch, is_first_request};
use proxydhcpd_core::identity::PROBE_MAC;
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::observations::finding::{Advice, Cause, Diagnosis, Finding};
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::offer::TftpServer;
use proxydhcpd_core::plan::policy::IpxeTarget;
use proxydhcpd_core::request::{FileRequest, Protocol};
use std::net::Ipv4Addr;

/// The DHCP server that assigns addresses.
const DHCP_SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// A boot server other than this one.
const OTHER_BOOT_SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 3);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 107);
const IPXE: &[u8] = &[0xeb, 3, 1, 21, 1, 0x13, 1, 1, 0x15, 1, 1, 0x18, 1, 1, 0x27, 1, 1];
const SECOND: u64 = 1000;

/// A network, its clock, and the findings so far. When a test waits, expired attempts end every five seconds.
struct Network {
    plan: Plan,
    observations: Observations,
    now: u64,
    findings: Vec<Finding>,
}

impl Network {
    fn new(plan: Plan) -> Network {
        Network { plan, observations: Observations::new(1), now: 0, findings: Vec::new() }
    }

    fn wait(&mut self, milliseconds: u64) {
        for _ in 0..milliseconds / 100 {
            self.now += 100;
            if self.now.is_multiple_of(5 * SECOND) {
                self.findings.extend(self.observations.boot_attempts.expire(self.now));
            }
        }
    }

    fn receive(&mut self, packet: &Packet, port: Port) {
        let from = if port == Port::Dhcp { "0.0.0.0:68" } else { "192.0.2.107:4011" };
        let to = if port == Port::Dhcp { "255.255.255.255" } else { "192.0.2.10" };
        ask_again(&self.plan, &mut self.observations, &packet.octets(), port, from, to, self.now);
    }

    fn discover(&mut self, packet: Packet) {
        self.receive(&packet, Port::Dhcp);
    }

    /// Sends a REQUEST to the DHCP server. `secs` is the header field that iPXE sets.
    fn request(&mut self, packet: Packet, secs: u16) {
        let mut packet = packet.set(53, &[3]).set(50, &ADDRESS.octets()).set(54, &DHCP_SERVER.octets());
        packet.header.secs = secs;
        self.receive(&packet, Port::Dhcp);
    }

    /// Makes the server overhear an offer to this machine, with these options and the server identifier. `yiaddr` is
    /// the offered address. The offer of a boot server has none.
    fn overhear_offer_of(&mut self, to: &Packet, server: Ipv4Addr, yiaddr: Option<Ipv4Addr>, options: &[(u8, &[u8])]) {
        let mut offer = copy(to);
        (offer.header.op, offer.header.yiaddr) = (2, yiaddr.unwrap_or(Ipv4Addr::UNSPECIFIED));
        offer.options = vec![(53, vec![2]), (54, server.octets().to_vec())];
        let offer = options.iter().fold(offer, |offer, (code, value)| offer.set(*code, value));
        overhear_offer(&mut self.observations, &links(), 1, &offer.octets(), self.now).unwrap();
    }

    /// Makes the server overhear the offer of a DHCP server without boot options.
    fn overhear_dhcp_server(&mut self, to: &Packet) {
        self.overhear_offer_of(to, DHCP_SERVER, Some(ADDRESS), &[]);
    }

    fn come_to_4011(&mut self) {
        self.receive(&Packet::request_4011(), Port::BootServer);
    }

    fn fetch(&mut self) {
        self.note_file_request(false);
    }

    fn note_file_request(&mut self, is_first_request: bool) {
        let machine = machine_at(&self.observations, ADDRESS);
        self.observations.note_file_request(&machine, is_first_request, self.now);
    }

    /// Requests a file by its name, and notes the request as the daemon does.
    fn fetch_by_name(&mut self, name: &str) {
        let (server, client) = (Ipv4Addr::new(192, 0, 2, 10).into(), (ADDRESS, 1030).into());
        let request =
            FileRequest { protocol: Protocol::Http(8080), name: name.as_bytes(), server, client, interface: "eth0" };
        let decision = fetch(&self.plan, &self.observations, &request);
        let is_first = is_first_request(request.name, &decision.answer);
        self.observations.note_file_request(&decision.ticket.machine, is_first, self.now);
    }

    fn fetch_loader(&mut self) {
        self.note_file_request(true);
    }

    /// Boots a UEFI machine that accepts its address, and then sends no request to this server.
    fn shut_out(&mut self) {
        self.shut_out_by(|_| {});
    }

    /// Does the same as `shut_out`, with offers of other servers.
    fn shut_out_by(&mut self, offers: impl Fn(&mut Network)) {
        self.discover(Packet::discover());
        offers(self);
        self.wait(4 * SECOND);
        self.request(Packet::discover(), 0);
        self.wait(30 * SECOND);
    }

    /// Boots a UEFI machine until it has loaded this server's iPXE.
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

    /// Boots a machine until this server's iPXE has an address. iPXE then requests no script, because of the offers of
    /// other servers.
    fn boot_another(&mut self, offers: impl Fn(&mut Network)) {
        self.load();
        self.discover(ipxe());
        offers(self);
        self.request(ipxe(), 3);
        self.wait(70 * SECOND);
    }

    /// Returns the text of each finding, without the name of the machine.
    fn reports(&self) -> Vec<String> {
        self.findings.iter().map(|finding| format!("{}. {}", finding.diagnosis, Advice(finding))).collect()
    }

    fn causes(&self) -> Vec<Cause> {
        self.findings.iter().map(|finding| finding.cause).collect()
    }

    /// Returns the causes of the findings that repeat no other.
    fn new_causes(&self) -> Vec<Cause> {
        self.findings.iter().filter(|finding| !finding.is_repeat).map(|finding| finding.cause).collect()
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
fn firmware_that_takes_an_address_and_sends_no_request_is_reported_at_each_boot_and_new_once_for_each_server() {
    let mut network = Network::new(plan());
    network.shut_out();
    assert_eq!(network.diagnoses(), [Diagnosis::ShutOut(DHCP_SERVER)]);
    let Finding { hardware, ipxe, link, .. } = network.findings[0];
    assert_eq!((hardware.mac(), ipxe, link), (Some([2, 0, 0, 0, 1, 7]), false, 2));
    for _ in 0..10 {
        network.shut_out();
    }
    assert_eq!((network.findings.len(), network.new_causes().len()), (11, 1), "the same server");
}

#[test]
fn each_machine_that_a_server_keeps_away_has_its_finding_and_the_first_is_new() {
    let mut network = Network::new(plan());
    for machine in [7, 8, 9] {
        network.discover(from_machine(Packet::discover(), machine));
        network.wait(4 * SECOND);
        network.request(from_machine(Packet::discover(), machine), 0);
        network.wait(30 * SECOND);
    }
    let findings: Vec<_> =
        network.findings.iter().map(|finding| (finding.hardware.mac().unwrap()[5], finding.is_repeat)).collect();
    assert_eq!(findings, [(7, false), (8, true), (9, true)]);
    // Machines of a network without a DHCP server.
    let mut network = Network::new(plan());
    for machine in [7, 8] {
        for pause in [4, 8, 16, 40] {
            network.discover(from_machine(Packet::discover(), machine));
            network.wait(pause * SECOND);
        }
    }
    assert_eq!(network.diagnoses(), [Diagnosis::NoAddress(4); 2]);
    assert_eq!(network.new_causes().len(), 1);
}

/// EDK2 waits ten seconds for a reply from port 4011. Then the machine may start another attempt.
#[test]
fn firmware_that_starts_another_attempt_at_once_is_reported() {
    let mut network = Network::new(plan());
    for _ in 0..3 {
        network.discover(Packet::discover());
        network.wait(4 * SECOND);
        network.request(Packet::discover(), 0);
        network.wait(11 * SECOND);
    }
    assert_eq!((network.diagnoses(), network.new_causes().len()), ([Diagnosis::ShutOut(DHCP_SERVER); 2].into(), 1));
}

#[test]
fn a_machine_that_boots_is_never_reported() {
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

/// Without router advertisements, iPXE pauses for 16 s (protocol.md 3.6). The iPXE of this test is slow as well.
#[test]
fn a_slow_ipxe_is_not_reported() {
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
fn an_ipxe_that_boots_the_file_of_the_dhcp_server_is_reported() {
    let mut network = Network::new(plan());
    network.load();
    network.discover(ipxe());
    network.request(ipxe(), 3);
    network.wait(70 * SECOND);
    assert_eq!(network.diagnoses(), [Diagnosis::BootsAnother(DHCP_SERVER)]);
}

/// The file of the DHCP server does not exist. The firmware continues with HTTP boot, and loads this server's iPXE
/// again.
#[test]
fn an_ipxe_that_gives_up_and_is_loaded_again_is_reported() {
    let mut network = Network::new(plan());
    network.load();
    network.discover(ipxe());
    network.request(ipxe(), 3);
    network.wait(45 * SECOND);
    network.fetch_loader();
    network.wait(5 * SECOND);
    assert_eq!(network.diagnoses(), [Diagnosis::BootsAnother(DHCP_SERVER)]);
}

/// The test uses the files that a real iPXE requests: HTTP boot begins soon, and iPXE requests `autoexec.ipxe` before
/// it has an address.
#[test]
fn a_file_that_ipxe_requests_before_it_has_an_address_is_not_its_script() {
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
    assert_eq!(network.diagnoses(), [Diagnosis::BootsAnother(DHCP_SERVER)]);
}

/// netboot.xyz and many USB sticks contain an iPXE with an embedded script.
#[test]
fn an_ipxe_from_elsewhere_or_from_the_menu_may_have_an_embedded_script() {
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
    assert_eq!(network.diagnoses(), [], "from the menu");
}

/// If a DHCP server sends the name undionly.kpxe to all machines, iPXE loads itself again and again.
#[test]
fn an_ipxe_that_loads_itself_again_and_again_is_reported() {
    let mut network = Network::new(plan());
    for _ in 0..4 {
        network.discover(ipxe());
        network.request(ipxe(), 3);
        network.wait(12 * SECOND);
    }
    let diagnoses = [Diagnosis::BootsAnother(DHCP_SERVER); 2].into();
    assert_eq!((network.diagnoses(), network.new_causes().len()), (diagnoses, 1));
}

#[test]
fn an_ipxe_that_waited_and_saw_no_offer_is_reported() {
    let mut network = Network::new(plan());
    network.load();
    network.discover(ipxe());
    network.wait(3 * SECOND);
    network.request(ipxe(), 6);
    network.wait(70 * SECOND);
    assert_eq!(network.diagnoses(), [Diagnosis::OfferUnseen(DHCP_SERVER)]);

    let mut network = Network::new(plan());
    network.load();
    network.discover(ipxe());
    network.request(ipxe(), 6);
    network.wait(70 * SECOND);
    assert_eq!(network.diagnoses(), [], "its DHCP server has disabled the wait (175.176)");
}

#[test]
fn a_single_machine_is_not_reported_if_others_of_the_same_dhcp_server_boot() {
    let mut network = Network::new(plan());
    network.load();
    network.shut_out();
    network.shut_out();
    assert_eq!(network.diagnoses(), [], "it may have been switched off");
    network.shut_out();
    assert_eq!(network.diagnoses(), [Diagnosis::ShutOut(DHCP_SERVER)], "the DHCP server has option 60 now");
}

#[test]
fn a_machine_that_receives_no_address_is_reported() {
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
fn a_slow_dhcp_server_is_not_reported() {
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

/// A relay may forward the REQUEST only to the DHCP server that the machine has chosen.
#[test]
fn a_machine_whose_request_does_not_arrive_is_not_reported_if_it_boots() {
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
fn a_request_without_a_reply_is_not_reported() {
    let mut network = Network::new(plan());
    network.discover(Packet::discover());
    network.wait(4 * SECOND);
    network.request(Packet::discover(), 0);
    network.wait(4 * SECOND);
    network.request(Packet::discover(), 0);
    network.wait(100 * SECOND);
    assert_eq!(network.diagnoses(), []);
}

/// The packet arrives twice because the server has two interfaces on one segment.
#[test]
fn a_packet_that_arrives_twice_counts_once() {
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
    assert_eq!(network.diagnoses(), [Diagnosis::ShutOut(DHCP_SERVER)]);
}

#[test]
fn a_machine_that_the_offer_directs_to_another_host_is_not_reported() {
    let elsewhere = plan().with_offer(|offer| {
        offer.tftp = Some(TftpServer::Remote(DHCP_SERVER));
        offer.boot_server = false;
    });
    let given = plan().with_policy(|policy| policy.ipxe = IpxeTarget::Configured("http://192.0.2.80/boot.ipxe".into()));
    for (plan, packet) in [(elsewhere, Packet::discover()), (given, ipxe())] {
        let mut network = Network::new(plan);
        for _ in 0..5 {
            network.discover(copy(&packet));
            network.request(copy(&packet), 3);
            network.wait(100 * SECOND);
        }
        assert_eq!(network.diagnoses(), []);
    }
}

fn copy(packet: &Packet) -> Packet {
    Packet { header: packet.header.clone(), options: packet.options.clone() }
}

/// The boot ROM of a Raspberry Pi accepts the address of an OFFER without a REQUEST (protocol.md 2.11).
#[test]
fn a_raspberry_pi_that_sends_no_request_is_not_reported() {
    let mut network = Network::new(plan());
    for _ in 0..5 {
        network.discover(Packet::discover().set(93, &[0, 0]).set(97, &[0x44; 17]).set(60, b"PXEClient:Arch:00000"));
        network.wait(5 * SECOND);
    }
    network.wait(100 * SECOND);
    assert_eq!(network.diagnoses(), []);
}

/// A host forges machines, each of which continues as an iPXE of another server at once.
#[test]
fn the_number_of_findings_is_limited() {
    let mut network = Network::new(plan());
    for number in 0..10_000_u32 {
        let machine = |mut packet: Packet| {
            packet.header.chaddr[2..6].copy_from_slice(&number.to_be_bytes());
            packet
        };
        // The packets of a machine have a limit, and so have those of a link.
        network.now += 100;
        network.discover(machine(Packet::discover()));
        network.request(machine(Packet::discover()), 0);
        network.discover(machine(ipxe()));
    }
    let findings = network.observations.boot_attempts.expire(network.now);
    assert!((2000..=4096).contains(&findings.len()), "{}", findings.len());
}

/// `proxydhcpd probe` sends DISCOVERs from one MAC address, and never takes an address.
#[test]
fn the_probe_causes_no_finding() {
    let mut probe = Packet::discover();
    probe.header.chaddr[..6].copy_from_slice(&PROBE_MAC);
    let mut network = Network::new(plan());
    for _ in 0..4 {
        network.discover(copy(&probe));
        network.wait(16 * SECOND);
    }
    network.wait(60 * SECOND);
    assert_eq!(network.diagnoses(), []);
}

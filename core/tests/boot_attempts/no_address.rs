//! Machines that receive no address over UEFI HTTP boot or over IPv6.

use super::common::{GROUP, Packet, Packet6, RELAY, SERVER6, ask_again, plan, relayed};
use super::{Network, SECOND};
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::observations::finding::Diagnosis;

/// The link-local address of the machine that [`Packet::discover`] is.
const MACHINE: &str = "fe80::ff:fe00:107";
/// The pauses after EDK2's DISCOVERs and SOLICITs, in seconds. After the last one, it tries the next boot method.
const PAUSES: [u64; 4] = [4, 8, 16, 32];

fn http() -> Packet {
    let class = b"HTTPClient:Arch:00016:UNDI:003000";
    let mut packet = Packet::discover().set(93, &[0, 16]).set(60, class);
    packet.header.xid = 8;
    packet
}

impl Network {
    fn discovers(&mut self, packet: &Packet) {
        for pause in PAUSES {
            self.discover(packet.clone());
            self.wait(pause * SECOND);
        }
    }

    fn receive6(&mut self, octets: &[u8], source: &str, to: &str) {
        ask_again(&self.plan, &mut self.observations, octets, Port::Dhcp, source, to, self.now);
    }

    fn solicits(&mut self, packet: &Packet6) {
        for pause in PAUSES {
            self.receive6(&packet.octets(), &format!("[{MACHINE}]:546"), GROUP);
            self.wait(pause * SECOND);
        }
    }
}

/// A SOLICIT of the machine that [`Packet::discover`] is.
fn solicit() -> Packet6 {
    Packet6::solicit().set(1, &[0, 3, 0, 1, 2, 0, 0, 0, 1, 7])
}

#[test]
fn http_boot_without_an_address_is_reported() {
    let mut network = Network::new(plan());
    network.discovers(&http());
    network.wait(10 * SECOND);
    assert_eq!(network.diagnoses(), [Diagnosis::NoAddress(4)]);
}

#[test]
fn firmware_that_goes_on_to_http_boot_is_reported_for_its_pxe_boot() {
    let mut network = Network::new(plan());
    network.discovers(&Packet::discover());
    network.discover(http());
    network.wait(5 * SECOND);
    assert_eq!(network.diagnoses(), [Diagnosis::NoAddress(4)]);
}

#[test]
fn firmware_that_begins_anew_after_a_few_seconds_is_not_reported() {
    let mut network = Network::new(plan());
    network.discovers(&Packet::discover());
    network.now -= 20 * SECOND;
    network.discover(http());
    network.request(http(), 0);
    network.wait(60 * SECOND);
    assert_eq!(network.diagnoses(), []);
}

/// It may have fetched its file from this server, or from another: HTTP boot names no server in its REQUEST to us.
#[test]
fn http_boot_that_takes_an_address_is_not_reported() {
    let mut network = Network::new(plan());
    network.discover(http());
    network.request(http(), 0);
    network.wait(60 * SECOND);
    assert_eq!(network.diagnoses(), []);
}

/// An iPXE that cannot reach its script gives up after 20 s, and the firmware goes on.
#[test]
fn an_ipxe_without_its_script_is_reported_although_the_firmware_goes_on_to_http_boot() {
    let mut network = Network::new(plan());
    network.load();
    let ipxe = Packet::discover().set(77, b"iPXE").set(175, super::IPXE);
    network.discover(ipxe.clone());
    network.request(ipxe, 3);
    network.wait(20 * SECOND);
    network.discover(http());
    network.request(http(), 0);
    network.wait(60 * SECOND);
    assert_eq!(network.diagnoses(), [Diagnosis::BootsAnother(super::DHCP_SERVER)]);
}

#[test]
fn a_success_of_http_boot_does_not_hide_the_failure_of_pxe() {
    let mut network = Network::new(plan());
    network.discover(http());
    network.request(http(), 0);
    network.fetch_loader();
    network.wait(60 * SECOND);
    network.shut_out();
    assert_eq!(network.findings.len(), 1);
}

#[test]
fn four_solicits_without_a_request_are_reported_with_the_remedy() {
    let mut network = Network::new(plan());
    network.solicits(&solicit());
    network.wait(20 * SECOND);
    assert_eq!(
        network.reports(),
        ["sent 4 SOLICITs over IPv6 and requested no address, without which it cannot boot. This boot server assigns \
          no addresses: check that the DHCPv6 server of this network runs and has a free address, or let the machine \
          boot over IPv4"]
    );
    assert!(network.findings[0].diagnosis.server().is_none());
}

#[test]
fn http_boot_over_ipv6_is_reported_if_the_machine_goes_on_to_its_next_method() {
    let mut network = Network::new(plan());
    network.solicits(&Packet6::http_solicit().set(1, &[0, 3, 0, 1, 2, 0, 0, 0, 1, 7]));
    let mut next = solicit().octets();
    next[3] = 9;
    network.receive6(&next, &format!("[{MACHINE}]:546"), GROUP);
    network.wait(10 * SECOND);
    assert_eq!(network.diagnoses(), [Diagnosis::NoAddress6(4)]);
}

#[test]
fn three_solicits_or_a_request_are_not_reported() {
    let mut network = Network::new(plan());
    for pause in [4, 8, 90] {
        network.receive6(&solicit().octets(), &format!("[{MACHINE}]:546"), GROUP);
        network.wait(pause * SECOND);
    }
    network.solicits(&solicit());
    let request = Packet6::request_for("fd77::5").set(1, &[0, 3, 0, 1, 2, 0, 0, 0, 1, 7]);
    network.receive6(&request.octets(), &format!("[{MACHINE}]:546"), GROUP);
    network.wait(60 * SECOND);
    assert_eq!(network.diagnoses(), []);
}

/// Many networks have no DHCPv6 server, and need none.
#[test]
fn a_machine_that_boots_over_ipv4_as_well_is_reported_only_in_a_network_with_a_dhcpv6_server() {
    let mut network = Network::new(plan());
    network.solicits(&solicit());
    network.discover(Packet::discover());
    network.wait(60 * SECOND);
    assert_eq!(network.diagnoses(), []);

    let request = Packet6::request_for("fd77::5").set(1, b"\0\x03\0\x01\x02\0\0\0\x01\x09");
    network.receive6(&request.octets(), "[fe80::ff:fe00:109]:546", GROUP);
    network.solicits(&solicit());
    network.discover(Packet::discover());
    network.wait(25 * SECOND);
    assert_eq!(network.diagnoses(), [Diagnosis::NoAddress6(4)]);
}

#[test]
fn a_machine_behind_a_relay_is_reported_with_the_relay() {
    let mut network = Network::new(plan());
    for pause in PAUSES {
        let packet = relayed(&solicit().octets(), RELAY, MACHINE, &[]);
        network.receive6(&packet, &format!("[{RELAY}]:547"), SERVER6);
        network.wait(pause * SECOND);
    }
    network.wait(20 * SECOND);
    let reports = network.reports();
    assert!(reports.len() == 1 && reports[0].contains("the relay 2001:db8:1::1 forwards"), "{reports:?}");
}

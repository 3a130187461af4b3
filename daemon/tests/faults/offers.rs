//! Offers that do not arrive, and a loader that another server sends. The switch drops packets, which no host notices.

use super::network::{Network, SITE, mac};

cases![
    a_switch_that_drops_this_servers_offers_to_firmware_is_the_verdict,
    a_switch_that_drops_this_servers_offers_to_ipxe_is_the_verdict,
];

/// DHCP snooping with the DHCP server as its only trusted port.
const SNOOPING: &str = "ip saddr 10.77.0.2 udp sport 67";

/// Firmware takes no address without a boot offer.
fn a_switch_that_drops_this_servers_offers_to_firmware_is_the_verdict() {
    let network = Network::start(SITE);
    network.switch_drops(SNOOPING);
    assert!(!network.boots("uefi-x64", 1));
    let parts = [&mac("uefi-x64", 1), "although 10.77.0.1 offered one", "make the port of this host trusted"];
    network.ends_in("address-not-taken", &parts);
    network.switch_forwards();
    network.boots_again("uefi-x64", 2);
}

/// An iPXE takes its address all the same, and reports that it saw no offer.
fn a_switch_that_drops_this_servers_offers_to_ipxe_is_the_verdict() {
    let network = Network::start(SITE);
    network.switch_drops(SNOOPING);
    assert!(!network.boots("ipxe-card-uefi", 1));
    let parts = [&mac("ipxe-card-uefi", 1), "reports that it saw no offer of this boot server", "DHCP snooping"];
    network.ends_in("offer-not-seen", &parts);
    network.switch_forwards();
    network.boots_again("ipxe-card-uefi", 2);
}

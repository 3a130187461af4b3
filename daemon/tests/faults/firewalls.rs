//! Firewalls of this host, each of which drops the packets of one step of a boot.

use super::network::{Network, SITE, mac};
use std::time::{Duration, Instant};

cases![
    a_firewall_that_drops_requests_to_4011_is_the_verdict_and_the_dhcp_server_is_not_blamed,
    a_firewall_that_drops_the_replies_of_4011_is_the_verdict,
    a_firewall_that_drops_read_requests_is_the_verdict,
    a_firewall_that_drops_the_replies_of_tftp_is_the_verdict,
    a_firewall_that_drops_the_script_is_the_verdict_and_the_dhcp_server_is_not_blamed,
];

/// The DHCP server's offer arrives here without option 60, so the line must not blame it.
fn a_firewall_that_drops_requests_to_4011_is_the_verdict_and_the_dhcp_server_is_not_blamed() {
    let network = Network::start(SITE);
    network.firewall("input", "udp dport 4011 drop");
    assert!(!network.boots("uefi-x64", 1));
    let line = network.ends_in("not-contacted", &[&mac("uefi-x64", 1), "UDP port 4011: a firewall of this host"]);
    assert!(line.contains("The offer of 10.77.0.1 has neither option 60 nor a boot file"), "{line}");
    assert!(!line.contains("settings of 10.77.0.1"), "{line}");
    network.open_firewall();
    network.boots_again("uefi-x64", 2);
}

fn a_firewall_that_drops_the_replies_of_4011_is_the_verdict() {
    let network = Network::start(SITE);
    network.firewall("output", "udp sport 4011 drop");
    assert!(!network.boots("uefi-x64", 1));
    network.ends_in(
        "reply-blocked",
        &[&mac("uefi-x64", 1), "A firewall of this host drops packets that leave UDP port 4011"],
    );
    network.open_firewall();
    network.boots_again("uefi-x64", 2);
}

fn a_firewall_that_drops_read_requests_is_the_verdict() {
    let network = Network::start(SITE);
    network.firewall("input", "udp dport 69 drop");
    assert!(!network.boots("uefi-x64", 1));
    network.ends_in("tftp-requests-blocked", &[&mac("uefi-x64", 1), "accepted the boot file ipxe.efi"]);
    network.open_firewall();
    network.boots_again("uefi-x64", 2);
}

fn a_firewall_that_drops_the_replies_of_tftp_is_the_verdict() {
    let network = Network::start(SITE);
    network.firewall("output", "udp sport 1024-65535 udp sport != 4011 drop");
    assert!(!network.boots("uefi-x64", 1));
    network.ends_in("tftp-replies-blocked", &[&mac("uefi-x64", 1), "acknowledged none of the replies"]);
    network.open_firewall();
    network.boots_again("uefi-x64", 2);
}

fn a_firewall_that_drops_the_script_is_the_verdict_and_the_dhcp_server_is_not_blamed() {
    let network = Network::start(SITE);
    network.firewall("input", "tcp dport 8080 drop");
    let began = Instant::now();
    assert!(!network.boots("uefi-x64", 1));
    let line = network.ends_in("not-contacted", &[&mac("uefi-x64", 1), "TCP port 8080"]);
    assert!(began.elapsed() > Duration::from_secs(55), "the verdict was early");
    assert!(line.contains("a firewall of this host") && !line.contains("settings of 10.77.0.1"), "{line}");
    network.open_firewall();
    network.boots_again("uefi-x64", 2);
}

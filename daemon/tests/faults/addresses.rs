//! Networks whose DHCP server assigns no address: by PXE, by UEFI HTTP boot, and over IPv6.

use super::common::ipv6::{ALL_SERVERS_AND_RELAYS, Client, plug_in};
use super::common::server::{Server, vector};
use super::network::{Network, SITE, mac, verdicts};
use proxydhcpd_testbed::{Host, wait_up_to};
use std::thread;
use std::time::Duration;

cases![
    pxe_without_a_dhcp_server_is_the_verdict,
    http_boot_without_a_dhcp_server_is_the_verdict,
    a_dhcp_server_without_a_free_address_is_the_verdict,
    pxe_over_ipv6_without_a_dhcpv6_server_is_the_verdict,
    http_boot_over_ipv6_without_a_dhcpv6_server_is_the_verdict,
    three_solicits_have_no_verdict_and_neither_has_a_machine_that_requests_an_address,
];

fn pxe_without_a_dhcp_server_is_the_verdict() {
    is_without_address("uefi-x64");
}

fn http_boot_without_a_dhcp_server_is_the_verdict() {
    is_without_address("uefi-http");
}

fn is_without_address(kind: &str) {
    let mut network = Network::with_dhcp_server(SITE, None);
    assert!(!network.boots(kind, 1));
    let parts = [&mac(kind, 1), "sent 4 DHCPDISCOVERs and took no address", "No offer of an address arrived here"];
    network.ends_in("no-address", &parts);
    network.start_dhcp_server();
    network.boots_again(kind, 2);
}

/// A DHCP server that has no address left for the machine answers none of its DISCOVERs.
fn a_dhcp_server_without_a_free_address_is_the_verdict() {
    let network = Network::with_dhcp_server(SITE, Some(&format!("--dhcp-host={},ignore", mac("bios", 1))));
    assert!(!network.boots("bios", 1));
    network.ends_in("no-address", &[&mac("bios", 1), "has a free address"]);
    network.boots_again("bios", 2);
}

/// The waits of EDK2 between its SOLICITs, in seconds.
const WAITS: [u64; 3] = [4, 8, 16];

fn solicit_for(client: &Client, solicit: &[u8]) {
    for wait in WAITS {
        client.send(solicit, ALL_SERVERS_AND_RELAYS, 547);
        thread::sleep(Duration::from_secs(wait));
    }
    client.send(solicit, ALL_SERVERS_AND_RELAYS, 547);
}

fn pxe_over_ipv6_without_a_dhcpv6_server_is_the_verdict() {
    is_without_address6("ovmf-pxe6-solicit");
}

fn http_boot_over_ipv6_without_a_dhcpv6_server_is_the_verdict() {
    is_without_address6("ovmf-http6-solicit");
}

fn is_without_address6(solicit: &str) {
    let host = Host::new();
    let machine = plug_in(&host, "eth0", 1);
    let server = Server::start(&host, &["--boot-dir", "BOOT"]);
    server.wait_for_line("ready");
    let client = Client::at_link_local(&machine, 546);
    let solicit = vector(solicit);
    client.wait_for_reply(&solicit, 547);
    solicit_for(&client, &solicit);
    let found = || verdicts(&server.log()).into_iter().next();
    let verdict = wait_up_to(Duration::from_secs(90), "a verdict", found);
    assert_eq!(verdict.code, "no-address", "{}", verdict.text);
    assert!(verdict.text.contains("SOLICITs over IPv6 and requested no address"), "{}", verdict.text);
    assert_eq!(verdicts(&server.log()).len(), 1);
}

/// Without the last SOLICIT, the machine may have been switched off. With a DHCPv6 server, it sends a REQUEST.
fn three_solicits_have_no_verdict_and_neither_has_a_machine_that_requests_an_address() {
    let host = Host::new();
    let machine = plug_in(&host, "eth0", 1);
    let server = Server::start(&host, &["--boot-dir", "BOOT"]);
    server.wait_for_line("ready");
    let client = Client::at_link_local(&machine, 546);
    let solicit = vector("ovmf-pxe6-solicit");
    client.wait_for_reply(&solicit, 547);
    thread::sleep(Duration::from_secs(1));
    client.send(&solicit, ALL_SERVERS_AND_RELAYS, 547);
    thread::sleep(Duration::from_secs(60));
    assert_eq!(verdicts(&server.log()).len(), 0, "{}", server.log());

    let network = Network::start(SITE);
    network.boots_again("uefi-x64-ipv6", 1);
    network.boots_again("uefi-http-ipv6", 1);
    assert_eq!(network.verdicts().len(), 0, "{:#?}", network.verdicts());
}

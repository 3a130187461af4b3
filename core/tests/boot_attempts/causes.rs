//! Tests that a finding names the cause that the offers of other servers show, and no other.

use super::*;

const OPTION_60: (u8, &[u8]) = (60, b"PXEClient");
const BOOT_FILE: (u8, &[u8]) = (67, b"theirs.ipxe");

#[test]
fn option_60_is_the_cause_if_the_offer_of_the_dhcp_server_has_it() {
    let mut network = Network::new(plan());
    network.shut_out_by(|network| {
        network.overhear_offer_of(&Packet::discover(), DHCP_SERVER, Some(ADDRESS), &[OPTION_60])
    });
    assert_eq!(
        network.reports(),
        ["took its address from 192.0.2.1 but did not request its file from this boot server. The offer of 192.0.2.1 \
          has option 60 (PXEClient), so UEFI contacts only that server: remove option 60 from the settings of \
          192.0.2.1"]
    );
}

#[test]
fn if_no_offer_shows_a_cause_the_finding_names_the_missing_request_and_possible_causes() {
    let mut network = Network::new(plan());
    network.shut_out_by(|network| network.overhear_dhcp_server(&Packet::discover()));
    network.boot_another(|network| network.overhear_dhcp_server(&ipxe()));
    assert_eq!(
        network.reports(),
        [
            "took its address from 192.0.2.1 but did not request its file from this boot server. The offer of \
             192.0.2.1 has neither option 60 nor a boot file, no offer of another boot server arrived here, and no \
             request of this machine reached UDP port 4011: a firewall of this host or a filter on the path blocks \
             that port, or the machine was switched off",
            "took its address from 192.0.2.1 but did not request its script from this boot server. The offer of \
             192.0.2.1 has neither option 60 nor a boot file, no offer of another boot server arrived here, and no \
             request of this machine reached TCP port 8080: a firewall of this host or a filter on the path blocks \
             that port, this iPXE has an embedded script, or the machine was switched off"
        ]
    );
}

/// If this server does not have port 4011, UEFI requests its file at once.
#[test]
fn the_finding_names_the_port_to_which_the_offer_directs_the_machine() {
    let mut network = Network::new(plan().with_offer(|offer| offer.boot_server = false));
    network.shut_out_by(|network| network.overhear_dhcp_server(&Packet::discover()));
    assert!(
        network.reports()[0].contains("no request of this machine reached UDP port 69:"),
        "{:?}",
        network.reports()
    );

    let mut network = Network::new(plan().with_offer(|offer| offer.http = None));
    network.boot_another(|network| network.overhear_dhcp_server(&ipxe()));
    assert!(
        network.reports()[0].contains("no request of this machine reached UDP port 69:"),
        "{:?}",
        network.reports()
    );
}

#[test]
fn a_boot_file_is_the_cause_if_the_offer_of_the_dhcp_server_has_one() {
    let mut network = Network::new(plan());
    network.boot_another(|network| network.overhear_offer_of(&ipxe(), DHCP_SERVER, Some(ADDRESS), &[BOOT_FILE]));
    assert_eq!(
        network.reports(),
        ["took its address from 192.0.2.1 but did not request its script from this boot server. The offer of \
             192.0.2.1 names a boot file, which iPXE prefers: remove the file name (option 67) from the settings of \
             192.0.2.1"]
    );
}

/// The machine downloads its script from the other boot server.
#[test]
fn another_boot_server_is_the_cause_and_the_dhcp_server_is_not() {
    let another = |packet: Packet| {
        move |network: &mut Network| {
            network.overhear_dhcp_server(&packet);
            network.overhear_offer_of(&packet, OTHER_BOOT_SERVER, None, &[OPTION_60, BOOT_FILE]);
        }
    };
    let mut network = Network::new(plan());
    network.boot_another(another(ipxe()));
    assert_eq!(
        network.reports(),
        ["took its address from 192.0.2.1 but did not request its script from this boot server. Another boot server, \
          192.0.2.3, sent it an offer as well, which it may have taken: stop 192.0.2.3, or configure it to ignore this \
          machine"]
    );

    let mut network = Network::new(plan());
    network.shut_out_by(another(Packet::discover()));
    assert_eq!(network.causes(), [Cause::AnotherServer(OTHER_BOOT_SERVER)]);
}

/// EDK2 uses a boot file only from an offer without an address, or from the offer whose address EDK2 accepts.
#[test]
fn a_second_dhcp_server_whose_address_uefi_did_not_take_is_not_the_cause() {
    let mut network = Network::new(plan());
    network.shut_out_by(|network| {
        network.overhear_dhcp_server(&Packet::discover());
        network.overhear_offer_of(&Packet::discover(), OTHER_BOOT_SERVER, Some(ADDRESS), &[OPTION_60]);
    });
    assert_eq!(network.causes(), [Cause::NotInOffers]);
}

/// Within seconds, the machine loaded an iPXE from another boot server.
#[test]
fn firmware_that_continues_as_an_ipxe_without_this_servers_loader_has_it_from_elsewhere() {
    let elsewhere = |offer_arrives: bool| {
        let mut network = Network::new(plan());
        network.discover(Packet::discover());
        if offer_arrives {
            network.overhear_dhcp_server(&Packet::discover());
            network.overhear_offer_of(&Packet::discover(), OTHER_BOOT_SERVER, None, &[OPTION_60, BOOT_FILE]);
        }
        network.wait(4 * SECOND);
        network.request(Packet::discover(), 0);
        network.wait(5 * SECOND);
        network.discover(ipxe());
        network.wait(5 * SECOND);
        network.reports()
    };
    let observation = "took its address from 192.0.2.1 and now runs an iPXE that this boot server did not send. ";
    let other_server = "Another boot server, 192.0.2.3, sent it an offer as well, which it may have taken: stop \
                        192.0.2.3, or configure it to ignore this machine";
    assert_eq!(elsewhere(true), [format!("{observation}{other_server}")]);
    let no_offer = "No offer of another boot server arrived here: the iPXE comes from a boot server whose offers do \
                    not reach this host, or from a disk, a USB stick or the network card of the machine";
    assert_eq!(elsewhere(false), [format!("{observation}{no_offer}")]);
}

#[test]
fn firmware_that_loads_this_servers_ipxe_is_not_reported() {
    let mut network = Network::new(plan());
    network.load();
    network.discover(ipxe());
    network.wait(10 * SECOND);
    assert_eq!(network.diagnoses(), []);
}

#[test]
fn if_no_offer_arrived_the_finding_lists_the_possible_causes() {
    let mut network = Network::new(plan());
    network.shut_out();
    assert_eq!(
        network.reports(),
        ["took its address from 192.0.2.1 but did not request its file from this boot server. No offer of 192.0.2.1 \
          arrived here, and no request of this machine reached UDP port 4011. Possible causes: 192.0.2.1 sends option \
          60 (PXEClient), so UEFI contacts only that server; another boot server replied first; a firewall of this \
          host or a filter on the path blocks that port; the machine was switched off"]
    );

    let mut network = Network::new(plan());
    network.boot_another(|_| {});
    assert_eq!(
        network.reports(),
        ["took its address from 192.0.2.1 but did not request its script from this boot server. No offer of \
             192.0.2.1 arrived here, and no request of this machine reached TCP port 8080. Possible causes: 192.0.2.1 \
             names a boot file (option 67), which iPXE prefers; another boot server replied first; a firewall of this \
             host or a filter on the path blocks that port; this iPXE has an embedded script; the machine was switched \
             off"]
    );
}

#[test]
fn behind_a_relay_or_with_a_remote_server_the_finding_explains_why_no_offer_arrived() {
    let relayed = |packet: Packet| {
        let mut packet = packet;
        packet.header.giaddr = Ipv4Addr::new(10, 1, 0, 1);
        packet
    };
    let mut network = Network::new(plan());
    let via = |network: &mut Network, packet: Packet| {
        ask_again(
            &network.plan,
            &mut network.observations,
            &packet.octets(),
            Port::Dhcp,
            "10.1.0.1:67",
            "192.0.2.10",
            network.now,
        );
    };
    via(&mut network, relayed(Packet::discover()));
    let request = Packet::discover().set(53, &[3]).set(50, &ADDRESS.octets()).set(54, &DHCP_SERVER.octets());
    via(&mut network, relayed(request));
    network.wait(30 * SECOND);
    let through =
        "It is behind the relay 10.1.0.1, so the offers of other servers do not reach this host, and no request";
    assert!(network.reports()[0].contains(through), "{:?}", network.reports());

    let mut network = Network::new(plan());
    network.discover(Packet::discover());
    let elsewhere = Packet::discover().set(53, &[3]).set(50, &ADDRESS.octets()).set(54, &[10, 9, 0, 1]);
    network.receive(&elsewhere, Port::Dhcp);
    network.wait(30 * SECOND);
    let is_remote = "No offer of 10.9.0.1, which is in none of the served networks, arrived here, and no request";
    assert!(network.reports()[0].contains(is_remote), "{:?}", network.reports());
}

#[test]
fn an_offer_counts_only_for_the_attempt_that_it_answers() {
    // UEFI tries HTTP boot next, with another xid, and receives no option 60 in the offer for HTTP boot.
    let mut network = Network::new(plan());
    network.discover(Packet::discover());
    network.overhear_offer_of(&Packet::discover(), DHCP_SERVER, Some(ADDRESS), &[OPTION_60]);
    network.request(Packet::discover(), 0);
    network.wait(12 * SECOND);
    let mut http = Packet::discover();
    http.header.xid = 8;
    network.overhear_dhcp_server(&http);
    network.wait(10 * SECOND);
    assert_eq!(network.causes(), [Cause::Option60]);

    // Neither the boot file of another machine nor that of an earlier boot counts. iPXE uses the same xid at every
    // boot, so the xid does not show the difference.
    let mut network = Network::new(plan());
    network.overhear_offer_of(&ipxe(), DHCP_SERVER, Some(ADDRESS), &[BOOT_FILE]);
    network.wait(60 * SECOND);
    network.boot_another(|network| {
        network.overhear_offer_of(&from_machine(ipxe(), 9), DHCP_SERVER, Some(ADDRESS), &[BOOT_FILE])
    });
    assert_eq!(network.causes(), [Cause::NotOverheard { is_remote: false }]);
}

/// In a boot storm, the server may read the offer before it reads the DISCOVER.
#[test]
fn an_offer_counts_even_if_the_server_reads_it_before_the_discover() {
    let mut network = Network::new(plan());
    network.overhear_offer_of(&Packet::discover(), DHCP_SERVER, Some(ADDRESS), &[OPTION_60]);
    network.wait(400);
    network.shut_out();
    assert_eq!(network.causes(), [Cause::Option60]);
}

/// An administrator may have added option 60 to the DHCP server meanwhile. The first machine that does not boot shows
/// this.
#[test]
fn a_certain_cause_is_reported_even_if_other_machines_boot() {
    let mut network = Network::new(plan());
    network.load();
    network.shut_out_by(|network| {
        network.overhear_offer_of(&Packet::discover(), DHCP_SERVER, Some(ADDRESS), &[OPTION_60])
    });
    assert_eq!(network.causes(), [Cause::Option60]);

    let mut network = Network::new(plan());
    network.load();
    network.discover(ipxe());
    network.request(ipxe(), 3);
    network.fetch();
    network.wait(40 * 60 * SECOND);
    network.boot_another(|network| network.overhear_offer_of(&ipxe(), DHCP_SERVER, Some(ADDRESS), &[BOOT_FILE]));
    assert_eq!(network.causes(), [Cause::BootFile]);
}

#[test]
fn the_same_server_is_reported_again_for_another_cause() {
    let mut network = Network::new(plan());
    for _ in 0..3 {
        network.shut_out();
        network.shut_out_by(|network| {
            network.overhear_offer_of(&Packet::discover(), DHCP_SERVER, Some(ADDRESS), &[OPTION_60])
        });
    }
    let causes = [Cause::NotOverheard { is_remote: false }, Cause::Option60];
    assert_eq!((network.causes(), network.new_causes()), (causes.repeat(3), causes.to_vec()));
}

/// UEFI accepts no address without a boot offer, so the DHCP server is not at fault.
#[test]
fn a_dhcp_server_whose_offers_arrived_is_not_reported_as_silent() {
    let mut network = Network::new(plan());
    for pause in [4, 8, 16, 40] {
        network.discover(Packet::discover());
        network.overhear_dhcp_server(&Packet::discover());
        network.wait(pause * SECOND);
    }
    assert_eq!(
        network.reports(),
        ["sent 4 DHCPDISCOVERs and took no address, although 192.0.2.1 offered one. Either the offers of this boot \
          server do not reach it, and firmware takes no address without a boot offer: if a switch has DHCP snooping, \
          make the port of this host trusted. Or the offers of 192.0.2.1 do not reach it"]
    );
}

#[test]
fn the_servers_own_offers_and_other_messages_do_not_count() {
    let mut network = Network::new(plan());
    network.shut_out_by(|network| {
        network.overhear_dhcp_server(&Packet::discover());
        network.overhear_offer_of(&Packet::discover(), SERVER, None, &[OPTION_60, BOOT_FILE]);
        // Neither a NAK nor a message of another client counts.
        network.overhear_offer_of(&Packet::discover(), OTHER_BOOT_SERVER, None, &[OPTION_60, (53, &[6])]);
        let request = Packet::discover().set(54, &OTHER_BOOT_SERVER.octets());
        overhear_offer(&mut network.observations, &links(), 1, &request.octets(), network.now).unwrap();
        assert!(overhear_offer(&mut network.observations, &links(), 1, b"no message", network.now).is_err());
    });
    assert_eq!(network.causes(), [Cause::NotInOffers]);
    let heard = network.observations.heard_servers.list();
    let heard: Vec<_> = heard.iter().map(|server| (server.address, server.assigns_addresses, server.is_pxe)).collect();
    assert_eq!(heard, [(DHCP_SERVER, true, false)]);
}

/// The server on the same host is a dnsmasq that assigns addresses and sends option 60.
#[test]
fn an_offer_of_the_dhcp_server_on_the_same_host_counts_because_it_has_an_address() {
    let mut network = Network::new(plan());
    network.discover(Packet::discover());
    network.overhear_offer_of(&Packet::discover(), SERVER, Some(ADDRESS), &[OPTION_60]);
    let request = Packet::discover().set(53, &[3]).set(50, &ADDRESS.octets()).set(54, &SERVER.octets());
    network.receive(&request, Port::Dhcp);
    network.wait(30 * SECOND);
    assert_eq!(network.causes(), [Cause::Option60]);
}

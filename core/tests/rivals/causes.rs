//! Which cause is named: the one that the offers of others show, and no other.

use super::*;

const OPTION_60: (u8, &[u8]) = (60, b"PXEClient");
const BOOT_FILE: (u8, &[u8]) = (67, b"theirs.ipxe");

#[test]
fn option_60_is_named_where_the_servers_own_offer_has_it() {
    let mut network = Network::new(plan());
    network.shut_out_by(|network| network.overhear_offer_of(&Packet::discover(), PRIMARY, Some(ADDRESS), &[OPTION_60]));
    assert_eq!(
        network.reports(),
        ["took its address from 192.0.2.1 and did not come to us for its file. The offer of 192.0.2.1 has option 60 \
          (PXEClient), and UEFI then asks that server alone: take option 60 out of the settings of 192.0.2.1"]
    );
}

#[test]
fn where_every_offer_is_innocent_it_says_what_did_not_arrive_and_lists_what_may_be_the_cause() {
    let mut network = Network::new(plan());
    network.shut_out_by(|network| network.overhear_primary(&Packet::discover()));
    network.boot_another(|network| network.overhear_primary(&ipxe()));
    assert_eq!(
        network.reports(),
        [
            "took its address from 192.0.2.1 and did not come to us for its file. The offer of 192.0.2.1 has neither \
             option 60 nor a boot file, no other boot server was heard, and no request of this machine reached UDP \
             port \
             4011: a firewall of this host or a filter on the way keeps that port shut, or the machine was switched off",
            "took its address from 192.0.2.1 and did not fetch our script. The offer of 192.0.2.1 has neither option \
             60 \
             nor a boot file, no other boot server was heard, and no request of this machine reached TCP port 8080: a \
             firewall of this host or a filter on the way keeps that port shut, this iPXE has a script built in, or \
             the \
             machine was switched off"
        ]
    );
}

/// Without our port 4011 UEFI goes for its file at once.
#[test]
fn the_port_that_is_named_is_the_one_that_the_offer_leads_to() {
    let mut network = Network::new(Plan { boot_server: false, ..plan() });
    network.shut_out_by(|network| network.overhear_primary(&Packet::discover()));
    assert!(network.reports()[0].contains("no request of this machine reached UDP port 69:"), "{:?}", network.reports());

    let mut network = Network::new(Plan { http: None, ..plan() });
    network.boot_another(|network| network.overhear_primary(&ipxe()));
    assert!(network.reports()[0].contains("no request of this machine reached UDP port 69:"), "{:?}", network.reports());
}

#[test]
fn a_boot_file_is_named_where_the_servers_own_offer_has_one() {
    let mut network = Network::new(plan());
    network.boot_another(|network| network.overhear_offer_of(&ipxe(), PRIMARY, Some(ADDRESS), &[BOOT_FILE]));
    assert_eq!(
        network.reports(),
        ["took its address from 192.0.2.1 and did not fetch our script. The offer of 192.0.2.1 names a boot file, \
             which \
          iPXE prefers to ours: take the file name (option 67) out of the settings of 192.0.2.1"]
    );
}

/// A boot server beside ours, from which the machine takes its script (zoo, row 1b).
#[test]
fn another_boot_server_is_named_and_the_server_of_the_address_is_not_accused() {
    let another = |packet: Packet| {
        move |network: &mut Network| {
            network.overhear_primary(&packet);
            network.overhear_offer_of(&packet, OTHER_BOOT_SERVER, None, &[OPTION_60, BOOT_FILE]);
        }
    };
    let mut network = Network::new(plan());
    network.boot_another(another(ipxe()));
    assert_eq!(
        network.reports(),
        ["took its address from 192.0.2.1 and did not fetch our script. Another boot server, 192.0.2.3, made it an \
             offer, \
          too, and it may have taken that one: stop 192.0.2.3, or let it leave this machine to us"]
    );

    let mut network = Network::new(plan());
    network.shut_out_by(another(Packet::discover()));
    assert_eq!(network.causes(), [Cause::AnotherServer(OTHER_BOOT_SERVER)]);
}

/// EDK2 takes a boot file only from a server without an address, or from the one whose address it takes.
#[test]
fn a_second_dhcp_server_whose_address_uefi_did_not_take_is_not_accused() {
    let mut network = Network::new(plan());
    network.shut_out_by(|network| {
        network.overhear_primary(&Packet::discover());
        network.overhear_offer_of(&Packet::discover(), OTHER_BOOT_SERVER, Some(ADDRESS), &[OPTION_60]);
    });
    assert_eq!(network.causes(), [Cause::NotInOffers]);
}

/// It took a loader from another boot server within seconds (zoo, row 1).
#[test]
fn a_firmware_that_comes_back_as_an_ipxe_without_our_loader_has_it_from_elsewhere() {
    let elsewhere = |heard: bool| {
        let mut network = Network::new(plan());
        network.discover(Packet::discover());
        if heard {
            network.overhear_primary(&Packet::discover());
            network.overhear_offer_of(&Packet::discover(), OTHER_BOOT_SERVER, None, &[OPTION_60, BOOT_FILE]);
        }
        network.wait(4 * SECOND);
        network.request(Packet::discover(), 0);
        network.wait(5 * SECOND);
        network.discover(ipxe());
        network.wait(5 * SECOND);
        network.reports()
    };
    let seen = "took its address from 192.0.2.1 and runs an iPXE now that it did not get from us. ";
    let of_another = "Another boot server, 192.0.2.3, made it an offer, too, and it may have taken that one: stop 192.0.2.3, \
                      or let it leave this machine to us";
    assert_eq!(elsewhere(true), [format!("{seen}{of_another}")]);
    let unheard = "No offer of another boot server was heard here: it comes from a boot server that is not heard, or from \
                   a disk, a stick or the network card of the machine";
    assert_eq!(elsewhere(false), [format!("{seen}{unheard}")]);
}

#[test]
fn a_firmware_that_loads_our_ipxe_has_it_from_us() {
    let mut network = Network::new(plan());
    network.load();
    network.discover(ipxe());
    network.wait(10 * SECOND);
    assert_eq!(network.diagnoses(), []);
}

#[test]
fn where_no_offer_was_heard_the_possible_causes_are_listed_and_nobody_is_accused() {
    let mut network = Network::new(plan());
    network.shut_out();
    assert_eq!(
        network.reports(),
        ["took its address from 192.0.2.1 and did not come to us for its file. No offer of 192.0.2.1 was heard \
             here, and no \
          request of this machine reached UDP port 4011. Possible causes: 192.0.2.1 sends option 60 (PXEClient), and \
          UEFI \
          then asks that server alone; another boot server was quicker; a firewall of this host or a filter on the way \
          keeps that port shut; the machine was switched off"]
    );

    let mut network = Network::new(plan());
    network.boot_another(|_| {});
    assert_eq!(
        network.reports(),
        ["took its address from 192.0.2.1 and did not fetch our script. No offer of 192.0.2.1 was heard here, and no \
          request of this machine reached TCP port 8080. Possible causes: 192.0.2.1 names a boot file (option 67), \
          which \
          iPXE prefers to ours; another boot server was quicker; a firewall of this host or a filter on the way keeps \
          that port shut; this iPXE has a script built in; the machine was switched off"]
    );
}

#[test]
fn behind_a_relay_and_of_a_server_elsewhere_it_says_why_no_offer_was_heard() {
    let relayed = |packet: Packet| {
        let mut packet = packet;
        packet.header.giaddr = Ipv4Addr::new(10, 1, 0, 1);
        packet
    };
    let mut network = Network::new(plan());
    let via = |network: &mut Network, packet: Packet| {
        ask_again(
            &network.plan,
            &mut network.memory,
            &packet.octets(),
            Port::Dhcp,
            "10.1.0.1:67",
            "192.0.2.10",
            network.now,
        );
    };
    via(&mut network, relayed(Packet::discover()));
    let request = Packet::discover().set(53, &[3]).set(50, &ADDRESS.octets()).set(54, &PRIMARY.octets());
    via(&mut network, relayed(request));
    network.wait(30 * SECOND);
    let through = "It asks through the relay 10.1.0.1, and what others offer there is not heard here, and no request";
    assert!(network.reports()[0].contains(through), "{:?}", network.reports());

    let mut network = Network::new(plan());
    network.discover(Packet::discover());
    let elsewhere = Packet::discover().set(53, &[3]).set(50, &ADDRESS.octets()).set(54, &[10, 9, 0, 1]);
    network.receive(&elsewhere, Port::Dhcp);
    network.wait(30 * SECOND);
    let remote = "No offer of 10.9.0.1, which lies in none of our networks, was heard here, and no request";
    assert!(network.reports()[0].contains(remote), "{:?}", network.reports());
}

#[test]
fn an_offer_counts_for_the_attempt_that_it_answers_and_for_no_other() {
    // UEFI tries HTTP next, with another xid, and is offered no option 60 for that.
    let mut network = Network::new(plan());
    network.discover(Packet::discover());
    network.overhear_offer_of(&Packet::discover(), PRIMARY, Some(ADDRESS), &[OPTION_60]);
    network.request(Packet::discover(), 0);
    network.wait(12 * SECOND);
    let mut http = Packet::discover();
    http.header.xid = 8;
    network.overhear_primary(&http);
    network.wait(10 * SECOND);
    assert_eq!(network.causes(), [Cause::Option60]);

    // The boot file of another machine, and the one of an earlier boot: iPXE keeps its xid.
    let mut network = Network::new(plan());
    network.overhear_offer_of(&ipxe(), PRIMARY, Some(ADDRESS), &[BOOT_FILE]);
    network.wait(60 * SECOND);
    network.boot_another(|network| network.overhear_offer_of(&from_machine(ipxe(), 9), PRIMARY, Some(ADDRESS), &[BOOT_FILE]));
    assert_eq!(network.causes(), [Cause::NotOverheard { remote: false }]);
}

/// In a storm the offer may be read before the DISCOVER.
#[test]
fn an_offer_that_is_read_before_its_discover_counts() {
    let mut network = Network::new(plan());
    network.overhear_offer_of(&Packet::discover(), PRIMARY, Some(ADDRESS), &[OPTION_60]);
    network.wait(400);
    network.shut_out();
    assert_eq!(network.causes(), [Cause::Option60]);
}

/// Somebody has set option 60 since: the first machine that it shuts out shows it.
#[test]
fn a_cause_that_was_seen_is_told_of_although_other_machines_came() {
    let mut network = Network::new(plan());
    network.load();
    network.shut_out_by(|network| network.overhear_offer_of(&Packet::discover(), PRIMARY, Some(ADDRESS), &[OPTION_60]));
    assert_eq!(network.causes(), [Cause::Option60]);

    let mut network = Network::new(plan());
    network.load();
    network.discover(ipxe());
    network.request(ipxe(), 3);
    network.fetch();
    network.wait(40 * 60 * SECOND);
    network.boot_another(|network| network.overhear_offer_of(&ipxe(), PRIMARY, Some(ADDRESS), &[BOOT_FILE]));
    assert_eq!(network.causes(), [Cause::BootFile]);
}

#[test]
fn the_same_server_is_told_of_again_for_another_cause() {
    let mut network = Network::new(plan());
    for _ in 0..3 {
        network.shut_out();
        network.shut_out_by(|network| network.overhear_offer_of(&Packet::discover(), PRIMARY, Some(ADDRESS), &[OPTION_60]));
    }
    assert_eq!(network.causes(), [Cause::NotOverheard { remote: false }, Cause::Option60]);
}

/// UEFI takes no address where it sees no offer to boot: the DHCP server did what it could.
#[test]
fn a_dhcp_server_whose_offers_were_heard_is_not_said_to_give_no_address() {
    let mut network = Network::new(plan());
    for pause in [4, 8, 16, 40] {
        network.discover(Packet::discover());
        network.overhear_primary(&Packet::discover());
        network.wait(pause * SECOND);
    }
    assert_eq!(
        network.reports(),
        ["asked 4 times and took no address, although 192.0.2.1 offered it one. Either our offers do not reach it, \
             for \
          firmware takes no address without an offer to boot: where a switch has DHCP snooping, make the port of this \
          host \
          a trusted one. Or those of 192.0.2.1 do not"]
    );
}

#[test]
fn our_own_offers_and_what_is_none_are_not_counted() {
    let mut network = Network::new(plan());
    network.shut_out_by(|network| {
        network.overhear_primary(&Packet::discover());
        network.overhear_offer_of(&Packet::discover(), HERE, None, &[OPTION_60, BOOT_FILE]);
        // A NAK, and what another client says.
        network.overhear_offer_of(&Packet::discover(), OTHER_BOOT_SERVER, None, &[OPTION_60, (53, &[6])]);
        let request = Packet::discover().set(54, &OTHER_BOOT_SERVER.octets());
        overhear_offer(&mut network.memory, &links(), &request.octets(), network.now).unwrap();
        assert!(overhear_offer(&mut network.memory, &links(), b"no message", network.now).is_err());
    });
    assert_eq!(network.causes(), [Cause::NotInOffers]);
}

/// dnsmasq on our host, which gives addresses and has option 60.
#[test]
fn the_dhcp_server_on_our_own_host_is_heard_by_the_address_that_it_gives() {
    let mut network = Network::new(plan());
    network.discover(Packet::discover());
    network.overhear_offer_of(&Packet::discover(), HERE, Some(ADDRESS), &[OPTION_60]);
    let request = Packet::discover().set(53, &[3]).set(50, &ADDRESS.octets()).set(54, &HERE.octets());
    network.receive(&request, Port::Dhcp);
    network.wait(30 * SECOND);
    assert_eq!(network.causes(), [Cause::Option60]);
}

//! Tests rules of the plan across both requests of a boot, and across a reload.

use super::*;

#[test]
fn a_rule_that_only_a_packet_can_meet_is_part_of_the_loaders_name() {
    let glob = |text: &str| vec![Glob(text.into())];
    let relayed_url = |when: Conditions| {
        let plan = plan().with_policy(|policy| policy.rules = vec![Rule { when, ..Rule::default() }]);
        url(&ask_through_relay(&plan, &Packet6::solicit(), &[(18, b"vlan10")]))
    };
    let with_rule = "tftp://[2001:db8::10]/machine/rule=0/ipxe.efi";
    assert_eq!(relayed_url(Conditions { interface_ids: glob("vlan1?"), ..Conditions::default() }), with_rule);
    assert_eq!(relayed_url(Conditions { relays: vec![RELAY.parse().unwrap()], ..Conditions::default() }), with_rule);
    assert_eq!(relayed_url(Conditions { vendor_classes: glob("PXEClient*"), ..Conditions::default() }), with_rule);
    let plain = "tftp://[2001:db8::10]/ipxe.efi";
    assert_eq!(relayed_url(Conditions { interface_ids: glob("vlan2?"), ..Conditions::default() }), plain, "no match");
    // The machine requests its script from an address in the same network, so the rule also matches that request, and
    // the name need not contain the rule.
    let subnets = |address: &str| vec![Network::V6(Network6 { address: address.parse().unwrap(), prefix: 64 })];
    let when = Conditions { subnets: subnets("2001:db8:1::"), ..Conditions::default() };
    assert_eq!(relayed_url(when), plain);
}

#[test]
fn a_rule_by_interface_id_relay_or_ipv6_network_applies() {
    let deny = |when: Conditions| {
        let plan = plan().with_policy(|policy| policy.rules = vec![Rule { when, deny: true, ..Rule::default() }]);
        ask_through_relay(&plan, &Packet6::solicit(), &[(18, b"vlan10")])
    };
    let subnet = |address: &str, prefix| Conditions {
        subnets: vec![Network::V6(Network6 { address: address.parse().unwrap(), prefix })],
        ..Conditions::default()
    };
    let relay = |relay: &str| Conditions { relays: vec![relay.parse().unwrap()], ..Conditions::default() };
    let interface = |text: &str| Conditions { interface_ids: vec![Glob(text.into())], ..Conditions::default() };
    for when in [subnet("2001:db8:1::", 64), relay(RELAY), interface("*10")] {
        assert_eq!(silence(deny(when.clone())), "nothing:denied", "{when:?}");
    }
    for when in [subnet("2001:db8:2::", 64), relay("2001:db8::1"), interface("vlan1"), subnet("2001:db8::", 64)] {
        response(deny(when));
    }
    // The relay sends from another network. The client's subnet is that of the relay's link address.
    let plan = plan().with_policy(|policy| {
        policy.rules = vec![Rule { when: subnet("2001:db8:1::", 64), deny: true, ..Rule::default() }]
    });
    let octets = relayed(&Packet6::solicit().octets(), RELAY, NEIGHBOUR, &[]);
    assert_eq!(silence(ask(&plan, &octets, Port::Dhcp, "[2001:db8:9::1]:547", SERVER6)), "nothing:denied");
    let on_link = common::plan().with_policy(|policy| {
        policy.rules = vec![Rule { when: subnet("2001:db8::", 64), deny: true, ..Rule::default() }]
    });
    assert_eq!(silence(ask_547(&on_link, &Packet6::solicit())), "nothing:denied");
}

#[test]
fn an_http_clients_url_and_an_ipxes_script_url_contain_the_rule_as_well() {
    let when = Conditions { vendor_classes: vec![Glob("*Client*".into())], ..Conditions::default() };
    let plan = with_stateless(StatelessOptions::default())
        .with_policy(|policy| policy.rules = vec![Rule { when, ..Rule::default() }]);
    let with_rule = |packet: &Packet6| url(&ask_547(&plan, packet));
    assert_eq!(with_rule(&Packet6::http_solicit()), "http://[2001:db8::10]:8080/machine/rule=0/ipxe.efi");
    assert_eq!(with_rule(&Packet6::information_request()), "http://[2001:db8::10]:8080/machine/rule=0/boot.ipxe");
    assert_eq!(url(&ask_4011(&plan, &Packet6::request_4011())), "tftp://[2001:db8::10]/machine/rule=0/ipxe.efi");
}

#[test]
fn a_rule_that_a_machine_meets_through_its_relay_applies_on_4011_too() {
    let of = |name: &str| Loader { name: name.into(), path: Some("/x".into()) };
    let boots = |name: &str| Profile {
        name: name.into(),
        boots: BootTarget::Loader,
        default_loader: Some(of(name)),
        ..Profile::default()
    };
    let interface = |text: &str| Conditions { interface_ids: vec![Glob(text.into())], ..Conditions::default() };
    let rule = |when, profile: &str| Rule { when, profile: Some(profile.into()), ..Rule::default() };
    let rules = vec![rule(interface("vlan9"), "other.efi"), rule(interface("vlan10"), "special.efi")];
    let plan = plan().with_policy(|policy| {
        policy.rules = rules;
        policy.profiles = vec![boots("special.efi"), boots("other.efi")].into();
    });
    let mut observations = Observations::new(1);
    let solicit = |observations: &mut Observations, interface: &[u8], now| {
        let octets = relayed(&Packet6::solicit().octets(), RELAY, NEIGHBOUR, &[(18, interface)]);
        url(&ask_again(&plan, observations, &octets, Port::Dhcp, "[2001:db8:1::1]:547", SERVER6, now))
    };
    let request = |observations: &mut Observations, now| {
        let octets = Packet6::request_4011().octets();
        url(&ask_again(&plan, observations, &octets, Port::BootServer, BEYOND_RELAY, SERVER6, now))
    };
    for (now, interface, file) in [
        (0, "vlan10", "machine/rule=1/special.efi"),
        (60_000, "vlan9", "machine/rule=0/other.efi"),
        (120_000, "vlan7", "ipxe.efi"),
    ] {
        let file = format!("tftp://[2001:db8::10]/{file}");
        assert_eq!(solicit(&mut observations, interface.as_bytes(), now), file);
        assert_eq!(request(&mut observations, now + 5_000), file, "the advertised file is the one that it receives");
    }
}

#[test]
fn a_rule_that_was_met_before_a_reload_is_not_mistaken_for_its_successor() {
    let of = |name: &str| Loader { name: name.into(), path: Some("/x".into()) };
    let installs = Profile {
        name: "install".into(),
        boots: BootTarget::Loader,
        default_loader: Some(of("install.efi")),
        ..Profile::default()
    };
    let interface = |text: &str| Conditions { interface_ids: vec![Glob(text.into())], ..Conditions::default() };
    let (harmless, installing) = (
        Rule { when: interface("vlan10"), ..Rule::default() },
        Rule { when: interface("vlan9"), profile: Some("install".into()), ..Rule::default() },
    );
    let before = plan().with_policy(|policy| {
        policy.rules = vec![harmless];
        policy.rules_version = 7;
        policy.profiles = vec![installs].into();
    });
    let after = |rules_mark| {
        before.clone().with_policy(|policy| {
            policy.rules = vec![installing.clone()];
            policy.rules_version = rules_mark;
        })
    };
    let mut observations = Observations::new(1);
    let octets = relayed(&Packet6::solicit().octets(), RELAY, NEIGHBOUR, &[(18, b"vlan10")]);
    let with_rule = url(&ask_again(&before, &mut observations, &octets, Port::Dhcp, "[2001:db8:1::1]:547", SERVER6, 0));
    assert_eq!(with_rule, "tftp://[2001:db8::10]/machine/rule=0-00000007/ipxe.efi");
    let mut request = |plan: &Plan| {
        let octets = Packet6::request_4011().octets();
        url(&ask_again(plan, &mut observations, &octets, Port::BootServer, BEYOND_RELAY, SERVER6, 5_000))
    };
    assert_eq!(request(&before), with_rule);
    assert_eq!(request(&after(8)), "tftp://[2001:db8::10]/ipxe.efi");
    // If the rules version were the same, the new rule would apply.
    assert_eq!(request(&after(7)), "tftp://[2001:db8::10]/machine/rule=0-00000007/install.efi");

    let installs_by_name = |plan: &Plan| {
        let name = b"machine/rule=0-00000007/menu.ipxe";
        let (server, client) = (SERVER6.parse().unwrap(), "[2001:db8::207]:1024".parse().unwrap());
        let request = FileRequest { protocol: Protocol::Http(8080), name, server, client, interface: "eth0" };
        let content = fetch(plan, &Observations::new(0), &request).answer;
        matches!(content, Ok(Fetch::Text(script)) if script.contains("install.efi"))
    };
    assert_eq!((installs_by_name(&after(8)), installs_by_name(&after(7))), (false, true));
}

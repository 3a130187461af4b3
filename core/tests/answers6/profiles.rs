//! What each kind of profile comes to.

use super::*;

#[test]
fn every_kind_of_profile_comes_to_its_file_over_ipv6() {
    let given = |boots: BootTarget, loader| ask_4011(&plan_booting(boots, loader), &Packet6::request_4011());
    let item = FirmwareMenuItem { kind: 0x8001, title: "a".into(), target: ItemTarget::Profile(None) };
    let menu = BootTarget::Menu(FirmwareMenu { prompt: "F8".into(), timeout: 10, items: vec![item] });
    assert_eq!(url(&given(menu, None)), "tftp://[2001:db8::10]/ipxe.efi", "no firmware shows one over IPv6");
    assert_eq!(url(&given(BootTarget::LocalDisk, None)), "tftp://[2001:db8::10]/local-disk/uefi-x64.efi");
    assert_eq!(silence(given(BootTarget::Nothing, None)), "nothing:profile");
    assert_eq!(url(&given(BootTarget::Script("http://boot.example/x".into()), None)), "tftp://[2001:db8::10]/ipxe.efi");
    assert_eq!(url(&given(BootTarget::Loader, Some("a b/shimx64.efi"))), "tftp://[2001:db8::10]/a%20b/shimx64.efi");
    assert_eq!(silence(given(BootTarget::Loader, None)), "nothing:no-loader");
}

#[test]
fn an_ipxe_that_takes_a_script_along_is_sent_with_it_by_pxe_over_ipv6() {
    let able = |plan: Plan| Plan { ipxe_wrappers: [("ipxe.efi".into(), Arch::X64)].into(), ..plan };
    let given = |plan: Plan| url(&ask_4011(&able(plan), &Packet6::request_4011()));
    assert_eq!(given(plan()), "tftp://[2001:db8::10]/with-script/ipxe.efi");
    assert_eq!(
        given(plan_booting(BootTarget::Script("http://boot.example/x".into()), None)),
        "tftp://[2001:db8::10]/with-script/ipxe.efi"
    );
    let rule = Rule { when: Conditions { vendor_classes: vec![Glob("*".into())], ..Conditions::default() }, ..Rule::default() };
    let by_rule = Plan { rules: vec![rule], ..plan() };
    assert_eq!(given(by_rule), "tftp://[2001:db8::10]/machine/rule=0/with-script/ipxe.efi");
    // Whoever names a loader and nothing else wants that; and the others are started by themselves.
    assert_eq!(given(plan_booting(BootTarget::Loader, Some("ipxe.efi"))), "tftp://[2001:db8::10]/ipxe.efi");
    assert_eq!(given(plan_booting(BootTarget::LocalDisk, None)), "tftp://[2001:db8::10]/local-disk/uefi-x64.efi");
    assert_eq!(url(&ask_547(&able(plan()), &Packet6::http_solicit())), "http://[2001:db8::10]:8080/ipxe.efi");
    let mut of_u_boot = able(plan());
    let shared = Loader { name: "ipxe.efi".into(), path: Some("/x".into()) };
    of_u_boot.loaders.insert(Arch(22), shared);
    let asked = ask_4011(&of_u_boot, &Packet6::request_4011().set(61, &[0, 22]));
    assert_eq!(url(&asked), "tftp://[2001:db8::10]/ipxe.efi", "it has no PXE driver to be asked");
    let over_ipv4 = Loader { name: "ipxe.efi".into(), path: Some("/x".into()) };
    let plan = Plan { loaders: [(Arch::X64, over_ipv4)].into(), ..able(common::plan()) };
    let discover = common::Packet::discover().octets();
    let (answer, _) = ask(&plan, &discover, Port::Dhcp, "0.0.0.0:68", "255.255.255.255");
    let Verdict::Respond(offer) = answer.verdict else { panic!("{:?}", answer.verdict) };
    assert_eq!(offer.boot.file, "ipxe.efi", "over IPv4 an offer names the script");
}

#[test]
fn a_loader_elsewhere_is_named_as_it_stands_if_ipv6_leads_there() {
    let given = |name: &str| ask_4011(&plan_booting(BootTarget::Loader, Some(name)), &Packet6::request_4011());
    assert_eq!(url(&given("tftp://[2001:db8::5]/a b.efi")), "tftp://[2001:db8::5]/a b.efi");
    assert_eq!(url(&given("tftp://boot.example/x.efi")), "tftp://boot.example/x.efi");
    for name in ["tftp://192.0.2.5/x.efi", "http://[2001:db8::5]/x.efi"] {
        assert_eq!(silence(given(name)), "nothing:loader-url", "{name}");
        let site = Plan { ipxe_wrappers: [("ipxe.efi".into(), Arch::X64)].into(), ..plan_booting(BootTarget::Loader, Some(name)) };
        let ours = ask_4011(&site, &Packet6::request_4011());
        assert_eq!(url(&ours), "tftp://[2001:db8::10]/with-script/ipxe.efi", "whose script goes on to {name}");
    }
    let http = |name: &str| ask_547(&plan_booting(BootTarget::Loader, Some(name)), &Packet6::http_solicit());
    for name in ["http://[2001:db8::5]/x.efi", "https://boot.example/x.efi"] {
        assert_eq!(url(&http(name)), name);
    }
    for name in ["http://192.0.2.5/x.efi", "tftp://[2001:db8::5]/x.efi"] {
        assert_eq!(silence(http(name)), "nothing:no-http", "{name}");
    }
}

#[test]
fn tftp_is_offered_where_it_is_heard_over_ipv6_whoever_serves_it_over_ipv4() {
    let mut closed = plan();
    closed.dhcp6.tftp = false;
    assert_eq!(silence(ask_547(&closed, &Packet6::solicit())), "nothing:no-tftp");
    assert_eq!(silence(ask_through_relay(&closed, &Packet6::solicit(), &[])), "nothing:no-tftp");
    assert_eq!(silence(ask_4011(&closed, &Packet6::request_4011())), "nothing:no-tftp");
    response(ask_547(&closed, &Packet6::http_solicit()));
    let elsewhere = [(Arch::X64, Loader { name: "tftp://[2001:db8::5]/x.efi".into(), path: None })].into();
    response(ask_547(&Plan { loaders: elsewhere, ..closed }, &Packet6::solicit()));
    for tftp in [Some(TftpServer::Remote([192, 0, 2, 5].into())), None] {
        let asked = ask_4011(&Plan { tftp, ..plan() }, &Packet6::request_4011());
        assert_eq!(url(&asked), "tftp://[2001:db8::10]/ipxe.efi", "{tftp:?}");
    }
}

#[test]
fn what_is_advertised_is_what_the_second_visit_gives_or_nothing_is() {
    for boots in [BootTarget::Nothing, BootTarget::Loader] {
        silence(ask_547(&plan_booting(boots, None), &Packet6::solicit()));
    }
    let plan = plan_booting(BootTarget::Loader, Some("tftp://192.0.2.5/x.efi"));
    assert_eq!(silence(ask_547(&plan, &Packet6::solicit())), "nothing:loader-url");
    assert_eq!(silence(ask_through_relay(&plan, &Packet6::solicit(), &[])), "nothing:loader-url");
}

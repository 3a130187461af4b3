//! Tests the file for each kind of profile.

use super::*;

#[test]
fn every_kind_of_profile_boots_its_file_over_ipv6() {
    let given = |boots: BootTarget, loader| ask_4011(&plan_booting(boots, loader), &Packet6::request_4011());
    let item = FirmwareMenuItem { server_type: 0x8001, title: "a".into(), target: ItemTarget::Profile(None) };
    let menu = BootTarget::Menu(FirmwareMenu { prompt: "F8".into(), timeout: 10, items: vec![item] });
    assert_eq!(url(&given(menu, None)), "tftp://[2001:db8::10]/ipxe.efi", "no firmware shows a menu over IPv6");
    assert_eq!(url(&given(BootTarget::LocalDisk, None)), "tftp://[2001:db8::10]/local-disk/uefi-x64.efi");
    assert_eq!(silence(given(BootTarget::Nothing, None)), "nothing:profile");
    assert_eq!(url(&given(BootTarget::Script("http://boot.example/x".into()), None)), "tftp://[2001:db8::10]/ipxe.efi");
    assert_eq!(url(&given(BootTarget::Loader, Some("a b/shimx64.efi"))), "tftp://[2001:db8::10]/a%20b/shimx64.efi");
    assert_eq!(silence(given(BootTarget::Loader, None)), "nothing:no-loader");
}

#[test]
fn an_ipxe_with_a_wrapper_is_sent_in_it_by_pxe_over_ipv6() {
    let with_wrapper =
        |plan: Plan| plan.with_offer(|offer| offer.ipxe_wrappers = [("ipxe.efi".into(), Arch::X64)].into());
    let given = |plan: Plan| url(&ask_4011(&with_wrapper(plan), &Packet6::request_4011()));
    assert_eq!(given(plan()), "tftp://[2001:db8::10]/with-script/ipxe.efi");
    assert_eq!(
        given(plan_booting(BootTarget::Script("http://boot.example/x".into()), None)),
        "tftp://[2001:db8::10]/with-script/ipxe.efi"
    );
    let rule = Rule {
        when: Conditions { vendor_classes: vec![Glob("*".into())], ..Conditions::default() },
        ..Rule::default()
    };
    let by_rule = plan().with_policy(|policy| policy.rules = vec![rule]);
    assert_eq!(given(by_rule), "tftp://[2001:db8::10]/machine/rule=0/with-script/ipxe.efi");
    // If a profile has only a loader, the machine boots that loader without a script. The loaders of the next cases
    // need no script either.
    assert_eq!(given(plan_booting(BootTarget::Loader, Some("ipxe.efi"))), "tftp://[2001:db8::10]/ipxe.efi");
    assert_eq!(given(plan_booting(BootTarget::LocalDisk, None)), "tftp://[2001:db8::10]/local-disk/uefi-x64.efi");
    assert_eq!(url(&ask_547(&with_wrapper(plan()), &Packet6::http_solicit())), "http://[2001:db8::10]:8080/ipxe.efi");
    let mut u_boot_plan = with_wrapper(plan());
    let shared = Loader { name: "ipxe.efi".into(), path: Some("/x".into()) };
    u_boot_plan.offer_mut().loaders.insert(Arch(22), shared);
    let asked = ask_4011(&u_boot_plan, &Packet6::request_4011().set(61, &[0, 22]));
    assert_eq!(url(&asked), "tftp://[2001:db8::10]/ipxe.efi", "U-Boot has no PXE driver that could pass the script on");
    let over_ipv4 = Loader { name: "ipxe.efi".into(), path: Some("/x".into()) };
    let plan = with_wrapper(common::plan()).with_offer(|offer| offer.loaders = [(Arch::X64, over_ipv4)].into());
    let discover = common::Packet::discover().octets();
    let (answer, _) = ask(&plan, &discover, Port::Dhcp, "0.0.0.0:68", "255.255.255.255");
    let Ok(offer) = answer.reply else { panic!("{:?}", answer.reply) };
    assert_eq!(offer.boot.file, "ipxe.efi", "over IPv4 an offer names the script");
}

#[test]
fn a_loader_url_is_sent_unchanged_if_it_is_reachable_over_ipv6() {
    let given = |name: &str| ask_4011(&plan_booting(BootTarget::Loader, Some(name)), &Packet6::request_4011());
    assert_eq!(url(&given("tftp://[2001:db8::5]/a b.efi")), "tftp://[2001:db8::5]/a b.efi");
    assert_eq!(url(&given("tftp://boot.example/x.efi")), "tftp://boot.example/x.efi");
    for name in ["tftp://192.0.2.5/x.efi", "http://[2001:db8::5]/x.efi"] {
        assert_eq!(silence(given(name)), "nothing:loader-url", "{name}");
        let site = plan_booting(BootTarget::Loader, Some(name))
            .with_offer(|offer| offer.ipxe_wrappers = [("ipxe.efi".into(), Arch::X64)].into());
        let via_ipxe = ask_4011(&site, &Packet6::request_4011());
        assert_eq!(url(&via_ipxe), "tftp://[2001:db8::10]/with-script/ipxe.efi", "its script continues with {name}");
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
fn tftp_is_offered_if_the_server_listens_over_ipv6_whichever_server_serves_it_over_ipv4() {
    let mut closed = plan();
    closed.offer_mut().dhcp6.tftp = false;
    assert_eq!(silence(ask_547(&closed, &Packet6::solicit())), "nothing:no-tftp");
    assert_eq!(silence(ask_through_relay(&closed, &Packet6::solicit(), &[])), "nothing:no-tftp");
    assert_eq!(silence(ask_4011(&closed, &Packet6::request_4011())), "nothing:no-tftp");
    response(ask_547(&closed, &Packet6::http_solicit()));
    let elsewhere = [(Arch::X64, Loader { name: "tftp://[2001:db8::5]/x.efi".into(), path: None })].into();
    response(ask_547(&closed.with_offer(|offer| offer.loaders = elsewhere), &Packet6::solicit()));
    for tftp in [Some(TftpServer::Remote([192, 0, 2, 5].into())), None] {
        let asked = ask_4011(&plan().with_offer(|offer| offer.tftp = tftp), &Packet6::request_4011());
        assert_eq!(url(&asked), "tftp://[2001:db8::10]/ipxe.efi", "{tftp:?}");
    }
}

#[test]
fn a_client_is_offered_only_a_file_that_its_second_request_receives() {
    for boots in [BootTarget::Nothing, BootTarget::Loader] {
        silence(ask_547(&plan_booting(boots, None), &Packet6::solicit()));
    }
    let plan = plan_booting(BootTarget::Loader, Some("tftp://192.0.2.5/x.efi"));
    assert_eq!(silence(ask_547(&plan, &Packet6::solicit())), "nothing:loader-url");
    assert_eq!(silence(ask_through_relay(&plan, &Packet6::solicit(), &[])), "nothing:loader-url");
}

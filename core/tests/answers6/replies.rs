//! Tests the content of replies.

use super::*;

#[test]
fn an_advertise_on_the_link_has_no_url_and_a_relayed_one_has_this_servers() {
    assert_eq!(codes(&ask_547(&plan(), &Packet6::solicit())), [1, 2, 16]);
    let asked = ask_through_relay(&plan(), &Packet6::solicit(), &[]);
    assert_eq!(codes(&asked), [1, 2, 59, 16]);
    assert_eq!(url(&asked), "tftp://[2001:db8::10]/ipxe.efi");
    let elsewhere = plan_booting(BootTarget::Loader, Some("tftp://[2001:db8::5]/shimx64.efi"));
    assert_eq!(url(&ask_through_relay(&elsewhere, &Packet6::solicit(), &[])), "tftp://[2001:db8::10]/");
    let mut observations = Observations::new(1);
    let solicit = relayed(&Packet6::solicit().octets(), RELAY, NEIGHBOUR, &[]);
    ask_again(&elsewhere, &mut observations, &solicit, Port::Dhcp, "[2001:db8:1::1]:547", SERVER6, 0);
    let request = Packet6::request_4011().octets();
    let asked = ask_again(&elsewhere, &mut observations, &request, Port::BootServer, BEYOND_RELAY, SERVER6, 1);
    assert_eq!(url(&asked), "tftp://[2001:db8::5]/shimx64.efi");
}

#[test]
fn an_http_client_receives_its_url_at_once_followed_by_a_zero() {
    for asked in [ask_547(&plan(), &Packet6::http_solicit()), ask_through_relay(&plan(), &Packet6::http_solicit(), &[])]
    {
        assert_eq!(codes(&asked), [1, 2, 59, 16]);
        assert_eq!(url(&asked), "http://[2001:db8::10]:8080/ipxe.efi");
        let octets = &asked.1[0].0;
        let end = octets.windows(8).position(|text| text == b"ipxe.efi").unwrap() + 8;
        assert_eq!(octets[end], 0, "EDK2 reads the URL as a NUL-terminated text");
    }
    let closed = plan().with_offer(|offer| offer.http = None);
    assert_eq!(silence(ask_547(&closed, &Packet6::http_solicit())), "nothing:no-http");
    let unknown = plan().with_policy(|policy| policy.http_clients = false);
    assert_eq!(silence(ask_547(&unknown, &Packet6::http_solicit())), "nothing:no-http");
}

#[test]
fn without_port_4011_only_http_clients_are_answered() {
    let mut plan = plan();
    plan.offer_mut().dhcp6.boot_server = false;
    assert_eq!(silence(ask_547(&plan, &Packet6::solicit())), "nothing:no-boot-server");
    assert_eq!(silence(ask_through_relay(&plan, &Packet6::solicit(), &[])), "nothing:no-boot-server");
    response(ask_547(&plan, &Packet6::http_solicit()));
}

#[test]
fn an_ipxe_that_requests_an_address_is_not_answered() {
    let solicit = Packet6 { kind: 1, ..Packet6::information_request() };
    for plan in [plan(), with_stateless(StatelessOptions::default())] {
        assert_eq!(silence(ask_547(&plan, &solicit)), "nothing:stateful-ipxe");
        assert_eq!(silence(ask_through_relay(&plan, &solicit, &[])), "nothing:stateful-ipxe");
    }
}

#[test]
fn an_ipxe_is_recognised_by_its_user_class_in_a_list_or_as_plain_text() {
    for user_class in [&b"\0\x04iPXE"[..], b"iPXE", b"\0\x03abc\0\x04iPXE"] {
        let packet = Packet6::solicit().set(15, user_class);
        assert_eq!(silence(ask_547(&plan(), &packet)), "nothing:stateful-ipxe", "{user_class:?}");
    }
    for user_class in [&b"\0\x0bMyiPXE-test"[..], b"\0\x05iPXE", b"", b"\x04iPXE"] {
        response(ask_547(&plan(), &Packet6::solicit().set(15, user_class)));
    }
    let named = plan().with_policy(|policy| policy.user_classes = vec!["xNBA".into()]);
    assert_eq!(silence(ask_547(&named, &Packet6::solicit().set(15, b"\0\x04xNBA"))), "nothing:stateful-ipxe");
}

#[test]
fn a_stateless_reply_has_the_dns_options_of_the_reply_that_it_replaces() {
    let dns_servers = vec!["2001:db8::53".parse().unwrap(), "2001:db8::54".parse().unwrap()];
    let stateless = StatelessOptions { dns_servers, domains: vec!["lab.example".into(), "example.".into()] };
    let asked = ask_547(&with_stateless(stateless), &Packet6::information_request());
    assert_eq!(codes(&asked), [1, 2, 59, 16, 23, 24]);
    let options = options(&asked);
    let servers = "20010db8000000000000000000000053".to_owned() + "20010db8000000000000000000000054";
    assert_eq!(hex::encode(&options[4].1), servers);
    assert_eq!(options[5].1, b"\x03lab\x07example\0\x07example\0");
    let bare = ask_547(&with_stateless(StatelessOptions::default()), &Packet6::information_request());
    assert_eq!(codes(&bare), [1, 2, 59, 16], "no DNS servers and no domains");
    let firmware = ask_4011(&with_stateless(StatelessOptions::default()), &Packet6::request_4011());
    assert_eq!(codes(&firmware), [1, 2, 59, 16], "EDK2 had buffer overflows in these options");
}

#[test]
fn only_a_stateless_ipxe_receives_dns_options() {
    let plan =
        with_stateless(StatelessOptions { dns_servers: vec!["2001:db8::53".parse().unwrap()], domains: Vec::new() });
    for asked in [
        ask_547(&plan, &Packet6::solicit()),
        ask_547(&plan, &Packet6::http_solicit()),
        ask_4011(&plan, &Packet6::request_4011()),
        ask_through_relay(&plan, &Packet6::solicit(), &[]),
    ] {
        assert!(!codes(&asked).contains(&23));
    }
}

#[test]
fn a_stateless_ipxe_is_answered_through_a_relay_as_well() {
    let asked = ask_through_relay(&with_stateless(StatelessOptions::default()), &Packet6::information_request(), &[]);
    assert_eq!(url(&asked), "http://[2001:db8::10]:8080/boot.ipxe");
}

#[test]
fn a_stateless_ipxe_receives_what_the_plan_has_for_an_ipxe() {
    let given = |ipxe: IpxeTarget| {
        url(&ask_547(
            &with_stateless(StatelessOptions::default()).with_policy(|policy| policy.ipxe = ipxe),
            &Packet6::information_request(),
        ))
    };
    assert_eq!(given(IpxeTarget::Builtin), "http://[2001:db8::10]:8080/boot.ipxe");
    assert_eq!(given(IpxeTarget::Configured("http://boot.example/x".into())), "http://boot.example/x");
    assert_eq!(given(IpxeTarget::Configured("x.ipxe".into())), "tftp://[2001:db8::10]/x.ipxe");
    assert_eq!(given(IpxeTarget::AsFirmware), "tftp://[2001:db8::10]/ipxe.efi");
    let tftp_only = with_stateless(StatelessOptions::default()).with_offer(|offer| offer.http = None);
    assert_eq!(url(&ask_547(&tftp_only, &Packet6::information_request())), "tftp://[2001:db8::10]/boot.ipxe");
}

#[test]
fn a_url_contains_the_address_that_the_client_reached() {
    let to = |to: &str| url(&ask(&plan(), &Packet6::http_solicit().octets(), Port::Dhcp, &neighbour(546), to));
    assert_eq!(to(GROUP), "http://[2001:db8::10]:8080/ipxe.efi");
    assert_eq!(
        to("fe80::10"),
        "http://[2001:db8::10]:8080/ipxe.efi",
        "a link-local address is useless without an interface"
    );
}

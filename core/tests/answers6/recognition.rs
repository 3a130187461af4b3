//! Tests the recognition of the client.

use super::*;

#[test]
fn the_firmwares_own_address_configuration_is_ignored() {
    assert_eq!(silence(ask_547(&plan(), &Packet6::solicit().without(16).without(61))), "ignored:no-vendor-class");
}

#[test]
fn a_boot_client_without_a_class_is_ignored_for_a_precise_reason() {
    let reason = |packet: &[u8]| {
        let (answer, sent) = ask(&plan(), packet, Port::Dhcp, "[fe80::e65f:1ff:fe00:1]:546", GROUP);
        assert!(sent.is_empty());
        let Err(silence) = answer.reply else { panic!("{:?}", answer.reply) };
        assert_eq!(silence.label(), "ignored:no-vendor-class");
        silence.to_string()
    };
    // The request of a Raspberry Pi 4 with USE_IPV6=1 (raspberrypi/documentation#2434).
    let pi = "018cdd560001000a00030001e45f010000010003000c00000000000000000000000000060002003b003d00020029000800020000";
    assert!(reason(&hex::decode(pi).unwrap()).starts_with("a Raspberry Pi: over IPv6 it sends no vendor class"));
    let other = reason(&Packet6::solicit().without(16).octets());
    assert!(other.starts_with("a network-boot client without a vendor class"), "{other}");
    assert_eq!(
        reason(&Packet6::solicit().without(16).without(61).octets()),
        "not a network-boot client: no vendor class"
    );
}

#[test]
fn an_ambiguous_class_is_another_class_and_not_malformed() {
    // In these classes, the length of the text is in little endian, or the enterprise number has no text
    // (insomniacslk/dhcp#395).
    for class in [&b"\0\0\x01\x57\x09\0PXEClient"[..], b"\0\0\x01\x57", b"\x57\x01\0\0\x09\0PXEClient"] {
        let packet = Packet6::solicit().set(16, class);
        assert_eq!(silence(ask_547(&plan(), &packet)), "ignored:other-vendor-class", "{class:?}");
    }
}

#[test]
fn a_class_under_another_enterprise_number_or_with_another_text_is_ignored() {
    for class in [
        vendor_class(9, b"PXEClient:Arch:00007"),
        vendor_class(343 << 8, b"PXEClient:Arch:00007"),
        vendor_class(343, b"MyPXEClient"),
        vendor_class(343, b"pxeclient"),
        vendor_class(343, b"U-Boot.armv8"),
        vendor_class(343, b""),
        b"\0\0\x01\x57".to_vec(),
        b"\0\0\x01".to_vec(),
        // The length exceeds the text.
        b"\0\0\x01\x57\0\x0aPXEClient".to_vec(),
        // The text has no length.
        b"\0\0\x01\x57PXEClient".to_vec(),
    ] {
        let packet = Packet6::solicit().set(16, &class);
        assert_eq!(silence(ask_547(&plan(), &packet)), "ignored:other-vendor-class", "{class:?}");
    }
}

#[test]
fn a_class_may_follow_others() {
    let second =
        Packet6::solicit().set(16, &vendor_class(9, b"x")).add(16, &vendor_class(343, b"PXEClient:Arch:00011"));
    assert_eq!(response(ask_547(&plan(), &second.without(61))).boot.file, "tftp://[2001:db8::10]/ipxe-arm64.efi");
    let list = [&vendor_class(343, b"other")[..], b"\0\x14PXEClient:Arch:00007"].concat();
    response(ask_547(&plan(), &Packet6::solicit().set(16, &list)));
}

#[test]
fn the_architecture_comes_from_option_61_or_the_class_and_is_never_bios() {
    let file = |packet: &Packet6| response(ask_547(&plan(), packet)).boot.file;
    assert_eq!(file(&Packet6::solicit().set(61, &[0, 11])), "tftp://[2001:db8::10]/ipxe-arm64.efi");
    assert_eq!(file(&Packet6::solicit().set(61, &[0, 16, 0, 11])), "tftp://[2001:db8::10]/ipxe-arm64.efi");
    assert_eq!(file(&Packet6::solicit().without(61)), "tftp://[2001:db8::10]/ipxe.efi", "from the digits");
    assert_eq!(file(&Packet6::solicit().set(61, &[0, 11, 0])), "tftp://[2001:db8::10]/ipxe.efi", "of odd length");
    let bare = Packet6::solicit().without(61).set(16, &vendor_class(343, b"PXEClient"));
    assert_eq!(silence(ask_547(&plan(), &bare)), "ignored:no-architecture");
}

#[test]
fn only_solicit_is_answered_on_547_and_only_request_on_4011() {
    for kind in (0..=13).chain([255]).filter(|kind| ![1, 11, 12, 13].contains(kind)) {
        let packet = Packet6 { kind, ..Packet6::solicit() };
        let expected = if matches!(kind, 2 | 7 | 10) { "ignored:reply" } else { "ignored:message" };
        assert_eq!(silence(ask_547(&plan(), &packet)), expected, "{kind}");
    }
    for kind in (0..=11).filter(|kind| ![2, 3, 7, 10].contains(kind)) {
        let packet = Packet6 { kind, ..Packet6::request_4011() };
        assert_eq!(silence(ask_4011(&plan(), &packet)), "ignored:message", "{kind}");
    }
    let firmware = Packet6::information_request().without(15);
    assert_eq!(silence(ask_547(&with_stateless(StatelessOptions::default()), &firmware)), "ignored:message");
}

#[test]
fn a_client_without_a_valid_duid_is_not_answered() {
    assert_eq!(silence(ask_547(&plan(), &Packet6::solicit().without(1))), "ignored:no-client-id");
    assert_eq!(silence(ask_547(&plan(), &Packet6::solicit().set(1, b""))), "malformed");
    assert_eq!(silence(ask_547(&plan(), &Packet6::solicit().set(1, &[0; 131]))), "malformed");
    assert_eq!(silence(ask_547(&plan(), &Packet6::solicit().add(1, b"\0\x03\0\x01twice."))), "malformed");
}

#[test]
fn a_request_on_4011_for_another_server_or_for_none_is_ignored() {
    response(ask_4011(&plan(), &Packet6::request_4011()));
    let longer = [&DUID[..], &[0]].concat();
    for other in [&DUID[..9], &longer, b"\0\x03\0\x01\x02\0\0\0\0\x11"] {
        let packet = Packet6::request_4011().set(2, other);
        assert_eq!(silence(ask_4011(&plan(), &packet)), "ignored:other-server", "{other:?}");
    }
    assert_eq!(silence(ask_4011(&plan(), &Packet6::request_4011().without(2))), "ignored:other-server");
}

//! Tests that messages are shown as readable trees.

use proxydhcpd_core::dissect;
use proxydhcpd_core::wire::{DhcpPacket, dhcp6};

#[test]
fn a_firmwares_request_is_shown_with_the_names_of_its_options() {
    let shown = shown("relayed-x64-discover-option-82");
    for line in [
        "DHCP: DISCOVER",
        "  op: 1 (request)",
        "  giaddr: 198.51.100.1",
        "  option 53 (message type): 1 (DISCOVER)",
        "  option 57 (maximum size): 1472",
        "  option 55 (parameter list): 35 options",
        "  option 97 (machine identifier): 00112233-4455-6677-8899-aabbccddeeff",
        "  option 94 (network interface): type 1, version 3.0",
        "  option 93 (client architecture): 7 (x64 UEFI)",
        "  option 60 (vendor class): PXEClient:Arch:00007:UNDI:003000",
        "    sub-option 1: \\x00\\x04\\x00\\n\\x01\\x02",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line:?} in\n{shown}");
    }
}

#[test]
fn an_ipxe_is_shown_with_its_version_and_features_and_a_menu_with_its_parts() {
    let ipxe = shown("ipxe-x64-discover");
    assert!(ipxe.contains("option 175 (iPXE): iPXE 1.0.0: iscsi http tftp dns efi menu"), "{ipxe}");
    assert!(ipxe.contains("option 77 (user class): iPXE"), "{ipxe}");
    let menu = shown("offer-with-menu");
    for part in ["op: 2 (reply)", "(discovery control)", "(boot servers)", "(menu)", "(prompt)"] {
        assert!(menu.contains(part), "{part} in\n{menu}");
    }
    assert!(shown("ovmf-x64-request-4011-boot-item").contains("sub-option 71 (boot item)"));
}

#[test]
fn a_relayed_solicit_is_shown_inside_its_relay() {
    let shown = shown("relayed-pxe6-solicit");
    let expected = "\
DHCPv6: RELAY-FORW
  hop count: 0
  link address: 2001:db8:1::1
  peer address: fe80::207
  option 18 (interface identifier): vlan10
  DHCPv6: SOLICIT
    transaction: 4e9e21
    option 1 (client identifier): UUID 00112233-4455-6677-8899-aabbccddeeff as firmware writes it, \
33221100-5544-7766-8899-aabbccddeeff as iPXE does
    option 8 (elapsed time): 0 ms
    option 3 (identity association): 8ac6f756
    option 6 (option request): 59, 60, 23, 16
    option 62 (network interface): type 1, version 3.0
    option 61 (client architecture): 7 (x64 UEFI)
    option 16 (vendor class): 343: PXEClient:Arch:00007:UNDI:003000
";
    assert_eq!(shown, expected);
}

#[test]
fn an_ipxe_over_ipv6_is_shown_with_its_user_class_and_a_reply_with_all_its_options() {
    assert!(shown("ipxe6-information-request").contains("option 15 (user class): iPXE\n"));
    let mut out = Vec::new();
    dhcp6::Writer::new(dhcp6::MessageType::Reply, [1, 2, 3], &mut out)
        .option(2, b"\0\x03\0\x01\x02\0\0\0\0\x10")
        .option(3, &[&[0; 12][..], &[0, 5, 0, 31], &[0; 15], &[1], &[0; 8], &[0, 13, 0, 3, 0, 6, b'x']].concat())
        .option(23, &[[0; 15].to_vec(), vec![1], [0; 15].to_vec(), vec![2]].concat())
        .option(24, b"\x03lab\x07example\0\x01x\0")
        .option(59, b"tftp://[2001:db8::10]/ipxe.efi")
        .option(79, b"\0\x01\x02\0\0\0\x01\x07");
    let shown = dissect::packet(&DhcpPacket::parse(&out, true).unwrap()).to_string();
    let expected = "\
DHCPv6: REPLY
  transaction: 010203
  option 2 (server identifier): MAC 02:00:00:00:00:10
  option 3 (identity association): 00000000
    option 5 (address): ::1
      option 13 (status): 6 x
  option 23 (name servers): ::1, ::2
  option 24 (search list): lab.example, x
  option 59 (boot file URL): tftp://[2001:db8::10]/ipxe.efi
  option 79 (client link-layer address): 02:00:00:00:01:07
";
    assert_eq!(shown, expected);
}

fn shown(vector: &str) -> String {
    let path = format!("{}/testdata/vectors/{vector}.json", env!("CARGO_MANIFEST_DIR"));
    let vector: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let octets = hex::decode(vector["hex"].as_str().unwrap()).unwrap();
    dissect::packet(&DhcpPacket::parse(&octets, vector["family"] == "dhcp6").unwrap()).to_string()
}

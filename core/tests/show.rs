//! Messages as people read them.

use proxydhcpd_core::show;
use proxydhcpd_core::wire::dhcp4::Message;

#[test]
fn a_firmwares_request_is_shown_with_the_names_of_what_it_says() {
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

fn shown(vector: &str) -> String {
    let path = format!("{}/testdata/vectors/{vector}.json", env!("CARGO_MANIFEST_DIR"));
    let vector: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let octets = hex::decode(vector["hex"].as_str().unwrap()).unwrap();
    show::dhcp4(&Message::parse(&octets).unwrap()).to_string()
}

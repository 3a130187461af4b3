//! Settings that leave a machine nothing to boot.

use super::network::{Network, SITE, mac};

cases![
    a_firmware_that_knows_only_tftp_has_nothing_to_boot_if_tftp_is_off,
    an_ipxe_without_http_has_nothing_to_boot_if_tftp_is_off,
];

fn a_firmware_that_knows_only_tftp_has_nothing_to_boot_if_tftp_is_off() {
    has_nothing_to_boot("uefi-x64", "TFTP is not served here");
}

fn an_ipxe_without_http_has_nothing_to_boot_if_tftp_is_off() {
    has_nothing_to_boot("ipxe-without-http", "TFTP is not served here");
}

fn has_nothing_to_boot(kind: &str, reason: &str) {
    const OFF: &str = "[tftp]\nenabled = false\n";
    let network = Network::start(&format!("{SITE}{OFF}"));
    assert!(!network.boots(kind, 1));
    network.ends_in("nothing-to-boot", &[&mac(kind, 1), reason, "proxydhcpd explain"]);
    network.server.edit_config(OFF, "");
    network.restart().boots_again(kind, 2);
}

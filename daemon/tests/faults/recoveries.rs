//! Faults that a machine overcomes within its boot: the boot is good, so it has no verdict.

use super::network::{Network, SITE, mac};
use std::fs;
use std::thread;
use std::time::Duration;

cases![
    a_reply_that_is_blocked_for_a_moment_is_no_verdict,
    a_menu_with_an_entry_whose_template_fails_is_no_verdict,
    a_kernel_that_is_missing_at_first_is_no_verdict,
];

/// Checks that the story of the machine and the log have no verdict some time after its boot.
fn has_no_verdict(network: &Network, kind: &str) {
    assert_eq!(network.verdict_in_story(&mac(kind, 1)), None, "{}", network.server.log());
    thread::sleep(Duration::from_secs(40));
    assert_eq!(network.verdict_in_story(&mac(kind, 1)), None, "{}", network.server.log());
    assert_eq!(network.verdicts().len(), 0, "{:#?}", network.verdicts());
}

fn a_reply_that_is_blocked_for_a_moment_is_no_verdict() {
    let network = Network::start(SITE);
    network.firewall("output", "udp sport 4011 drop");
    let booted = network.boots_while("uefi-x64", 1, || {
        network.server.wait_for_line("ACK not sent: this host's own firewall drops packets from port 4011");
        network.open_firewall();
    });
    assert!(booted, "{}", network.server.log());
    has_no_verdict(&network, "uefi-x64");
}

/// The entry shows its error in the menu, which then starts the disk.
fn a_menu_with_an_entry_whose_template_fails_is_no_verdict() {
    let network = Network::start("");
    let entry = network.server.boot.path().join("debian");
    fs::create_dir(&entry).unwrap();
    let mut kernel = vec![0; 1_200_000];
    kernel[0x1fe..0x208].copy_from_slice(b"\x55\xaa\xeb\x66HdrS\x0f\x02");
    fs::write(entry.join("linux"), kernel).unwrap();
    fs::write(entry.join("initrd.gz"), vec![0x49; 300_000]).unwrap();
    fs::write(entry.join("cmdline"), "url={{ gone.away }}\n").unwrap();
    network.reload();
    network.boots("uefi-x64", 1);
    network.server.wait_for_line("cannot render a template");
    has_no_verdict(&network, "uefi-x64");
}

/// The script tries another kernel if the first one does not exist.
fn a_kernel_that_is_missing_at_first_is_no_verdict() {
    let network = Network::start("");
    let script = network.server.boot.path().join("boot.ipxe");
    fs::write(&script, "#!ipxe\nkernel gone/linux || kernel linux\ninitrd initrd\nboot\n").unwrap();
    network.reload();
    assert!(network.boots("uefi-x64", 1), "{}", network.server.log());
    has_no_verdict(&network, "uefi-x64");
}

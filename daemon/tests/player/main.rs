//! Whole boots against the server's binary, packet by packet, with a real DHCP server. Needs root.
//!
//! Every boot that the player plays is a good one, so the server has nothing to warn about.

#[path = "../common/mod.rs"]
mod common;

use common::played_network::{PlayedNetwork, all_kinds, run_of};
use proxydhcpd_player::kinds::Kind;
use proxydhcpd_player::report::Report;
use std::time::Duration;

/// The server judges a boot at the latest this long after its last step: 45 s, and the time until it looks again.
const JUDGED: Duration = Duration::from_secs(55);

#[test]
fn each_kind_of_boot_ends_as_its_row_says() {
    let kinds = all_kinds();
    let run = run_of(&kinds, kinds.len(), kinds.len());
    let network = PlayedNetwork::start(&run);
    let report = network.play(&run);
    assert_good(&network, &report);
    assert_eq!(report.boots.len(), boots_of(&kinds));
    println!("{report}");
}

#[test]
fn the_server_warns_about_none_of_500_good_boots() {
    let kinds = all_kinds();
    let run = run_of(&kinds, (500 * kinds.len()).div_ceil(boots_of(&kinds)), 60);
    let network = PlayedNetwork::start(&run);
    let report = network.play(&run);
    println!("{report}");
    assert!(report.boots.len() >= 500, "{} boots", report.boots.len());
    std::thread::sleep(JUDGED);
    assert_good(&network, &report);
}

/// The number of boots of a machine of each kind.
fn boots_of(kinds: &[&'static Kind]) -> usize {
    kinds.iter().map(|kind| kind.ends.len()).sum()
}

/// Checks that each boot ended as its row says, and that the log has no warning, and so no verdict.
fn assert_good(network: &PlayedNetwork, report: &Report) {
    let failures: Vec<String> = report
        .failures()
        .map(|(boot, failure)| format!("{} {:02x?} boot {}: {failure}", boot.kind, boot.mac, boot.boot))
        .collect();
    assert!(failures.is_empty(), "{failures:#?}");
    let warnings = network.warnings();
    assert!(warnings.is_empty(), "{warnings:#?}");
}

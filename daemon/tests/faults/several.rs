//! One fault that concerns several machines: each story ends in the verdict, and the log has one line about the cause.

use super::network::{Network, SITE, mac_of};
use proxydhcpd_player::kinds::by_name;
use proxydhcpd_testbed::wait_up_to;
use std::time::Duration;

cases![
    each_machine_of_a_network_without_a_dhcp_server_has_the_verdict_in_its_story,
    each_machine_that_a_firewall_keeps_from_4011_has_the_verdict_in_its_story,
];

const MACHINES: u16 = 3;

fn each_machine_of_a_network_without_a_dhcp_server_has_the_verdict_in_its_story() {
    let mut network = Network::with_dhcp_server(SITE, None);
    each_story_ends_in(&network, "no-address");
    network.start_dhcp_server();
    each_boots(&network);
}

fn each_machine_that_a_firewall_keeps_from_4011_has_the_verdict_in_its_story() {
    let network = Network::start(SITE);
    network.firewall("input", "udp dport 4011 drop");
    each_story_ends_in(&network, "not-contacted");
    network.open_firewall();
    each_boots(&network);
}

fn each_story_ends_in(network: &Network, code: &str) {
    assert_eq!(network.play(vec![by_name("uefi-x64").unwrap()], MACHINES.into(), 1), 0);
    for number in 1..=MACHINES {
        let mac = mac_of("uefi-x64", 1, number);
        let verdict = || network.verdict_in_story(&mac);
        let verdict = wait_up_to(Duration::from_secs(90), &format!("the verdict about {mac}"), verdict);
        assert_eq!(verdict, code, "{mac}");
    }
    network.ends_in(code, &[]);
    assert_eq!(network.verdicts().len(), 1, "{:#?}", network.verdicts());
}

/// The same machines boot without the fault.
fn each_boots(network: &Network) {
    let kind = by_name("uefi-x64").unwrap();
    assert_eq!(network.play(vec![kind], MACHINES.into(), 1), usize::from(MACHINES), "{}", network.server.log());
    for number in 1..=MACHINES {
        let mac = mac_of("uefi-x64", 1, number);
        // The thread of the stories reads events a moment after the machine has its files.
        let has_gone_on = || network.verdict_in_story(&mac).is_none().then_some(());
        wait_up_to(Duration::from_secs(20), &format!("the end of the verdict about {mac}"), has_gone_on);
    }
    assert_eq!(network.verdicts().len(), 1, "{:#?}", network.verdicts());
}

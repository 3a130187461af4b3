//! docs/troubleshooting.md shows what the program says, word for word.

use proxydhcpd::report::TwoMachines;
use proxydhcpd_core::memory::Seen;
use proxydhcpd_core::memory::finding::Rival;
use proxydhcpd_core::plan::machines::By;
use std::net::Ipv4Addr;

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// The quotations of the page, each as one line.
fn quoted() -> Vec<String> {
    let page = include_str!("../../docs/troubleshooting.md");
    let parts = page.split("\n\n").filter(|part| part.starts_with("> "));
    parts.map(|part| part.lines().map(|line| &line[2..]).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn every_message_that_troubleshooting_quotes_is_said_like_that() {
    let rivals = [Rival::ShutOut(SERVER), Rival::Named(SERVER), Rival::Unseen(SERVER), Rival::NoAddress(4)];
    let said = rivals.iter().map(Rival::to_string);
    let said = said.chain([Seen::NoIpxe, Seen::Ipxe].iter().map(Seen::to_string));
    let two = TwoMachines { name: "web1", by: By::Uuid, other: "web2", other_by: By::Mac };
    assert_eq!(quoted(), said.chain([two.to_string()]).collect::<Vec<_>>());
}

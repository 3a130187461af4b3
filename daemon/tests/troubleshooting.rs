//! docs/troubleshooting.md shows what the program says, word for word.

use proxydhcpd::report::{Listed, Means, Neither, NotTaken, Shared, TwoMachines};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::client::HardwareAddress;
use proxydhcpd_core::memory::Seen;
use proxydhcpd_core::memory::claims::SharedUuid;
use proxydhcpd_core::memory::finding::{Cause, Finding, Next, Reason, Rival};
use proxydhcpd_core::plan::machines::{By, Why};
use std::net::Ipv4Addr;

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const ANOTHER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 3);
const UNHEARD: Cause = Cause::Unheard { remote: false };

/// The quotations of the page, each as one line.
fn quoted() -> Vec<String> {
    let page = include_str!("../../docs/troubleshooting.md");
    let parts = page.split("\n\n").filter(|part| part.starts_with("> "));
    parts.map(|part| part.lines().map(|line| &line[2..]).collect::<Vec<_>>().join(" ")).collect()
}

fn finding(rival: Rival, cause: Cause) -> Finding {
    let ipxe = matches!(rival, Rival::Named(_) | Rival::Unseen(_));
    let next = if ipxe { Next::Http(8080) } else { Next::BootServer };
    let hardware = HardwareAddress { htype: 1, hlen: 6, octets: [0; 16] };
    Finding { hardware, arch: Arch::X64, ipxe, link: 1, relay: None, next, rival, cause }
}

fn reason(rival: Rival, cause: Cause) -> String {
    Reason(&finding(rival, cause)).to_string()
}

fn whole(rival: Rival) -> String {
    format!("{rival}. {}", reason(rival, UNHEARD))
}

#[test]
fn every_message_that_troubleshooting_quotes_is_said_like_that() {
    let (shut_out, loaded, named) = (Rival::ShutOut(SERVER), Rival::Loaded(SERVER), Rival::Named(SERVER));
    let two = TwoMachines { name: "web1", by: By::Uuid, other: "web2", other_by: By::Mac };
    let neither = Neither { name: "web1", by: By::Mac, other: "web2", other_by: By::Uuid };
    let listed = Listed { name: "web1", by: By::Mac, found: None };
    let hardware = &HardwareAddress::from_mac([2, 0, 0, 0, 0, 3]);
    let not_taken = NotTaken { hardware, name: "web1", by: By::Uuid, why: Why::OtherAddress, held: false };
    let uuid = 0x11223344_5566_7788_99aa_bbccddeeff00_u128.to_be_bytes();
    let shared = SharedUuid { uuid, macs: [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]] };
    let shared = [Means::Entry("web1"), Means::Rule, Means::Nothing].map(|means| Shared { shared, means }.to_string());
    let said = [
        shut_out.to_string(),
        reason(shut_out, Cause::Option60),
        reason(shut_out, Cause::BootFile),
        reason(shut_out, Cause::NoOffer),
        reason(shut_out, UNHEARD),
        reason(shut_out, Cause::AnotherServer(ANOTHER)),
        loaded.to_string(),
        reason(loaded, Cause::NoOffer),
        named.to_string(),
        reason(named, Cause::BootFile),
        reason(named, Cause::Option60),
        reason(named, Cause::NoOffer),
        reason(named, UNHEARD),
        whole(Rival::Unseen(SERVER)),
        whole(Rival::Untaken(4, SERVER)),
        whole(Rival::NoAddress(4)),
        Seen::NoIpxe.to_string(),
        Seen::Ipxe.to_string(),
        two.to_string(),
        neither.to_string(),
        listed.to_string(),
        not_taken.to_string(),
    ];
    assert_eq!(quoted(), said.into_iter().chain(shared).collect::<Vec<_>>());
}

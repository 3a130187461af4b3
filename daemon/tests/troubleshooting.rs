//! Tests that docs/troubleshooting.md quotes the program's messages verbatim.

use proxydhcpd_core::ambiguous_identity::{
    ConflictingEntries, DuplicateIdentity, SharedUuidWarning, UnconfirmedMatch, UnresolvedConflict, UuidUse,
};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::identity::HardwareAddress;
use proxydhcpd_core::observations::LoopCause;
use proxydhcpd_core::observations::finding::{Advice, Cause, Diagnosis, Finding, NextContact};
use proxydhcpd_core::observations::shared_uuids::SharedUuid;
use proxydhcpd_core::plan::inventory::{DoubtReason, IdentityKind};
use std::net::Ipv4Addr;

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const ANOTHER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 3);
const NO_REQUEST: Cause = Cause::NotOverheard { is_remote: false };

/// Returns the quotations of the page, each as one line.
fn quoted() -> Vec<String> {
    let page = include_str!("../../docs/troubleshooting.md");
    let parts = page.split("\n\n").filter(|part| part.starts_with("> "));
    parts.map(|part| part.lines().map(|line| &line[2..]).collect::<Vec<_>>().join(" ")).collect()
}

fn finding(diagnosis: Diagnosis, cause: Cause) -> Finding {
    let ipxe = matches!(diagnosis, Diagnosis::BootsAnother(_) | Diagnosis::OfferUnseen(_));
    let next = if ipxe { NextContact::Http(8080) } else { NextContact::BootServer };
    let hardware = HardwareAddress { htype: 1, hlen: 6, octets: [0; 16] };
    Finding { hardware, arch: Arch::X64, ipxe, link: 1, relay: None, next, diagnosis, cause }
}

fn reason(diagnosis: Diagnosis, cause: Cause) -> String {
    Advice(&finding(diagnosis, cause)).to_string()
}

fn whole(diagnosis: Diagnosis) -> String {
    format!("{diagnosis}. {}", reason(diagnosis, NO_REQUEST))
}

#[test]
fn every_message_that_troubleshooting_quotes_is_the_programs_text() {
    let (shut_out, loaded, named) =
        (Diagnosis::ShutOut(SERVER), Diagnosis::LoadedElsewhere(SERVER), Diagnosis::BootsAnother(SERVER));
    let two = ConflictingEntries { name: "web1", by: IdentityKind::Uuid, other: "web2", other_by: IdentityKind::Mac };
    let neither =
        UnresolvedConflict { name: "web1", by: IdentityKind::Mac, other: "web2", other_by: IdentityKind::Uuid };
    let listed = DuplicateIdentity { name: "web1", by: IdentityKind::Mac, matched: None };
    let hardware = HardwareAddress::from_mac([2, 0, 0, 0, 0, 3]);
    let not_taken = UnconfirmedMatch {
        hardware,
        name: "web1",
        by: IdentityKind::Uuid,
        reason: DoubtReason::OtherAddress,
        is_restricted: false,
    };
    let uuid = 0x11223344_5566_7788_99aa_bbccddeeff00_u128.to_be_bytes();
    let shared = SharedUuid { uuid, macs: [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]] };
    let shared = [UuidUse::Entry("web1"), UuidUse::Rule, UuidUse::Unused]
        .map(|means| SharedUuidWarning { shared, used_by: means }.to_string());
    let messages = [
        shut_out.to_string(),
        reason(shut_out, Cause::Option60),
        reason(shut_out, Cause::BootFile),
        reason(shut_out, Cause::NotInOffers),
        reason(shut_out, NO_REQUEST),
        reason(shut_out, Cause::AnotherServer(ANOTHER)),
        loaded.to_string(),
        reason(loaded, Cause::NotInOffers),
        named.to_string(),
        reason(named, Cause::BootFile),
        reason(named, Cause::Option60),
        reason(named, Cause::NotInOffers),
        reason(named, NO_REQUEST),
        whole(Diagnosis::OfferUnseen(SERVER)),
        whole(Diagnosis::AddressUntaken(4, SERVER)),
        whole(Diagnosis::NoAddress(4)),
        LoopCause::NoIpxe.to_string(),
        LoopCause::Ipxe.to_string(),
        two.to_string(),
        neither.to_string(),
        listed.to_string(),
        not_taken.to_string(),
    ];
    assert_eq!(quoted(), messages.into_iter().chain(shared).collect::<Vec<_>>());
}

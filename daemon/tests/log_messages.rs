//! Tests that docs/log-messages.md quotes the program's messages verbatim.

use proxydhcpd_core::ambiguous_identity::{
    ConflictingEntries, DuplicateIdentity, SharedUuidWarning, UnconfirmedMatch, UnresolvedConflict, UuidUse,
};
use proxydhcpd_core::identity::HardwareAddress;
use proxydhcpd_core::observations::LoopCause;
use proxydhcpd_core::observations::shared_macs::SharedMac;
use proxydhcpd_core::observations::shared_uuids::SharedUuid;
use proxydhcpd_core::plan::inventory::{DoubtReason, IdentityKind};

/// Returns the quotations of the page, each as one line.
fn quoted() -> Vec<String> {
    let page = include_str!("../../docs/log-messages.md");
    let parts = page.split("\n\n").filter(|part| part.starts_with("> "));
    parts.map(|part| part.lines().map(|line| &line[2..]).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn every_message_that_the_page_quotes_is_the_programs_text() {
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
    let other = 0x55667788_1122_3344_5566_778899aabbcc_u128.to_be_bytes();
    let one_mac = SharedMac { mac: [2, 0, 0, 0, 0, 1], uuids: [uuid, other] }.to_string();
    let loops = [LoopCause::NoIpxe.to_string(), LoopCause::Ipxe.to_string()];
    let messages = [two.to_string(), neither.to_string(), listed.to_string(), not_taken.to_string()];
    assert_eq!(quoted(), messages.into_iter().chain(shared).chain([one_mac]).chain(loops).collect::<Vec<_>>());
}

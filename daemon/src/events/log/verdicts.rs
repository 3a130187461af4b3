//! Lines about boots that failed.

use super::limits::Limits;
use proxydhcpd_core::event::Event;
use proxydhcpd_core::event::verdict::BootVerdict;
use proxydhcpd_core::story::VerdictCode;

/// Warns of a boot that failed.
pub fn verdict(event: &Event<'_>, verdict: &BootVerdict<'_>, limits: &mut Limits) {
    let BootVerdict { id, message_id, client, stage, observation, remedy } = verdict;
    if VerdictCode::from_id(id).is_some_and(has_own_line) || !limits.may_warn(event.at) {
        return;
    }
    let machine = event.machine.identity.map(ToString::to_string).unwrap_or_default();
    let client = if client.is_empty() { String::new() } else { format!(" ({client})") };
    let link = event.link.map(|link| format!(" on {link}")).unwrap_or_default();
    tracing::warn!(
        MAC = machine,
        LINK = event.link,
        NAME = event.machine.entry,
        VERDICT = id,
        STAGE = stage,
        MESSAGE_ID = message_id,
        "{machine}{client}{link}: {observation}. {remedy}"
    );
}

/// Whether the finding that proves the verdict has a line already, with the same texts.
fn has_own_line(code: VerdictCode) -> bool {
    use VerdictCode::*;
    matches!(
        code,
        Option60
            | DhcpBootFile
            | OtherBootServer
            | OfferNotSeen
            | NotContacted
            | ForeignIpxe
            | NoAddress
            | AddressNotTaken
    )
}

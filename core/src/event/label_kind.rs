//! The kinds of labels of events.

use super::What;

/// The kinds of labels. Programs that watch the server count each kind separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LabelKind {
    /// The server did not reply to a DHCP packet, for this reason.
    Silence,
    /// A boot failed: the label is the name of its verdict.
    Verdict,
    /// Something else failed, or was refused.
    Failure,
}

impl What<'_> {
    /// The kind of the event's label. An event without a label is of no interest.
    pub fn label_kind(&self) -> LabelKind {
        match self {
            What::Silent(_) | What::Discarded(_) => LabelKind::Silence,
            What::Verdict(_) => LabelKind::Verdict,
            _ => LabelKind::Failure,
        }
    }
}

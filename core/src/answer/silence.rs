//! The reasons for which the server does not reply.

use crate::choose::NoBoot;
use crate::client::IgnoreReason;
use crate::reply4;
use crate::route::RefuseReason;
use crate::wire::MalformedDhcp;
use core::fmt;

/// Why the server does not reply. Silence always has a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// The packet cannot be parsed.
    Malformed(MalformedDhcp),
    /// The packet is not for this server.
    Ignored(IgnoreReason),
    /// The server refuses to answer this request.
    Refused(RefuseReason),
    /// The server has nothing that this client can boot.
    NoBoot(NoBoot),
}

impl Silence {
    /// The label for counters, logs and scripts.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Ignored(reason) => reason.label(),
            Self::Refused(reason) => reason.label(),
            Self::NoBoot(reason) => reason.label(),
        }
    }
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(reason) => write!(f, "malformed: {reason}"),
            Self::Ignored(reason) => reason.fmt(f),
            Self::Refused(reason) => reason.fmt(f),
            Self::NoBoot(reason) => reason.fmt(f),
        }
    }
}

impl From<MalformedDhcp> for Silence {
    fn from(reason: MalformedDhcp) -> Self {
        Self::Malformed(reason)
    }
}

impl From<IgnoreReason> for Silence {
    fn from(reason: IgnoreReason) -> Self {
        Self::Ignored(reason)
    }
}

impl From<RefuseReason> for Silence {
    fn from(reason: RefuseReason) -> Self {
        Self::Refused(reason)
    }
}

impl From<NoBoot> for Silence {
    fn from(reason: NoBoot) -> Self {
        Self::NoBoot(reason)
    }
}

impl From<reply4::TooLarge> for Silence {
    fn from(reply4::TooLarge { octets, max }: reply4::TooLarge) -> Self {
        Self::Refused(RefuseReason::TooLarge { octets, max })
    }
}

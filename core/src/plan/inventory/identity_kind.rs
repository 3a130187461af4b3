//! The kinds of identities that lead to an entry.

use core::fmt;

/// A kind of identity, strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IdentityKind {
    /// The name of the entry, from a URL.
    Name,
    /// The SMBIOS system UUID.
    Uuid,
    /// The SMBIOS serial number.
    Serial,
    /// A MAC address.
    Mac,
}

impl fmt::Display for IdentityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "name",
            Self::Uuid => "uuid",
            Self::Serial => "serial",
            Self::Mac => "mac",
        })
    }
}

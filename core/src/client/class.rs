//! The vendor class of a client.

use crate::arch::Transport;

/// The vendor class: the beginning of option 60. A reply must begin with the same text, or the client ignores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// `PXEClient`.
    Pxe,
    /// `HTTPClient`.
    Http,
    /// `U-Boot.armv8` and similar. The server answers these clients only if a rule lists U-Boot: most builds of U-Boot
    /// drop an offer without an address, and the other builds read only its header fields.
    UBoot,
}

impl Class {
    /// Parses the beginning of option 60; returns `None` for any other vendor class. Case matters, and any text may
    /// follow: EDK2 and iPXE compare the vendor class of a reply in the same way.
    pub fn from_vendor_class(vendor_class: &[u8]) -> Option<Self> {
        let begins = |word: &str| vendor_class.starts_with(word.as_bytes());
        let class = [Class::Pxe, Class::Http].into_iter().find(|class| begins(class.vendor_class()));
        class.or_else(|| begins("U-Boot").then_some(Class::UBoot))
    }

    /// The text of option 60 in a reply. For U-Boot, any text would do, because it reads no option.
    pub fn vendor_class(self) -> &'static str {
        match self {
            Class::Pxe | Class::UBoot => "PXEClient",
            Class::Http => "HTTPClient",
        }
    }

    /// The protocol by which a client of this class downloads its loader.
    pub fn transport(self) -> Transport {
        match self {
            Class::Pxe | Class::UBoot => Transport::Tftp,
            Class::Http => Transport::Http,
        }
    }
}

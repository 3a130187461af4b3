//! Reads ASN.1 elements without decoding them. A signature covers octets, so an element keeps the octets of the file. A
//! decoded value would need to be encoded again.

use der::asn1::AnyRef;
use der::{Decode, Reader, SliceReader};

/// The tags of the elements that occur in signatures and certificates.
pub const INTEGER: u8 = 0x02;
pub const BIT_STRING: u8 = 0x03;
pub const OCTET_STRING: u8 = 0x04;
pub const OID: u8 = 0x06;
pub const SEQUENCE: u8 = 0x30;
pub const SET: u8 = 0x31;

/// The tag of a constructed, context-specific element `[number]`.
pub const fn context_tag(number: u8) -> u8 {
    0xa0 | number
}

/// One element.
#[derive(Clone, Copy, Debug)]
pub struct Element<'a> {
    /// The tag octet.
    pub tag: u8,
    /// The octets of the whole element, with tag and length.
    pub raw: &'a [u8],
    /// The octets of the content, without tag and length.
    pub content: &'a [u8],
}

/// Elements in sequence.
#[derive(Clone, Copy, Debug)]
pub struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    /// The elements that these octets contain.
    pub fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    /// Reads the next element if it has this tag. Otherwise returns `None` and stays at that element.
    pub fn read(&mut self, tag: u8) -> Option<Element<'a>> {
        let mut ahead = *self;
        let element = ahead.next()?;
        (element.tag == tag).then(|| {
            *self = ahead;
            element
        })
    }

    /// Reads the next element if it is a sequence, and returns its content. Otherwise returns `None`.
    pub fn sequence(&mut self) -> Option<Elements<'a>> {
        Some(Elements(self.read(SEQUENCE)?.content))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let mut reader = SliceReader::new(self.0).ok()?;
        let raw = reader.tlv_bytes().ok()?;
        let content = AnyRef::from_der(raw).ok()?.value();
        self.0 = &self.0[raw.len()..];
        Some(Element { tag: raw[0], raw, content })
    }
}

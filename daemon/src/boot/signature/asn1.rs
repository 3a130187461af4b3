//! ASN.1 elements as they stand in a file. A signature is made over octets, so everything here keeps those octets
//! rather than a value that would have to be written again.

use der::asn1::AnyRef;
use der::{Decode, Reader, SliceReader};

pub const INTEGER: u8 = 0x02;
pub const BIT_STRING: u8 = 0x03;
pub const OCTET_STRING: u8 = 0x04;
pub const OID: u8 = 0x06;
pub const SEQUENCE: u8 = 0x30;
pub const SET: u8 = 0x31;

/// `[number]`, holding other elements.
pub const fn context_tag(number: u8) -> u8 {
    0xa0 | number
}

#[derive(Clone, Copy, Debug)]
pub struct Element<'a> {
    /// Its first octet.
    pub tag: u8,
    /// The whole of it.
    pub raw: &'a [u8],
    /// Without tag and length.
    pub content: &'a [u8],
}

/// One element after the other.
#[derive(Clone, Copy, Debug)]
pub struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    pub fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    /// The next one if it is of this kind; otherwise it stays.
    pub fn read(&mut self, tag: u8) -> Option<Element<'a>> {
        let mut ahead = *self;
        let element = ahead.next()?;
        (element.tag == tag).then(|| {
            *self = ahead;
            element
        })
    }

    /// The content of the next one, which must be a sequence.
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

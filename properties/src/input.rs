//! Reads the parts of a structured input, front to back. A part that is missing is zero or empty, so every input means
//! something, and a seed is the concatenation of its parts.

use arbitrary::{Arbitrary, Unstructured};

/// The rest of an input.
pub struct Input<'a>(Unstructured<'a>);

impl<'a> Input<'a> {
    /// The whole input.
    pub fn new(data: &'a [u8]) -> Input<'a> {
        Input(Unstructured::new(data))
    }

    /// A number or an array of octets; numbers are little-endian.
    pub fn next<T: Arbitrary<'a> + Default>(&mut self) -> T {
        self.0.arbitrary().unwrap_or_default()
    }

    /// Octets, preceded by their number as two octets.
    pub fn octets(&mut self) -> &'a [u8] {
        let length = usize::from(self.next::<u16>()).min(self.0.len());
        self.0.bytes(length).unwrap_or_default()
    }

    /// Octets as [`Self::octets`], as text.
    pub fn text(&mut self) -> String {
        String::from_utf8_lossy(self.octets()).into_owned()
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All octets that are left.
    pub fn rest(self) -> &'a [u8] {
        self.0.take_rest()
    }
}

/// The octets as [`Input::octets`] reads them.
pub fn sized(octets: &[u8]) -> Vec<u8> {
    let length = u16::try_from(octets.len()).unwrap_or(u16::MAX);
    [&length.to_le_bytes(), &octets[..length.into()]].concat()
}

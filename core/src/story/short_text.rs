//! A short text that is copied without an allocation.

use alloc::format;
use alloc::string::String;
use core::fmt;

/// The maximum length of a text, in octets.
const MAX: usize = 63;
/// Replaces the beginning of a longer text.
const ELLIPSIS: &str = "...";

/// A text of at most 63 octets. The beginning of a longer text is replaced by `...`, because the end of a path says
/// more.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ShortText {
    length: u8,
    octets: [u8; MAX],
}

impl ShortText {
    /// Copies a text without control characters. Every answer to a DHCP packet does this, so it is cheap.
    #[inline]
    pub fn new(text: &str) -> ShortText {
        let mut short = ShortText::default();
        match short.octets.get_mut(..text.len()) {
            Some(place) => {
                place.copy_from_slice(text.as_bytes());
                short.length = text.len() as u8;
                short
            }
            None => ShortText::end_of(text),
        }
    }

    /// Copies a requested name. Octets that are not printable ASCII characters become `?`.
    pub fn from_octets(name: &[u8]) -> ShortText {
        let printable = |octet: &u8| if octet.is_ascii_graphic() || *octet == b' ' { char::from(*octet) } else { '?' };
        let start = name.len().saturating_sub(MAX + 1);
        ShortText::new(&name.iter().skip(start).map(printable).collect::<String>())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        let octets = self.octets.get(..usize::from(self.length)).unwrap_or_default();
        core::str::from_utf8(octets).unwrap_or_default()
    }

    /// The end of a text that is too long.
    fn end_of(text: &str) -> ShortText {
        let room = MAX - ELLIPSIS.len();
        let start = (text.len() - room..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        let end = text.get(start..).unwrap_or_default();
        ShortText::new(&format!("{ELLIPSIS}{end}"))
    }
}

impl Default for ShortText {
    fn default() -> Self {
        ShortText { length: 0, octets: [0; MAX] }
    }
}

impl From<Option<&str>> for ShortText {
    #[inline]
    fn from(text: Option<&str>) -> Self {
        text.map_or_else(ShortText::default, ShortText::new)
    }
}

impl fmt::Debug for ShortText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_keeps_its_end_and_stays_utf_8() {
        assert_eq!(ShortText::new("snponly.efi").as_str(), "snponly.efi");
        let long: String = core::iter::repeat_n('ü', 40).chain("/vmlinuz".chars()).collect();
        let short = ShortText::new(&long);
        assert!(short.as_str().starts_with("...ü") && short.as_str().ends_with("/vmlinuz"), "{short:?}");
        assert_eq!(ShortText::from_octets(b"a\n\xff").as_str(), "a??");
        assert_eq!(ShortText::from_octets(&[b'x'; 200]).as_str().len(), MAX);
    }
}

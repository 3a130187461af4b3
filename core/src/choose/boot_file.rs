//! The name or the URL of a boot file.

use alloc::string::String;
use core::fmt::{self, Write};
use core::hash::{Hash, Hasher};
use core::ops::Deref;

/// The length in octets up to which a text needs no allocation: the longest URL that a DHCPv4 reply can hold.
const INLINE: usize = 254;

/// The name or the URL of a boot file. The server makes one for every answer, so that one of usual length needs no
/// allocation.
#[derive(Clone)]
pub struct BootFile {
    length: u8,
    octets: [u8; INLINE],
    /// The text, if it is longer; otherwise empty.
    long: String,
}

impl BootFile {
    /// The text.
    pub fn as_str(&self) -> &str {
        if !self.long.is_empty() {
            return &self.long;
        }
        let octets = self.octets.get(..usize::from(self.length)).unwrap_or_default();
        core::str::from_utf8(octets).unwrap_or_default()
    }
}

impl Default for BootFile {
    fn default() -> Self {
        BootFile { length: 0, octets: [0; INLINE], long: String::new() }
    }
}

/// Appends to the text.
impl Write for BootFile {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let start = usize::from(self.length);
        match self.octets.get_mut(start..start + text.len()) {
            Some(place) if self.long.is_empty() => {
                place.copy_from_slice(text.as_bytes());
                self.length += text.len() as u8;
            }
            _ => {
                if self.long.is_empty() {
                    self.long = self.as_str().into();
                }
                self.long.push_str(text);
            }
        }
        Ok(())
    }
}

impl From<&str> for BootFile {
    fn from(text: &str) -> Self {
        let mut file = BootFile::default();
        // This function returns no errors.
        let _ = file.write_str(text);
        file
    }
}

impl From<fmt::Arguments<'_>> for BootFile {
    fn from(text: fmt::Arguments<'_>) -> Self {
        let mut file = BootFile::default();
        // As above; the values that the server formats return no errors, either.
        let _ = file.write_fmt(text);
        file
    }
}

impl Deref for BootFile {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for BootFile {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for BootFile {}

impl PartialEq<str> for BootFile {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for BootFile {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl Hash for BootFile {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for BootFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for BootFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_any_length_is_kept_whole() {
        for length in [0, 1, INLINE - 1, INLINE, INLINE + 1, 1000] {
            let text: String = ('a'..='z').cycle().take(length).collect();
            assert_eq!(BootFile::from(text.as_str()), text.as_str());
            let middle = length / 2;
            let parts = BootFile::from(format_args!("{}{}", &text[..middle], &text[middle..]));
            assert_eq!((parts.as_str(), parts.long.is_empty()), (text.as_str(), length <= INLINE));
        }
    }

    #[test]
    fn a_text_that_became_long_grows_further() {
        let mut file = BootFile::from("x".repeat(INLINE).as_str());
        (0..3).for_each(|_| file.write_str("y").unwrap());
        assert_eq!(file, ("x".repeat(INLINE) + "yyy").as_str());
    }
}

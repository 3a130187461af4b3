//! The content of a file that arrives: a text as a whole, as scripts are; of a program or an image only its beginning.
//! Ten thousand machines that load an initrd at the same time would otherwise fill the memory of the host.

/// The longest text that is kept, in octets; the rest is only counted.
const MAX_TEXT: usize = 256 * 1024;

/// How much of a file is kept if its beginning is no text, in octets.
const MAX_BINARY: usize = 64;

/// The octets of a file so far.
#[derive(Clone, Debug, Default)]
pub struct Content {
    kept: Vec<u8>,
    length: u64,
}

impl Content {
    /// Adds the next octets.
    pub fn push(&mut self, octets: &[u8]) {
        let beginning = octets.get(..octets.len().min(MAX_BINARY.saturating_sub(self.kept.len()))).unwrap_or_default();
        self.kept.extend_from_slice(beginning);
        let rest = octets.get(beginning.len()..).unwrap_or_default();
        if !rest.is_empty() && is_text(&self.kept) {
            let kept = rest.len().min(MAX_TEXT.saturating_sub(self.kept.len()));
            self.kept.extend_from_slice(rest.get(..kept).unwrap_or_default());
        }
        self.length += octets.len() as u64;
    }

    /// The length of the file so far, in octets.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The octets that are kept.
    pub fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// The octets that are kept.
    pub fn into_kept(self) -> Vec<u8> {
        self.kept
    }
}

/// Whether a file with this beginning is a text: programs and images have control characters there.
fn is_text(octets: &[u8]) -> bool {
    let beginning = octets.iter().take(MAX_BINARY);
    beginning.copied().all(|octet| octet >= b' ' || matches!(octet, b'\t' | b'\n' | b'\r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(pieces: &[&[u8]]) -> Content {
        let mut content = Content::default();
        pieces.iter().for_each(|piece| content.push(piece));
        content
    }

    #[test]
    fn a_text_is_kept_as_a_whole_and_an_image_at_its_beginning() {
        let script = "#!ipxe\n".repeat(30_000);
        for pieces in script.as_bytes().chunks(7001).collect::<Vec<_>>().chunks(40) {
            assert_eq!(content(pieces).into_kept(), pieces.concat());
        }
        let image = content(&[b"MZ\0\0", &[1; 100_000], &[b'a'; 100_000]]);
        assert_eq!((image.length(), image.into_kept().len()), (200_004, MAX_BINARY));
    }

    #[test]
    fn a_text_without_an_end_is_not_kept_without_an_end() {
        let endless = content(&[&[b'a'; MAX_TEXT], &[b'a'; MAX_TEXT]]);
        assert_eq!((endless.length(), endless.into_kept().len()), (2 * MAX_TEXT as u64, MAX_TEXT));
    }
}

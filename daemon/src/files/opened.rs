//! The content to send. Only this module knows where the octets come from; TFTP and HTTP read them by offset.

use super::open_file::OpenFile;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::sync::Arc;
use std::time::SystemTime;

/// Content that was opened or rendered for a request. Its octets and their number stay as they were then, or reading
/// them is an error. A clone shares the file or the text.
#[derive(Clone, Debug)]
pub struct Opened(ContentSource);

/// Where the octets come from.
#[derive(Clone, Debug)]
enum ContentSource {
    Text(Bytes),
    File(Arc<OpenFile>),
}

impl Opened {
    /// Makes a text to send.
    pub fn text(text: impl Into<Bytes>) -> Opened {
        Opened(ContentSource::Text(text.into()))
    }

    /// Makes a whole file to send. Returns an error if it is not a regular file.
    pub fn file(file: File) -> io::Result<Opened> {
        Ok(Opened(ContentSource::File(Arc::new(OpenFile::new(file)?))))
    }

    /// The number of octets.
    pub fn size(&self) -> u64 {
        match &self.0 {
            ContentSource::Text(text) => text.len() as u64,
            ContentSource::File(file) => file.size(),
        }
    }

    /// The modification time; `None` for a text, which was rendered for this request.
    pub fn modified(&self) -> Option<SystemTime> {
        match &self.0 {
            ContentSource::Text(_) => None,
            ContentSource::File(file) => Some(file.modified()),
        }
    }

    /// A tag that differs if the content differs: of visible ASCII characters, without quotes.
    pub fn tag(&self) -> String {
        match &self.0 {
            // Whichever machine the text was rendered for.
            ContentSource::Text(text) => {
                Sha256::digest(text)[..12].iter().map(|octet| format!("{octet:02x}")).collect()
            }
            ContentSource::File(file) => file.identity().tag(),
        }
    }

    /// The octets, if they are in memory and need not be read; `None` if reading them may block.
    pub fn in_memory(&self) -> Option<&Bytes> {
        match &self.0 {
            ContentSource::Text(text) => Some(text),
            ContentSource::File(_) => None,
        }
    }

    /// The open file, if its octets can be sent without reading them, and without waiting for anything but a local
    /// disk; `None` for a text and for a file of another host. May block.
    pub fn sendable(&self) -> Option<&Arc<OpenFile>> {
        match &self.0 {
            ContentSource::Text(_) => None,
            ContentSource::File(file) => file.knows_cache().then_some(file),
        }
    }

    /// Reads at `offset` into `buffer`, and returns the number of octets read. It is smaller than the buffer only at
    /// the end. Returns an error if the file was modified since it was opened.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = usize::try_from(self.size().saturating_sub(offset)).unwrap_or(usize::MAX);
        let count = left.min(buffer.len());
        match &self.0 {
            ContentSource::Text(text) => buffer[..count].copy_from_slice(&text[text.len() - left..][..count]),
            ContentSource::File(file) => file.read(&mut buffer[..count], offset)?,
        }
        Ok(count)
    }

    /// Fills all pieces with consecutive octets from `offset` on, none of them after the end. Returns an error if the
    /// file was modified since it was opened.
    pub fn read_pieces(&self, pieces: &mut [IoSliceMut<'_>], offset: u64) -> io::Result<()> {
        match &self.0 {
            ContentSource::Text(text) => copy(&text[offset as usize..], pieces),
            ContentSource::File(file) => return file.read_pieces(pieces, offset),
        }
        Ok(())
    }

    /// The open file, of which [`super::OpenFiles`] keeps one descriptor for all transfers; `None` for a text.
    pub(super) fn file_mut(&mut self) -> Option<&mut Arc<OpenFile>> {
        match &mut self.0 {
            ContentSource::Text(_) => None,
            ContentSource::File(file) => Some(file),
        }
    }
}

fn copy(mut text: &[u8], pieces: &mut [IoSliceMut<'_>]) {
    for piece in pieces {
        let (head, rest) = text.split_at(piece.len());
        piece.copy_from_slice(head);
        text = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// The same content as a text and as a file.
    fn both(content: &'static str) -> [Opened; 2] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, content).unwrap();
        [Opened::text(content), Opened::file(File::open(&path).unwrap()).unwrap()]
    }

    #[test]
    fn a_text_and_a_file_are_read_alike() {
        for opened in both("#!ipxe\n") {
            assert_eq!(opened.size(), 7);
            let mut buffer = [0; 4];
            assert_eq!((opened.read_at(&mut buffer, 0).unwrap(), &buffer), (4, b"#!ip"));
            assert_eq!((opened.read_at(&mut buffer, 4).unwrap(), &buffer[..3]), (3, &b"xe\n"[..]));
            for offset in [7, 8, u64::MAX] {
                assert_eq!(opened.read_at(&mut buffer, offset).unwrap(), 0, "{offset}");
            }
            let (mut first, mut second) = ([0; 2], [0; 3]);
            opened.read_pieces(&mut [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)], 1).unwrap();
            assert_eq!((&first, &second), (b"!i", b"pxe"));
        }
    }

    #[test]
    fn only_a_text_is_in_memory_and_only_a_file_has_a_time() {
        let [text, file] = both("#!ipxe\n");
        assert!(text.in_memory().is_some() && text.modified().is_none());
        assert!(file.in_memory().is_none() && file.modified().is_some());
    }

    #[test]
    fn texts_have_the_same_tag_only_if_they_are_equal() {
        let tag = |text| Opened::text(text).tag();
        assert_eq!(tag("#!ipxe"), tag("#!ipxe"));
        assert!(tag("#!ipxe").len() == 24 && tag("#!ipxe") != tag("#!ipxe\n"));
    }
}

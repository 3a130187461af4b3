//! The content to send: an opened file, or a text.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::SystemTime;

/// An opened file or a text to send. The size is determined when the file is opened.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The file or the text.
    pub content: ServedContent,
    /// The number of octets to send, even if the file changes meanwhile.
    pub size: u64,
    /// The modification time, for `Last-Modified` and the entity tag. `None` for text that was rendered for this
    /// request.
    pub modified: Option<SystemTime>,
    /// The inode number, for the entity tag: it differs if the file was replaced by another of the same size and time.
    /// 0 for text.
    pub inode: u64,
    /// The device number of the file system that contains the inode. 0 for text.
    pub device: u64,
}

/// The source of the octets to send.
#[derive(Clone, Debug)]
pub enum ServedContent {
    /// A text in memory.
    Text(Arc<[u8]>),
    /// An open file.
    File(Arc<File>),
}

impl Opened {
    /// Makes a text to send.
    pub fn text(text: impl Into<Arc<[u8]>>) -> Opened {
        let text = text.into();
        Opened { size: text.len() as u64, content: ServedContent::Text(text), modified: None, inode: 0, device: 0 }
    }

    /// Reads at `offset` into `buffer`, and returns the number of octets read. It is smaller than the buffer only at
    /// the end. Returns an error if the file was modified since it was opened, rather than padding or a mixture of old
    /// and new content.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        match &self.content {
            ServedContent::Text(text) => buffer[..wanted].copy_from_slice(&text[text.len() - left..][..wanted]),
            ServedContent::File(file) => {
                let read = file.read_exact_at(&mut buffer[..wanted], offset);
                self.check_unchanged()?;
                read?;
            }
        }
        Ok(wanted)
    }

    /// Checks after reading that the file is still the one that was opened. A write changes the modification time of
    /// the open file. Replacing the file by rename does not change the open file.
    pub fn check_unchanged(&self) -> io::Result<()> {
        let ServedContent::File(file) = &self.content else { return Ok(()) };
        let metadata = file.metadata()?;
        if metadata.len() == self.size && metadata.modified().ok() == self.modified {
            return Ok(());
        }
        let is_truncated = metadata.len() < self.size;
        let kind = if is_truncated { io::ErrorKind::UnexpectedEof } else { io::ErrorKind::Other };
        Err(io::Error::new(kind, CHANGED))
    }
}

const CHANGED: &str = "the file was modified during the transfer, which was aborted; write the new file under \
                       another name and rename it over the old one (mv and rsync do that, cp does not)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_like_a_file() {
        let opened = Opened::text(*b"#!ipxe\n");
        let mut buffer = [0; 4];
        assert_eq!((opened.read_at(&mut buffer, 0).unwrap(), &buffer), (4, b"#!ip"));
        assert_eq!((opened.read_at(&mut buffer, 4).unwrap(), &buffer[..3]), (3, &b"xe\n"[..]));
        assert_eq!(opened.read_at(&mut buffer, 8).unwrap(), 0);
    }
}

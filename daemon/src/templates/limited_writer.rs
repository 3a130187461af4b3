//! A writer with a maximum length.

use std::io;

/// The maximum length of a rendered text, in octets. It is more than any installer needs, but limited, because every
/// request renders the text anew.
pub const MAX_TEXT: usize = 1 << 20;

/// A writer with a maximum length.
#[derive(Default)]
pub struct LimitedWriter(Vec<u8>);

impl LimitedWriter {
    /// The octets written so far.
    pub fn into_octets(self) -> Vec<u8> {
        self.0
    }
}

impl io::Write for LimitedWriter {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if self.0.len() + octets.len() > MAX_TEXT {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! Reads the logs of programs and the consoles of machines.

use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// Returns the text that a terminal would show for a file, or an empty text if the file does not exist yet.
pub fn read_text(file: &Path) -> Result<String> {
    match fs::read(file) {
        Ok(bytes) => Ok(printable(&bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error).with_context(|| file.display().to_string()),
    }
}

/// Removes what a terminal does not show. Firmware consoles send NUL bytes and terminal control sequences (ECMA-48 5.4)
/// between the letters of a word.
fn printable(bytes: &[u8]) -> String {
    let mut text = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        match byte {
            0x1b if rest.peek() == Some(&b'[') => {
                rest.next();
                // The parameter and intermediate bytes of the control sequence, up to the final byte.
                while rest.next().is_some_and(|byte| !(0x40..=0x7e).contains(&byte)) {}
            }
            b'\n' | b'\t' | 0x20..=0x7e | 0x80.. => text.push(byte),
            _ => {}
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_between_terminal_sequences() {
        assert_eq!(printable(b"\x1b[2J\x1b[01;01Hboo\0ted\x1b[0;37;40m-1\r\n"), "booted-1\n");
    }

    #[test]
    fn a_truncated_sequence_ends_the_text() {
        assert_eq!(printable(b"boot\x1b["), "boot");
    }
}

//! A token proves that a script ran.

use anyhow::{Context, Result};
use std::fs::File;
use std::io::Read;

/// A random word.
///
/// The script contains it in two halves, which only iPXE joins. A console that shows the whole word proves that the
/// script ran; the script's text, name or URL on the console would not.
#[derive(Debug)]
pub struct Token {
    left: String,
    right: String,
}

impl Token {
    /// Creates a token that no other run has.
    pub fn random() -> Result<Token> {
        Ok(Token { left: format!("booted-{}", random_hex()?), right: random_hex()? })
    }

    /// Returns the word as it appears on the console.
    pub fn word(&self) -> String {
        format!("{}-{}", self.left, self.right)
    }

    /// Returns the halves of the word, without the hyphen between them.
    pub fn halves(&self) -> [&str; 2] {
        [&self.left, &self.right]
    }

    /// Returns a GRUB configuration that prints the word.
    pub fn grub_config(&self) -> String {
        format!("set half={}\necho ${{half}}-{}\nsleep 600\n", self.left, self.right)
    }

    /// Returns an iPXE script that prints the word.
    pub fn script(&self) -> String {
        format!("#!ipxe\nset half {}\necho ${{half}}-{}\nsleep 600\n", self.left, self.right)
    }
}

/// Returns eight random hexadecimal digits.
pub fn random_hex() -> Result<String> {
    let mut bytes = [0; 4];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).context("/dev/urandom")?;
    Ok(format!("{:08x}", u32::from_be_bytes(bytes)))
}

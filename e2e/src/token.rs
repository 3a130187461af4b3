//! Proof that a script ran.

use anyhow::{Context, Result};
use std::fs::File;
use std::io::Read;

/// A word that this run made up.
///
/// The script holds it in two halves that only iPXE puts together, so a console that shows the whole word has run the
/// script; one that shows the script's text, its name or its URL has not.
#[derive(Debug)]
pub struct Token {
    left: String,
    right: String,
}

impl Token {
    pub fn random() -> Result<Token> {
        Ok(Token { left: format!("booted-{}", random_hex()?), right: random_hex()? })
    }

    /// What appears on the console.
    pub fn word(&self) -> String {
        format!("{}-{}", self.left, self.right)
    }

    /// What appears with a hyphen between them.
    pub fn halves(&self) -> [&str; 2] {
        [&self.left, &self.right]
    }

    /// The GRUB configuration that makes it appear.
    pub fn grub_config(&self) -> String {
        format!("set half={}\necho ${{half}}-{}\nsleep 600\n", self.left, self.right)
    }

    /// The iPXE script that makes it appear.
    pub fn script(&self) -> String {
        format!("#!ipxe\nset half {}\necho ${{half}}-{}\nsleep 600\n", self.left, self.right)
    }
}

/// Eight digits that no other run has.
pub fn random_hex() -> Result<String> {
    let mut bytes = [0; 4];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).context("/dev/urandom")?;
    Ok(format!("{:08x}", u32::from_be_bytes(bytes)))
}

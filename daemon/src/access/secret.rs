//! Random secrets, which a browser presents as text.

use sha2::{Digest, Sha256};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};

const OCTETS: usize = 32;

/// The hash of a secret. The server keeps only this, so that a look at its memory or files shows no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretHash([u8; OCTETS]);

/// A secret of 256 random bits.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A new secret from the kernel's random numbers.
    pub fn new() -> io::Result<Secret> {
        let mut octets = [0; OCTETS];
        File::open("/dev/urandom")?.read_exact(&mut octets)?;
        Ok(Secret(octets.iter().map(|octet| format!("{octet:02x}")).collect()))
    }

    /// The secret as text: 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hash by which the server recognises the secret.
    pub fn hash(&self) -> SecretHash {
        SecretHash::of_text(&self.0)
    }
}

impl SecretHash {
    /// The hash of the text that a browser presents. Hashes can be compared in any time: who knows a part of a hash
    /// knows nothing about the secret.
    pub fn of_text(text: &str) -> SecretHash {
        SecretHash(Sha256::digest(text.as_bytes()).into())
    }
}

impl SecretHash {
    /// The hash in hexadecimal digits.
    pub fn to_hex(self) -> String {
        self.0.iter().map(|octet| format!("{octet:02x}")).collect()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_secrets_differ_and_neither_is_shown_by_accident() {
        let [one, other] = [Secret::new().unwrap(), Secret::new().unwrap()];
        assert_ne!(one.as_str(), other.as_str());
        assert_eq!(one.as_str().len(), 64);
        assert_eq!(one.hash(), SecretHash::of_text(one.as_str()));
        assert_eq!(format!("{one:?}"), "Secret(..)");
    }
}

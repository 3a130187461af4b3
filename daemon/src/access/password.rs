//! The password of the page. The state directory has its hash (Argon2id, RFC 9106).

use crate::files::replace;
use argon2::password_hash::phc::{PasswordHash, Salt};
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use proxydhcpd_reading::regular::read_regular;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The file with the hash, below the state directory.
const FILE: &str = "web-password";
/// The maximum size of that file, in octets.
const MAX_SIZE: u64 = 1024;
/// The valid lengths of a password, in characters and in octets. The maximum bounds the work of the hash.
const MIN_CHARACTERS: usize = 8;
const MAX_OCTETS: usize = 512;

/// The password, as the server knows it.
#[derive(Clone, Debug)]
pub struct Password {
    path: PathBuf,
    /// The hash in the PHC string format; `None` if no password is set.
    hash: Option<String>,
}

/// Why a password cannot be set.
#[derive(Debug)]
pub enum PasswordError {
    /// It is too short.
    TooShort,
    /// It is too long.
    TooLong,
    /// It cannot be hashed or stored.
    Unwritable(io::Error),
}

impl Password {
    /// Reads the stored hash. No file: no password is set.
    pub fn load(state_dir: &Path) -> io::Result<Password> {
        let path = state_dir.join(FILE);
        let hash = match read_regular(&path, MAX_SIZE) {
            Ok(octets) => Some(parse(&octets)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(Password { path, hash })
    }

    /// Whether a password is set.
    pub fn is_set(&self) -> bool {
        self.hash.is_some()
    }

    /// Whether this is the password. Takes tens of milliseconds and 19 MiB: call it where that delays nothing.
    pub fn is_correct(&self, attempt: &str) -> bool {
        let Some(hash) = self.hash.as_deref().filter(|_| attempt.len() <= MAX_OCTETS) else { return false };
        let Ok(hash) = PasswordHash::new(hash) else { return false };
        Argon2::default().verify_password(attempt.as_bytes(), &hash).is_ok()
    }

    /// Whether this can be a password.
    pub fn check(new: &str) -> Result<(), PasswordError> {
        if new.chars().count() < MIN_CHARACTERS {
            return Err(PasswordError::TooShort);
        }
        if new.len() > MAX_OCTETS {
            return Err(PasswordError::TooLong);
        }
        Ok(())
    }

    /// Sets the password, and stores its hash in a file that only the user of the server can read.
    pub fn set(&mut self, new: &str) -> Result<(), PasswordError> {
        Password::check(new)?;
        let mut salt = [0; Salt::RECOMMENDED_LENGTH];
        File::open("/dev/urandom")
            .and_then(|mut file| file.read_exact(&mut salt))
            .map_err(PasswordError::Unwritable)?;
        let hash = Argon2::default().hash_password_with_salt(new.as_bytes(), &salt);
        let hash = hash.map_err(|error| PasswordError::Unwritable(io::Error::other(error.to_string())))?.to_string();
        let store = || {
            self.path.parent().map_or(Ok(()), fs::create_dir_all)?;
            replace(&self.path, format!("{hash}\n").as_bytes(), 0o600)
        };
        store().map_err(PasswordError::Unwritable)?;
        self.hash = Some(hash);
        Ok(())
    }
}

impl fmt::Display for PasswordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PasswordError::TooShort => write!(f, "the password has fewer than {MIN_CHARACTERS} characters"),
            PasswordError::TooLong => write!(f, "the password has more than {MAX_OCTETS} octets"),
            PasswordError::Unwritable(error) => write!(f, "the server cannot store the password: {error}"),
        }
    }
}

fn parse(octets: &[u8]) -> io::Result<String> {
    let text = std::str::from_utf8(octets).ok().map(str::trim);
    let valid = text.filter(|text| PasswordHash::new(text).is_ok()).map(str::to_owned);
    valid.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the file contains no hash of a password"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_password_outlives_the_server_and_only_its_hash_is_stored() {
        let directory = tempfile::tempdir().unwrap();
        let mut password = Password::load(directory.path()).unwrap();
        assert!(!password.is_set() && !password.is_correct(""));
        password.set("correct horse").unwrap();
        let loaded = Password::load(directory.path()).unwrap();
        assert!(loaded.is_correct("correct horse") && !loaded.is_correct("correct hors"));
        let file = directory.path().join(FILE);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::read_to_string(&file).unwrap().starts_with("$argon2id$"));
    }

    /// The hash is by another program (argon2-cffi 25.1), with the parameters that argon2 0.5 used by default.
    #[test]
    fn a_hash_that_an_earlier_version_stored_still_counts() {
        let directory = tempfile::tempdir().unwrap();
        let parameters = "$argon2id$v=19$m=19456,t=2,p=1$";
        let stored = format!("{parameters}yOf9muIlo2HBjfYuEpDY1w$rMC4QyQoInLGY+x5yW1olkGFP/dhQiJxUp7GmFaZ+rg\n");
        fs::write(directory.path().join(FILE), stored).unwrap();
        let mut password = Password::load(directory.path()).unwrap();
        assert!(password.is_correct("correct horse") && !password.is_correct("correct hors"));
        password.set("correct horse").unwrap();
        let new = fs::read_to_string(directory.path().join(FILE)).unwrap();
        assert!(new.starts_with(parameters), "other parameters: {new}");
    }

    #[test]
    fn a_short_password_and_a_damaged_file_are_errors() {
        let directory = tempfile::tempdir().unwrap();
        let mut password = Password::load(directory.path()).unwrap();
        assert!(matches!(password.set("seven77"), Err(PasswordError::TooShort)));
        assert!(matches!(password.set(&"x".repeat(513)), Err(PasswordError::TooLong)));
        assert!(!password.is_set());
        fs::write(directory.path().join(FILE), "password\n").unwrap();
        assert!(Password::load(directory.path()).is_err());
    }
}

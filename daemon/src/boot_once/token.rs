//! The token in `done_url`, with which an installer proves that its machine is done. The token is a hash of the
//! machine's name and of how many boot-onces the machine has completed. The hash is keyed with a secret that the server
//! stores in the state directory.

use crate::files::replace;
use proxydhcpd_reading::regular::read_regular;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The file with the secret of all tokens, below the state directory.
pub const KEY_FILE: &str = "done-url-key";
/// The file that counts the completions of each machine, below the state directory.
pub const COUNTS_FILE: &str = "boot-once-counts";
const KEY_OCTETS: usize = 32;
/// Limit of the size of the file of counts, in octets: enough for several lines for each of a million machines.
const MAX_COUNTS_SIZE: u64 = 256 << 20;

/// The secret of all tokens. A program that knows it can complete the boot-once of every machine.
#[derive(Clone)]
pub struct TokenKey([u8; KEY_OCTETS]);

impl TokenKey {
    /// Reads the stored key. `None` if the file does not exist.
    pub fn load(state_dir: &Path) -> io::Result<Option<TokenKey>> {
        let file = state_dir.join(KEY_FILE);
        let Some(text) = read_text(&file, 1 << 20)? else { return Ok(None) };
        let invalid = || io::Error::new(io::ErrorKind::InvalidData, "expected 64 hexadecimal digits");
        let digits = text.trim();
        if digits.len() != 2 * KEY_OCTETS || !digits.is_ascii() {
            return Err(invalid());
        }
        let mut key = [0; KEY_OCTETS];
        for (index, octet) in key.iter_mut().enumerate() {
            *octet = u8::from_str_radix(&digits[2 * index..][..2], 16).map_err(|_| invalid())?;
        }
        Ok(Some(TokenKey(key)))
    }

    /// Generates a new key from the kernel's random numbers.
    pub fn generate() -> io::Result<TokenKey> {
        let mut key = [0; KEY_OCTETS];
        File::open("/dev/urandom")?.read_exact(&mut key)?;
        Ok(TokenKey(key))
    }

    /// Stores the key atomically, in a file that only the server's user can read.
    pub fn save(&self, state_dir: &Path) -> io::Result<()> {
        fs::create_dir_all(state_dir)?;
        replace(&key_file(state_dir), (hexadecimal(&self.0) + "\n").as_bytes(), 0o600)
    }

    /// The token for a machine's next boot-once, after `count` completed ones. It is valid until that boot-once is
    /// reset.
    pub fn token(&self, machine: &str, count: u64) -> String {
        let inner =
            Sha256::new().chain_update(self.0).chain_update(count.to_be_bytes()).chain_update(machine).finalize();
        let outer = Sha256::new().chain_update(self.0).chain_update(inner).finalize();
        hexadecimal(&outer[..16])
    }

    /// Whether `token` is the machine's token for this count. The comparison takes constant time.
    pub fn is_valid_token(&self, token: &str, machine: &str, count: u64) -> bool {
        let expected = self.token(machine, count);
        let difference = expected.bytes().zip(token.bytes()).fold(0, |sum, (one, other)| sum | (one ^ other));
        token.len() == expected.len() && difference == 0
    }
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenKey(..)")
    }
}

/// The path of the file with the secret.
pub fn key_file(state_dir: &Path) -> PathBuf {
    state_dir.join(KEY_FILE)
}

/// The path of the file with the counts.
pub fn counts_file(state_dir: &Path) -> PathBuf {
    state_dir.join(COUNTS_FILE)
}

/// Reads how often each machine completed its boot-once. A line that a crash cut off is ignored.
pub fn read_counts(state_dir: &Path) -> io::Result<BTreeMap<String, u64>> {
    let Some(text) = read_text(&counts_file(state_dir), MAX_COUNTS_SIZE)? else { return Ok(BTreeMap::new()) };
    let mut counts = BTreeMap::new();
    for line in text.lines() {
        let Some((machine, count)) = line.split_once(' ') else { continue };
        let Ok(count) = count.parse::<u64>() else { continue };
        let highest = counts.entry(machine.to_owned()).or_default();
        *highest = count.max(*highest);
    }
    Ok(counts)
}

/// Reads the text of a file. `None` if the file does not exist.
fn read_text(file: &Path, max_size: u64) -> io::Result<Option<String>> {
    match read_regular(file, max_size) {
        Ok(octets) => {
            String::from_utf8(octets).map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Appends the counts of machines to the file of counts. The new text begins with a line break, because a crash may
/// have cut off the last line.
pub fn append_counts(state_dir: &Path, counts: &[(String, u64)]) -> io::Result<()> {
    fs::create_dir_all(state_dir)?;
    let mut file =
        File::options().append(true).create(true).custom_flags(libc::O_NONBLOCK).open(counts_file(state_dir))?;
    let lines: String = counts.iter().map(|(machine, count)| format!("\n{machine} {count}\n")).collect();
    file.write_all(lines.as_bytes())?;
    file.sync_data()
}

/// Rewrites the file of counts with one line for each machine.
pub fn write_counts(state_dir: &Path, counts: &BTreeMap<String, u64>) -> io::Result<()> {
    let text: String = counts.iter().map(|(machine, count)| format!("{machine} {count}\n")).collect();
    replace(&counts_file(state_dir), text.as_bytes(), 0o644)
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_token_is_valid_for_one_machine_one_count_and_one_server() {
        let (one, other) = (TokenKey([1; KEY_OCTETS]), TokenKey([2; KEY_OCTETS]));
        let token = one.token("web1", 0);
        assert_eq!(token.len(), 32);
        assert!(one.is_valid_token(&token, "web1", 0));
        for (key, machine, count) in [(&one, "web2", 0), (&one, "web1", 1), (&other, "web1", 0)] {
            assert!(!key.is_valid_token(&token, machine, count), "{machine} {count}");
        }
        for invalid in ["", &token[1..], &format!("{token}0")] {
            assert!(!one.is_valid_token(invalid, "web1", 0), "{invalid:?}");
        }
    }

    #[test]
    fn a_stored_key_is_readable_by_the_server_only() {
        let state = tempfile::tempdir().unwrap();
        assert!(TokenKey::load(state.path()).unwrap().is_none());
        let key = TokenKey::generate().unwrap();
        key.save(state.path()).unwrap();
        assert_eq!(TokenKey::load(state.path()).unwrap().unwrap().0, key.0);
        assert_eq!(fs::metadata(key_file(state.path())).unwrap().mode() & 0o777, 0o600);
        fs::write(key_file(state.path()), "short").unwrap();
        assert!(TokenKey::load(state.path()).is_err());
    }

    /// To open a named pipe that has no peer would block the start of the server.
    #[test]
    fn a_named_pipe_instead_of_a_file_is_an_error_at_once() {
        let state = tempfile::tempdir().unwrap();
        for file in [key_file(state.path()), counts_file(state.path())] {
            nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).unwrap();
        }
        assert!(TokenKey::load(state.path()).unwrap_err().to_string().contains("a named pipe"));
        assert!(read_counts(state.path()).unwrap_err().to_string().contains("a named pipe"));
        assert!(append_counts(state.path(), &[("web1".to_owned(), 1)]).is_err());
    }

    #[test]
    fn counts_are_stored_and_a_truncated_line_is_ignored() {
        let state = tempfile::tempdir().unwrap();
        assert!(read_counts(state.path()).unwrap().is_empty());
        append_counts(state.path(), &[("web1".to_owned(), 1)]).unwrap();
        fs::write(counts_file(state.path()), "web1 1\nweb2").unwrap();
        append_counts(state.path(), &[("web1".to_owned(), 2)]).unwrap();
        let counts = read_counts(state.path()).unwrap();
        assert_eq!(counts, [("web1".to_owned(), 2)].into());
        write_counts(state.path(), &counts).unwrap();
        assert_eq!(fs::read_to_string(counts_file(state.path())).unwrap(), "web1 2\n");
    }
}

//! The token of `done_url`: an installer shows it to say that its machine is done. It is a hash over the machine's name
//! and the number of its arming, keyed by a secret that is kept beside the marks.

use crate::files::{read_regular, replace};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const KEY: &str = "done-key";
const ARMINGS: &str = "armings";
const OCTETS: usize = 32;
/// Lines of a million machines, some times over.
const MOST_ARMINGS: u64 = 256 << 20;

/// The secret. Whoever knows it can end the boot of every machine.
#[derive(Clone)]
pub struct TokenKey([u8; OCTETS]);

impl TokenKey {
    /// The one that is kept, if there is one.
    pub fn load(state_dir: &Path) -> io::Result<Option<TokenKey>> {
        let file = state_dir.join(KEY);
        let Some(text) = text(&file, 1 << 20)? else { return Ok(None) };
        let wrong = || io::Error::new(io::ErrorKind::InvalidData, "it does not hold 64 hexadecimal digits");
        let digits = text.trim();
        if digits.len() != 2 * OCTETS || !digits.is_ascii() {
            return Err(wrong());
        }
        let mut key = [0; OCTETS];
        for (place, octet) in key.iter_mut().enumerate() {
            *octet = u8::from_str_radix(&digits[2 * place..][..2], 16).map_err(|_| wrong())?;
        }
        Ok(Some(TokenKey(key)))
    }

    /// A new one, from the kernel.
    pub fn generate() -> io::Result<TokenKey> {
        let mut key = [0; OCTETS];
        File::open("/dev/urandom")?.read_exact(&mut key)?;
        Ok(TokenKey(key))
    }

    /// Readable by the server alone, and whole or not at all.
    pub fn save(&self, state_dir: &Path) -> io::Result<()> {
        fs::create_dir_all(state_dir)?;
        replace(&key_file(state_dir), (hexadecimal(&self.0) + "\n").as_bytes(), 0o600)
    }

    /// What a machine shows from the moment it may boot until it may boot again.
    pub fn token(&self, machine: &str, arming: u64) -> String {
        let inner =
            Sha256::new().chain_update(self.0).chain_update(arming.to_be_bytes()).chain_update(machine).finalize();
        let outer = Sha256::new().chain_update(self.0).chain_update(inner).finalize();
        hexadecimal(&outer[..16])
    }

    /// In a time that does not tell how much of it is right.
    pub fn is_valid_token(&self, shown: &str, machine: &str, arming: u64) -> bool {
        let right = self.token(machine, arming);
        let differs = right.bytes().zip(shown.bytes()).fold(0, |differs, (one, other)| differs | (one ^ other));
        shown.len() == right.len() && differs == 0
    }
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

pub fn key_file(state_dir: &Path) -> PathBuf {
    state_dir.join(KEY)
}

pub fn counts_file(state_dir: &Path) -> PathBuf {
    state_dir.join(ARMINGS)
}

/// How often the boot of each machine was used up. A line that was cut off by a crash counts for nothing.
pub fn read_counts(state_dir: &Path) -> io::Result<BTreeMap<String, u64>> {
    let Some(text) = text(&counts_file(state_dir), MOST_ARMINGS)? else { return Ok(BTreeMap::new()) };
    let mut armings = BTreeMap::new();
    for line in text.lines() {
        let Some((machine, times)) = line.split_once(' ') else { continue };
        let Ok(times) = times.parse::<u64>() else { continue };
        let known = armings.entry(machine.to_owned()).or_default();
        *known = times.max(*known);
    }
    Ok(armings)
}

/// What a file holds, if it is there.
fn text(file: &Path, most: u64) -> io::Result<Option<String>> {
    match read_regular(file, most) {
        Ok(octets) => {
            String::from_utf8(octets).map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Begins a new line first: the last one may have been cut off.
pub fn append_count(state_dir: &Path, machine: &str, times: u64) -> io::Result<()> {
    fs::create_dir_all(state_dir)?;
    let mut file =
        File::options().append(true).create(true).custom_flags(libc::O_NONBLOCK).open(counts_file(state_dir))?;
    file.write_all(format!("\n{machine} {times}\n").as_bytes())?;
    file.sync_data()
}

/// One line for each machine.
pub fn write_counts(state_dir: &Path, armings: &BTreeMap<String, u64>) -> io::Result<()> {
    let text: String = armings.iter().map(|(machine, times)| format!("{machine} {times}\n")).collect();
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
    fn a_token_is_that_of_one_machine_one_arming_and_one_server() {
        let (one, other) = (TokenKey([1; OCTETS]), TokenKey([2; OCTETS]));
        let token = one.token("web1", 0);
        assert_eq!(token.len(), 32);
        assert!(one.is_valid_token(&token, "web1", 0));
        for (key, machine, arming) in [(&one, "web2", 0), (&one, "web1", 1), (&other, "web1", 0)] {
            assert!(!key.is_valid_token(&token, machine, arming), "{machine} {arming}");
        }
        for shown in ["", &token[1..], &format!("{token}0")] {
            assert!(!one.is_valid_token(shown, "web1", 0), "{shown:?}");
        }
    }

    #[test]
    fn a_key_is_kept_for_the_server_alone() {
        let state = tempfile::tempdir().unwrap();
        assert!(TokenKey::load(state.path()).unwrap().is_none());
        let key = TokenKey::generate().unwrap();
        key.save(state.path()).unwrap();
        assert_eq!(TokenKey::load(state.path()).unwrap().unwrap().0, key.0);
        assert_eq!(fs::metadata(key_file(state.path())).unwrap().mode() & 0o777, 0o600);
        fs::write(key_file(state.path()), "short").unwrap();
        assert!(TokenKey::load(state.path()).is_err());
    }

    /// Nobody is at the other end of a named pipe: whoever waited for that would not start.
    #[test]
    fn a_named_pipe_in_the_place_of_a_file_is_an_error_at_once() {
        let state = tempfile::tempdir().unwrap();
        for file in [key_file(state.path()), counts_file(state.path())] {
            nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).unwrap();
        }
        assert!(TokenKey::load(state.path()).unwrap_err().to_string().contains("a named pipe"));
        assert!(read_counts(state.path()).unwrap_err().to_string().contains("a named pipe"));
        assert!(append_count(state.path(), "web1", 1).is_err());
    }

    #[test]
    fn how_often_a_boot_was_used_up_is_kept_and_a_line_that_was_cut_off_counts_for_nothing() {
        let state = tempfile::tempdir().unwrap();
        assert!(read_counts(state.path()).unwrap().is_empty());
        append_count(state.path(), "web1", 1).unwrap();
        fs::write(counts_file(state.path()), "web1 1\nweb2").unwrap();
        append_count(state.path(), "web1", 2).unwrap();
        let kept = read_counts(state.path()).unwrap();
        assert_eq!(kept, [("web1".to_owned(), 2)].into());
        write_counts(state.path(), &kept).unwrap();
        assert_eq!(fs::read_to_string(counts_file(state.path())).unwrap(), "web1 2\n");
    }
}

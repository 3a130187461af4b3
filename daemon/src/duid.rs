//! What we are called in DHCPv6 (RFC 8415 11): by a network card of this machine, so that the same machine is the same
//! server after a restart and after it was installed anew. Once it serves, the name is kept, and stays when the card goes.

use nix::ifaddrs::getifaddrs;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

const FILE: &str = "duid";
/// EDK2 takes no shorter one, and RFC 8415 knows no longer one.
const LENGTHS: std::ops::RangeInclusive<usize> = 3..=130;

/// The name that is kept, or the one that would be.
pub fn ours(state_dir: &Path) -> Vec<u8> {
    kept(state_dir).unwrap_or_else(of_this_machine)
}

/// Keeps it, where there is a folder for such things. There need not be: while the network cards stay, so does the name.
pub fn keep(state_dir: &Path, duid: &[u8]) {
    if kept(state_dir).is_some() || !state_dir.is_dir() {
        return;
    }
    let text: String = duid.iter().map(|octet| format!("{octet:02x}")).collect();
    let file = state_dir.join(FILE);
    if let Err(error) = fs::write(&file, text + "\n") {
        tracing::debug!("{} is not kept: {error}", file.display());
    }
}

fn kept(state_dir: &Path) -> Option<Vec<u8>> {
    let file = state_dir.join(FILE);
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::debug!("{} cannot be read: {error}", file.display());
            return None;
        }
    };
    let digits = text.trim().as_bytes();
    let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let duid: Option<Vec<u8>> = digits.chunks(2).map(octet).collect();
    let sound = duid.filter(|duid| digits.len().is_multiple_of(2) && LENGTHS.contains(&duid.len()));
    if sound.is_none() {
        tracing::warn!("{} holds no DUID and is passed over", file.display());
    }
    sound
}

/// DUID-LL of a network card (RFC 8415 11.4). One whose address was given to it by its maker goes before one whose address
/// was made up, and the lowest before all others: the order in which they are found does not matter.
fn of_this_machine() -> Vec<u8> {
    let macs = getifaddrs().into_iter().flatten().filter_map(|on| on.address?.as_link_addr()?.addr());
    let usable = |mac: &[u8; 6]| *mac != [0; 6] && mac[0] & 1 == 0;
    let made_up = |mac: &[u8; 6]| mac[0] & 2 != 0;
    match macs.filter(usable).min_by_key(|mac| (made_up(mac), *mac)) {
        Some(mac) => [&[0, 3, 0, 1][..], &mac].concat(),
        None => of_installation(),
    }
}

/// DUID-UUID (RFC 6355) of a machine that has no network card yet, by what systemd calls the installation.
fn of_installation() -> Vec<u8> {
    let id = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let octet = |at: usize| id.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let uuid: Option<Vec<u8>> = (0..16).map(|index| octet(2 * index)).collect();
    [&[0, 4][..], &uuid.unwrap_or_else(|| b"proxydhcpdserver".to_vec())].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_kept_stays_whatever_the_network_cards() {
        let folder = tempfile::tempdir().unwrap();
        let first = ours(folder.path());
        assert!(LENGTHS.contains(&first.len()));
        keep(folder.path(), &[0, 3, 0, 1, 2, 0, 0, 0, 0, 0x10]);
        assert_eq!(ours(folder.path()), [0, 3, 0, 1, 2, 0, 0, 0, 0, 0x10]);
        keep(folder.path(), &first);
        assert_eq!(ours(folder.path()), [0, 3, 0, 1, 2, 0, 0, 0, 0, 0x10]);
    }

    #[test]
    fn a_file_that_holds_none_is_passed_over_and_no_folder_is_made() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "00", "0003000z", "000", "é"] {
            fs::write(folder.path().join(FILE), text).unwrap();
            assert_eq!(kept(folder.path()), None, "{text:?}");
        }
        let missing = folder.path().join("missing");
        keep(&missing, &[0, 3, 0, 1]);
        assert!(!missing.exists());
    }
}

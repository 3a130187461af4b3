//! What we are called in DHCPv6 (RFC 8415 11): by a network card of this machine, so that the same machine is the same
//! server after a restart and after it was installed anew. Once it serves, the name is kept, and stays when the card
//! goes.

use crate::files::{read_regular, replace};
use nix::ifaddrs::getifaddrs;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

const FILE: &str = "duid";
/// EDK2 takes no shorter one, and RFC 8415 knows no longer one.
const LENGTHS: std::ops::RangeInclusive<usize> = 3..=130;

/// The name that is kept, or the one that would be; and why the file that is there does not count.
pub fn server_duid(state_dir: &Path) -> (Vec<u8>, Option<String>) {
    match kept(state_dir) {
        Ok(kept) => (kept.unwrap_or_else(of_this_machine), None),
        Err(why) => (of_this_machine(), Some(why)),
    }
}

/// Keeps it, where there is a directory for such things. There need not be: while the network cards stay, so does the
/// name.
pub fn save(state_dir: &Path, duid: &[u8]) {
    if matches!(kept(state_dir), Ok(Some(_))) || !state_dir.is_dir() {
        return;
    }
    let text: String = duid.iter().map(|octet| format!("{octet:02x}")).collect();
    let file = state_dir.join(FILE);
    if let Err(error) = replace(&file, (text + "\n").as_bytes(), 0o644) {
        tracing::debug!("{} is not kept: {error}", file.display());
    }
}

fn kept(state_dir: &Path) -> Result<Option<Vec<u8>>, String> {
    let file = state_dir.join(FILE);
    let text = match read_regular(&file, 1 << 20) {
        Ok(octets) => String::from_utf8_lossy(&octets).into_owned(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{} cannot be read: {error}", file.display())),
    };
    let digits = text.trim().as_bytes();
    let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let duid: Option<Vec<u8>> = digits.chunks(2).map(octet).collect();
    let sound = duid.filter(|duid| digits.len().is_multiple_of(2) && LENGTHS.contains(&duid.len()));
    sound.map(Some).ok_or_else(|| format!("{} holds no DUID and is passed over", file.display()))
}

/// Made of the address of a network card. One whose address was given to it by its maker goes before one whose address
/// was made up, and the lowest before all others: the order in which they are found does not matter. A machine that has
/// no card yet goes by what systemd calls the installation.
fn of_this_machine() -> Vec<u8> {
    let macs = getifaddrs().into_iter().flatten().filter_map(|on| on.address?.as_link_addr()?.addr());
    let usable = |mac: &[u8; 6]| *mac != [0; 6] && mac[0] & 1 == 0;
    let made_up = |mac: &[u8; 6]| mac[0] & 2 != 0;
    match macs.filter(usable).min_by_key(|mac| (made_up(mac), *mac)) {
        Some(mac) => of(&mac),
        None => of(&fs::read("/etc/machine-id").unwrap_or_default()),
    }
}

/// DUID-UUID (RFC 6355), the UUID one of version 8 (RFC 9562 5.8). Not the card's own DUID-LL: a DHCPv6 server on the
/// same host calls itself by that (dnsmasq without a lease file, systemd), and two servers may not have the same name.
fn of(what: &[u8]) -> Vec<u8> {
    let digest = Sha256::new().chain_update(b"proxydhcpd DHCPv6 ").chain_update(what).finalize();
    let mut duid = [&[0, 4][..], &digest[..16]].concat();
    duid[8] = duid[8] & 0x0f | 0x80;
    duid[10] = duid[10] & 0x3f | 0x80;
    duid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_kept_stays_whatever_the_network_cards() {
        let directory = tempfile::tempdir().unwrap();
        let (first, _) = server_duid(directory.path());
        assert!(LENGTHS.contains(&first.len()));
        save(directory.path(), &[0, 3, 0, 1, 2, 0, 0, 0, 0, 0x10]);
        assert_eq!(server_duid(directory.path()).0, [0, 3, 0, 1, 2, 0, 0, 0, 0, 0x10]);
        save(directory.path(), &first);
        assert_eq!(server_duid(directory.path()).0, [0, 3, 0, 1, 2, 0, 0, 0, 0, 0x10]);
    }

    #[test]
    fn a_name_is_a_uuid_that_the_same_card_leads_to_again_and_no_other() {
        let [one, other] = [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]].map(|mac| of(&mac));
        assert_eq!((&one[..2], one.len(), one[8] >> 4, one[10] >> 6), (&[0, 4][..], 18, 8, 2));
        assert_eq!(of(&[2, 0, 0, 0, 0, 1]), one);
        assert_ne!(one, other);
    }

    #[test]
    fn a_file_that_holds_none_is_passed_over_and_no_directory_is_made() {
        let directory = tempfile::tempdir().unwrap();
        for text in ["", "00", "0003000z", "000", "é"] {
            fs::write(directory.path().join(FILE), text).unwrap();
            assert!(kept(directory.path()).is_err(), "{text:?}");
        }
        fs::remove_file(directory.path().join(FILE)).unwrap();
        nix::unistd::mkfifo(&directory.path().join(FILE), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(server_duid(directory.path()).1.unwrap().contains("duid cannot be read: it is a named pipe"));
        save(directory.path(), &[0, 3, 0, 1]);
        let missing = directory.path().join("missing");
        save(&missing, &[0, 3, 0, 1]);
        assert!(!missing.exists());
    }
}

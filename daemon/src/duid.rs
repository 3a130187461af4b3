//! The server's DUID (RFC 8415 11). The server derives it from a network card of this host, so that the DUID outlasts a
//! restart and a new installation. A running server also stores the DUID, so that it outlasts a removal of the card.

use crate::files::replace;
use nix::ifaddrs::getifaddrs;
use proxydhcpd_reading::regular::read_regular;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

const FILE: &str = "duid";
/// The valid lengths of a DUID, in octets. EDK2 rejects a shorter DUID, and RFC 8415 does not allow a longer one.
const LENGTHS: std::ops::RangeInclusive<usize> = 3..=130;

/// Returns the stored DUID or, if none is stored or the file is unusable, the derived DUID. If the file is unusable,
/// also returns the reason.
pub fn server_duid(state_dir: &Path) -> (Vec<u8>, Option<String>) {
    match load(state_dir) {
        Ok(stored) => (stored.unwrap_or_else(derive), None),
        Err(reason) => (derive(), Some(reason)),
    }
}

/// Stores the DUID if the state directory exists and contains no DUID. Without the directory, the DUID changes only if
/// the network cards change.
pub fn save(state_dir: &Path, duid: &[u8]) {
    if matches!(load(state_dir), Ok(Some(_))) || !state_dir.is_dir() {
        return;
    }
    let text: String = duid.iter().map(|octet| format!("{octet:02x}")).collect();
    let file = state_dir.join(FILE);
    if let Err(error) = replace(&file, (text + "\n").as_bytes(), 0o644) {
        tracing::debug!("cannot write {}: {error}", file.display());
    }
}

fn load(state_dir: &Path) -> Result<Option<Vec<u8>>, String> {
    let file = state_dir.join(FILE);
    let text = match read_regular(&file, 1 << 20) {
        Ok(octets) => String::from_utf8_lossy(&octets).into_owned(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot read {}: {error}", file.display())),
    };
    let digits = text.trim().as_bytes();
    let octet = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let duid: Option<Vec<u8>> = digits.chunks(2).map(octet).collect();
    let valid = duid.filter(|duid| digits.len().is_multiple_of(2) && LENGTHS.contains(&duid.len()));
    valid.map(Some).ok_or_else(|| format!("{} contains no DUID and is ignored", file.display()))
}

/// Derives a DUID from the address of a network card: the lowest universally administered address or, if there is none,
/// the lowest locally administered one. So the order of the cards does not matter. On a host without a network card,
/// derives the DUID from /etc/machine-id.
fn derive() -> Vec<u8> {
    let macs = getifaddrs().into_iter().flatten().filter_map(|on| on.address?.as_link_addr()?.addr());
    let is_usable = |mac: &[u8; 6]| *mac != [0; 6] && mac[0] & 1 == 0;
    let is_local = |mac: &[u8; 6]| mac[0] & 2 != 0;
    match macs.filter(is_usable).min_by_key(|mac| (is_local(mac), *mac)) {
        Some(mac) => derive_from(&mac),
        None => derive_from(&fs::read("/etc/machine-id").unwrap_or_default()),
    }
}

/// Returns a DUID-UUID (RFC 6355) with a UUID of version 8 (RFC 9562 5.8). The card's DUID-LL is not used: a DHCPv6
/// server on the same host (dnsmasq without a lease file, systemd) uses it, and two servers must not have the same
/// DUID.
fn derive_from(seed: &[u8]) -> Vec<u8> {
    let digest = Sha256::new().chain_update(b"proxydhcpd DHCPv6 ").chain_update(seed).finalize();
    let mut duid = [&[0, 4][..], &digest[..16]].concat();
    duid[8] = duid[8] & 0x0f | 0x80;
    duid[10] = duid[10] & 0x3f | 0x80;
    duid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_duid_does_not_depend_on_the_network_cards() {
        let directory = tempfile::tempdir().unwrap();
        let (first, _) = server_duid(directory.path());
        assert!(LENGTHS.contains(&first.len()));
        save(directory.path(), &[0, 3, 0, 1, 2, 0, 0, 0, 0, 0x10]);
        assert_eq!(server_duid(directory.path()).0, [0, 3, 0, 1, 2, 0, 0, 0, 0, 0x10]);
        save(directory.path(), &first);
        assert_eq!(server_duid(directory.path()).0, [0, 3, 0, 1, 2, 0, 0, 0, 0, 0x10]);
    }

    #[test]
    fn a_card_yields_the_same_duid_uuid_again_and_another_card_does_not() {
        let [one, other] = [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]].map(|mac| derive_from(&mac));
        assert_eq!((&one[..2], one.len(), one[8] >> 4, one[10] >> 6), (&[0, 4][..], 18, 8, 2));
        assert_eq!(derive_from(&[2, 0, 0, 0, 0, 1]), one);
        assert_ne!(one, other);
    }

    #[test]
    fn an_invalid_file_is_ignored_and_no_directory_is_created() {
        let directory = tempfile::tempdir().unwrap();
        for text in ["", "00", "0003000z", "000", "é"] {
            fs::write(directory.path().join(FILE), text).unwrap();
            assert!(load(directory.path()).is_err(), "{text:?}");
        }
        fs::remove_file(directory.path().join(FILE)).unwrap();
        nix::unistd::mkfifo(&directory.path().join(FILE), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(server_duid(directory.path()).1.unwrap().contains("named pipe"));
        save(directory.path(), &[0, 3, 0, 1]);
        let missing = directory.path().join("missing");
        save(&missing, &[0, 3, 0, 1]);
        assert!(!missing.exists());
    }
}

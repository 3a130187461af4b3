//! Any file has signatures or none; a valid signature covers every octet of the program except its checksum, the
//! location of the signatures, and the signatures themselves.

use crate::seeds;
use proxydhcpd_secureboot::pe::Pe;
use proxydhcpd_secureboot::{Certificate, SecureBootVerdict, Signatures, sbat_components};
use std::ops::Range;

/// The number of octets that are changed one after another in a file with a valid signature.
const CHANGES: usize = 16;

/// Reads the input as a program, and as certificates.
pub fn check(data: &[u8]) {
    let site = Certificate::parse_file(data).unwrap_or_default();
    site.iter().for_each(|certificate| assert_line(&certificate.name()));
    let signatures = Signatures::parse(data);
    assert!(signatures.is_uefi_program || signatures.signatures.is_empty() && signatures.sbat.is_empty());
    assert!(signatures.signatures.len() <= 16 && sbat_components(data).len() <= 32);
    for signature in &signatures.signatures {
        assert_line(&signature.signer);
        assert_line(&signature.issuer);
        assert!(signature.fault.is_none_or(|fault| !fault.describe(&signature.signer).is_empty()));
    }
    for component in sbat_components(data) {
        assert!(!component.name.is_empty());
        [&component.name, &component.generation, &component.version].into_iter().for_each(|text| assert_line(text));
    }
    if let Some(pe) = Pe::parse(data) {
        assert_eq!(pe.is_uefi_program(), signatures.is_uefi_program);
        pe.expected_length();
        pe.signed_parts();
    }
    let is_valid = signatures.signatures.iter().any(|signature| signature.fault.is_none());
    let verdict = signatures.verdict(&site);
    assert_eq!(verdict == SecureBootVerdict::NotApplicable, !signatures.is_uefi_program);
    assert!(is_valid || !matches!(verdict, SecureBootVerdict::Accepted(_)), "{verdict}");
    if is_valid {
        assert_covered(data);
    }
}

/// Panics if a signature stays valid although an octet that it covers changes.
fn assert_covered(file: &[u8]) {
    let uncovered = uncovered(file).expect("the headers of a program");
    let mut changed = file.to_vec();
    for index in 0..CHANGES {
        // Every input changes other octets: those at multiples of a part of its length.
        let at = (file.len() / CHANGES * index + usize::from(file[file.len() - 1])) % file.len();
        if uncovered.iter().any(|range| range.contains(&at)) {
            continue;
        }
        changed[at] ^= 1 << (index % 8);
        let signatures = Signatures::parse(&changed).signatures;
        assert!(signatures.iter().all(|signature| signature.fault.is_some()), "valid after a change of octet {at}");
        changed[at] = file[at];
    }
}

/// The checksum, the entry of the certificate table in the directory, and that table.
fn uncovered(file: &[u8]) -> Option<[Range<usize>; 3]> {
    let number = |at: usize| Some(u32::from_le_bytes(*file.get(at..)?.first_chunk()?) as usize);
    let optional = number(0x3c)? + 24;
    let is_64_bit = file.get(optional..optional + 2)? == [0x0b, 0x02];
    let entry = optional + if is_64_bit { 112 } else { 96 } + 4 * 8;
    let (start, length) = (number(entry)?, number(entry + 4)?);
    Some([optional + 64..optional + 68, entry..entry + 8, start..start.saturating_add(length)])
}

/// Panics if a text is not fit for one line.
fn assert_line(text: &str) {
    assert!(!text.contains(char::is_control), "{text:?}");
}

/// The programs of this repository, and one of them as `sbsign` signs it with the certificate of Debian's tests.
pub fn seeds() -> Vec<Vec<u8>> {
    seeds::files("daemon/efi/built", &["efi"]).into_iter().chain(seeds::files("properties/seeds", &["efi"])).collect()
}

//! Firmware that has revoked a program: its list of revoked programs (dbx, UEFI 2.10 section 32.4) has the program's
//! digest.

use crate::work_dir::WorkDir;
use anyhow::{Context, Result};
use proxydhcpd_secureboot::pe::Pe;
use proxydhcpd_testbed::cache;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// The beginning of the `dbx` of Debian's OVMF variables, an EFI_SIGNATURE_LIST with one digest: the type of the list
/// (EFI_CERT_SHA256_GUID), its size in octets, the size of its header and of an entry. The entry follows: its owner (16
/// octets) and the digest.
const DIGEST_LIST: [u8; 28] = [
    0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40, 0xac, 0xa9, 0x41, 0xf9, 0x36, 0x93, 0x43, 0x28, 76, 0, 0, 0, 0, 0,
    0, 0, 48, 0, 0, 0,
];
const OWNER: usize = 16;
const DIGEST: usize = 32;

/// Writes a copy of these OVMF variables, which are in the cache, in which the firmware has revoked the program.
pub fn revoke(work: &WorkDir, variables: &str, program: &Path) -> Result<PathBuf> {
    let program = fs::read(program)?;
    let parts = Pe::parse(&program).and_then(|pe| pe.signed_parts()).context("no UEFI program")?;
    let digest = parts.iter().fold(Sha256::new(), |state, part| state.chain_update(part)).finalize();
    let mut octets = fs::read(cache::path(variables))?;
    let list = octets.windows(DIGEST_LIST.len()).position(|window| window == DIGEST_LIST);
    let at = list.context("the variables have no list of one digest")? + DIGEST_LIST.len() + OWNER;
    octets.get_mut(at..at + DIGEST).context("the list ends early")?.copy_from_slice(&digest);
    let file = work.file("revoking-variables.fd");
    fs::write(&file, octets)?;
    Ok(file)
}

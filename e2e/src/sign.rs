//! Signatures for Secure Boot, by the key that is enrolled in those of Debian's OVMF variables that have `snakeoil` in
//! their name.

use crate::work_dir::WorkDir;
use anyhow::{Context, Result, ensure};
use proxydhcpd_testbed::cache;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The pass phrase of Debian's example key.
const PASS_PHRASE: &str = "snakeoil";

/// Writes a copy of `program` to `signed`, with a signature by the site's key.
pub fn sign(work: &WorkDir, program: &Path, signed: &Path) -> Result<()> {
    let key = decrypted_key(work)?;
    let output = Command::new("sbsign")
        .arg("--key")
        .arg(key)
        .arg("--cert")
        .arg(cache::path("2025/PkKek-1-snakeoil.pem"))
        .arg("--output")
        .args([signed, program])
        .output()
        .context("sbsign: run e2e/setup")?;
    ensure!(output.status.success(), "sbsign: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

/// Returns the path of the key without its pass phrase, because sbsign would prompt for the pass phrase.
fn decrypted_key(work: &WorkDir) -> Result<PathBuf> {
    let decrypted = work.file("snakeoil.key");
    let output = Command::new("openssl")
        .args(["pkey", "-passin", &format!("pass:{PASS_PHRASE}"), "-in"])
        .arg(cache::path("2025/PkKek-1-snakeoil.key"))
        .output()
        .context("openssl: run e2e/setup")?;
    ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr).trim());
    fs::write(&decrypted, output.stdout).with_context(|| decrypted.display().to_string())?;
    Ok(decrypted)
}

//! Signatures for Secure Boot, by the key that Debian's OVMF variables with `snakeoil` in their name enrol.

use crate::cache;
use crate::work_dir::WorkDir;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The pass phrase that Debian has put on its example key.
const PASS_PHRASE: &str = "snakeoil";

/// Writes `program` to `signed`, with a signature that a firmware which trusts the site's key accepts.
pub fn sign(lab: &WorkDir, program: &Path, signed: &Path) -> Result<()> {
    let key = open_key(lab)?;
    let output = Command::new("sbsign")
        .arg("--key")
        .arg(key)
        .arg("--cert")
        .arg(cache::path("2025/PkKek-1-snakeoil.pem")?)
        .arg("--output")
        .args([signed, program])
        .output()
        .context("sbsign: run e2e/setup")?;
    ensure!(output.status.success(), "sbsign: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

/// The key without its pass phrase, which sbsign would ask a person for.
fn open_key(lab: &WorkDir) -> Result<PathBuf> {
    let open = lab.file("snakeoil.key");
    let output = Command::new("openssl")
        .args(["pkey", "-passin", &format!("pass:{PASS_PHRASE}"), "-in"])
        .arg(cache::path("2025/PkKek-1-snakeoil.key")?)
        .output()
        .context("openssl: run e2e/setup")?;
    ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr).trim());
    fs::write(&open, output.stdout).with_context(|| open.display().to_string())?;
    Ok(open)
}

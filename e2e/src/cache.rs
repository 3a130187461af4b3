//! The files that `e2e/setup` has unpacked.

use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};

/// Returns the path of a file or directory of the cache, such as `2025/snponly.efi`. It is an error if it does not
/// exist.
pub fn path(name: &str) -> Result<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache").join(name);
    ensure!(path.exists(), "{} is missing: run e2e/setup", path.display());
    Ok(path)
}

//! The files that `e2e/setup` has unpacked.

use std::path::{Path, PathBuf};

/// Returns the path of a file or directory of the cache, such as `2025/snponly.efi`. It must exist.
pub fn path(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/.cache").join(name);
    assert!(path.exists(), "{} is missing: run e2e/setup", path.display());
    path
}

//! The extensions of machine files.

use std::path::Path;

/// Whether a file in a directory of machine files is a machine file. Its extension decides.
pub fn is_machine_file(path: &Path) -> bool {
    extension(path).is_some()
}

/// Returns the extension of a machine file, in lower case. `None`: the file is no machine file.
pub fn extension(path: &Path) -> Option<&'static str> {
    let actual = path.extension()?.to_str()?;
    EXTENSIONS.into_iter().find(|known| known.eq_ignore_ascii_case(actual))
}

const EXTENSIONS: [&str; 3] = ["toml", "csv", "json"];

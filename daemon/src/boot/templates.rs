//! The files of the template folder.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

/// Bounds, for a folder that is no template folder.
const DEEPEST: usize = 8;
const MOST: usize = 10_000;

/// The names of all files below a folder, relative to it. What begins with a dot is hidden; a name that is no text can
/// not be asked for.
pub fn names(folder: &Path) -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    gather(folder, "", DEEPEST, &mut names)?;
    Ok(names)
}

fn gather(folder: &Path, prefix: &str, depth: usize, names: &mut BTreeSet<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with('.') || name.chars().any(char::is_control) {
            continue;
        }
        let relative = format!("{prefix}{name}");
        // A link counts as what it leads to: the operator put it there.
        let Ok(kind) = fs::metadata(entry.path()) else { continue };
        if kind.is_dir() && depth > 1 {
            gather(&entry.path(), &format!("{relative}/"), depth - 1, names)?;
        } else if kind.is_file() {
            names.insert(relative);
        }
        if names.len() > MOST {
            return Err(io::Error::other(format!("more than {MOST} files")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_from_the_folder_and_hidden_ones_are_not() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("debian/.git")).unwrap();
        for file in ["rescue.ipxe", "debian/preseed.cfg", ".swp", "debian/.git/x"] {
            fs::write(dir.path().join(file), "").unwrap();
        }
        std::os::unix::fs::symlink("..", dir.path().join("debian/up")).unwrap();
        std::os::unix::fs::symlink("gone", dir.path().join("broken")).unwrap();
        let names = names(dir.path()).unwrap();
        assert!(names.contains("rescue.ipxe") && names.contains("debian/preseed.cfg"));
        assert!(!names.iter().any(|name| name.contains("/.") || name.starts_with('.')), "{names:?}");
        assert!(super::names(Path::new("/nowhere/at/all")).is_err());
    }
}

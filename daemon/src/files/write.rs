//! Files that the server writes: new ones, or atomic replacements.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Creates a file. First removes an existing file, link or named pipe with that name, so that writing neither changes
/// another file nor blocks.
pub fn create_new(path: &Path, mode: u32) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    File::options().write(true).create_new(true).mode(mode).open(path)
}

/// Replaces the content of a file atomically. The new content is on disk when the function returns. Meanwhile, a file
/// whose name begins with an additional dot contains it.
pub fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut new = OsString::from(".");
    new.push(path.file_name().unwrap_or_default());
    let new = directory.join(new);
    let mut file = create_new(&new, mode)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    sync_directory(directory)
}

/// Writes a directory to disk, so that renamed and removed names in it are permanent.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

//! Files that the server writes: new ones, or atomic replacements.

use nix::unistd::syncfs;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

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
    let (file, new) = write_new(path, content, mode)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    sync_directory(parent(path))
}

/// Replaces the content of files in one directory, each atomically, and returns a result for each. The new contents are
/// on disk when the function returns, for which it waits twice, not once for each file.
pub fn replace_many(directory: &Path, files: &[(PathBuf, String)], mode: u32) -> Vec<io::Result<()>> {
    let write = |(path, text): &(PathBuf, String)| write_new(path, text.as_bytes(), mode).map(|(_, new)| new);
    let written: Vec<io::Result<PathBuf>> = files.iter().map(write).collect();
    let synced = File::open(directory).and_then(|directory| Ok(syncfs(directory)?));
    let rename = |(new, (path, _)): (io::Result<PathBuf>, &(PathBuf, String))| {
        again(&synced)?;
        fs::rename(new?, path)
    };
    let renamed: Vec<io::Result<()>> = written.into_iter().zip(files).map(rename).collect();
    let synced = sync_directory(directory);
    renamed.into_iter().map(|result| result.and_then(|()| again(&synced))).collect()
}

/// The same result, for another file.
fn again(result: &io::Result<()>) -> io::Result<()> {
    result.as_ref().copied().map_err(|error| io::Error::new(error.kind(), error.to_string()))
}

/// Writes a file in the same directory, with an additional dot before the name.
fn write_new(path: &Path, content: &[u8], mode: u32) -> io::Result<(File, PathBuf)> {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    let new = parent(path).join(name);
    let mut file = create_new(&new, mode)?;
    if let Err(error) = file.write_all(content) {
        // On a full disk, the beginning of a file only takes room.
        let _ = fs::remove_file(&new);
        return Err(error);
    }
    Ok((file, new))
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

/// Writes a directory to disk, so that renamed and removed names in it are permanent.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

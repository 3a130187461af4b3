//! Files of the operator and of the server, which the server reads as a whole.

use nix::fcntl::OFlag;
use std::fs::{File, FileType};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// Opens a file of the operator to read it as a whole. Returns an error unless it is a regular file of at most
/// `max_size` octets: reading any other file may block, or never end.
pub fn open_regular(path: &Path, max_size: u64) -> io::Result<File> {
    let open_without_blocking =
        || File::options().read(true).custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits()).open(path);
    let file = match open_without_blocking() {
        // Another process (such as Samba) holds a lease on the file, and releases it when this process waits in
        // open(2).
        Err(error) if error.kind() == io::ErrorKind::WouldBlock && path.metadata()?.is_file() => File::open(path)?,
        // A socket, or a device without a driver.
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => {
            return Err(irregular_error(path.metadata()?.file_type()));
        }
        opened => opened?,
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(irregular_error(metadata.file_type()));
    }
    if metadata.len() > max_size { Err(too_long(max_size)) } else { Ok(file) }
}

/// Reads a file as a whole, with the limits of [`open_regular`]. The file may grow meanwhile.
pub fn read_regular(path: &Path, max_size: u64) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    open_regular(path, max_size)?.take(max_size + 1).read_to_end(&mut octets)?;
    if octets.len() as u64 > max_size { Err(too_long(max_size)) } else { Ok(octets) }
}

/// The error for a file that is not regular.
pub fn irregular_error(kind: FileType) -> io::Error {
    let what = match kind {
        kind if kind.is_dir() => return io::ErrorKind::IsADirectory.into(),
        kind if kind.is_fifo() => "a named pipe",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    };
    io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what}, not a regular file"))
}

fn too_long(max_size: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {} MiB", max_size >> 20))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_file_to_be_read_whole_is_regular_and_has_an_end() {
        let directory = tempfile::tempdir().unwrap();
        let boot = directory.path();
        std::fs::write(boot.join("here.txt"), "hello").unwrap();
        nix::unistd::mkfifo(&boot.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let _socket = UnixListener::bind(boot.join("socket")).unwrap();
        let refused = |path: &Path| read_regular(path, 1 << 20).unwrap_err().to_string();
        assert_eq!(refused(&boot.join("fifo")), "it is a named pipe, not a regular file");
        assert_eq!(refused(&boot.join("socket")), "it is a socket, not a regular file");
        assert_eq!(refused(Path::new("/dev/zero")), "it is a device, not a regular file");
        assert_eq!(refused(boot), "is a directory");
        File::create(boot.join("long")).unwrap().set_len((1 << 20) + 1).unwrap();
        assert_eq!(refused(&boot.join("long")), "it is longer than 1 MiB");
        assert_eq!(read_regular(&boot.join("here.txt"), 5).unwrap(), b"hello");
    }
}

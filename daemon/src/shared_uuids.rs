//! The file of shared UUIDs, which came from two hardware addresses. With it, the server knows them after a restart.

use crate::files::replace;
use proxydhcpd_core::identity::HardwareAddress;
use proxydhcpd_core::observations::shared_uuids::{MAX_SHARED_UUIDS, SharedUuid};
use proxydhcpd_core::plan::pattern::MacPattern;
use proxydhcpd_core::wire::pxe::MachineId;
use proxydhcpd_reading::regular::read_regular;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

const FILE: &str = "shared-uuids";
const HEADER: &str = "# UUIDs that came from two hardware addresses. Written by proxydhcpd; to forget one, stop the \
                      server and remove its line.\n";
/// Limit of the file's size, in octets. A line has 73 octets.
const MAX_SIZE: u64 = 1 << 20;
const _: () = assert!(80 * MAX_SHARED_UUIDS as u64 + HEADER.len() as u64 <= MAX_SIZE);

/// The path of the file, which may not exist yet.
#[derive(Clone, Debug)]
pub struct SharedUuidsFile(PathBuf);

impl SharedUuidsFile {
    /// The file in this state directory.
    pub fn new(state_dir: &Path) -> Self {
        SharedUuidsFile(state_dir.join(FILE))
    }

    /// Reads the UUIDs in the file. The list is empty if the file does not exist.
    pub fn read(&self) -> Result<Vec<SharedUuid>, String> {
        let text = match self.text() {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(format!("{}: {error}", self.0.display())),
        };
        let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let parsed = lines.map(|(index, line)| {
            parse_line(line)
                .ok_or_else(|| format!("{}:{}: expected a UUID and two MAC addresses", self.0.display(), index + 1))
        });
        parsed.collect()
    }

    /// Replaces the file atomically, and returns when it is on the disk.
    pub fn write(&self, known: &[SharedUuid]) -> io::Result<()> {
        let directory = self.0.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory)?;
        let lines: String = known.iter().map(format_line).collect();
        replace(&self.0, (HEADER.to_owned() + &lines).as_bytes(), 0o644)
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.0
    }

    fn text(&self) -> io::Result<String> {
        String::from_utf8(read_regular(&self.0, MAX_SIZE)?)
            .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
    }
}

fn format_line(SharedUuid { uuid, macs }: &SharedUuid) -> String {
    let [one, other] = macs.map(HardwareAddress::from_mac);
    format!("{} {one} {other}\n", MachineId::from_uuid(*uuid))
}

fn parse_line(line: &str) -> Option<SharedUuid> {
    let mut words = line.split_ascii_whitespace();
    let digits: String = words.next()?.split('-').collect();
    let uuid = u128::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 32)?.to_be_bytes();
    let mut mac = || {
        let MacPattern(octets) = words.next()?.parse().ok()?;
        octets.iter().copied().collect::<Option<Vec<u8>>>()?.try_into().ok()
    };
    let macs = [mac()?, mac()?];
    words.next().is_none().then_some(SharedUuid { uuid, macs })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: SharedUuid = SharedUuid { uuid: [0x11; 16], macs: [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]] };

    #[test]
    fn written_uuids_are_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let file = SharedUuidsFile::new(&directory.path().join("state"));
        assert_eq!(file.read(), Ok(Vec::new()), "the file does not exist yet");
        let other = SharedUuid { uuid: [0x22; 16], ..ONE };
        file.write(&[ONE, other]).unwrap();
        assert_eq!(file.read(), Ok(vec![ONE, other]));
        file.write(&[other]).unwrap();
        assert_eq!(file.read(), Ok(vec![other]));
        let text = fs::read_to_string(file.path()).unwrap();
        assert!(
            text.ends_with("\n22222222-2222-2222-2222-222222222222 02:00:00:00:00:01 02:00:00:00:00:02\n"),
            "{text}"
        );
    }

    #[test]
    fn a_link_is_not_followed_and_a_file_instead_of_the_directory_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let other = directory.path().join("precious");
        fs::write(&other, "precious").unwrap();
        std::os::unix::fs::symlink(&other, directory.path().join(".shared-uuids")).unwrap();
        SharedUuidsFile::new(directory.path()).write(&[ONE]).unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "precious");
        assert!(SharedUuidsFile::new(&other).read().is_err());
    }

    #[test]
    fn the_maximum_of_known_uuids_fits_into_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = SharedUuidsFile::new(directory.path());
        let all: Vec<_> =
            (0..MAX_SHARED_UUIDS as u128).map(|uuid| SharedUuid { uuid: uuid.to_be_bytes(), ..ONE }).collect();
        file.write(&all).unwrap();
        assert_eq!(file.read(), Ok(all));
    }

    #[test]
    fn an_invalid_file_is_an_error_with_its_line() {
        let directory = tempfile::tempdir().unwrap();
        let file = SharedUuidsFile::new(directory.path());
        for invalid in ["x", "1111 02:00:00:00:00:01 02:00:00:00:00:02", "11111111-1111-1111-1111-111111111111 02:00:*"]
        {
            fs::write(file.path(), format!("{HEADER}{invalid}\n")).unwrap();
            assert!(file.read().unwrap_err().ends_with("shared-uuids:2: expected a UUID and two MAC addresses"));
        }
        fs::write(file.path(), [0xff]).unwrap();
        assert!(file.read().unwrap_err().contains("shared-uuids: "));
        fs::remove_file(file.path()).unwrap();
        fs::create_dir(file.path()).unwrap();
        assert!(file.read().unwrap_err().ends_with("shared-uuids: is a directory"));
        fs::remove_dir(file.path()).unwrap();
        nix::unistd::mkfifo(file.path(), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(file.read().unwrap_err().contains("it is a named pipe, not a regular file"));
    }
}

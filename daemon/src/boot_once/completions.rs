//! The directory of completions: it has a file for each machine that completed its boot-once. The file's name is the
//! machine's name.

use crate::files::path_errors::is_absent;
use crate::files::{replace, replace_many, sync_directory};
use proxydhcpd_core::file_ticket::CompletedMachine;
use proxydhcpd_core::identity::HardwareAddress;
use proxydhcpd_core::plan::pattern::MacPattern;
use proxydhcpd_core::wire::pxe::MachineId;
use proxydhcpd_reading::regular::read_regular;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The path of the directory of completions.
pub fn path_in(state_dir: &Path) -> PathBuf {
    state_dir.join("boot-once")
}

/// The machines that have a completion: none if the directory is missing. An unreadable directory is an error.
pub fn list(directory: &Path) -> io::Result<BTreeSet<String>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if is_absent(directory, &error) => return Ok(BTreeSet::new()),
        entries => entries?,
    };
    let names = entries.map(|entry| Ok(entry?.file_name().into_string().ok())).collect::<io::Result<Vec<_>>>()?;
    Ok(names.into_iter().flatten().filter(|name| !name.starts_with('.')).collect())
}

/// Removes a machine's completion, and returns whether it existed. A subdirectory with the machine's name counts as a
/// completion. It is removed if it is empty.
pub fn remove(directory: &Path, machine: &str) -> io::Result<bool> {
    let file = directory.join(machine);
    let removed = match fs::remove_file(&file) {
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => fs::remove_dir(&file).map_err(|error| {
            let path = file.display();
            io::Error::new(error.kind(), format!("this completion is a directory ({error}): remove it, `rm -r {path}`"))
        }),
        removed => removed,
    };
    match removed {
        Ok(()) => sync_directory(directory).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The machine's identities that a completion contains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredIdentities {
    /// MAC addresses.
    pub macs: Vec<[u8; 6]>,
    /// UUID, in the octet order of RFC 9562.
    pub uuid: Option<[u8; 16]>,
    /// Serial number.
    pub serial: Option<String>,
}

/// The line that precedes the identities. The number is the version of the format.
const HEADER: &str = "identities 1";
/// Limit of a completion's size, in octets.
const MAX_SIZE: u64 = 16 << 10;
/// Limit of the MAC addresses in a completion.
const MAX_MACS: usize = 256;

/// The lines of a completion that contain the machine's identities. A serial number with control characters is omitted.
pub fn format_identities(machine: &CompletedMachine) -> String {
    let mut lines = format!("{HEADER}\n");
    for mac in machine.macs.iter().take(MAX_MACS) {
        lines += &format!("mac {}\n", HardwareAddress::from_mac(*mac));
    }
    if let Some(uuid) = machine.uuid {
        lines += &format!("uuid {}\n", MachineId::from_uuid(uuid));
    }
    if let Some(serial) =
        machine.serial.as_ref().filter(|serial| serial.len() <= 256 && !serial.contains(char::is_control))
    {
        lines += &format!("serial {serial}\n");
    }
    lines
}

/// Reads the identities in a completion. `None` if the file has none: an administrator may have created it.
pub fn read_identities(directory: &Path, machine: &str) -> io::Result<Option<StoredIdentities>> {
    let invalid = |line: &str| io::Error::new(io::ErrorKind::InvalidData, format!("{line:?} is no identity"));
    let text = String::from_utf8(read_regular(&directory.join(machine), MAX_SIZE)?)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    let mut lines = text.lines().skip(2);
    match lines.next() {
        Some(HEADER) => {}
        Some(line) if line.starts_with("identities ") => return Err(invalid(line)),
        _ => return Ok(None),
    }
    let mut identities = StoredIdentities::default();
    for line in lines.take_while(|line| !line.is_empty()) {
        match line.split_once(' ') {
            Some(("mac", mac)) if identities.macs.len() < MAX_MACS => {
                identities.macs.push(parse_mac(mac).ok_or_else(|| invalid(line))?);
            }
            Some(("uuid", uuid)) => identities.uuid = Some(parse_uuid(uuid).ok_or_else(|| invalid(line))?),
            Some(("serial", serial)) => identities.serial = Some(serial.to_owned()),
            _ => return Err(invalid(line)),
        }
    }
    Ok(Some(identities))
}

fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let MacPattern(octets) = text.parse().ok()?;
    octets.into_iter().collect::<Option<Vec<u8>>>()?.try_into().ok()
}

fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.split('-').collect();
    u128::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 32).map(u128::to_be_bytes)
}

/// Writes completions atomically, and returns a result for each when they are on the disk. The text of a machine has
/// the name of the downloaded file, and the identities of the machine.
pub fn write_many(directory: &Path, completions: &BTreeMap<String, String>) -> Vec<io::Result<()>> {
    let time = httpdate::fmt_http_date(SystemTime::now());
    let file = |(machine, text): (&String, &String)| {
        let help = format!("Remove this file, or run `proxydhcpd rearm {machine}`, to reset the boot-once.");
        (directory.join(machine), format!("{time}\n{text}\n\n{help}\n"))
    };
    let files: Vec<(PathBuf, String)> = completions.iter().map(file).collect();
    if let Err(error) = fs::create_dir_all(directory) {
        return files.iter().map(|_| Err(io::Error::new(error.kind(), error.to_string()))).collect();
    }
    match &files[..] {
        [] => Vec::new(),
        // The disk need not take over what other programs have written.
        [(path, text)] => vec![replace(path, text.as_bytes(), 0o644)],
        files => replace_many(directory, files, 0o644),
    }
}

/// Writes one completion as [`write_many`] does.
#[cfg(test)]
pub fn write(directory: &Path, machine: &str, text: &str) -> io::Result<()> {
    write_many(directory, &BTreeMap::from([(machine.to_owned(), text.to_owned())])).pop().unwrap()
}

/// Identifies a version of a directory, to detect changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryStamp {
    /// The device and the inode. They change if the directory is replaced, for example by a mount of a file system.
    pub inode: (u64, u64),
    modified: SystemTime,
}

/// File systems round times: another change within this time may get the same modification time.
const TIME_GRANULARITY: Duration = Duration::from_secs(3);

impl DirectoryStamp {
    /// The version of the directory that this metadata describes.
    pub fn from_metadata(directory: &Metadata) -> io::Result<DirectoryStamp> {
        Ok(DirectoryStamp { inode: (directory.dev(), directory.ino()), modified: directory.modified()? })
    }

    /// Whether any change of the directory after `now` gets another modification time.
    pub fn is_stable(&self, now: SystemTime) -> bool {
        now.duration_since(self.modified).is_ok_and(|age| age > TIME_GRANULARITY)
    }
}

/// Formats a list of machines for a message: `4 machines (web1, web2, web3 and 1 more)`.
pub fn list_machines(names: &[impl AsRef<str>]) -> String {
    const MAX_NAMES: usize = 10;
    let count = names.len();
    let names: Vec<&str> = names.iter().take(MAX_NAMES).map(AsRef::as_ref).collect();
    let more = count - names.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let machines = if count == 1 { "machine" } else { "machines" };
    format!("{count} {machines} ({}{more})", names.join(", "))
}

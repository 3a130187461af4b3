//! The directory of marks: a file for each machine that has used up its boot, named as the machine is.

use crate::files::path_errors::is_absent;
use crate::files::{read_regular, replace, sync_directory};
use proxydhcpd_core::client::HardwareAddress;
use proxydhcpd_core::plan::machines::Machine;
use proxydhcpd_core::plan::pattern::MacPattern;
use proxydhcpd_core::wire::pxe::MachineId;
use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

pub fn path_in(state_dir: &Path) -> PathBuf {
    state_dir.join("used-up")
}

/// The machines that have a mark. A directory that is not there holds none; one that cannot be read is an error.
pub fn list(directory: &Path) -> io::Result<BTreeSet<String>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if is_absent(directory, &error) => return Ok(BTreeSet::new()),
        entries => entries?,
    };
    let names = entries.map(|entry| Ok(entry?.file_name().into_string().ok())).collect::<io::Result<Vec<_>>>()?;
    Ok(names.into_iter().flatten().filter(|name| !name.starts_with('.')).collect())
}

/// Whether there was a mark. A directory by that name counts as one, too, and goes if nothing is in it.
pub fn remove(directory: &Path, machine: &str) -> io::Result<bool> {
    let mark = directory.join(machine);
    let removed = match fs::remove_file(&mark) {
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => fs::remove_dir(&mark).map_err(|error| {
            let shown = mark.display();
            io::Error::new(error.kind(), format!("this mark is a directory ({error}): `rm -r {shown}` removes it"))
        }),
        removed => removed,
    };
    match removed {
        Ok(()) => sync_directory(directory).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// What a mark says of the machine's identities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredIdentities {
    pub macs: Vec<[u8; 6]>,
    pub uuid: Option<[u8; 16]>,
    pub serial: Option<String>,
}

/// Stands before them. Another number is another format.
const IDENTITIES: &str = "identities 1";
/// The longest mark that is read, and as many addresses are written.
const LONGEST: u64 = 16 << 10;
const MOST_MACS: usize = 256;

/// The lines of a mark that tell which machine it is of. A serial number of several lines is left out.
pub fn format_identities(machine: &Machine<'_>) -> String {
    let mut lines = format!("{IDENTITIES}\n");
    for mac in machine.macs.iter().take(MOST_MACS) {
        lines += &format!("mac {}\n", HardwareAddress::from_mac(*mac));
    }
    if let Some(uuid) = machine.uuid {
        lines += &format!("uuid {}\n", MachineId::from_uuid(uuid));
    }
    if let Some(serial) = machine.serial.filter(|serial| serial.len() <= 256 && !serial.contains(char::is_control)) {
        lines += &format!("serial {serial}\n");
    }
    lines
}

/// `None`: it was written by hand, or before marks said so.
pub fn read_identities(directory: &Path, machine: &str) -> io::Result<Option<StoredIdentities>> {
    let wrong = |line: &str| io::Error::new(io::ErrorKind::InvalidData, format!("{line:?} is no identity"));
    let text = String::from_utf8(read_regular(&directory.join(machine), LONGEST)?)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    let mut lines = text.lines().skip(2);
    match lines.next() {
        Some(IDENTITIES) => {}
        Some(line) if line.starts_with("identities ") => return Err(wrong(line)),
        _ => return Ok(None),
    }
    let mut read = StoredIdentities::default();
    for line in lines.take_while(|line| !line.is_empty()) {
        match line.split_once(' ') {
            Some(("mac", mac)) if read.macs.len() < MOST_MACS => {
                read.macs.push(mac_of(mac).ok_or_else(|| wrong(line))?);
            }
            Some(("uuid", uuid)) => read.uuid = Some(uuid_of(uuid).ok_or_else(|| wrong(line))?),
            Some(("serial", serial)) => read.serial = Some(serial.to_owned()),
            _ => return Err(wrong(line)),
        }
    }
    Ok(Some(read))
}

fn mac_of(text: &str) -> Option<[u8; 6]> {
    let MacPattern(octets) = text.parse().ok()?;
    octets.into_iter().collect::<Option<Vec<u8>>>()?.try_into().ok()
}

fn uuid_of(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.split('-').collect();
    u128::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 32).map(u128::to_be_bytes)
}

/// Whole or not at all, and on the disk when it returns.
pub fn write(directory: &Path, machine: &str, by: &str) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let when = httpdate::fmt_http_date(SystemTime::now());
    let help = format!("Remove this file, or say `proxydhcpd rearm {machine}`, to let the machine boot again.");
    replace(&directory.join(machine), format!("{when}\n{by}\n\n{help}\n").as_bytes(), 0o644)
}

/// A directory as it was read, to see whether it has to be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryStamp {
    /// Another number is another directory, for example because a file system was mounted over it.
    pub inode: (u64, u64),
    modified: SystemTime,
}

/// File systems round the time of a change: a directory that was changed a moment ago may change again with the same time.
const SETTLED: Duration = Duration::from_secs(3);

impl DirectoryStamp {
    pub fn from_metadata(directory: &Metadata) -> io::Result<DirectoryStamp> {
        Ok(DirectoryStamp { inode: (directory.dev(), directory.ino()), modified: directory.modified()? })
    }

    /// Whether a later change of the directory has another time for sure.
    pub fn is_stable(&self, now: SystemTime) -> bool {
        now.duration_since(self.modified).is_ok_and(|age| age > SETTLED)
    }
}

//! Dialects: firmware that announces itself as a PXE client, but needs another reply than PXE 2.1 describes.

mod known;
pub(crate) mod raspberry_pi;

use crate::arch::Arch;
use core::hash::{Hash, Hasher};

/// A firmware that requests file names that it has built in, and accepts neither a loader nor a script; and the reply
/// that it needs. Only its file, the list of dialects and its row of `QUIRKS` name the firmware;
/// `daemon/tests/architectures.rs` holds that, and lists the exceptions.
#[derive(Debug)]
pub struct Dialect {
    /// The id in rules (`firmware`) and in logs, such as `raspberry-pi`.
    pub id: &'static str,
    /// The name in texts for people.
    pub name: &'static str,
    /// The architecture that only this firmware announces. Older versions of the firmware announce x86 BIOS.
    pub arch: Arch,
    /// The value of option 43 in a reply.
    pub vendor_specific: &'static [u8],
    /// The form of the reply, in words.
    pub shape: &'static str,
    /// The label of the silence if the boot directory has no files for this firmware.
    pub no_files_label: &'static str,
    /// Whether a file with this name may be one that the firmware requests.
    pub is_boot_file: fn(&str) -> bool,
    /// Whether only this firmware requests a file with this name. The kernel in the same directory is for it alone.
    pub is_own_file: fn(&str) -> bool,
    /// Whether a directory with this name may contain the files of one machine.
    pub is_machine_directory: fn(&str) -> bool,
}

impl Dialect {
    /// Whether firmware with this architecture can be this one. Firmware with any other architecture is UEFI, even on
    /// the same machine.
    pub fn has_arch(&self, arch: Arch) -> bool {
        arch == self.arch || arch == Arch::BIOS
    }
}

/// A dialect is its id.
impl PartialEq for Dialect {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Dialect {}

impl Hash for Dialect {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

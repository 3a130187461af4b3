//! Dialects: firmware that announces itself as a PXE client, but needs another reply than PXE 2.1 describes.

mod known;
pub mod raspberry_pi;

use crate::arch::Arch;

/// A firmware that requests file names that it has built in, and accepts neither a loader nor a script; and the reply
/// that it needs.
#[derive(Debug, PartialEq, Eq, Hash)]
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
}

impl Dialect {
    /// Whether firmware with this architecture can be this one. Firmware with any other architecture is UEFI, even on
    /// the same machine.
    pub fn has_arch(&self, arch: Arch) -> bool {
        arch == self.arch || arch == Arch::BIOS
    }
}

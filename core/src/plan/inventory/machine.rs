//! The entry of a machine.

use crate::wire::uuid::is_placeholder;

/// An index into one version of [`super::Inventory`].
pub(crate) type MachineIndex = u32;

/// A machine's entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Machine<'a> {
    /// The name, which is unique and has at most 255 octets.
    pub name: &'a str,
    /// The machine's MAC addresses.
    pub macs: &'a [[u8; 6]],
    /// The machine's SMBIOS system UUID, in printed order. A placeholder ([`is_placeholder`]) counts as `None`.
    pub uuid: Option<[u8; 16]>,
    /// The machine's serial number. Lookups ignore ASCII case, as the patterns of rules do, because people copy serial
    /// numbers from labels.
    pub serial: Option<&'a str>,
    /// The name of the profile that the machine boots; `None` if a rule or a default decides.
    pub profile: Option<&'a str>,
    /// When the machine boots that profile.
    pub boot_mode: BootMode,
    /// Template variables: a JSON object, or empty.
    pub variables: &'a str,
}

/// When a machine boots its profile. Otherwise it boots its disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BootMode {
    /// The entry has no `boot` key. The machine boots as with `Always`, unless its boot-once is completed: the key may
    /// then be missing only because the file of the entry is half written.
    #[default]
    Unspecified,
    /// At each boot.
    Always,
    /// Until its boot-once is completed (see `observations::boot_once`).
    Once,
    /// Never: the machine always boots its disk.
    Never,
}

/// No text, or no place.
pub const NONE: u32 = u32::MAX;

/// Whether a UUID identifies a machine: it is no placeholder.
pub fn is_key(uuid: &[u8; 16]) -> bool {
    !is_placeholder(uuid)
}

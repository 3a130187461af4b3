//! The owners of IP addresses.

use crate::arch::Arch;
use crate::identity::HardwareAddress;
use crate::wire::pxe::{Features, MachineId};

/// The client to which a DHCP server has assigned an IP address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressOwner {
    /// The client's hardware address, or its DUID.
    pub hardware: HardwareAddress,
    /// The client's machine identifier (option 97), which contains the UUID.
    pub machine_id: Option<MachineId>,
    /// The facts that the machine's firmware or iPXE has sent.
    pub firmware: FirmwareInfo,
}

/// Facts that only the machine's firmware or iPXE sends, not the system that it boots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FirmwareInfo {
    /// The architecture (option 93).
    pub arch: Option<Arch>,
    /// The features of the machine's iPXE (option 175).
    pub features: Option<Features>,
}

//! An entry with its own texts.

use proxydhcpd_core::plan::inventory::{BootMode, Machine};

/// An entry with its own texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnedMachine {
    name: String,
    macs: Vec<[u8; 6]>,
    uuid: Option<[u8; 16]>,
    serial: Option<String>,
    profile: Option<String>,
    boot_mode: BootMode,
    variables: String,
}

impl OwnedMachine {
    /// The entry for an inventory.
    pub fn machine(&self) -> Machine<'_> {
        let OwnedMachine { name, macs, uuid, serial, profile, boot_mode, variables } = self;
        let (serial, profile) = (serial.as_deref(), profile.as_deref());
        Machine { name, macs, uuid: *uuid, serial, profile, boot_mode: *boot_mode, variables }
    }
}

impl From<Machine<'_>> for OwnedMachine {
    fn from(machine: Machine<'_>) -> Self {
        let Machine { name, macs, uuid, serial, profile, boot_mode, variables } = machine;
        OwnedMachine {
            name: name.to_owned(),
            macs: macs.to_vec(),
            uuid,
            serial: serial.map(str::to_owned),
            profile: profile.map(str::to_owned),
            boot_mode,
            variables: variables.to_owned(),
        }
    }
}

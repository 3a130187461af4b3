//! The programs that start a machine's local disk under UEFI, as `build.rs` made them.

use proxydhcpd_core::arch::Arch;

const STARTERS: [(&str, &[u8]); 3] = [
    ("uefi-ia32", include_bytes!(concat!(env!("OUT_DIR"), "/local-disk-uefi-ia32.efi"))),
    ("uefi-x64", include_bytes!(concat!(env!("OUT_DIR"), "/local-disk-uefi-x64.efi"))),
    ("uefi-arm64", include_bytes!(concat!(env!("OUT_DIR"), "/local-disk-uefi-arm64.efi"))),
];

/// The architectures that have one: [`proxydhcpd_core::plan::Plan::local_disk`].
pub fn architectures() -> Vec<Arch> {
    STARTERS.iter().filter(|(_, program)| !program.is_empty()).filter_map(|(id, _)| Arch::by_id(id)).collect()
}

/// What is sent for [`proxydhcpd_core::fetch::Fetch::LocalDisk`].
pub fn starter(arch: Arch) -> Option<&'static [u8]> {
    let id = arch.row()?.id;
    STARTERS.iter().find(|(of, program)| *of == id && !program.is_empty()).map(|(_, program)| *program)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::image::{Image, identify};
    use proxydhcpd_core::arch::Program;

    #[test]
    fn a_starter_is_a_program_for_its_architecture() {
        for arch in architectures() {
            let Image::Efi(machine) = identify(starter(arch).unwrap()) else { panic!("{arch}") };
            assert_eq!(Program::Efi(machine), arch.row().unwrap().program, "{arch}");
        }
    }
}

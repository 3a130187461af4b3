//! Our programs for UEFI (`efi/`), as `build.rs` made them.

use proxydhcpd_core::arch::Arch;

/// One program, for the architectures that it could be built for; the others' are empty.
pub type Built = [(&'static str, &'static [u8]); 3];

macro_rules! built {
    ($name:literal) => {
        [
            ("uefi-ia32", include_bytes!(concat!(env!("OUT_DIR"), "/", $name, "-uefi-ia32.efi"))),
            ("uefi-x64", include_bytes!(concat!(env!("OUT_DIR"), "/", $name, "-uefi-x64.efi"))),
            ("uefi-arm64", include_bytes!(concat!(env!("OUT_DIR"), "/", $name, "-uefi-arm64.efi"))),
        ]
    };
}

/// Starts a machine's local disk.
pub const LOCAL_DISK: Built = built!("local-disk");
/// Starts an iPXE with its script.
pub const WITH_SCRIPT: Built = built!("with-script");

/// The architectures that this program is there for.
pub fn architectures(program: &Built) -> impl Iterator<Item = Arch> {
    program.iter().filter(|(_, octets)| !octets.is_empty()).filter_map(|(id, _)| Arch::by_id(id))
}

pub fn of_arch(program: &Built, arch: Arch) -> Option<&'static [u8]> {
    let id = arch.row()?.id;
    program.iter().find(|(of, octets)| *of == id && !octets.is_empty()).map(|(_, octets)| *octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::image::{Image, identify};
    use proxydhcpd_core::arch::Program;

    #[test]
    fn each_is_a_program_for_its_architecture() {
        for program in [LOCAL_DISK, WITH_SCRIPT] {
            assert!(architectures(&program).any(|arch| arch == Arch::X64), "rustup target add x86_64-unknown-uefi");
            for arch in architectures(&program) {
                let Image::Efi(machine) = identify(of_arch(&program, arch).unwrap()) else { panic!("{arch}") };
                assert_eq!(Program::Efi(machine), arch.row().unwrap().program, "{arch}");
            }
        }
    }
}

//! The built-in programs for UEFI, built by `efi/build`.

use proxydhcpd_core::arch::Arch;

/// One program, by the identifier of each architecture for which it is built. No compiler builds it for RISC-V and
/// LoongArch. They do not need it: every iPXE for these architectures is new enough to start a disk.
pub type UefiProgram = [(&'static str, &'static [u8]); 4];

macro_rules! built {
    ($name:literal) => {
        [
            ("uefi-ia32", include_bytes!(concat!("../../efi/built/", $name, "-uefi-ia32.efi"))),
            ("uefi-x64", include_bytes!(concat!("../../efi/built/", $name, "-uefi-x64.efi"))),
            ("uefi-arm32", include_bytes!(concat!("../../efi/built/", $name, "-uefi-arm32.efi"))),
            ("uefi-arm64", include_bytes!(concat!("../../efi/built/", $name, "-uefi-arm64.efi"))),
        ]
    };
}

/// Starts a machine's local disk.
pub const LOCAL_DISK: UefiProgram = built!("local-disk");
/// The iPXE wrapper, which starts iPXE with a script.
pub const IPXE_WRAPPER: UefiProgram = built!("with-script");

/// The architectures for which this program is built.
pub fn architectures(program: &UefiProgram) -> impl Iterator<Item = Arch> {
    program.iter().filter_map(|(id, _)| Arch::from_id(id))
}

/// The program for this architecture; `None` if it is not built for the architecture.
pub fn for_arch(program: &UefiProgram, arch: Arch) -> Option<&'static [u8]> {
    let id = arch.info()?.id;
    program.iter().find(|(of, _)| *of == id).map(|(_, octets)| *octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot_files::image::{Image, identify};
    use proxydhcpd_core::arch::ImageFormat;

    #[test]
    fn each_program_is_built_for_its_architecture() {
        for program in [LOCAL_DISK, IPXE_WRAPPER] {
            assert_eq!(architectures(&program).count(), program.len());
            for arch in architectures(&program) {
                let Image::Efi(machine) = identify(for_arch(&program, arch).unwrap()) else { panic!("{arch}") };
                assert_eq!(ImageFormat::Efi(machine), arch.info().unwrap().image, "{arch}");
            }
        }
    }
}

//! Client architectures: the codes of option 93 (RFC 4578 2.1), the loaders that each firmware can start, and every
//! other name that an architecture has. No other module contains such a name (`daemon/tests/architectures.rs`).
//!
//! The registry is IANA's "Processor Architecture Types", shared with DHCPv6 option 61 (RFC 5970 3.3). Code 7 is x64
//! and code 9 is EFI byte code, as erratum 4624 corrects RFC 4578.

mod row;
mod rows;

use core::fmt;
pub use row::{ArchInfo, ImageFormat, IpxeBuild, Names, Packages, Prevalence, PythonBootstrap, Transport};
pub use rows::ARCHITECTURES;

/// An architecture: a code of option 93, assigned or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arch(pub u16);

impl Arch {
    /// x86 BIOS.
    pub const BIOS: Arch = Arch(0);
    /// 32-bit x86 UEFI.
    pub const IA32: Arch = Arch(6);
    /// x64 UEFI.
    pub const X64: Arch = Arch(7);
    /// EFI byte code; in practice x64 UEFI.
    pub const EBC: Arch = Arch(9);

    /// The row of the table for this code; `None` if the code is unassigned.
    pub fn info(self) -> Option<&'static ArchInfo> {
        ARCHITECTURES.get(usize::from(self.0))
    }

    /// The architecture with this id, such as `uefi-x64`; `None` for an unknown id.
    pub fn from_id(id: &str) -> Option<Arch> {
        Arch::with(|row| row.id == id)
    }

    /// The architecture of an iPXE, from its settings `platform` and `buildarch`; `None` if they name no known
    /// architecture. The `buildarch` of a BIOS iPXE does not count: it is `i386` on every processor.
    pub fn from_ipxe(platform: &str, buildarch: &str) -> Option<Arch> {
        Arch::with(|row| {
            row.names.ipxe.is_some_and(|build| {
                build.platform == platform && (build.buildarch == buildarch || row.image == ImageFormat::Bios)
            })
        })
    }

    /// The ids of the common architectures, in the order of their codes.
    pub fn common_ids() -> impl Iterator<Item = &'static str> {
        ARCHITECTURES.iter().filter(|row| row.prevalence == Prevalence::Common).map(|row| row.id)
    }

    /// The first architecture whose row meets the condition.
    pub fn with(condition: impl Fn(&ArchInfo) -> bool) -> Option<Arch> {
        ARCHITECTURES.iter().find(|row| condition(row)).map(|row| Arch(row.code))
    }

    /// The protocol by which the firmware downloads its loader; `None` if the code is unassigned.
    pub fn transport(self) -> Option<Transport> {
        self.info().map(|row| row.transport)
    }

    /// The architecture whose loaders this one uses: an HTTP code uses those of its TFTP counterpart, and byte code (9)
    /// uses those of x64 (7).
    pub fn base(self) -> Arch {
        self.info().map_or(self, |row| Arch(row.base))
    }

    /// Whether firmware of this architecture can start a Linux kernel that was built for `kernel`. BIOS also starts the
    /// kernels of x86 UEFI: they have the format of the x86 boot protocol, and its entry point for BIOS.
    pub fn starts_kernel_of(self, kernel: Arch) -> bool {
        kernel == self || self == Arch::BIOS && matches!(kernel, Arch::IA32 | Arch::X64)
    }

    /// Whether this is an architecture of UEFI firmware, over TFTP or HTTP. UEFI firmware accepts the redirect shape, a
    /// BIOS ROM accepts the direct shape.
    pub fn is_efi(self) -> bool {
        self.base().info().is_some_and(|row| row.id.starts_with("uefi-"))
    }
}

/// Shows the name of the architecture, or the number of an unassigned code.
impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.info() {
            Some(row) => f.write_str(row.name),
            None => write!(f, "unassigned architecture {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::vec::Vec;

    #[test]
    fn every_row_is_at_the_index_of_its_code() {
        for (index, row) in ARCHITECTURES.iter().enumerate() {
            assert_eq!(usize::from(row.code), index, "{}", row.id);
            assert_eq!(Arch::from_id(row.id), Some(Arch(row.code)));
        }
    }

    #[test]
    fn each_name_means_one_architecture() {
        let columns: [fn(&Names) -> Option<&str>; 5] = [
            |names| names.shim,
            |names| names.directory,
            |names| names.dnsmasq,
            |names| names.python_bootstrap.map(|bootstrap| bootstrap.key),
            |names| names.python_filename,
        ];
        let ids = ARCHITECTURES.iter().map(|row| row.id).collect();
        let words = ARCHITECTURES.iter().flat_map(|row| row.names.words).copied().collect();
        let columns = columns.map(|column| ARCHITECTURES.iter().filter_map(|row| column(&row.names)).collect());
        for mut names in [ids, words].into_iter().chain(columns) {
            let names: &mut Vec<&str> = &mut names;
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count, "{names:?}");
        }
    }

    #[test]
    fn the_settings_of_each_ipxe_lead_to_its_architecture() {
        for row in ARCHITECTURES {
            let Some(IpxeBuild { platform, buildarch }) = row.names.ipxe else { continue };
            assert_eq!(Arch::from_ipxe(platform, buildarch), Some(Arch(row.code)));
        }
        assert_eq!(Arch::from_ipxe("pcbios", "x86_64"), Some(Arch::BIOS));
        assert_eq!(Arch::from_ipxe("efi", "vax"), None);
    }

    #[test]
    fn the_loaders_begin_with_shim_and_end_with_the_removable_name() {
        for row in ARCHITECTURES.iter().filter(|row| row.base == row.code && !row.loaders.is_empty()) {
            let names = row.loaders;
            let is_removable = |name: &&str| name.starts_with("boot") && name.ends_with(".efi");
            assert_eq!(names.last().is_some_and(is_removable), row.image != ImageFormat::Bios, "{}", row.id);
            let is_shim = |name: &&str| name.contains("shim");
            let shims = names.iter().take_while(|name| is_shim(name)).count();
            assert_eq!(names.iter().filter(|name| is_shim(name)).count(), shims, "{}", row.id);
            if let Some(suffix) = row.names.shim {
                assert_eq!(names[shims - 1], format!("shim{suffix}.efi"));
            }
        }
    }

    #[test]
    fn a_base_is_its_own_base_and_uses_tftp() {
        for row in ARCHITECTURES {
            let base = &ARCHITECTURES[usize::from(row.base)];
            assert_eq!(base.base, base.code, "{}", row.id);
            assert!(base.transport == Transport::Tftp || base.code == 20, "{}", row.id);
        }
    }

    #[test]
    fn byte_code_uses_the_x64_loader() {
        assert_eq!(Arch(9).base(), Arch::X64);
        assert_eq!(Arch(17).base(), Arch::X64);
    }
}

//! Client architectures: the codes of option 93 (RFC 4578 2.1), and the loaders that each firmware can start.
//!
//! The registry is IANA's "Processor Architecture Types", shared with DHCPv6 option 61 (RFC 5970 3.3). Code 7 is x64
//! and code 9 is EFI byte code, as erratum 4624 corrects RFC 4578.

use core::fmt;

/// An architecture: a code of option 93, assigned or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Arch(pub u16);

/// The protocol by which a firmware of this architecture downloads its loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TFTP.
    Tftp,
    /// HTTP or HTTPS.
    Http,
}

/// The format of the programs that a firmware can start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageFormat {
    /// A raw 16-bit image, loaded at 0:7C00 and entered there (PXE 2.1).
    Bios,
    /// A PE/COFF image of this machine type (UEFI 2.10 table 2.1).
    Efi(u16),
    /// No known format for network boot.
    None,
}

/// Names, transport and loaders of an architecture.
#[derive(Debug)]
pub struct ArchInfo {
    /// The code of option 93.
    pub code: u16,
    /// The id of the architecture on the command line, in the configuration and in logs, such as `uefi-x64`.
    pub id: &'static str,
    /// The name of the architecture in texts for people, such as `x64 UEFI`.
    pub name: &'static str,
    /// The protocol by which the firmware downloads its loader.
    pub transport: Transport,
    /// Pointer width of the programs that the firmware can start, in bits; 0 if unknown.
    pub bits: u8,
    /// The format of the programs that the firmware can start.
    pub image: ImageFormat,
    /// Usual file names of the loaders for this architecture, best first.
    pub loaders: &'static [&'static str],
    /// The code of the architecture whose loaders this one uses: the same code, except for HTTP and byte code (see
    /// [`Arch::base`]).
    pub base: u16,
}

const I386: ImageFormat = ImageFormat::Efi(0x014c);
const X64: ImageFormat = ImageFormat::Efi(0x8664);
const IA64: ImageFormat = ImageFormat::Efi(0x0200);
const ARM: ImageFormat = ImageFormat::Efi(0x01c2);
const ARM64: ImageFormat = ImageFormat::Efi(0xaa64);
const EBC: ImageFormat = ImageFormat::Efi(0x0ebc);
const RISCV32: ImageFormat = ImageFormat::Efi(0x5032);
const RISCV64: ImageFormat = ImageFormat::Efi(0x5064);
const RISCV128: ImageFormat = ImageFormat::Efi(0x5128);
const LOONG32: ImageFormat = ImageFormat::Efi(0x6232);
const LOONG64: ImageFormat = ImageFormat::Efi(0x6264);

/// The rows of all assigned codes; the index of a row is its code.
///
/// Among the loaders, shim comes first: machines with Secure Boot start no other loader, and all other machines start
/// shim as well (see the module `shim`). `snponly` precedes `ipxe`: `snponly` uses the driver of the firmware, which
/// has just used the network card, whereas the native drivers of `ipxe` may not support the card. With virtio-net, both
/// reach the menu equally fast, 11 to 13 s after power-on (snponly.efi and ipxe.efi of 2019 and of 2025, under OVMF of
/// 2022 and of 2025).
pub const ARCHITECTURES: &[ArchInfo] = &[
    row(0, "bios", "x86 BIOS", 16, ImageFormat::Bios, BIOS_LOADERS),
    row(1, "pc98", "NEC PC-98", 0, ImageFormat::None, &[]),
    row(2, "uefi-ia64", "Itanium UEFI", 64, IA64, &["bootia64.efi"]),
    row(3, "alpha", "DEC Alpha", 0, ImageFormat::None, &[]),
    row(4, "arc-x86", "Arc x86", 0, ImageFormat::None, &[]),
    row(5, "intel-lean", "Intel Lean Client", 0, ImageFormat::None, &[]),
    row(6, "uefi-ia32", "x86 UEFI", 32, I386, IA32_LOADERS),
    row(7, "uefi-x64", "x64 UEFI", 64, X64, X64_LOADERS),
    row(8, "efi-xscale", "EFI XScale", 0, ImageFormat::None, &[]),
    // No known machine boots byte code over the network. VMware, OVMF of 2013 and some ThinkPads send 9, but boot x64
    // programs.
    ArchInfo { base: 7, ..row(9, "uefi-ebc", "x64 UEFI announced as byte code", 64, EBC, &[]) },
    row(10, "uefi-arm32", "ARM 32 UEFI", 32, ARM, ARM32_LOADERS),
    row(11, "uefi-arm64", "ARM 64 UEFI", 64, ARM64, ARM64_LOADERS),
    row(12, "ppc-of", "PowerPC Open Firmware", 0, ImageFormat::None, &[]),
    row(13, "ppc-epapr", "PowerPC ePAPR", 0, ImageFormat::None, &[]),
    row(14, "ppc-opal", "POWER OPAL v3", 64, ImageFormat::None, &[]),
    http(15, "http-ia32", "x86 UEFI HTTP", 32, I386, 6),
    http(16, "http-x64", "x64 UEFI HTTP", 64, X64, 7),
    http(17, "http-ebc", "x64 UEFI HTTP announced as byte code", 64, EBC, 7),
    http(18, "http-arm32", "ARM 32 UEFI HTTP", 32, ARM, 10),
    http(19, "http-arm64", "ARM 64 UEFI HTTP", 64, ARM64, 11),
    http(20, "http-bios", "PC/AT BIOS HTTP", 16, ImageFormat::None, 20),
    row(21, "uboot-arm32", "ARM 32 U-Boot", 32, ARM, ARM32_LOADERS),
    row(22, "uboot-arm64", "ARM 64 U-Boot", 64, ARM64, ARM64_LOADERS),
    http(23, "http-uboot-arm32", "ARM 32 U-Boot HTTP", 32, ARM, 21),
    http(24, "http-uboot-arm64", "ARM 64 U-Boot HTTP", 64, ARM64, 22),
    row(25, "uefi-riscv32", "RISC-V 32 UEFI", 32, RISCV32, RISCV32_LOADERS),
    http(26, "http-riscv32", "RISC-V 32 UEFI HTTP", 32, RISCV32, 25),
    row(27, "uefi-riscv64", "RISC-V 64 UEFI", 64, RISCV64, RISCV64_LOADERS),
    http(28, "http-riscv64", "RISC-V 64 UEFI HTTP", 64, RISCV64, 27),
    row(29, "uefi-riscv128", "RISC-V 128 UEFI", 128, RISCV128, &["bootriscv128.efi"]),
    http(30, "http-riscv128", "RISC-V 128 UEFI HTTP", 128, RISCV128, 29),
    row(31, "s390", "s390 basic", 64, ImageFormat::None, &[]),
    row(32, "s390x", "s390 extended", 64, ImageFormat::None, &[]),
    row(33, "uefi-mips32", "MIPS 32 UEFI", 32, ImageFormat::None, &[]),
    row(34, "uefi-mips64", "MIPS 64 UEFI", 64, ImageFormat::None, &[]),
    row(35, "uefi-sunway32", "Sunway 32 UEFI", 32, ImageFormat::None, &[]),
    row(36, "uefi-sunway64", "Sunway 64 UEFI", 64, ImageFormat::None, &[]),
    row(37, "uefi-loongarch32", "LoongArch 32 UEFI", 32, LOONG32, &["bootloongarch32.efi"]),
    http(38, "http-loongarch32", "LoongArch 32 UEFI HTTP", 32, LOONG32, 37),
    row(39, "uefi-loongarch64", "LoongArch 64 UEFI", 64, LOONG64, LOONG64_LOADERS),
    http(40, "http-loongarch64", "LoongArch 64 UEFI HTTP", 64, LOONG64, 39),
    row(41, "rpiboot", "Raspberry Pi boot ROM", 64, ImageFormat::None, &[]),
];

const BIOS_LOADERS: &[&str] = &["undionly.kpxe", "ipxe.pxe", "pxelinux.0", "lpxelinux.0", "core.0"];
// The lists contain the file names that iPXE itself, Debian (`-amd64`), Fedora (`ipxe-snponly-x86_64`) and openSUSE
// (`snp-x86_64`) use.
const IA32_LOADERS: &[&str] = &[
    "shimia32.efi",
    "snponly-ia32.efi",
    "snponly-i386.efi",
    "ipxe-snponly-i386.efi",
    "snp-i386.efi",
    "snponly.efi",
    "ipxe-ia32.efi",
    "ipxe-i386.efi",
    "ipxe.efi",
    "bootia32.efi",
];
const X64_LOADERS: &[&str] = &[
    "snponly-shimx64.efi",
    "snponly-shim.efi",
    "ipxe-shimx64.efi",
    "ipxe-shim.efi",
    "shimx64.efi",
    "snponly-x64.efi",
    "snponly-x86_64.efi",
    "snponly-amd64.efi",
    "ipxe-snponly-x86_64.efi",
    "snp-x86_64.efi",
    "snponly.efi",
    "ipxe-x64.efi",
    "ipxe-x86_64.efi",
    "ipxe-amd64.efi",
    "ipxe.efi",
    "bootx64.efi",
];
const ARM32_LOADERS: &[&str] = &[
    "shimarm.efi",
    "snponly-arm32.efi",
    "snponly-arm.efi",
    "snp-arm32.efi",
    "snponly.efi",
    "ipxe-arm32.efi",
    "ipxe-arm.efi",
    "ipxe.efi",
    "bootarm.efi",
];
const ARM64_LOADERS: &[&str] = &[
    "snponly-shimaa64.efi",
    "snponly-shim.efi",
    "ipxe-shimaa64.efi",
    "ipxe-shim.efi",
    "shimaa64.efi",
    "snponly-arm64.efi",
    "snponly-aarch64.efi",
    "ipxe-snponly-arm64.efi",
    "ipxe-snponly-aarch64.efi",
    "snp-arm64.efi",
    "snponly.efi",
    "ipxe-arm64.efi",
    "ipxe-aarch64.efi",
    "ipxe.efi",
    "bootaa64.efi",
];
const RISCV32_LOADERS: &[&str] =
    &["snponly-riscv32.efi", "snponly.efi", "ipxe-riscv32.efi", "ipxe.efi", "bootriscv32.efi"];
const RISCV64_LOADERS: &[&str] =
    &["shimriscv64.efi", "snponly-riscv64.efi", "snponly.efi", "ipxe-riscv64.efi", "ipxe.efi", "bootriscv64.efi"];
const LOONG64_LOADERS: &[&str] = &[
    "snponly-loong64.efi",
    "snponly-loongarch64.efi",
    "snponly.efi",
    "ipxe-loong64.efi",
    "ipxe-loongarch64.efi",
    "ipxe.efi",
    "bootloongarch64.efi",
];

const fn row(
    code: u16,
    id: &'static str,
    name: &'static str,
    bits: u8,
    program: ImageFormat,
    loaders: &'static [&'static str],
) -> ArchInfo {
    ArchInfo { code, id, name, transport: Transport::Tftp, bits, image: program, loaders, base: code }
}

const fn http(code: u16, id: &'static str, name: &'static str, bits: u8, program: ImageFormat, base: u16) -> ArchInfo {
    ArchInfo { code, id, name, transport: Transport::Http, bits, image: program, loaders: &[], base }
}

impl Arch {
    /// x86 BIOS.
    pub const BIOS: Arch = Arch(0);
    /// 32-bit x86 UEFI.
    pub const IA32: Arch = Arch(6);
    /// x64 UEFI.
    pub const X64: Arch = Arch(7);
    /// EFI byte code; in practice x64 UEFI.
    pub const EBC: Arch = Arch(9);
    /// The boot ROM of a Raspberry Pi.
    pub const RASPBERRY_PI: Arch = Arch(41);

    /// The row of the table for this code; `None` if the code is unassigned.
    pub fn info(self) -> Option<&'static ArchInfo> {
        ARCHITECTURES.get(usize::from(self.0))
    }

    /// The architecture with this id, such as `uefi-x64`; `None` for an unknown id.
    pub fn from_id(id: &str) -> Option<Arch> {
        ARCHITECTURES.iter().find(|row| row.id == id).map(|row| Arch(row.code))
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

    #[test]
    fn every_row_is_at_the_index_of_its_code() {
        for (index, row) in ARCHITECTURES.iter().enumerate() {
            assert_eq!(usize::from(row.code), index, "{}", row.id);
            assert_eq!(Arch::from_id(row.id), Some(Arch(row.code)));
        }
        assert_eq!(ARCHITECTURES.len(), 42, "the registry ends with 41");
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

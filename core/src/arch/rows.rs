//! The table of architectures.

use super::{ArchInfo, ImageFormat, IpxeBuild, Names, Packages, Prevalence, PythonBootstrap, Transport};

/// The rows of all assigned codes; the index of a row is its code.
pub const ARCHITECTURES: &[ArchInfo] = &[
    BIOS,
    deprecated(1, "pc98", "NEC PC-98", "PC98"),
    IA64,
    deprecated(3, "alpha", "DEC Alpha", "Alpha"),
    deprecated(4, "arc-x86", "Arc x86", "Arc_x86"),
    deprecated(5, "intel-lean", "Intel Lean Client", "Intel_Lean_Client"),
    IA32,
    X64,
    deprecated(8, "efi-xscale", "EFI XScale", "Xscale_EFI"),
    EBC,
    ARM32,
    ARM64,
    row(12, "ppc-of", "PowerPC Open Firmware", ImageFormat::None),
    row(13, "ppc-epapr", "PowerPC ePAPR", ImageFormat::None),
    row(14, "ppc-opal", "POWER OPAL v3", ImageFormat::None),
    http(15, "http-ia32", "x86 UEFI HTTP", &IA32),
    http(16, "http-x64", "x64 UEFI HTTP", &X64),
    http(17, "http-ebc", "x64 UEFI HTTP announced as byte code", &EBC),
    http(18, "http-arm32", "ARM 32 UEFI HTTP", &ARM32),
    http(19, "http-arm64", "ARM 64 UEFI HTTP", &ARM64),
    ArchInfo { transport: Transport::Http, ..row(20, "http-bios", "PC/AT BIOS HTTP", ImageFormat::None) },
    UBOOT_ARM32,
    UBOOT_ARM64,
    http(23, "http-uboot-arm32", "ARM 32 U-Boot HTTP", &UBOOT_ARM32),
    http(24, "http-uboot-arm64", "ARM 64 U-Boot HTTP", &UBOOT_ARM64),
    RISCV32,
    http(26, "http-riscv32", "RISC-V 32 UEFI HTTP", &RISCV32),
    RISCV64,
    http(28, "http-riscv64", "RISC-V 64 UEFI HTTP", &RISCV64),
    RISCV128,
    http(30, "http-riscv128", "RISC-V 128 UEFI HTTP", &RISCV128),
    row(31, "s390", "s390 basic", ImageFormat::None),
    row(32, "s390x", "s390 extended", ImageFormat::None),
    row(33, "uefi-mips32", "MIPS 32 UEFI", ImageFormat::None),
    row(34, "uefi-mips64", "MIPS 64 UEFI", ImageFormat::None),
    row(35, "uefi-sunway32", "Sunway 32 UEFI", ImageFormat::None),
    row(36, "uefi-sunway64", "Sunway 64 UEFI", ImageFormat::None),
    LOONG32,
    http(38, "http-loongarch32", "LoongArch 32 UEFI HTTP", &LOONG32),
    LOONG64,
    http(40, "http-loongarch64", "LoongArch 64 UEFI HTTP", &LOONG64),
    row(41, "rpiboot", "Raspberry Pi boot ROM", ImageFormat::None),
];

const BIOS: ArchInfo = ArchInfo {
    prevalence: Prevalence::Common,
    loaders: &["undionly.kpxe", "ipxe.pxe", "pxelinux.0", "lpxelinux.0", "core.0"],
    names: Names {
        ipxe: Some(IpxeBuild { platform: "pcbios", buildarch: "i386" }),
        dnsmasq: Some("x86PC"),
        python_bootstrap: Some(PythonBootstrap { key: "legacy_bootstrap", default: Some("undionly.kpxe") }),
        packages: Packages {
            debian_12: Some("ipxe"),
            debian: Some("ipxe"),
            fedora: Some("ipxe-bootimgs-x86"),
            suse: Some("ipxe-bootimgs"),
            arch_linux: Some("ipxe"),
            alpine: Some("ipxe"),
        },
        ..NO_NAMES
    },
    ..row(0, "bios", "x86 BIOS", ImageFormat::Bios)
};

const IA64: ArchInfo = ArchInfo {
    loaders: &["bootia64.efi"],
    names: Names { dnsmasq: Some("IA64_EFI"), ..NO_NAMES },
    ..row(2, "uefi-ia64", "Itanium UEFI", ImageFormat::Efi(0x0200))
};

// Among the loaders, shim comes first: machines with Secure Boot start no other loader, and all other machines start
// shim as well (see the module `shim`). `snponly` precedes `ipxe`: `snponly` uses the driver of the firmware, which has
// just used the network card, whereas the native drivers of `ipxe` may not support the card. With virtio-net, both
// reach the menu equally fast, 11 to 13 s after power-on (snponly.efi and ipxe.efi of 2019 and of 2025, under OVMF of
// 2022 and of 2025). The lists contain the file names that iPXE itself, Debian (`-amd64`), Fedora
// (`ipxe-snponly-x86_64`) and openSUSE (`snp-x86_64`) use.

const IA32: ArchInfo = ArchInfo {
    prevalence: Prevalence::Common,
    loaders: &[
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
    ],
    names: Names {
        ipxe: efi_build("i386"),
        shim: Some("ia32"),
        directory: Some("i386-efi"),
        words: &["x86", "i386", "i486", "i586", "i686", "686"],
        dnsmasq: Some("IA32_EFI"),
        python_bootstrap: Some(PythonBootstrap { key: "efi32_bootstrap", default: None }),
        python_filename: Some("filename_efi32"),
        packages: Packages { fedora: Some("ipxe-bootimgs-x86"), suse: Some("ipxe-bootimgs"), ..NO_PACKAGES },
        ..NO_NAMES
    },
    ..row(6, "uefi-ia32", "x86 UEFI", ImageFormat::Efi(0x014c))
};

const X64: ArchInfo = ArchInfo {
    prevalence: Prevalence::Common,
    loaders: &[
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
    ],
    names: Names {
        ipxe: efi_build("x86_64"),
        shim: Some("x64"),
        directory: Some("x86_64-efi"),
        words: &["amd64", "x64", "64"],
        dnsmasq: Some("x86-64_EFI"),
        python_bootstrap: Some(PythonBootstrap { key: "efi_bootstrap", default: Some("ipxe.efi") }),
        python_filename: Some("filename_efi64"),
        packages: BIOS.names.packages,
        ..NO_NAMES
    },
    ..row(7, "uefi-x64", "x64 UEFI", ImageFormat::Efi(0x8664))
};

// No known machine boots byte code over the network. VMware, OVMF of 2013 and some ThinkPads send 9, but boot x64
// programs.
const EBC: ArchInfo = ArchInfo {
    base: X64.code,
    names: Names { dnsmasq: Some("BC_EFI"), ..NO_NAMES },
    ..row(9, "uefi-ebc", "x64 UEFI announced as byte code", ImageFormat::Efi(0x0ebc))
};

const ARM32: ArchInfo = ArchInfo {
    prevalence: Prevalence::Common,
    loaders: &[
        "shimarm.efi",
        "snponly-arm32.efi",
        "snponly-arm.efi",
        "snp-arm32.efi",
        "snponly.efi",
        "ipxe-arm32.efi",
        "ipxe-arm.efi",
        "ipxe.efi",
        "bootarm.efi",
    ],
    names: Names {
        ipxe: efi_build("arm32"),
        shim: Some("arm"),
        directory: Some("arm32-efi"),
        dnsmasq: Some("ARM32_EFI"),
        python_bootstrap: Some(PythonBootstrap { key: "arm32_bootstrap", default: None }),
        ..NO_NAMES
    },
    ..row(10, "uefi-arm32", "ARM 32 UEFI", ImageFormat::Efi(0x01c2))
};

const ARM64: ArchInfo = ArchInfo {
    prevalence: Prevalence::Common,
    loaders: &[
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
    ],
    names: Names {
        ipxe: efi_build("arm64"),
        shim: Some("aa64"),
        directory: Some("arm64-efi"),
        words: &["arm64", "aarch64", "a64"],
        kernel_magic: Some(*b"ARM\x64"),
        dnsmasq: Some("ARM64_EFI"),
        python_bootstrap: Some(PythonBootstrap { key: "arm64_bootstrap", default: None }),
        packages: Packages {
            debian: Some("ipxe"),
            fedora: Some("ipxe-bootimgs-aarch64"),
            suse: Some("ipxe-bootimgs"),
            ..NO_PACKAGES
        },
        ..NO_NAMES
    },
    ..row(11, "uefi-arm64", "ARM 64 UEFI", ImageFormat::Efi(0xaa64))
};

const UBOOT_ARM32: ArchInfo =
    ArchInfo { loaders: ARM32.loaders, ..row(21, "uboot-arm32", "ARM 32 U-Boot", ARM32.image) };
const UBOOT_ARM64: ArchInfo =
    ArchInfo { loaders: ARM64.loaders, ..row(22, "uboot-arm64", "ARM 64 U-Boot", ARM64.image) };

const RISCV32: ArchInfo = ArchInfo {
    loaders: &["snponly-riscv32.efi", "snponly.efi", "ipxe-riscv32.efi", "ipxe.efi", "bootriscv32.efi"],
    names: Names { ipxe: efi_build("riscv32"), ..NO_NAMES },
    ..row(25, "uefi-riscv32", "RISC-V 32 UEFI", ImageFormat::Efi(0x5032))
};

const RISCV64: ArchInfo = ArchInfo {
    prevalence: Prevalence::Common,
    loaders: &[
        "shimriscv64.efi",
        "snponly-riscv64.efi",
        "snponly.efi",
        "ipxe-riscv64.efi",
        "ipxe.efi",
        "bootriscv64.efi",
    ],
    names: Names {
        ipxe: efi_build("riscv64"),
        shim: Some("riscv64"),
        directory: Some("riscv64-efi"),
        words: &["riscv64"],
        kernel_magic: Some(*b"RSC\x05"),
        python_bootstrap: Some(PythonBootstrap { key: "riscv64_bootstrap", default: None }),
        packages: Packages { debian: Some("ipxe"), ..NO_PACKAGES },
        ..NO_NAMES
    },
    ..row(27, "uefi-riscv64", "RISC-V 64 UEFI", ImageFormat::Efi(0x5064))
};

const RISCV128: ArchInfo = ArchInfo {
    loaders: &["bootriscv128.efi"],
    ..row(29, "uefi-riscv128", "RISC-V 128 UEFI", ImageFormat::Efi(0x5128))
};

const LOONG32: ArchInfo = ArchInfo {
    loaders: &["bootloongarch32.efi"],
    ..row(37, "uefi-loongarch32", "LoongArch 32 UEFI", ImageFormat::Efi(0x6232))
};

const LOONG64: ArchInfo = ArchInfo {
    prevalence: Prevalence::Common,
    loaders: &[
        "snponly-loong64.efi",
        "snponly-loongarch64.efi",
        "snponly.efi",
        "ipxe-loong64.efi",
        "ipxe-loongarch64.efi",
        "ipxe.efi",
        "bootloongarch64.efi",
    ],
    names: Names {
        ipxe: efi_build("loong64"),
        directory: Some("loong64-efi"),
        words: &["loongarch64"],
        python_bootstrap: Some(PythonBootstrap { key: "loongarch64_bootstrap", default: None }),
        packages: Packages { debian: Some("ipxe"), ..NO_PACKAGES },
        ..NO_NAMES
    },
    ..row(39, "uefi-loongarch64", "LoongArch 64 UEFI", ImageFormat::Efi(0x6264))
};

/// A row of firmware that downloads its loader by TFTP, without the names that others give to it.
const fn row(code: u16, id: &'static str, name: &'static str, image: ImageFormat) -> ArchInfo {
    let (prevalence, transport) = (Prevalence::Rare, Transport::Tftp);
    ArchInfo { code, id, name, prevalence, transport, image, loaders: &[], base: code, names: NO_NAMES }
}

const fn deprecated(code: u16, id: &'static str, name: &'static str, dnsmasq: &'static str) -> ArchInfo {
    let names = Names { dnsmasq: Some(dnsmasq), ..NO_NAMES };
    ArchInfo { prevalence: Prevalence::Deprecated, names, ..row(code, id, name, ImageFormat::None) }
}

/// The row of a firmware that downloads the loaders of `tftp` by HTTP.
const fn http(code: u16, id: &'static str, name: &'static str, tftp: &ArchInfo) -> ArchInfo {
    ArchInfo { transport: Transport::Http, base: tftp.base, ..row(code, id, name, tftp.image) }
}

const fn efi_build(buildarch: &'static str) -> Option<IpxeBuild> {
    Some(IpxeBuild { platform: "efi", buildarch })
}

const NO_NAMES: Names = Names {
    ipxe: None,
    shim: None,
    directory: None,
    words: &[],
    kernel_magic: None,
    dnsmasq: None,
    python_bootstrap: None,
    python_filename: None,
    packages: NO_PACKAGES,
};

const NO_PACKAGES: Packages =
    Packages { debian_12: None, debian: None, fedora: None, suse: None, arch_linux: None, alpine: None };

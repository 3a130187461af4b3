//! The columns of the table of architectures.

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

/// How likely it is that a network has machines of an architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prevalence {
    /// Current machines have it. The table of loaders lists it even without a loader.
    Common,
    /// Machines may have it.
    Rare,
    /// The registry deprecates it, and no machine has it any more.
    Deprecated,
}

/// One architecture: a row of [`ARCHITECTURES`](super::ARCHITECTURES).
#[derive(Debug)]
pub struct ArchInfo {
    /// The code of option 93.
    pub code: u16,
    /// The id of the architecture on the command line, in the configuration and in logs, such as `uefi-x64`.
    pub id: &'static str,
    /// The name of the architecture in texts for people, such as `x64 UEFI`.
    pub name: &'static str,
    /// How likely it is that a network has such machines.
    pub prevalence: Prevalence,
    /// The protocol by which the firmware downloads its loader.
    pub transport: Transport,
    /// The format of the programs that the firmware can start.
    pub image: ImageFormat,
    /// Usual file names of the loaders for this architecture, best first. The last one for UEFI is the name on
    /// removable media (UEFI 2.10 3.5.1.1).
    pub loaders: &'static [&'static str],
    /// The code of the architecture whose loaders this one uses: the same code, except for HTTP and byte code (see
    /// [`Arch::base`](super::Arch::base)).
    pub base: u16,
    /// The names that others give to the architecture.
    pub names: Names,
}

/// The names that other programs and projects give to an architecture. A code that uses another's loaders has none.
#[derive(Debug)]
pub struct Names {
    /// The values of iPXE's settings `platform` and `buildarch`.
    pub ipxe: Option<IpxeBuild>,
    /// The suffix in the names of shim and its second stage: `shimx64.efi`, `grubx64.efi` (shim Make.defaults
    /// ARCH_SUFFIX).
    pub shim: Option<&'static str>,
    /// The subdirectory of the boot directory in which FOG has the loaders for the architecture.
    pub directory: Option<&'static str>,
    /// Words for the architecture in the names of kernels and initrds.
    pub words: &'static [&'static str],
    /// The signature at 0x38 of a Linux kernel in the format `Image`.
    pub kernel_magic: Option<[u8; 4]>,
    /// dnsmasq's word for the code (dnsmasq option.c, `lookup_arch`).
    pub dnsmasq: Option<&'static str>,
    /// The key for the architecture in section `[ipxe]` of the Python daemon's file.
    pub python_bootstrap: Option<PythonBootstrap>,
    /// The key for the architecture in section `[proxy]` of the Python daemon's file.
    pub python_filename: Option<&'static str>,
    /// The packages that contain an iPXE for the architecture.
    pub packages: Packages,
}

/// The settings of iPXE that state its architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpxeBuild {
    /// The setting `platform`.
    pub platform: &'static str,
    /// The setting `buildarch`.
    pub buildarch: &'static str,
}

/// A key of the Python daemon's file, in its section `[ipxe]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PythonBootstrap {
    /// The key.
    pub key: &'static str,
    /// The loader if the file does not set the key. The Python daemon had only the keys with a default.
    pub default: Option<&'static str>,
}

/// The packages that contain an iPXE for an architecture, by distribution.
#[derive(Debug)]
pub struct Packages {
    /// Debian before 13, and Ubuntu.
    pub debian_12: Option<&'static str>,
    /// Debian 13 or later.
    pub debian: Option<&'static str>,
    /// Fedora, RHEL and their derivatives.
    pub fedora: Option<&'static str>,
    /// openSUSE, SLES.
    pub suse: Option<&'static str>,
    /// Arch Linux.
    pub arch_linux: Option<&'static str>,
    /// Alpine Linux.
    pub alpine: Option<&'static str>,
}

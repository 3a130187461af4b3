//! Recognises the kind of a file by its first octets.

use proxydhcpd_core::arch::{Arch, ImageFormat};
use proxydhcpd_secureboot::pe::Pe;
use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::Path;

/// The kind of a boot program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Image {
    /// An EFI application for this PE machine type.
    Efi(u16),
    /// An EFI application whose file is truncated.
    Truncated {
        /// The PE machine type.
        machine: u16,
        /// The size of the file, in octets.
        actual: u64,
        /// The size that the PE header declares, in octets.
        expected: u64,
    },
    /// Possibly a raw 16-bit boot program: it is no other known kind of file.
    Bios,
    /// Not a boot program. The text names the kind of the file, and completes a sentence that begins with "it is".
    Other(&'static str),
}

/// The number of octets that are inspected at the start of a file. The PE header begins at 0x40 or 0xc0 in iPXE, at
/// 0x80 in GRUB, and at 0x100 or earlier in a kernel.
pub const HEAD_SIZE: usize = 4096;

/// The maximum size of a plausible BIOS boot program. Firmware loads the program at 7C00. Conventional memory ends at
/// A0000, and the PXE stack occupies a part of it. The largest known program is iPXE with all drivers: 300 to 400 KiB.
const MAX_BIOS_SIZE: u64 = 600 * 1024;

/// The maximum size of a program that is read as a whole, in octets. The program is held in memory, as in firmware.
const MAX_SIZE: u64 = 512 << 20;

/// Reads and classifies a regular file, following symbolic links.
pub fn inspect(path: &Path) -> io::Result<Image> {
    let (head, size) = head(path)?;
    Ok(match identify(&head) {
        Image::Bios if size > MAX_BIOS_SIZE => Image::Other("too large for a BIOS boot program"),
        Image::Efi(machine) => match Pe::parse(&head).and_then(|pe| pe.expected_length()) {
            Some(length) if length as u64 > size => Image::Truncated { machine, actual: size, expected: length as u64 },
            _ => Image::Efi(machine),
        },
        image => image,
    })
}

/// Whether the header of a UEFI program refers to a signature; `None` for other files.
pub fn is_signed(path: &Path) -> io::Result<Option<bool>> {
    let (head, _) = head(path)?;
    let program = matches!(identify(&head), Image::Efi(_)).then(|| Pe::parse(&head)).flatten();
    Ok(program.map(|pe| pe.is_signed()))
}

/// Returns the content of a regular file of at most [`MAX_SIZE`] octets.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    if check_regular(path)?.len() > MAX_SIZE {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "too large for a boot program"));
    }
    fs::read(path)
}

/// Returns the first [`HEAD_SIZE`] octets of a regular file, and the size of the file.
pub fn head(path: &Path) -> io::Result<(Vec<u8>, u64)> {
    check_regular(path)?;
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut head = Vec::new();
    file.take(HEAD_SIZE as u64).read_to_end(&mut head)?;
    Ok((head, size))
}

/// Returns an error for any kind of file that is not regular: reading a FIFO would block until a writer opens it.
fn check_regular(path: &Path) -> io::Result<Metadata> {
    let metadata = path.metadata()?;
    let irregular = || io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
    metadata.is_file().then_some(metadata).ok_or_else(irregular)
}

/// Classifies a file by its first [`HEAD_SIZE`] octets. A BIOS boot program has no signature that identifies it. The
/// known programs begin with different code: iPXE (undionly.kpxe, ipxe.pxe) with the far jump `ea 05 00 c0 07`,
/// PXELINUX with the far jump `ea 24 7c 00 00`, GRUB's core.0 with `b2 7f ea`. So this function first excludes every
/// file that is certainly of another kind.
pub fn identify(octets: &[u8]) -> Image {
    let head = &octets[..octets.len().min(HEAD_SIZE)];
    const SIGNATURES: &[(&[u8], &str)] = &[
        (b"\x7fELF", "an ELF program"),
        (b"#!", "a script"),
        (b"\x1f\x8b", "compressed (gzip)"),
        (b"\xfd7zXZ", "compressed (xz)"),
        (b"\x28\xb5\x2f\xfd", "compressed (zstd)"),
        (b"PK\x03\x04", "a zip archive"),
        (b"\x55\xaa", "a card's option ROM"),
    ];
    if head.len() < 512 {
        return Image::Other("too short for a program");
    }
    if let Some((_, what)) = SIGNATURES.iter().find(|(signature, _)| head.starts_with(signature)) {
        return Image::Other(what);
    }
    if head.starts_with(b"MZ") {
        return portable_executable(head).unwrap_or(Image::Other("a broken PE file, or a DOS program"));
    }
    if head.get(0x202..0x206) == Some(b"HdrS") {
        return Image::Other("in the format of a Linux kernel (.lkrn)");
    }
    if head[..16].iter().all(|octet| *octet == 0) {
        return Image::Other("empty where a program begins");
    }
    if head[..64].iter().all(|octet| octet.is_ascii_graphic() || octet.is_ascii_whitespace()) {
        return Image::Other("text");
    }
    Image::Bios
}

/// Recognises an EFI application by its PE/COFF header.
fn portable_executable(head: &[u8]) -> Option<Image> {
    let pe = Pe::parse(head)?;
    let image = Image::Efi(pe.machine);
    Some(if pe.is_uefi_program() { image } else { Image::Other("a PE file, but no EFI application") })
}

/// The architecture that a Linux kernel was built for; `None` if the file is not in the format of a kernel that iPXE
/// can start.
///
/// The x86 boot protocol has `HdrS` at 0x202, and since version 2.12 a flag at 0x236 for a 64-bit entry point. The
/// `Image` of ARM 64 and RISC-V has its signature at 0x38. The kernel of LoongArch and the compressed EFI kernel of all
/// architectures (`zimg`) are EFI applications.
pub fn kernel_arch(head: &[u8]) -> Option<Arch> {
    if head.get(0x202..0x206) == Some(b"HdrS") {
        let version = u16::from_le_bytes(*head.get(0x206..)?.first_chunk()?);
        let long = version >= 0x20c && head.get(0x236)? & 1 == 1;
        return Some(if long { Arch::X64 } else { Arch::IA32 });
    }
    arch_of_kernel_magic(head).or_else(|| efi_arch(head))
}

/// The architecture of a Linux kernel in the format `Image`; `None` for any other file.
pub fn arch_of_kernel_magic(head: &[u8]) -> Option<Arch> {
    let magic: &[u8; 4] = head.get(0x38..)?.first_chunk()?;
    Arch::with(|row| row.names.kernel_magic.as_ref() == Some(magic))
}

/// The architecture of an EFI application; `None` for any other file.
pub fn efi_arch(head: &[u8]) -> Option<Arch> {
    let Image::Efi(machine) = identify(head) else { return None };
    arch_of_machine_type(machine)
}

/// The architecture whose UEFI starts programs of this PE machine type; `None` if the type is unknown.
pub fn arch_of_machine_type(machine: u16) -> Option<Arch> {
    Arch::with(|row| row.image == ImageFormat::Efi(machine) && row.base == row.code)
}

impl Image {
    /// Whether firmware that requires this format can start the image.
    pub fn fits(self, program: ImageFormat) -> bool {
        match (self, program) {
            (Image::Efi(actual), ImageFormat::Efi(required)) => actual == required,
            (Image::Bios, ImageFormat::Bios) => true,
            _ => false,
        }
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Image::Efi(machine) => match arch_of_machine_type(*machine) {
                Some(arch) => write!(f, "an EFI program for {arch}"),
                None => write!(f, "an EFI program for machine type {machine:#06x}"),
            },
            Image::Truncated { actual, expected, .. } => {
                write!(f, "truncated: its header declares {expected} octets, the file has {actual}")
            }
            Image::Bios => f.write_str("a BIOS program, or no program at all"),
            Image::Other(what) => f.write_str(what),
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// The head of an EFI application, as a linker writes it.
    pub fn efi(machine: u16) -> Vec<u8> {
        let mut file = vec![0; 1024];
        file[..2].copy_from_slice(b"MZ");
        file[0x3c] = 0x80;
        file[0x80..0x84].copy_from_slice(b"PE\0\0");
        file[0x84..0x86].copy_from_slice(&machine.to_le_bytes());
        file[0x98..0x9a].copy_from_slice(&0x20bu16.to_le_bytes());
        file[0x98 + 68] = 10;
        file
    }

    /// The head of a BIOS boot program, with the first octets of iPXE.
    pub fn bios() -> Vec<u8> {
        let mut file = vec![0x90; 1024];
        file[..5].copy_from_slice(&[0xea, 0x05, 0x00, 0xc0, 0x07]);
        file
    }

    /// An x86 kernel of boot protocol 2.15.
    pub fn bzimage(long: bool) -> Vec<u8> {
        let mut file = vec![0; 1024];
        file[0x202..0x208].copy_from_slice(b"HdrS\x0f\x02");
        file[0x236] = u8::from(long);
        file
    }

    #[test]
    fn an_efi_application_is_known_by_its_machine_type() {
        assert_eq!(identify(&efi(0x8664)), Image::Efi(0x8664));
        assert_eq!(identify(&efi(0xaa64)).to_string(), "an EFI program for ARM 64 UEFI");
        assert!(identify(&efi(0x8664)).fits(ImageFormat::Efi(0x8664)));
        assert!(!identify(&efi(0x8664)).fits(ImageFormat::Efi(0x014c)));
    }

    #[test]
    fn windows_programs_and_drivers_are_no_loaders() {
        for subsystem in [3, 11] {
            let mut file = efi(0x8664);
            file[0x98 + 68] = subsystem;
            assert!(matches!(identify(&file), Image::Other(_)));
        }
    }

    #[test]
    fn a_header_that_points_outside_the_file_is_invalid() {
        let mut file = efi(0x8664);
        for offset in [[0xff; 4], [0xfe, 3, 0, 0], [0, 0x10, 0, 0]] {
            file[0x3c..0x40].copy_from_slice(&offset);
            assert!(matches!(identify(&file), Image::Other(_)), "{offset:?}");
        }
    }

    #[test]
    fn a_bios_boot_program_is_recognised_by_exclusion() {
        assert_eq!(identify(&bios()), Image::Bios);
        for begin in ["#!ipxe\n", "\x7fELF", "MZ", "\x1f\u{0}"] {
            let mut file = bios();
            file[..begin.len()].copy_from_slice(begin.as_bytes());
            assert_eq!(identify(&file) == Image::Bios, begin == "\x1f\u{0}", "{begin:?}");
        }
        assert!(matches!(identify(&[0; 1024]), Image::Other(_)));
        assert!(matches!(identify(&[b'a'; 1024]), Image::Other("text")));
        assert!(matches!(identify(&bzimage(true)), Image::Other(_)));
        assert!(matches!(identify(&[]), Image::Other(_)));
    }

    #[test]
    fn a_boot_program_fits_into_low_memory() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("undionly.kpxe");
        std::fs::write(&path, bios()).unwrap();
        assert_eq!(inspect(&path).unwrap(), Image::Bios);
        File::options().write(true).open(&path).unwrap().set_len(MAX_BIOS_SIZE + 1).unwrap();
        assert!(matches!(inspect(&path).unwrap(), Image::Other(_)));
    }

    #[test]
    fn only_a_regular_file_of_a_plausible_size_is_read_as_a_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ipxe.efi");
        std::fs::write(&path, efi(0x8664)).unwrap();
        assert_eq!(read(&path).unwrap(), efi(0x8664));
        File::options().write(true).open(&path).unwrap().set_len(MAX_SIZE + 1).unwrap();
        assert_eq!(read(&path).unwrap_err().to_string(), "too large for a boot program");
        assert_eq!(read(directory.path()).unwrap_err().to_string(), "not a regular file");
    }

    #[test]
    fn a_program_is_complete_if_all_its_sections_are() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("snponly.efi");
        // One section of 0x600 octets that begins at 0x400.
        let mut file = efi(0x8664);
        file[0x86] = 1;
        file[0x94] = 0xf0;
        let section = 0x98 + 0xf0;
        file[section + 16..section + 24].copy_from_slice(&[0, 6, 0, 0, 0, 4, 0, 0]);
        file.resize(0xa00, 0);
        std::fs::write(&path, &file).unwrap();
        assert_eq!(inspect(&path).unwrap(), Image::Efi(0x8664));
        std::fs::write(&path, &file[..0x9ff]).unwrap();
        let image = inspect(&path).unwrap();
        assert_eq!(image.to_string(), "truncated: its header declares 2560 octets, the file has 2559");
        assert!(!image.fits(ImageFormat::Efi(0x8664)));
    }

    #[test]
    fn a_kernel_is_known_by_its_header() {
        assert_eq!(kernel_arch(&bzimage(true)), Some(Arch::X64));
        assert_eq!(kernel_arch(&bzimage(false)), Some(Arch::IA32));
        let mut arm = vec![0; 1024];
        arm[0x38..0x3c].copy_from_slice(b"ARM\x64");
        assert_eq!(kernel_arch(&arm), Arch::from_id("uefi-arm64"));
        assert_eq!(kernel_arch(&efi(0x6264)), Arch::from_id("uefi-loongarch64"));
        assert_eq!(kernel_arch(b"no kernel"), None);
    }
}

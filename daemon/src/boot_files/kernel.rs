//! Checks a kernel: which machines can start it, and whether the file is complete.

use super::compression::Compression;
use super::fault::{ContentFault, common_fault};
use super::image::{self, HEAD_SIZE, Image};
use proxydhcpd_core::arch::Arch;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// A file that iPXE starts as a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelInfo {
    /// The architecture; `None` if the file format does not state it.
    pub arch: Option<Arch>,
    /// Whether BIOS machines may start the file: its format is that of an x86 kernel, or states no architecture.
    pub bios: bool,
    /// Whether the file is also an EFI program, which UEFI can start.
    pub efi: bool,
    /// Whether the file is a Linux kernel. Other programs use the same format: memdisk, wimboot, iPXE, Memtest86+.
    pub linux: bool,
}

/// Inspects a kernel. Returns the fault if the file is truncated, or is certainly no kernel. `unpacks`: at least one
/// offered iPXE can unpack gzip.
pub fn inspect(path: &Path, unpacks: bool) -> io::Result<Result<KernelInfo, ContentFault>> {
    let (head, size) = image::head(path)?;
    if let Some(fault) = common_fault(&head).or_else(|| not_a_kernel(&head, unpacks)) {
        return Ok(Err(fault));
    }
    if let Image::Truncated { actual, expected, .. } = image::inspect(path)? {
        return Ok(Err(ContentFault::truncated(actual, expected)));
    }
    // The header gives the length in paragraphs. The last paragraph of Memtest86+ or iPXE may be incomplete.
    const PARAGRAPH: u64 = 16;
    if let Some(expected) = minimum_length(&head).filter(|expected| size + PARAGRAPH <= *expected) {
        return Ok(Err(ContentFault::truncated(size, expected)));
    }
    if is_iso(path)? {
        let problem = "is an ISO image, which iPXE cannot start as a kernel";
        return Ok(Err(ContentFault::new(problem, "copy the kernel and the initrd out of it")));
    }
    let is_bzimage = is_bzimage(&head);
    let arch = image::kernel_arch(&head);
    let efi = image::efi_arch(&head).is_some();
    let linux = if is_bzimage { has_version(path, &head)? } else { is_image(&head) };
    Ok(Ok(KernelInfo { arch, bios: is_bzimage || arch.is_none(), efi, linux }))
}

impl KernelInfo {
    /// Why machines of this architecture cannot start the file; `None` if nothing prevents it.
    pub fn incompatibility(&self, arch: Arch) -> Option<String> {
        let built_for = self.arch?;
        if arch == Arch::BIOS {
            return (!self.bios).then(|| format!("is an EFI program for {built_for}, which {arch} cannot start"));
        }
        if arch.is_efi() && self.bios && !self.efi {
            return Some(format!("has no EFI stub (CONFIG_EFI_STUB): {arch} cannot start it, x86 BIOS can"));
        }
        (arch.is_efi() && built_for != arch).then(|| format!("is a kernel for {built_for}, and {arch} cannot start it"))
    }
}

/// The fault of a file that is certainly no kernel; `None` for any other file.
fn not_a_kernel(head: &[u8], unpacks: bool) -> Option<ContentFault> {
    match Compression::from_magic(head) {
        Some(Compression::Gzip) if unpacks => None,
        Some(compression) => {
            let name = compression.name();
            let problem = format!("is compressed ({name}), which neither firmware nor iPXE can unpack");
            Some(ContentFault::new(
                problem,
                format!("unpack it with {name} -d, or name the kernel if this is an initrd"),
            ))
        }
        None if head.starts_with(b"07070") => Some(ContentFault::new(
            "is an initrd (a cpio archive), not a kernel",
            "name the kernel: linux, vmlinuz, Image",
        )),
        None if head.starts_with(b"hsqs") => Some(ContentFault::new(
            "is a file system (squashfs), not a kernel",
            "name the kernel: linux, vmlinuz, Image",
        )),
        None => None,
    }
}

fn is_bzimage(head: &[u8]) -> bool {
    head.get(0x202..0x206) == Some(b"HdrS")
}

/// Whether the file is an `Image` of ARM 64 or RISC-V, or a compressed kernel that unpacks itself under EFI.
fn is_image(head: &[u8]) -> bool {
    image::arch_of_kernel_magic(head).is_some() || is_zboot(head)
}

fn is_zboot(head: &[u8]) -> bool {
    head.get(4..8) == Some(b"zimg")
}

fn u32_at(head: &[u8], at: usize) -> Option<u64> {
    Some(u64::from(u32::from_le_bytes(*head.get(at..)?.first_chunk()?)))
}

/// The minimum length in octets of a file with this head; `None` if its header does not state the length. The header of
/// ARM 64's `Image` states the size in memory, not that of the file. The PE sections of an `Image` are more exact; they
/// are checked as for every EFI program.
fn minimum_length(head: &[u8]) -> Option<u64> {
    if is_zboot(head) {
        return Some(u32_at(head, 8)? + u32_at(head, 12)?);
    }
    // The x86 boot protocol gives the length of the setup code in sectors, without the boot sector, and the length of
    // the rest in paragraphs of 16 octets. Before version 2.04, the upper half of the second field had another meaning.
    if !is_bzimage(head) || u32_at(head, 0x206)? & 0xffff < 0x204 {
        return None;
    }
    let sectors = match *head.get(0x1f1)? {
        0 => 4,
        sectors => u64::from(sectors),
    };
    Some((sectors + 1) * 512 + u32_at(head, 0x1f4)? * 16)
}

/// Whether the text that the header points to is a version, as in Linux. There, other programs have their name:
/// `MEMDISK 6.04`, `wimboot`, `iPXE`.
fn has_version(path: &Path, head: &[u8]) -> io::Result<bool> {
    let at = head.get(0x20e..0x210).map_or(0, |at| u64::from(u16::from_le_bytes([at[0], at[1]])));
    let mut text = [0; 16];
    let begin = (at + 0x200) as usize;
    match head.get(begin..begin + text.len()) {
        Some(inside) => text.copy_from_slice(inside),
        None => {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(at + 0x200))?;
            if file.read(&mut text)? == 0 {
                return Ok(false);
            }
        }
    }
    let text = text.split(|octet| *octet == b' ' || *octet == 0).next().unwrap_or_default();
    Ok(at > 0 && text.first().is_some_and(u8::is_ascii_digit) && text.contains(&b'.'))
}

/// Whether the file is an ISO image: a volume descriptor follows sixteen unused sectors (ECMA-119 6.7.1).
fn is_iso(path: &Path) -> io::Result<bool> {
    const AT: u64 = 0x8001;
    const { assert!(AT > HEAD_SIZE as u64) };
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(AT))?;
    let mut signature = [0; 5];
    Ok(file.read(&mut signature)? == signature.len() && signature == *b"CD001")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot_files::image::tests::{bzimage, efi};

    fn inspected(content: &[u8]) -> Result<KernelInfo, ContentFault> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        inspect(file.path(), false).unwrap()
    }

    /// A kernel of this version, with a setup code of one sector and 4,096 octets after it.
    fn kernel(version: &str) -> Vec<u8> {
        let mut file = bzimage(true);
        (file[0x1f1], file[0x1f5]) = (1, 1);
        file.resize(1024 + 4096, 0x90);
        file[0x20e] = 0x80;
        file[0x280..0x280 + version.len()].copy_from_slice(version.as_bytes());
        file
    }

    #[test]
    fn a_kernel_is_complete_if_the_file_is_as_long_as_its_header_declares() {
        let file = kernel("6.1.0-13-amd64 (debian)");
        let found = inspected(&file).unwrap();
        assert_eq!(found, KernelInfo { arch: Some(Arch::X64), bios: true, efi: false, linux: true });
        assert!(inspected(&file[..5120 - 15]).is_ok(), "its last paragraph may be incomplete");
        assert!(inspected(&file[..5120 - 16]).is_err());
        let fault = inspected(&file[..5000]).unwrap_err();
        assert_eq!(fault.problem, "is truncated: it should have 5120 octets and has 5000");
        assert!(!inspected(&kernel("MEMDISK 6.04")).unwrap().linux);
    }

    #[test]
    fn files_that_are_certainly_no_kernel_are_reported_and_unknown_formats_are_not() {
        for (content, part) in [
            (&b""[..], "is empty"),
            (b"\x1f\x8b\x08 and more", "is compressed (gzip)"),
            (b"070701 and more", "is an initrd"),
            (b"hsqs and more", "is a file system"),
            (b"\n<html><body>404 Not Found", "is a web page"),
            (&[0; 4096], "begins with nothing but zeros"),
        ] {
            let fault = inspected(content).unwrap_err();
            assert!(fault.problem.starts_with(part), "{fault:?}");
        }
        let mut iso = vec![0x55; 0x9000];
        iso[0x8001..0x8006].copy_from_slice(b"CD001");
        assert!(inspected(&iso).unwrap_err().problem.starts_with("is an ISO image"));
        for content in [&b"\x7fELF and more"[..], b"#!ipxe\n", b"\xea\x05\x00\xc0\x07"] {
            assert_eq!(inspected(content).unwrap().arch, None);
        }
    }

    #[test]
    fn a_kernel_for_another_architecture_is_reported() {
        let arm64 = Arch::from_id("uefi-arm64").unwrap();
        let x64 = KernelInfo { arch: Some(Arch::X64), bios: true, efi: true, linux: true };
        assert_eq!((x64.incompatibility(Arch::X64), x64.incompatibility(Arch::BIOS)), (None, None));
        assert_eq!(x64.incompatibility(arm64).unwrap(), "is a kernel for x64 UEFI, and ARM 64 UEFI cannot start it");
        let without_stub = KernelInfo { efi: false, ..x64 };
        assert!(without_stub.incompatibility(Arch::X64).unwrap().starts_with("has no EFI stub"));
        let image = inspected(&[efi(0xaa64), vec![0; 4096]].concat()).unwrap();
        assert!(image.incompatibility(Arch::BIOS).unwrap().starts_with("is an EFI program for ARM 64 UEFI"));
        assert_eq!(image.incompatibility(arm64), None);
        assert_eq!(KernelInfo { arch: None, ..x64 }.incompatibility(arm64), None);
    }
}

//! Disk images for the virtual machines of the tests.

use crate::grub;
use crate::sign;
use crate::work_dir::WorkDir;
use anyhow::{Context, Result};
use proxydhcpd_testbed::cache;
use std::fs;
use std::path::{Path, PathBuf};

/// A disk of a machine.
#[derive(Clone, Debug)]
pub struct Disk {
    /// The `file` argument of QEMU's `-drive`.
    pub file: String,
}

impl Disk {
    /// Creates a FAT disk whose removable-media program (UEFI 2.10 3.5.1.1) is this iPXE. The iPXE has no script, so it
    /// boots from the network.
    pub fn with_ipxe(work: &WorkDir, program: &str, ipxe: &str) -> Result<Disk> {
        let (disk, _) = fat(work, "ipxe-disk", program, &cache::path(ipxe))?;
        Ok(disk)
    }

    /// Creates a FAT disk for x64 that prints `word` on the console when it boots. The disk's program is an iPXE with a
    /// script. The word proves that the machine booted the disk, and proves nothing about the network.
    pub fn x64_printing(work: &WorkDir, word: &str) -> Result<Disk> {
        ipxe_printing(work, "BOOTX64.EFI", &cache::path("2025/snponly.efi"), word)
    }

    /// Creates the same disk as `x64_printing`, with a program that has the site's signature.
    pub fn signed_x64_printing(work: &WorkDir, word: &str) -> Result<Disk> {
        let signed = work.file("signed-system.efi");
        sign::sign(work, &cache::path("2025/snponly.efi"), &signed)?;
        ipxe_printing(work, "BOOTX64.EFI", &signed, word)
    }

    /// Creates the same disk as `x64_printing` for ARM 64.
    pub fn arm64_printing(work: &WorkDir, word: &str) -> Result<Disk> {
        ipxe_printing(work, "BOOTAA64.EFI", &cache::path("2025/ipxe-arm64.efi"), word)
    }

    /// Creates the same disk as `x64_printing` for IA32, with GRUB, because Debian has no iPXE for IA32.
    pub fn ia32_printing(work: &WorkDir, word: &str) -> Result<Disk> {
        grub_printing(work, "BOOTIA32.EFI", "i386-efi", word)
    }

    /// Creates the same disk as `x64_printing` for ARM 32, with GRUB.
    pub fn arm32_printing(work: &WorkDir, word: &str) -> Result<Disk> {
        grub_printing(work, "BOOTARM.EFI", "arm-efi", word)
    }

    /// Creates a BIOS disk whose boot sector prints `word`.
    pub fn bios_printing(work: &WorkDir, word: &str) -> Result<Disk> {
        let file = work.file("system-disk.img");
        let mut image = boot_sector(word).to_vec();
        // The image has the size of a cylinder, because some BIOSes refuse a disk of one sector.
        image.resize(1 << 20, 0);
        fs::write(&file, image).with_context(|| file.display().to_string())?;
        Ok(Disk { file: file.display().to_string() })
    }
}

fn ipxe_printing(work: &WorkDir, program: &str, ipxe: &Path, word: &str) -> Result<Disk> {
    let (disk, directory) = fat(work, "system-disk", program, ipxe)?;
    fs::write(directory.join("autoexec.ipxe"), format!("#!ipxe\necho {word}\nsleep 600\n"))?;
    Ok(disk)
}

fn grub_printing(work: &WorkDir, program: &str, target: &str, word: &str) -> Result<Disk> {
    let (disk, _) = fat(work, "system-disk", program, &grub::image_printing(work, target, word)?)?;
    Ok(disk)
}

/// Creates a directory that QEMU presents as a FAT file system. Returns the disk, and the path of the program's
/// directory.
fn fat(work: &WorkDir, name: &str, program: &str, content: &Path) -> Result<(Disk, PathBuf)> {
    let root = work.new_directory(name)?;
    let directory = work.new_directory(&format!("{name}/EFI/BOOT"))?;
    fs::copy(content, directory.join(program))?;
    // The disk is writable, like a real one. The machine writes to the directory of the case.
    Ok((Disk { file: format!("fat:rw:{}", root.display()) }, directory))
}

/// The start of the boot sector. The BIOS loads the sector at 0:7C00, and jumps to it.
#[rustfmt::skip]
const PRINT: [u8; 25] = [
    0x31, 0xc0,             //       xor ax, ax
    0x8e, 0xd8,             //       mov ds, ax
    0xbe, 0x19, 0x7c,       //       mov si, 7C00h + 25      ; the word
    0xfc,                   //       cld
    0xac,                   // next: lodsb
    0x84, 0xc0,             //       test al, al
    0x74, 0x09,             //       jz halt
    0xb4, 0x0e,             //       mov ah, 0Eh             ; teletype
    0xbb, 0x07, 0x00,       //       mov bx, 7               ; page 0, grey
    0xcd, 0x10,             //       int 10h
    0xeb, 0xf2,             //       jmp next
    0xf4,                   // halt: hlt
    0xeb, 0xfd,             //       jmp halt
];

fn boot_sector(word: &str) -> [u8; 512] {
    let mut sector = [0; 512];
    sector[..PRINT.len()].copy_from_slice(&PRINT);
    sector[PRINT.len()..][..word.len()].copy_from_slice(word.as_bytes());
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}

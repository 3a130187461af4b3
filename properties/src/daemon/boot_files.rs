//! Any octets are some kind of file: the readers of kernels, initrds and programs end, and agree with each other.

use proxydhcpd::boot_files::image::{self, Image, arch_of_machine_type, efi_arch, identify, kernel_arch};
use proxydhcpd::boot_files::{initrd, kernel};
use proxydhcpd_core::arch::Arch;
use std::cell::RefCell;
use std::fs;
use std::path::Path;
use tempfile::{NamedTempFile, TempPath};

/// The octets that a check of an initrd may read.
const BUDGET: u64 = 1 << 20;

thread_local! {
    /// The file that contains the input, in memory.
    static FILE: RefCell<TempPath> = RefCell::new({
        let memory = Path::new("/dev/shm");
        let file = if memory.is_dir() { NamedTempFile::new_in(memory) } else { NamedTempFile::new() };
        file.expect("a temporary file").into_temp_path()
    });
}

/// Reads the input as a file.
pub fn check(data: &[u8]) {
    let (image, arch) = (identify(data), efi_arch(data));
    assert!(!image.to_string().is_empty());
    assert_eq!(arch, if let Image::Efi(machine) = image { arch_of_machine_type(machine) } else { None });
    assert!(arch.is_none_or(Arch::is_efi), "{arch:?}");
    FILE.with_borrow(|path| {
        fs::write(path, data).expect("a file in memory");
        check_file(path, data, image);
    });
}

fn check_file(path: &Path, data: &[u8], image: Image) {
    let inspected = image::inspect(path).expect("a regular file");
    match (image, inspected) {
        (Image::Efi(machine), Image::Truncated { machine: found, actual, expected }) => {
            assert!(machine == found && actual == data.len() as u64 && expected > actual);
        }
        (image, inspected) => assert_eq!(image, inspected),
    }
    let is_signed = image::is_signed(path).expect("a regular file");
    assert_eq!(is_signed.is_some(), matches!(image, Image::Efi(_)));
    for unpacks in [false, true] {
        let Ok(info) = kernel::inspect(path, unpacks).expect("a regular file") else { continue };
        assert_eq!((info.arch, info.efi), (kernel_arch(data), efi_arch(data).is_some()));
        assert!(info.bios || info.arch.is_some(), "nothing starts it: {info:?}");
        for arch in [Arch::BIOS, Arch::X64, Arch::IA32] {
            let reason = info.incompatibility(arch);
            assert!(reason.is_none() || info.arch.is_some(), "{reason:?}");
        }
    }
    for for_linux in [false, true] {
        let mut budget = BUDGET;
        initrd::check(path, for_linux, &mut budget).expect("a regular file");
        assert!([BUDGET, BUDGET - data.len() as u64].contains(&budget), "{budget}");
    }
}

/// The beginnings of programs, kernels and initrds.
pub fn seeds() -> Vec<Vec<u8>> {
    let at = |octets: &mut Vec<u8>, at: usize, value: &[u8]| octets[at..at + value.len()].copy_from_slice(value);
    let mut efi = vec![0; 1024];
    at(&mut efi, 0, b"MZ");
    at(&mut efi, 0x3c, &[0x80]);
    at(&mut efi, 0x80, b"PE\0\0\x64\x86\x01\0");
    at(&mut efi, 0x94, &[0xf0, 0]);
    at(&mut efi, 0x98, &[0x0b, 2]);
    at(&mut efi, 0x98 + 68, &[10]);
    at(&mut efi, 0x98 + 108, &[16]);
    at(&mut efi, 0x98 + 0xf0 + 16, &[0, 2, 0, 0, 0, 2, 0, 0]);
    let mut bzimage = vec![0; 2048];
    at(&mut bzimage, 0x1f1, &[1, 0, 0, 0x40]);
    at(&mut bzimage, 0x202, b"HdrS\x0f\x02");
    at(&mut bzimage, 0x20e, &[0x40, 0]);
    at(&mut bzimage, 0x236, &[1]);
    at(&mut bzimage, 0x240, b"6.1.0-1-amd64 (builder)");
    let mut arm = vec![1; 1024];
    at(&mut arm, 0x38, b"ARM\x64");
    let mut zboot = efi.clone();
    at(&mut zboot, 4, b"zimg\0\x02\0\0\0\x01\0\0gzip");
    let member = |name: &str| format!("070701{}{:08x}{}{name}\0", "0".repeat(40 + 48), name.len() + 1, "0".repeat(8));
    let mut cpio = member("TRAILER!!!").into_bytes();
    cpio.resize(512, 0);
    let mut gzip = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0".to_vec();
    gzip.resize(512, 0);
    let padded = |begin: &[u8]| [begin, &[0x5a; 600]].concat();
    let begins: [&[u8]; 7] = [
        b"\xea\x05\x00\xc0\x07",
        b"\x28\xb5\x2f\xfd\x24\x05\x29\0\0hello\0\0\0\0",
        b"\xfd7zXZ\0\0\x04",
        b"\x02\x21\x4c\x18",
        b"hsqs",
        b"#!ipxe\n",
        b"\x7fELF",
    ];
    let two = [&cpio[..], &gzip].concat();
    [efi, bzimage, arm, zboot, cpio, gzip, two].into_iter().chain(begins.map(padded)).collect()
}

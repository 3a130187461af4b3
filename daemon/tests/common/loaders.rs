//! A boot directory with fake loaders.

use proxydhcpd_testbed::loaders::{fake_loader, portable_executable};

/// Creates a boot directory with a fake of each loader that the vectors expect, and of every other loader in Debian's
/// packages, so that the server does not search for loaders that are installed on this host.
pub fn boot_dir() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, octets: &[u8]| std::fs::write(directory.path().join(name), octets).unwrap();
    write("undionly.kpxe", &fake_loader("bios"));
    for (name, machine) in [
        ("ipxe.efi", 0x8664_u16),
        ("ipxe-ia32.efi", 0x014c),
        ("ipxe-arm64.efi", 0xaa64),
        ("ipxe-riscv64.efi", 0x5064),
        ("ipxe-loong64.efi", 0x6264),
    ] {
        write(name, &portable_executable(machine));
    }
    directory
}

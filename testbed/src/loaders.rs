//! Fake loaders, which consist only of headers.

/// Returns the part of a program that the server inspects, for BIOS or for UEFI of an architecture.
///
/// # Panics
/// No kind has that name.
pub fn fake_loader(kind: &str) -> Vec<u8> {
    match kind {
        "bios" => [&[0xea, 5, 0x7c, 0, 0][..], &[0x90; 4091]].concat(),
        "x64" => portable_executable(0x8664),
        "ia32" => portable_executable(0x014c),
        "arm64" => portable_executable(0xaa64),
        "text" => b"#!ipxe\n".to_vec(),
        kind => panic!("unknown kind of program: {kind}"),
    }
}

/// Returns the headers of a PE/COFF image: an EFI application for this machine type.
pub fn portable_executable(machine: u16) -> Vec<u8> {
    let mut image = vec![0; 4096];
    image[..2].copy_from_slice(b"MZ");
    image[0x3c] = 0x80;
    image[0x80..0x84].copy_from_slice(b"PE\0\0");
    image[0x84..0x86].copy_from_slice(&machine.to_le_bytes());
    // The header states one section, an optional header of 240 octets, and an executable image.
    image[0x86] = 1;
    image[0x94] = 240;
    image[0x96] = 0x02;
    let magic: u16 = if machine == 0x014c { 0x10b } else { 0x20b };
    image[0x98..0x9a].copy_from_slice(&magic.to_le_bytes());
    // The subsystem 10 is an EFI application.
    image[0x98 + 68] = 10;
    image
}

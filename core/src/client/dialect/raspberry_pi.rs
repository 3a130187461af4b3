//! The Raspberry Pi. Its boot ROM and its bootloader announce themselves as x86 BIOS, but run neither a BIOS loader nor
//! a script. One sign is enough to recognise it, because each sign may be absent: the setting `DHCP_OPTION97` can
//! replace the signs in option 97, and the MAC address may belong to the maker of a Compute Module or to a USB adapter.

use super::Dialect;
use crate::arch::Arch;
use crate::identity::HardwareAddress;
use crate::wire::dhcp4::{Message, code};
use crate::wire::pxe::MachineId;

/// The reply that a Raspberry Pi accepts (protocol.md 2.11). Option 43 has the menu text that the boot ROM looks for;
/// the model 3B requires the three spaces after the text.
pub static DIALECT: Dialect = Dialect {
    id: "raspberry-pi",
    name: "Raspberry Pi",
    arch: BOOT_ROM,
    vendor_specific: b"\x06\x01\x03\x0a\x04\x00PXE\x09\x17\x00\x00\x14Raspberry Pi Boot   \xff",
    shape: "option 43 contains the text that its boot ROM looks for; the Pi requests file names that it has built in",
    no_files_label: "nothing:raspberry-pi",
    is_boot_file: |name| is_own_file(name) || name == "config.txt",
    is_own_file,
    is_machine_directory: is_serial_number,
};

/// The architecture that IANA has assigned to the boot ROM.
const BOOT_ROM: Arch = Arch(41);

/// MAC address prefixes that the IEEE has assigned to the maker of the Raspberry Pi. The IEEE will assign more, so a
/// prefix is only one sign among others.
const MAC_PREFIXES: [[u8; 3]; 7] = [
    [0xb8, 0x27, 0xeb],
    [0x28, 0xcd, 0xc1],
    [0x2c, 0xcf, 0x67],
    [0x88, 0xa2, 0x9e],
    [0xd8, 0x3a, 0xdd],
    [0xdc, 0xa6, 0x32],
    [0xe4, 0x5f, 0x01],
];

/// The vendor class of the Raspberry Pi bootloader. Real BIOS ROMs send the same class, so it is a sign only together
/// with another sign.
const BOOTLOADER_CLASS: &[u8] = b"PXEClient:Arch:00000:UNDI:002001";

/// Whether the client that sent this message is a Raspberry Pi's own firmware: a client with this architecture, this
/// hardware address and this machine identifier.
pub fn is_raspberry_pi(
    arch: Arch,
    hardware: HardwareAddress,
    machine_id: Option<MachineId>,
    message: &Message<'_>,
) -> bool {
    let has_sign = || {
        let has_prefix = MAC_PREFIXES.iter().any(|prefix| hardware.octets().starts_with(prefix));
        has_prefix || machine_id.is_some_and(|machine_id| has_machine_id_sign(&machine_id, message))
    };
    arch == DIALECT.arch || DIALECT.has_arch(arch) && has_sign()
}

/// Whether option 97 is a Raspberry Pi's: it contains `RPi` and the model number, or the filler of the Pi 3's boot ROM.
/// If the option is configured to contain the serial number or the operator's own text, those four octets occur four
/// times, as in no SMBIOS UUID. One octet that occurs sixteen times is no sign, because many boards use such a filler.
fn has_machine_id_sign(machine_id: &MachineId, message: &Message<'_>) -> bool {
    let [_, id @ ..] = &machine_id.0;
    let has_model = matches!(id, [b'R', b'P', b'i', model, ..] if model.is_ascii_digit());
    let is_one_octet = id.iter().all(|octet| *octet == id[0]);
    let is_one_word = id.chunks(4).all(|word| word == &id[..4]);
    let is_bootloader = || message.option(code::VENDOR_CLASS).is_some_and(|class| *class == *BOOTLOADER_CLASS);
    has_model || *id == [0x44; 16] || is_one_word && !is_one_octet && is_bootloader()
}

/// Whether only a Raspberry Pi requests a file with this name. `config.txt` is none of these files: other programs have
/// a file with this name, too.
fn is_own_file(name: &str) -> bool {
    name == "bootcode.bin" || name.starts_with("start") && name.ends_with(".elf")
}

/// Whether this is the form of a serial number. A Raspberry Pi first requests each file in a directory that is named
/// after its serial number.
fn is_serial_number(name: &str) -> bool {
    name.len() == 8 && name.bytes().all(|digit| digit.is_ascii_hexdigit())
}

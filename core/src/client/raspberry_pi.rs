//! How a Raspberry Pi is told. Its boot ROM and its bootloader call themselves an x86 BIOS, and take neither its loader
//! nor a script. One sign is enough, and each can be absent: the signs in option 97 can be configured away
//! (`DHCP_OPTION97`), the address may be that of a Compute Module's maker or of a USB card.

use super::HardwareAddress;
use crate::arch::Arch;
use crate::wire::pxe::MachineId;

/// Addresses of the maker, as the IEEE has given them out. The list ends when it has no further one, so it is one sign
/// among others.
const MAKER: [[u8; 3]; 7] = [
    [0xb8, 0x27, 0xeb],
    [0x28, 0xcd, 0xc1],
    [0x2c, 0xcf, 0x67],
    [0x88, 0xa2, 0x9e],
    [0xd8, 0x3a, 0xdd],
    [0xdc, 0xa6, 0x32],
    [0xe4, 0x5f, 0x01],
];

/// What its bootloader says of itself, and real BIOS ROMs as well: a sign only together with another.
const CLASS: &[u8] = b"PXEClient:Arch:00000:UNDI:002001";

/// Whether firmware of this architecture may be a Pi's. Every other is a UEFI, on whatever board.
pub fn can_be_raspberry_pi(arch: Arch) -> bool {
    matches!(arch, Arch::BIOS | Arch::RASPBERRY_PI)
}

pub fn is_raspberry_pi(arch: Arch, hardware: &HardwareAddress, vendor_class: &[u8], machine: Option<&MachineId>) -> bool {
    let told = || {
        let by_maker = MAKER.iter().any(|maker| hardware.octets().starts_with(maker));
        by_maker || machine.is_some_and(|machine| by_identifier(machine, vendor_class))
    };
    arch == Arch::RASPBERRY_PI || can_be_raspberry_pi(arch) && told()
}

/// Option 97: `RPi` and the model's number, or the filler of the Pi 3's ROM. Where it is configured to hold the serial
/// number or a word of the operator's, it holds those four octets four times, which no SMBIOS does; one octet sixteen
/// times is the filler of many boards.
fn by_identifier(machine: &MachineId, vendor_class: &[u8]) -> bool {
    let [_, id @ ..] = &machine.0;
    let named = matches!(id, [b'R', b'P', b'i', model, ..] if model.is_ascii_digit());
    let one_octet = id.iter().all(|octet| *octet == id[0]);
    let one_word = id.chunks(4).all(|word| word == &id[..4]);
    named || *id == [0x44; 16] || vendor_class == CLASS && one_word && !one_octet
}

//! SMBIOS UUIDs: their two octet orders, and the placeholders that identify no machine.

/// Placeholders of firmware without an assigned UUID, in printed order, each with its source.
const PLACEHOLDERS: &[u128] = &[
    // Boards of many makers (FreeBSD libexec/rc/rc.d/hostid; oshi/oshi#2417).
    0x03000200_0400_0500_0006_000700080009,
    // FreeBSD libexec/rc/rc.d/hostid; CapaSystems, "Non-Unique UUID".
    0x07090201_0103_0301_0807_060504030201,
    0x890e2d14_cacd_45d1_ae66_bc80e8bfeb0f,
    0x8e275844_178f_44a8_aceb_a7d7e5178c63,
    0xdc698397_fa54_4cf2_82c8_b1b5307a6a7f,
    // FreeBSD libexec/rc/rc.d/hostid.
    0x11111111_2222_3333_4444_555555555555,
    // Dell boards without a service tag (FreeBSD libexec/rc/rc.d/hostid).
    0x4c4c4544_0000_2010_8020_80c04f202020,
    // FOGProject/fogproject, HostManager::getHostByUuidAndSerial.
    0x12345678_1234_5678_90ab_cddeefaabbcc,
    // systemd/systemd#11137.
    0x00010203_0405_0607_0809_0a0b0c0d0e0f,
    0x01020304_0506_0708_090a_0b0c0d0e0f10,
    // rockstor/rockstor-core#2143.
    0x00000000_0000_0000_0807_060504030201,
    // Every LX2160A board of SolidRun, and other firmware with the same code of EDK2 (SolidRun/lx2160a_uefi#4).
    0x8a95d198_7f46_11e5_bf8b_08002704d48e,
];

/// The bits after the first field. A UUID in which all of them are ones is a placeholder (FreeBSD
/// libexec/rc/rc.d/hostid lists such UUIDs; CapaSystems lists five).
const TRAILING_ONES: u128 = (1 << 96) - 1;

/// Whether many machines share this UUID, in either octet order: the UUID is a known placeholder, repeats one octet, or
/// is all ones after the first field.
pub fn is_placeholder(uuid: &[u8; 16]) -> bool {
    let number = u128::from_be_bytes(*uuid);
    let is_known = |known: &u128| *known == number || *known == u128::from_be_bytes(swap_fields(*uuid));
    number == u128::from_ne_bytes([uuid[0]; 16])
        || number & TRAILING_ONES == TRAILING_ONES
        // The last eight octets have one order only, and hardly any UUID has those of a placeholder.
        || PLACEHOLDERS.iter().any(|known| *known as u64 == number as u64 && is_known(known))
}

/// Converts a UUID from printed order to SMBIOS order, or back. SMBIOS stores the first three fields in little endian.
pub fn swap_fields(mut uuid: [u8; 16]) -> [u8; 16] {
    uuid[..4].reverse();
    uuid[4..6].reverse();
    uuid[6..8].reverse();
    uuid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_is_known_in_both_orders_of_octets() {
        for known in PLACEHOLDERS.iter().map(|known| known.to_be_bytes()) {
            assert!(is_placeholder(&known) && is_placeholder(&swap_fields(known)), "{known:x?}");
        }
        let ami_as_stored = 0x00020003_0004_0005_0006_000700080009_u128;
        assert!(is_placeholder(&ami_as_stored.to_be_bytes()));
    }

    #[test]
    fn one_octet_repeated_and_ones_at_the_end_are_placeholders() {
        for octet in 0..=u8::MAX {
            assert!(is_placeholder(&[octet; 16]), "{octet:#x}");
        }
        for number in [0x56f49712_ffff_ffff_ffff_ffffffffffff, 0xffffff00_ffff_ffff_ffff_ffffffffffff_u128] {
            assert!(is_placeholder(&number.to_be_bytes()), "{number:x}");
        }
    }

    #[test]
    fn the_uuid_of_a_single_machine_is_no_placeholder() {
        let dell = 0x4c4c4544_0051_3410_8051_b5c04f375931_u128;
        let raspberry_pi = 0x1a2b3c4d_1a2b_3c4d_1a2b_3c4d1a2b3c4d_u128;
        for own in [dell, raspberry_pi, 0x11223344_5566_7788_99aa_bbccddeeff00] {
            assert!(!is_placeholder(&own.to_be_bytes()), "{own:x}");
        }
    }
}

//! The packets of x64 UEFI machines, as short as they may be.

/// A DISCOVER (1) or a REQUEST (3).
pub fn packet(kind: u8, machine: [u8; 6], number: u32, ciaddr: [u8; 4], giaddr: [u8; 4]) -> Vec<u8> {
    let mut packet = vec![1, 1, 6, 0];
    packet.extend(number.to_be_bytes());
    packet.extend([[0; 4], ciaddr, [0; 4], [0; 4], giaddr].concat());
    packet.extend(machine);
    packet.resize(236, 0);
    packet.extend([0x63, 0x82, 0x53, 0x63, 53, 1, kind, 93, 2, 0, 7, 60, 32]);
    packet.extend(b"PXEClient:Arch:00007:UNDI:003000");
    packet.push(255);
    packet.resize(300, 0);
    packet
}

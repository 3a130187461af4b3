//! The table of the boots: a row each, with the reason why it is a good boot, one about which a server has nothing to
//! warn.

/// The program that boots the machine first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// A PXE 2.1 ROM of a BIOS machine, such as Intel's Boot Agent.
    BiosRom,
    /// UEFI (EDK2) with PXE over IPv4.
    UefiPxe,
    /// UEFI (EDK2) with PXE over IPv6.
    UefiPxe6,
    /// UEFI (EDK2) with HTTP boot over IPv4.
    UefiHttp,
    /// UEFI (EDK2) with HTTP boot over IPv6.
    UefiHttp6,
    /// iPXE in the network card: the first program, instead of another firmware.
    IpxeCard,
    /// The boot ROM of a Raspberry Pi 3.
    RaspberryPi3,
    /// The bootloader of a Raspberry Pi 4.
    RaspberryPi4,
}

/// The loader, as far as it matters for the requests that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loader {
    /// iPXE, with or without HTTP in its build.
    Ipxe {
        /// Whether the build has HTTP.
        http: bool,
    },
    /// shim, which loads GRUB, which reads its configuration.
    ShimGrub,
    /// None: the firmware itself fetches the files of the operating system.
    None,
}

/// How a boot ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// An operating system from the network runs, has its own address, and has fetched its `done_url` if its command
    /// line names one.
    System,
    /// The machine boots its disk, and sends nothing more.
    LocalDisk,
    /// The power fails while the loader is on its way.
    PowerCut,
}

impl End {
    /// The words for messages.
    pub fn name(self) -> &'static str {
        match self {
            End::System => "an operating system from the network",
            End::LocalDisk => "the local disk",
            End::PowerCut => "a power cut",
        }
    }
}

/// An accident that the network or the machine causes, and that is no fault of the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mishap {
    /// Nothing.
    #[default]
    None,
    /// The replies to the first DISCOVER are lost.
    LostOffer,
    /// The request for the loader arrives twice.
    RepeatedRead,
    /// The first DISCOVER arrives twice.
    DuplicateDiscover,
}

/// A kind of boot.
#[derive(Debug)]
pub struct Kind {
    /// The name on the command line and in reports.
    pub name: &'static str,
    /// The first three octets of its machines' MAC addresses, by which the rules of a site recognise them.
    pub oui: [u8; 3],
    /// The program that boots first.
    pub firmware: Firmware,
    /// The architecture that it announces (option 93, RFC 4578 2.1).
    pub arch: u16,
    /// The loader that the site gives to the machine.
    pub loader: Loader,
    /// Whether a relay is between the machine and the servers.
    pub relayed: bool,
    /// The item that a person chooses in the firmware's menu, counted from 0; `None` if the site shows no menu.
    pub menu_item: Option<usize>,
    /// The accident on the way.
    pub mishap: Mishap,
    /// The boots of the machine, one after the other, by their ends.
    pub ends: &'static [End],
    /// Why a server has nothing to warn about.
    pub why_good: &'static str,
}

const IPXE: Loader = Loader::Ipxe { http: true };

/// The row from which all others differ: a BIOS machine with Intel's ROM.
const BIOS: Kind = Kind {
    name: "bios",
    oui: [2, 0x50, 1],
    firmware: Firmware::BiosRom,
    arch: 0,
    loader: IPXE,
    relayed: false,
    menu_item: None,
    mishap: Mishap::None,
    ends: &[End::System],
    why_good: "The firmware loads iPXE, which boots a kernel; the system then asks for an address as any host does.",
};

const UEFI: Kind = Kind {
    name: "uefi-x64",
    oui: [2, 0x50, 2],
    firmware: Firmware::UefiPxe,
    arch: 7,
    why_good: "The size probe that ends in an error is how EDK2 learns the size of a file.",
    ..BIOS
};

/// The kinds of boots.
pub static KINDS: &[Kind] = &[
    BIOS,
    UEFI,
    Kind { name: "uefi-ia32", oui: [2, 0x50, 3], arch: 6, why_good: "As x64, with the loader for 32 bits.", ..UEFI },
    Kind { name: "uefi-arm64", oui: [2, 0x50, 4], arch: 11, why_good: "As x64, with the loader for ARM.", ..UEFI },
    Kind {
        name: "uefi-x64-ipv6",
        oui: [2, 0x50, 5],
        firmware: Firmware::UefiPxe6,
        why_good: "The DHCPv6 server gives the address, the proxy the URL on port 4011, both to the same SOLICIT.",
        ..UEFI
    },
    Kind {
        name: "uefi-ia32-ipv6",
        oui: [2, 0x50, 6],
        firmware: Firmware::UefiPxe6,
        arch: 6,
        why_good: "As x64 over IPv6, with the loader for 32 bits.",
        ..UEFI
    },
    Kind {
        name: "uefi-arm64-ipv6",
        oui: [2, 0x50, 7],
        firmware: Firmware::UefiPxe6,
        arch: 11,
        why_good: "As x64 over IPv6, with the loader for ARM.",
        ..UEFI
    },
    Kind {
        name: "uefi-http",
        oui: [2, 0x50, 8],
        firmware: Firmware::UefiHttp,
        arch: 16,
        why_good: "HEAD, then GET: the firmware asks for the size first. One offer is enough.",
        ..UEFI
    },
    Kind {
        name: "uefi-http-ipv6",
        oui: [2, 0x50, 9],
        firmware: Firmware::UefiHttp6,
        arch: 16,
        why_good: "As HTTP boot over IPv4, with the URL in the ADVERTISE.",
        ..UEFI
    },
    Kind {
        name: "ipxe-card-bios",
        oui: [2, 0x50, 10],
        firmware: Firmware::IpxeCard,
        why_good: "iPXE is there from the first packet, so the server sends a script and no loader.",
        ..BIOS
    },
    Kind {
        name: "ipxe-card-uefi",
        oui: [2, 0x50, 11],
        firmware: Firmware::IpxeCard,
        arch: 7,
        why_good: "As iPXE in a BIOS card.",
        ..BIOS
    },
    Kind {
        name: "ipxe-without-http",
        oui: [2, 0x50, 12],
        loader: Loader::Ipxe { http: false },
        why_good: "This iPXE announces no HTTP, so everything goes over TFTP.",
        ..BIOS
    },
    Kind {
        name: "raspberry-pi-3",
        oui: [0xb8, 0x27, 0xeb],
        firmware: Firmware::RaspberryPi3,
        loader: Loader::None,
        why_good: "The boot ROM requests many optional files, and never confirms its address; both are its normal way.",
        ..BIOS
    },
    Kind {
        name: "raspberry-pi-4",
        oui: [0xdc, 0xa6, 0x32],
        firmware: Firmware::RaspberryPi4,
        loader: Loader::None,
        why_good: "The bootloader tries the directory of its serial number first, then the top; misses are normal.",
        ..BIOS
    },
    Kind {
        name: "bios-menu",
        oui: [2, 0x50, 13],
        menu_item: Some(0),
        why_good: "The firmware shows the site's menu, and a person chooses an item.",
        ..BIOS
    },
    Kind {
        name: "uefi-menu",
        oui: [2, 0x50, 14],
        menu_item: Some(0),
        why_good: "As the BIOS menu; EDK2 asks port 4011 for the item.",
        ..UEFI
    },
    Kind {
        name: "uefi-relayed",
        oui: [2, 0x50, 15],
        relayed: true,
        why_good: "A relay forwards the DISCOVER; everything else is routed.",
        ..UEFI
    },
    Kind {
        name: "bios-relayed",
        oui: [2, 0x50, 16],
        relayed: true,
        why_good: "As UEFI through the relay, without port 4011.",
        ..BIOS
    },
    Kind {
        name: "bios-disk",
        oui: [2, 0x50, 17],
        ends: &[End::LocalDisk],
        why_good: "The site sends this machine to its disk, so nothing follows the script.",
        ..BIOS
    },
    Kind {
        name: "uefi-disk",
        oui: [2, 0x50, 18],
        ends: &[End::LocalDisk],
        why_good: "As BIOS, by the program of the server that starts a disk.",
        ..UEFI
    },
    Kind {
        name: "secure-boot",
        oui: [2, 0x50, 19],
        loader: Loader::ShimGrub,
        why_good: "shim and GRUB request optional files first, and take their absence for an answer.",
        ..UEFI
    },
    Kind {
        name: "lost-offer",
        oui: [2, 0x50, 20],
        mishap: Mishap::LostOffer,
        why_good: "The firmware repeats its DISCOVER after four seconds, because a packet was lost.",
        ..UEFI
    },
    Kind {
        name: "repeated-read",
        oui: [2, 0x50, 21],
        mishap: Mishap::RepeatedRead,
        why_good: "The network duplicates the request for the loader; the transfer is one.",
        ..BIOS
    },
    Kind {
        name: "duplicate-discover",
        oui: [2, 0x50, 22],
        mishap: Mishap::DuplicateDiscover,
        why_good: "A slow link delivers the DISCOVER twice; the firmware takes one of the equal offers.",
        ..UEFI
    },
    Kind {
        name: "power-cut",
        oui: [2, 0x50, 23],
        ends: &[End::PowerCut, End::System],
        why_good: "A person switches the machine off while it loads, and on again; the second boot is complete.",
        ..UEFI
    },
    Kind {
        name: "three-boots",
        oui: [2, 0x50, 24],
        ends: &[End::System, End::System, End::System],
        why_good: "A person restarts a working system twice within two minutes; each boot reaches the system.",
        ..UEFI
    },
    Kind {
        name: "installs-once",
        oui: [2, 0x50, 25],
        ends: &[End::System, End::LocalDisk],
        why_good: "The installer fetches its done_url, and the next boot goes to the disk, as the entry says.",
        ..UEFI
    },
];

/// Finds a row by its name.
pub fn by_name(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_and_prefixes_are_unique_and_every_row_has_a_boot_and_a_reason() {
        let names: BTreeSet<_> = KINDS.iter().map(|kind| kind.name).collect();
        let prefixes: BTreeSet<_> = KINDS.iter().map(|kind| kind.oui).collect();
        assert_eq!((names.len(), prefixes.len()), (KINDS.len(), KINDS.len()));
        assert!(KINDS.iter().all(|kind| !kind.ends.is_empty() && kind.why_good.ends_with('.')));
    }
}

//! Firmware quirks: firmware that misreports itself, or that needs another reply, or needs it at another time, than the
//! standards say. A quirk is one row of [`QUIRKS`]. It applies at the fixed point of `answer` to which its change
//! belongs:
//!
//! | after the step | asked by | changes |
//! |---|---|---|
//! | recognise | [`Quirks::recognise`], [`Quirks::declare`] | the client as recognised: every row that applies |
//! | choose | [`Quirks::file_shape`], [`Quirks::hides_url`] | the shape: the first row that applies |
//! | shape | [`Quirks::reaches_lease`], [`Quirks::delay`] | the delivery: the first row that applies |
//!
//! Where several rows change the same thing, the row of a particular firmware precedes the row of a general one.
//! `docs/firmware.md` is generated from the rows, and from `docs/quirks.toml`, which lists the quirks that have no row.

use crate::arrival::Port;
use crate::client::dialect::{Dialect, raspberry_pi};
use crate::client::{Class, Client, Program};
use crate::shape::ShapeName;
use crate::wire::DhcpPacket;
use crate::wire::dhcp4::{Message, code};
use core::fmt;
use core::time::Duration;

/// One quirk, with its evidence.
#[derive(Debug)]
pub struct Quirk {
    /// The id, in words with hyphens.
    pub name: &'static str,
    /// The firmware.
    pub firmware: &'static str,
    /// How the firmware behaves: a predicate to `firmware`.
    pub behaviour: &'static str,
    /// The server's reaction.
    pub reaction: &'static str,
    /// The evidence: an experiment, a report, or the firmware's source.
    pub evidence: &'static str,
    /// The test of the server's reaction.
    pub covered_by: CoveredBy,
    /// Whether the quirk applies to a client that sent this packet.
    applies: fn(&Client, &DhcpPacket<'_>) -> bool,
    change: Change,
}

/// The test of the server's reaction to a quirk.
#[derive(Debug)]
pub enum CoveredBy {
    /// A packet in `core/testdata/vectors`, whose reply is compared octet by octet.
    Vector(&'static str),
    /// A test.
    Test(&'static str),
}

/// The change that a quirk makes.
#[derive(Debug)]
enum Change {
    /// The client speaks this dialect.
    Dialect(&'static Dialect),
    /// The client is at this program of its boot.
    Program(Program),
    /// The shape of a DHCPv4 reply that names a file: direct or redirect.
    FileShape(ShapeName),
    /// The first reply over DHCPv6 contains no URL.
    HideUrl,
    /// The reply goes to the address that a DHCPv6 server assigned to the machine, too.
    ReachLease,
    /// The reply waits.
    Delay(Duration),
}

/// The quirks.
pub static QUIRKS: &[Quirk] = &[
    Quirk {
        name: "raspberry-pi",
        firmware: "Raspberry Pi 3, 4 and 5",
        behaviour: "report themselves as x86 BIOS; require a text in option 43, and send no REQUEST",
        reaction: "recognised by the manufacturer's addresses, option 97 or a rule; receive a reply with that text",
        evidence: "boot-net.adoc, rpi-eeprom#182",
        covered_by: CoveredBy::Vector("raspberry-pi3-discover"),
        applies: |client, packet| {
            dhcp4(packet).is_some_and(|message| {
                raspberry_pi::is_raspberry_pi(client.arch, client.hardware(), client.machine.machine_id, message)
            })
        },
        change: Change::Dialect(&raspberry_pi::DIALECT),
    },
    Quirk {
        name: "windows-boot-program",
        firmware: "Windows' boot programs (`wdsmgfw.efi`)",
        behaviour: "send a request to port 4011 with the addresses of their firmware, and with a class without digits",
        reaction: "the client counts as a program that the firmware has loaded",
        evidence: "protocol.md 1.2, 2.1",
        covered_by: CoveredBy::Vector("windows-nbp-request-4011"),
        applies: |client, packet| {
            let is_bare = || option4(packet, code::VENDOR_CLASS, Class::Pxe.vendor_class().as_bytes());
            client.program == Program::Firmware && client.port == Port::BootServer && is_bare()
        },
        change: Change::Program(Program::BootProgram),
    },
    Quirk {
        name: "u-boot-first-reply",
        firmware: "U-Boot's boot flow",
        behaviour: "reports itself as a PXEClient with UEFI's architecture, and does not use port 4011",
        reaction: "recognised by its UNDI 0.0; it receives its file at once",
        evidence: "booter#12, bootmeth_efi.c",
        covered_by: CoveredBy::Vector("u-boot-boot-flow-discover"),
        applies: |client, packet| is_uefi_pxe(client) && option4(packet, code::NETWORK_INTERFACE, &[1, 0, 0]),
        change: Change::FileShape(ShapeName::Direct),
    },
    Quirk {
        name: "edk2-drops-pxe-options",
        firmware: "EDK2 before 2017-04-17",
        behaviour: "drops a proxy's offer with PXE sub-options",
        reaction: "UEFI is redirected to port 4011, without option 43",
        evidence: "edk2 8cdd559be6, edk2#6944",
        covered_by: CoveredBy::Vector("ovmf-x64-discover"),
        applies: |client, packet| is_uefi_pxe(client) && dhcp4(packet).is_some(),
        change: Change::FileShape(ShapeName::Redirect),
    },
    Quirk {
        name: "edk2-ipv6-uncertain-source",
        firmware: "EDK2 over IPv6",
        behaviour: "may send its request from another address than it listens on, if the first reply contains a URL",
        reaction: "on the link, the first reply contains no URL, and the firmware multicasts its request; behind a \
                   relay it needs a URL",
        evidence: "[L:c1], [L:u13]",
        covered_by: CoveredBy::Vector("ovmf-pxe6-solicit"),
        applies: |client, _| client.is_v6() && client.machine.relay.is_none(),
        change: Change::HideUrl,
    },
    Quirk {
        name: "edk2-ipv6-second-address",
        firmware: "EDK2 over IPv6, behind a relay",
        behaviour: "sends from one of its two addresses and listens on the other",
        reaction: "the reply goes to both",
        evidence: "[L:c1], [L:c2]",
        covered_by: CoveredBy::Test("x64_of_2022_behind_a_relay_boots_over_ipv6_in_a_managed_network"),
        applies: |client, _| client.is_v6() && client.port == Port::BootServer,
        change: Change::ReachLease,
    },
    Quirk {
        name: "edk2-ipv6-late-socket",
        firmware: "EDK2 over IPv6",
        behaviour: "opens the socket for the 4011 reply after it has sent the request; an earlier reply is lost, and \
                    it does not repeat the request",
        reaction: "the reply is delayed by a tenth of a second",
        evidence: "PxeBcRequestBootService, [L:d1]",
        covered_by: CoveredBy::Test("on_4011_the_server_delays_the_reply_over_ipv6_until_the_firmware_listens"),
        applies: |client, _| client.is_v6() && client.port == Port::BootServer,
        // Even busy firmware, or firmware on an emulated processor, opens its socket within this time. It waits three
        // seconds for the reply.
        change: Change::Delay(Duration::from_millis(100)),
    },
];

/// Whether the client is UEFI firmware that boots by PXE.
fn is_uefi_pxe(client: &Client) -> bool {
    client.class == Class::Pxe && client.arch.is_efi() && !client.is_ipxe()
}

fn dhcp4<'a, 'p>(packet: &'a DhcpPacket<'p>) -> Option<&'a Message<'p>> {
    match packet {
        DhcpPacket::Dhcp4(message) => Some(message),
        DhcpPacket::Dhcp6(_) => None,
    }
}

/// Whether the packet is a DHCPv4 message in which this option has this value.
fn option4(packet: &DhcpPacket<'_>, code: u8, value: &[u8]) -> bool {
    dhcp4(packet).and_then(|message| message.option(code)).is_some_and(|found| *found == *value)
}

/// The quirks that applied to one packet: bit n is the row with index n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Quirks(u32);

/// Shows the names of the rows.
impl fmt::Display for Quirks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, quirk) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{}", quirk.name)?;
        }
        Ok(())
    }
}

impl Quirks {
    /// Whether no row applied.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The rows, in the order of the table.
    pub fn iter(self) -> impl Iterator<Item = &'static Quirk> {
        QUIRKS.iter().enumerate().filter(move |(index, _)| self.0 & 1 << index != 0).map(|(_, quirk)| quirk)
    }

    /// Changes the client as its packet shows it.
    pub fn recognise(client: &mut Client, packet: &DhcpPacket<'_>) -> Self {
        let mut applied = Quirks::default();
        for (index, quirk) in QUIRKS.iter().enumerate() {
            match quirk.change {
                Change::Dialect(dialect) if (quirk.applies)(client, packet) => client.dialect = Some(dialect),
                Change::Program(program) if (quirk.applies)(client, packet) => client.program = program,
                _ => continue,
            }
            applied.0 |= 1 << index;
        }
        applied
    }

    /// Changes the dialect of a client, because a rule declares it.
    pub fn declare(&mut self, client: &mut Client, dialect: &'static Dialect) {
        client.dialect = Some(dialect);
        let is_dialect = |quirk: &Quirk| matches!(quirk.change, Change::Dialect(spoken) if spoken == dialect);
        self.0 |= QUIRKS.iter().position(is_dialect).map_or(0, |index| 1 << index);
    }

    /// The shape of a DHCPv4 reply that names a file. `boot_server` is whether the server listens on port 4011; if not,
    /// it can redirect no client.
    pub fn file_shape(&mut self, client: &Client, packet: &DhcpPacket<'_>, boot_server: bool) -> ShapeName {
        let shape = self.first(client, packet, |change| match change {
            Change::FileShape(shape) if boot_server || *shape != ShapeName::Redirect => Some(*shape),
            _ => None,
        });
        shape.unwrap_or(ShapeName::Direct)
    }

    /// Whether the first reply over DHCPv6 contains no URL.
    pub fn hides_url(&mut self, client: &Client, packet: &DhcpPacket<'_>) -> bool {
        self.first(client, packet, |change| matches!(change, Change::HideUrl).then_some(())).is_some()
    }

    /// Whether the reply goes to the address that a DHCPv6 server assigned to the machine, too.
    pub fn reaches_lease(&mut self, client: &Client, packet: &DhcpPacket<'_>) -> bool {
        self.first(client, packet, |change| matches!(change, Change::ReachLease).then_some(())).is_some()
    }

    /// How long the reply waits; `None` if the server sends it at once.
    pub fn delay(&mut self, client: &Client, packet: &DhcpPacket<'_>) -> Option<Duration> {
        self.first(client, packet, |change| if let Change::Delay(delay) = change { Some(*delay) } else { None })
    }

    /// Finds the first row that applies to the client and makes the change that `pick` returns, and adds it.
    fn first<T>(&mut self, client: &Client, packet: &DhcpPacket<'_>, pick: impl Fn(&Change) -> Option<T>) -> Option<T> {
        let mut rows =
            QUIRKS.iter().enumerate().filter_map(|(index, quirk)| Some((index, quirk, pick(&quirk.change)?)));
        let (index, _, picked) = rows.find(|(_, quirk, _)| (quirk.applies)(client, packet))?;
        self.0 |= 1 << index;
        Some(picked)
    }
}

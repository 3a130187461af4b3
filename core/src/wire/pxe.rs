//! PXE options inside DHCP: sub-options of option 43, machine identifier, boot items; and iPXE's option 175.

use super::uuid::{is_placeholder, swap_fields};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv4Addr;

/// Option 43 with discovery control 8: the client loads the file of this offer, without prompt, menu or discovery (PXE
/// 2.1 table 2-1).
pub const LOAD_FILE_OPTION: [u8; 4] = [6, 1, 8, 255];
/// PXE_BOOT_ITEM, a sub-option of option 43.
pub const BOOT_ITEM: u8 = 71;
/// Maximum length of option 43, in octets: clients read only the first instance of the option.
const MAX_LENGTH: usize = 255;

/// One item of a menu that the firmware shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MenuItem<'a> {
    /// The boot server type; 0 is the local disk.
    pub server_type: u16,
    /// The text of the item.
    pub title: &'a str,
    /// The boot server that the client contacts on port 4011 for this item. The local disk has no boot server. For any
    /// other item, `None` lets the client broadcast its request.
    pub server: Option<Ipv4Addr>,
}

/// Option 43 with a menu: discovery control, boot servers, menu and prompt (PXE 2.1 table 2-1). Discovery control is 3,
/// so that the client contacts only the listed boot servers, or 2 if an item lets the client broadcast. Returns `None`
/// if the menu is too long for option 43.
pub fn menu(prompt: &str, timeout: u8, items: &[MenuItem<'_>]) -> Option<Vec<u8>> {
    let (mut servers, mut lines) = (Vec::new(), Vec::new());
    for MenuItem { server_type, title, server } in items {
        if let Some(server) = server {
            servers.extend_from_slice(&server_type.to_be_bytes());
            servers.push(1);
            servers.extend_from_slice(&server.octets());
        }
        lines.extend_from_slice(&server_type.to_be_bytes());
        lines.push(u8::try_from(title.len()).ok()?);
        lines.extend_from_slice(title.as_bytes());
    }
    // The client must not use multicast, and may broadcast only for an item without a server.
    let uses_broadcast = items.iter().any(|item| item.server_type != 0 && item.server.is_none());
    let mut option = Vec::from([6, 1, if uses_broadcast { 2 } else { 3 }]);
    for (code, value) in [(8, servers), (9, lines), (10, [&[timeout], prompt.as_bytes()].concat())] {
        option.extend_from_slice(&[code, u8::try_from(value.len()).ok()?]);
        option.extend_from_slice(&value);
    }
    option.push(255);
    (option.len() <= MAX_LENGTH).then_some(option)
}

/// Iterates over encapsulated options (option 43, option 175), each with a code, a length and a value. Code 0 is
/// padding, and code 255 ends the options. Stops at the first option that is longer than the rest of the octets.
#[derive(Clone, Debug)]
pub struct SubOptions<'a>(pub &'a [u8]);

impl<'a> Iterator for SubOptions<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match *self.0 {
                [0, ref rest @ ..] => self.0 = rest,
                [code, length, ref rest @ ..] if code != 255 && rest.len() >= usize::from(length) => {
                    let (value, rest) = rest.split_at(length.into());
                    self.0 = rest;
                    return Some((code, value));
                }
                _ => return None,
            }
        }
    }
}

/// The menu item that a client chose (PXE_BOOT_ITEM, 43.71).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BootItem {
    /// The boot server type.
    pub server_type: u16,
    /// The layer. Bit 15 is set if the client requests credentials.
    pub layer: u16,
}

impl BootItem {
    /// Option 43 that confirms the choice. iPXE compares the boot server type with that of its request.
    pub fn option(self) -> [u8; 7] {
        let ([a, b], [c, d]) = (self.server_type.to_be_bytes(), self.layer.to_be_bytes());
        [BOOT_ITEM, 4, a, b, c, d, 255]
    }

    /// Whether the client requests credentials.
    pub fn requests_credentials(self) -> bool {
        self.layer & 0x8000 != 0
    }

    /// Finds the chosen item in the value of option 43; `None` if the value contains no valid item.
    pub fn parse(vendor_specific: &[u8]) -> Option<Self> {
        match SubOptions(vendor_specific).find(|&(code, _)| code == BOOT_ITEM)?.1 {
            &[a, b, c, d] => {
                Some(BootItem { server_type: u16::from_be_bytes([a, b]), layer: u16::from_be_bytes([c, d]) })
            }
            _ => None,
        }
    }
}

/// Client machine identifier, option 97: type 0 and the UUID as SMBIOS stores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MachineId(pub [u8; 17]);

impl MachineId {
    /// The machine identifier in the value of option 97; `None` unless the value is 17 octets long.
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        octets.try_into().ok().map(MachineId)
    }

    /// The machine identifier for a UUID in printed order. SMBIOS stores the first three fields in little-endian order.
    pub fn from_uuid(uuid: [u8; 16]) -> Self {
        let mut octets = [0; 17];
        octets[1..].copy_from_slice(&swap_fields(uuid));
        MachineId(octets)
    }

    /// The UUID in printed order.
    pub fn uuid(&self) -> [u8; 16] {
        let mut stored = [0; 16];
        stored.copy_from_slice(&self.0[1..]);
        swap_fields(stored)
    }

    /// Whether the UUID identifies a single machine. A placeholder does not, because many machines share it.
    pub fn is_unique(&self) -> bool {
        !is_placeholder(&self.uuid())
    }
}

/// Shows the UUID in printed order, as SMBIOS tools do: `00112233-4455-6677-8899-aabbccddeeff`.
impl fmt::Display for MachineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, octet) in self.uuid().iter().enumerate() {
            let dash = if matches!(index, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{dash}{octet:02x}")?;
        }
        Ok(())
    }
}

/// The features that a build of iPXE contains, from option 175 of its request (iPXE `include/ipxe/features.h`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Bit n is set if iPXE has the feature with code 0x10 + n.
    pub bits: u32,
    /// iPXE's version: major, minor, patch.
    pub version: Option<[u8; 3]>,
}

const FEATURES: &[(u8, &str)] = &[
    (0x10, "pxe-api"),
    (0x11, "iscsi"),
    (0x12, "aoe"),
    (0x13, "http"),
    (0x14, "https"),
    (0x15, "tftp"),
    (0x16, "ftp"),
    (0x17, "dns"),
    (0x18, "bzimage"),
    (0x19, "multiboot"),
    (0x1a, "slam"),
    (0x1b, "srp"),
    (0x20, "nbi"),
    (0x21, "pxe"),
    (0x22, "elf"),
    (0x23, "comboot"),
    (0x24, "efi"),
    (0x25, "fcoe"),
    (0x26, "vlan"),
    (0x27, "menu"),
    (0x28, "sdi"),
    (0x29, "nfs"),
];

impl Features {
    /// Downloads by HTTP.
    pub const HTTP: u8 = 0x13;
    /// Downloads by HTTPS.
    pub const HTTPS: u8 = 0x14;
    /// Downloads by TFTP.
    pub const TFTP: u8 = 0x15;
    /// Downloads by FTP.
    pub const FTP: u8 = 0x16;
    /// Boots Linux kernels under BIOS.
    pub const BZIMAGE: u8 = 0x18;
    /// Shows menus (`choose`).
    pub const MENU: u8 = 0x27;
    /// Downloads by NFS.
    pub const NFS: u8 = 0x29;

    /// The features with these codes.
    pub fn from_codes(codes: impl IntoIterator<Item = u8>) -> Self {
        let bits = codes.into_iter().filter(|code| (0x10..=0x29).contains(code)).map(|code| 1 << (code - 0x10));
        Features { bits: bits.fold(0, |all, bit: u32| all | bit), version: None }
    }

    /// The code of the feature that iPXE needs to download this URL; `None` for a plain file name, and for a scheme
    /// without a feature code.
    pub fn for_url(url: &str) -> Option<u8> {
        match url.split_once("://")?.0 {
            "http" => Some(Self::HTTP),
            "https" => Some(Self::HTTPS),
            "tftp" => Some(Self::TFTP),
            "ftp" => Some(Self::FTP),
            "nfs" => Some(Self::NFS),
            _ => None,
        }
    }

    /// The features of `needed` that are missing from this list. If this list is empty, iPXE has sent no list, so
    /// nothing is known to be missing.
    pub fn missing(&self, needed: Features) -> Features {
        let bits = if self.bits == 0 { 0 } else { needed.bits & !self.bits };
        Features { bits, version: None }
    }

    /// Whether no feature is listed.
    pub fn is_empty(&self) -> bool {
        self.bits == 0
    }

    /// Parses the value of option 175. Returns `None` if it contains neither a version nor a feature, because it is
    /// then not iPXE's option.
    pub fn parse(option: &[u8]) -> Option<Self> {
        let mut features = Features::default();
        for (code, value) in SubOptions(option) {
            match (code, value) {
                (0x10..=0x29, value) if value != [0] => features.bits |= 1 << (code - 0x10),
                (0xeb, &[major, minor, patch, ..]) => features.version = Some([major, minor, patch]),
                _ => {}
            }
        }
        (features.bits != 0 || features.version.is_some()).then_some(features)
    }

    /// Whether the feature of this code is listed.
    pub fn has(&self, code: u8) -> bool {
        code.checked_sub(0x10).is_some_and(|bit| bit < 32 && self.bits & (1 << bit) != 0)
    }

    /// The names of the listed features.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        FEATURES.iter().filter(|(code, _)| self.has(*code)).map(|(_, name)| *name)
    }
}

/// Adds the features with these codes.
impl Extend<u8> for Features {
    fn extend<I: IntoIterator<Item = u8>>(&mut self, codes: I) {
        self.bits |= Features::from_codes(codes).bits;
    }
}

/// Shows the names of the features, such as `http, menu`.
impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.names().enumerate() {
            write!(f, "{}{name}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// Text from the network, safe for a terminal: printable ASCII unchanged, every other octet as `\xNN`.
pub fn escape(octets: &[u8]) -> String {
    octets.escape_ascii().to_string()
}

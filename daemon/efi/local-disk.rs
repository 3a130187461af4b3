//! Starts the machine's local disk: an EFI program that iPXE fetches from the server and runs.
//!
//! An iPXE older than 2024 cannot start a local disk under UEFI, and leaving it (`exit`) makes the firmware try its
//! other network entries first, a minute each. So this program does what the firmware would do in the end: it tries the
//! boot entries in their order, skips those that are no disk, and starts the first one that starts. A disk without a
//! boot entry comes last. The program returns only if it could start nothing.
//!
//! Section numbers refer to the UEFI specification 2.10.

#![no_std]
#![no_main]

mod firmware;

use core::ptr::{null, null_mut};
use core::slice;
use firmware::{END, Firmware, Guid, Handle, NOT_FOUND, SUCCESS, Status, SystemTable};

#[cfg(target_arch = "x86_64")]
const REMOVABLE: &str = r"\EFI\BOOT\BOOTX64.EFI";
#[cfg(target_arch = "x86")]
const REMOVABLE: &str = r"\EFI\BOOT\BOOTIA32.EFI";
#[cfg(target_arch = "arm")]
const REMOVABLE: &str = r"\EFI\BOOT\BOOTARM.EFI";
#[cfg(target_arch = "aarch64")]
const REMOVABLE: &str = r"\EFI\BOOT\BOOTAA64.EFI";

#[unsafe(no_mangle)]
extern "efiapi" fn efi_main(image: Handle, system: *const SystemTable) -> Status {
    // SAFETY: the firmware calls this function with the program's handle and its table.
    let firmware = unsafe { Firmware::new(image, system) };
    firmware.wake_disks();
    match firmware.start_an_entry() || firmware.start_any_disk() {
        true => SUCCESS,
        false => NOT_FOUND,
    }
}

impl Firmware {
    /// Connects drivers to the disks. To start quickly, the firmware has connected only what its boot entry needed: the
    /// network card, not the disks. The card and the devices that lead to it are skipped, because firmware drivers that
    /// connect there would take the network from iPXE's.
    fn wake_disks(&self) {
        for handle in self.handles(None) {
            let Some(path) = self.device_path(*handle) else { continue };
            let mut cards = self.handles(Some(&SIMPLE_NETWORK)).iter().filter_map(|card| self.device_path(*card));
            if !cards.any(|card| card.starts_with(path)) && !nodes(path).any(|node| node.is(MAC_ADDRESS)) {
                self.connect(*handle);
            }
        }
    }

    /// Tries the boot entries, in the order of `BootOrder` (3.1.1).
    fn start_an_entry(&self) -> bool {
        let mut order = [0; 512];
        let mut entry = [0; 2048];
        for number in self.variable("BootOrder", &mut order).chunks_exact(2) {
            let number = u16::from_le_bytes([number[0], number[1]]);
            if Entry::parse(self.variable(entry_name(number).as_str(), &mut entry))
                .is_some_and(|entry| self.try_entry(&entry))
            {
                return true;
            }
        }
        false
    }

    fn try_entry(&self, entry: &Entry) -> bool {
        let path = entry.path;
        if !nodes(path).all(|node| node.may_lead_to_a_disk()) {
            return false;
        }
        let names_a_file = nodes(path).any(|node| node.is(FILE_PATH));
        match nodes(path).next() {
            // A partition by its identity alone (10.3.5.1, "short form"): find the file system on it.
            Some(partition) if partition.is(HARD_DRIVE) => self.file_systems().any(|found| {
                let there = nodes(found).any(|node| node.same_partition(&partition));
                let rest = &path[partition.bytes.len()..];
                there
                    && if names_a_file {
                        self.start_at(&[found, rest], entry.data)
                    } else {
                        self.start_removable(found)
                    }
            }),
            Some(_) if names_a_file => self.start_at(&[path], entry.data),
            // A whole disk: the file of removable media on any of its partitions (3.5.1.1).
            Some(_) => self.file_systems().any(|found| found.starts_with(path) && self.start_removable(found)),
            None => false,
        }
    }

    /// Tries the disks for which the firmware has no boot entry.
    fn start_any_disk(&self) -> bool {
        self.file_systems().any(|path| self.start_removable(path))
    }

    /// The device paths of the file systems on disks. iPXE presents its downloads as a file system of the network card,
    /// which is excluded.
    fn file_systems(&self) -> impl Iterator<Item = &'static [u8]> {
        self.handles(Some(&SIMPLE_FILE_SYSTEM))
            .iter()
            .filter_map(|handle| self.device_path(*handle))
            .filter(|path| nodes(path).all(|node| node.may_lead_to_a_disk()))
    }

    fn start_removable(&self, file_system: &[u8]) -> bool {
        let mut file = [0; 64];
        let mut length = 4;
        for unit in REMOVABLE.encode_utf16().chain([0]) {
            file[length..length + 2].copy_from_slice(&unit.to_le_bytes());
            length += 2;
        }
        file[..4].copy_from_slice(&[FILE_PATH.0, FILE_PATH.1, length as u8, 0]);
        self.start_at(&[file_system, &file[..length]], &[])
    }

    /// Loads and starts the program at the device path that these parts form. True if it returned success.
    fn start_at(&self, parts: &[&[u8]], data: &[u8]) -> bool {
        let mut path = [0; 1024];
        let mut length = 0;
        for part in parts.iter().chain([&&END[..]]) {
            let Some(room) = path.get_mut(length..length + part.len()) else { return false };
            room.copy_from_slice(part);
            length += part.len();
        }
        self.load(&path, &[]).is_some_and(|program| self.start(program, data) == SUCCESS)
    }

    fn connect(&self, handle: Handle) {
        // SAFETY: the handle comes from LocateHandleBuffer; if it no longer exists, the firmware returns an error.
        unsafe { (self.boot.connect_controller)(handle, null(), null(), 1) };
    }

    /// All handles, or those with this protocol. The list stays in the firmware's pool, because the program ends with
    /// the boot.
    fn handles(&self, protocol: Option<&Guid>) -> &'static [Handle] {
        const ALL: u32 = 0;
        const BY_PROTOCOL: u32 = 2;
        let (search, protocol) = protocol.map_or((ALL, null()), |guid| (BY_PROTOCOL, guid as *const Guid));
        let (mut count, mut list) = (0, null_mut());
        // SAFETY: count and list are local variables; on success the list has `count` handles (7.3.16).
        unsafe {
            match (self.boot.locate_handle_buffer)(search, protocol, null(), &mut count, &mut list) {
                SUCCESS if !list.is_null() => slice::from_raw_parts(list, count),
                _ => &[],
            }
        }
    }

    /// A global variable's value; empty if the variable does not exist or the value does not fit.
    fn variable<'a>(&self, name: &str, room: &'a mut [u8]) -> &'a [u8] {
        let mut wide = [0; 16];
        for (unit, letter) in wide.iter_mut().zip(name.encode_utf16()) {
            *unit = letter;
        }
        let mut size = room.len();
        // SAFETY: the name ends with a zero, and the firmware writes at most `size` octets.
        let status = unsafe {
            (self.runtime.get_variable)(wide.as_ptr(), &GLOBAL_VARIABLE, null_mut(), &mut size, room.as_mut_ptr())
        };
        if status == SUCCESS { &room[..size] } else { &[] }
    }
}

/// `Boot0000`, as text.
struct EntryName([u8; 8]);

impl EntryName {
    fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or("")
    }
}

fn entry_name(number: u16) -> EntryName {
    let mut name = *b"Boot0000";
    for (place, shift) in [(4, 12), (5, 8), (6, 4), (7, 0)] {
        name[place] = b"0123456789ABCDEF"[usize::from(number >> shift & 15)];
    }
    EntryName(name)
}

/// A boot entry (3.1.3): its device path without the end node, and the load options of its program.
struct Entry<'a> {
    path: &'a [u8],
    data: &'a [u8],
}

impl<'a> Entry<'a> {
    /// `None` if it is malformed, not active, or an application of the firmware instead of a boot entry.
    fn parse(value: &'a [u8]) -> Option<Self> {
        const ACTIVE: u32 = 1;
        const CATEGORY: u32 = 0x1f00;
        let (attributes, rest) = value.split_first_chunk::<4>()?;
        let (path_length, rest) = rest.split_first_chunk::<2>()?;
        if u32::from_le_bytes(*attributes) & (ACTIVE | CATEGORY) != ACTIVE {
            return None;
        }
        let title = rest.chunks_exact(2).position(|unit| unit == [0, 0])? * 2 + 2;
        let (path, data) = rest[title..].split_at_checked(usize::from(u16::from_le_bytes(*path_length)))?;
        let length = nodes(path).map(|node| node.bytes.len()).sum();
        Some(Entry { path: &path[..length], data })
    }
}

/// A node of a device path, with its header.
struct Node<'a> {
    bytes: &'a [u8],
}

/// The nodes up to the end node, or up to a malformed one.
fn nodes(mut path: &[u8]) -> impl Iterator<Item = Node<'_>> {
    core::iter::from_fn(move || {
        let head = path.first_chunk::<4>()?;
        if head[0] == END[0] {
            return None;
        }
        let (bytes, rest) = path.split_at_checked(usize::from(u16::from_le_bytes([head[2], head[3]])).max(4))?;
        path = rest;
        Some(Node { bytes })
    })
}

/// Type and sub-type (10.3).
type Kind = (u8, u8);
const HARD_DRIVE: Kind = (4, 1);
const CD_ROM: Kind = (4, 2);
const FILE_PATH: Kind = (4, 4);
const FIRMWARE_FILE: Kind = (4, 6);
const FIRMWARE_VOLUME: Kind = (4, 7);
const MAC_ADDRESS: Kind = (3, 11);
/// BIOS boot specification, any sub-type: a device that a compatibility support module starts.
const BIOS_BOOT: u8 = 5;

impl Node<'_> {
    fn is(&self, (kind, sub): Kind) -> bool {
        self.bytes[0] == kind && self.bytes[1] == sub
    }

    /// Whether it is not the network, a program inside the firmware (its shell, its setup), or an optical disc.
    fn may_lead_to_a_disk(&self) -> bool {
        ![MAC_ADDRESS, FIRMWARE_FILE, FIRMWARE_VOLUME, CD_ROM].into_iter().any(|kind| self.is(kind))
            && self.bytes[0] != BIOS_BOOT
    }

    /// Whether signature, partition format and signature type are equal (10.3.5.1, from offset 24).
    fn same_partition(&self, other: &Node) -> bool {
        self.is(HARD_DRIVE) && self.bytes.len() >= 42 && self.bytes.get(24..42) == other.bytes.get(24..42)
    }
}

const GLOBAL_VARIABLE: Guid = Guid(0x8be4df61, 0x93ca, 0x11d2, [0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c]);
const SIMPLE_FILE_SYSTEM: Guid = Guid(0x964e5b22, 0x6459, 0x11d2, [0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b]);
const SIMPLE_NETWORK: Guid = Guid(0xa19832b9, 0xac25, 0x11d3, [0x9a, 0x2d, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d]);

//! Wraps iPXE: starts an iPXE that was loaded over IPv6, and passes it the script next to it.
//!
//! Over IPv4 an iPXE receives its script's name while it requests an address: the proxy's offer contains it. Over IPv6
//! it uses the options of the server that assigns its address, and that server knows nothing about booting. It would
//! look for `autoexec.ipxe` next to its own file, but firmware that loads it by PXE over IPv6 does not pass that
//! location. The firmware has it, however: the URL from the server is in the packets that its PXE driver keeps. And
//! since 2023 iPXE runs its command line as a script (iPXE 4bb521a8c). So the server sends this program to the
//! firmware, under the name of the iPXE in a virtual directory, `with-script/`. The program fetches both files through
//! the driver, and starts the iPXE with the script.
//!
//! Section numbers refer to the UEFI specification 2.10.

#![no_std]
#![no_main]

mod firmware;

use core::net::Ipv6Addr;
use core::ptr::{null, null_mut};
use core::slice;
use firmware::{END, Firmware, Guid, Handle, LOADED_IMAGE, LoadedImage, NOT_FOUND, SUCCESS, Status, SystemTable};

/// The directory that stands for this program ([`proxydhcpd_core::choose::IPXE_WRAPPER_PREFIX`]).
const FOLDER: &[u8] = b"with-script/";
const SCRIPT: &[u8] = b"autoexec.ipxe";

#[unsafe(no_mangle)]
extern "efiapi" fn efi_main(image: Handle, system: *const SystemTable) -> Status {
    // SAFETY: the firmware calls this function with the program's handle and its table.
    let firmware = unsafe { Firmware::new(image, system) };
    firmware.start_with_script().unwrap_or(NOT_FOUND)
}

impl Firmware {
    /// Fetches and starts iPXE. Returns its exit status, or `None` if it could not be fetched or loaded.
    fn start_with_script(&self) -> Option<Status> {
        // SAFETY: the firmware created the loaded-image protocol of this program.
        let device = unsafe { (*self.protocol::<LoadedImage>(self.image, &LOADED_IMAGE)?).device };
        let pxe = self.protocol::<PxeBaseCode>(device, &PXE_BASE_CODE)?;
        // SAFETY: the driver keeps its mode as long as its protocol exists.
        let url = Url::parse(unsafe { &*(*pxe).mode }.boot_file()?)?;
        let program = self.fetch(pxe, &url.server, &url.program)?;
        // An iPXE without a script still offers a shell on the console.
        let script = self.fetch(pxe, &url.server, &url.script).unwrap_or_default();
        let options = self.command_line(script)?;

        let mut path = [0; 1024];
        let own = self.device_path(device)?;
        path.get_mut(..own.len())?.copy_from_slice(own);
        path.get_mut(own.len()..own.len() + END.len())?.copy_from_slice(&END);
        let loaded = self.load(&path, program)?;
        Some(self.start(loaded, options))
    }

    /// A complete file from the TFTP server.
    fn fetch(&self, pxe: *mut PxeBaseCode, server: &Ipv6Addr, name: &Name) -> Option<&'static [u8]> {
        const GET_FILE_SIZE: u32 = 1;
        const READ_FILE: u32 = 2;
        // The block size that fits the minimum MTU of IPv6, which is also the driver's choice for its own transfers
        // (without this argument it requests 512 octets).
        let block = 1228;
        let server = Address(server.octets());
        let mut size = 0;
        let ask = |what, buffer: *mut u8, size: &mut u64| {
            // SAFETY: the driver writes the size, and at most `size` octets to the buffer; it only reads the rest.
            unsafe { ((*pxe).mtftp)(pxe, what, buffer, 0, size, &block, &server, name.0.as_ptr(), null(), 0) }
        };
        if ask(GET_FILE_SIZE, null_mut(), &mut size) != SUCCESS {
            return None;
        }
        let buffer = self.allocate(usize::try_from(size).ok()?)?;
        if ask(READ_FILE, buffer.as_mut_ptr(), &mut size) != SUCCESS {
            return None;
        }
        buffer.get(..usize::try_from(size).ok()?)
    }

    /// The load options that make iPXE run this text as its script: in UCS-2, after a word for the program's name
    /// (efi_cmdline.c). The terminating zero is not counted.
    fn command_line(&self, script: &[u8]) -> Option<&'static [u8]> {
        let line = b"ipxe ".iter().chain(script);
        let length = (b"ipxe ".len() + script.len()) * 2;
        let wide = self.allocate(length + 2)?;
        for (unit, octet) in wide.chunks_exact_mut(2).zip(line.chain(&[0])) {
            unit.copy_from_slice(&[*octet, 0]);
        }
        Some(&wide[..length])
    }

    /// Memory from the firmware's pool. It is never freed: it ends with the next restart or with the boot.
    fn allocate(&self, size: usize) -> Option<&'static mut [u8]> {
        const LOADER_DATA: u32 = 2;
        let mut memory = null_mut();
        // SAFETY: the address goes to a local variable, and on success `size` octets there are allocated (7.2.4).
        unsafe {
            match (self.boot.allocate_pool)(LOADER_DATA, size, &mut memory) {
                SUCCESS if !memory.is_null() => {
                    memory.write_bytes(0, size);
                    Some(slice::from_raw_parts_mut(memory, size))
                }
                _ => None,
            }
        }
    }
}

/// The server and the file names in the URL of this program.
struct Url {
    server: Ipv6Addr,
    program: Name,
    script: Name,
}

impl Url {
    /// `tftp://[2001:db8::10]/with-script/ipxe.efi` stands for `ipxe.efi` and `autoexec.ipxe`. Directories before and
    /// after `with-script/` belong to both names.
    fn parse(url: &[u8]) -> Option<Url> {
        let (server, path) = split_once(url.strip_prefix(b"tftp://[")?, b"]/")?;
        let server = core::str::from_utf8(server).ok()?.parse().ok()?;
        let (before, program) = split_once(path, FOLDER)?;
        let directory = program.iter().rposition(|octet| *octet == b'/').map_or(0, |slash| slash + 1);
        let script = Name::of(&[before, &program[..directory], SCRIPT])?;
        Some(Url { server, program: Name::of(&[before, program])?, script })
    }
}

fn split_once<'a>(text: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let place = text.windows(at.len()).position(|window| window == at)?;
    Some((&text[..place], &text[place + at.len()..]))
}

/// A file name for TFTP: without percent-encoding, and with a terminating zero.
struct Name([u8; 512]);

impl Name {
    fn of(parts: &[&[u8]]) -> Option<Name> {
        let mut name = [0; 512];
        let mut length = 0;
        let mut octets = parts.iter().copied().flatten().copied();
        while let Some(octet) = octets.next() {
            let octet = match octet {
                b'%' => digit(octets.next()?)? << 4 | digit(octets.next()?)?,
                octet => octet,
            };
            // The last octet stays zero.
            *name[..511].get_mut(length)? = octet;
            length += 1;
        }
        Some(Name(name))
    }
}

fn digit(octet: u8) -> Option<u8> {
    char::from(octet).to_digit(16).map(|value| value as u8)
}

const PXE_BASE_CODE: Guid = Guid(0x03c4e603, 0xac28, 0x11d3, [0x9a, 0x2d, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d]);

/// EFI_PXE_BASE_CODE_PROTOCOL (24.3.1), up to the last entry in use.
#[repr(C)]
struct PxeBaseCode {
    revision: u64,
    start_stop_dhcp_discover: [usize; 4],
    mtftp: unsafe extern "efiapi" fn(
        *mut PxeBaseCode,
        u32,
        *mut u8,
        u8,
        *mut u64,
        *const usize,
        *const Address,
        *const u8,
        *const u8,
        u8,
    ) -> Status,
    udp_filter_arp_parameters_station_packets: [usize; 7],
    mode: *const Mode,
}

/// EFI_IP_ADDRESS.
#[repr(C, align(4))]
struct Address([u8; 16]);

/// The driver's state (24.3.2). The flags before the packets show which packets exist.
#[repr(C)]
struct Mode {
    flags: [u8; 20],
    addresses: [u8; 32],
    packets: [[u8; 1472]; 5],
}

impl Mode {
    /// Option 59 of the packet that the firmware booted from: the boot server's, a proxy's, or else that of the server
    /// that assigned the address. The driver stores a proxy's reply on port 4011 as the proxy's packet (EDK2
    /// PxeBcRetryDhcp6Binl).
    fn boot_file(&self) -> Option<&[u8]> {
        /// The offset of the flag, and the index of the packet.
        const REPLY: (usize, usize) = (12, 4);
        const PROXY: (usize, usize) = (10, 2);
        const ACK: (usize, usize) = (9, 1);
        let there = [REPLY, PROXY, ACK].into_iter().filter(|(flag, _)| self.flags[*flag] != 0);
        there.map(|(_, packet)| &self.packets[packet]).find_map(|packet| option_59(&packet[4..]))
    }
}

/// Option 59 of these DHCPv6 options: each has two octets of code, two of length, and the value.
fn option_59(mut options: &[u8]) -> Option<&[u8]> {
    while let [c0, c1, l0, l1, rest @ ..] = options {
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([*l0, *l1])))?;
        match u16::from_be_bytes([*c0, *c1]) {
            59 => return Some(value),
            // The packet is padded with zeros after the last option.
            0 => return None,
            _ => options = rest,
        }
    }
    None
}

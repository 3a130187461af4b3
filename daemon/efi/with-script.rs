//! Starts an iPXE that was loaded over IPv6, and hands it the script that lies beside it.
//!
//! Over IPv4 an iPXE learns its script by asking for an address: the proxy's offer names it. Over IPv6 it takes what
//! whoever gives it an address says, and that is a server that knows nothing of booting. It would look for `autoexec.ipxe`
//! beside itself, if only it knew where that is: firmware that loads by PXE over IPv6 does not tell. But the firmware knows
//! (the URL that we named is among the packets that its PXE driver keeps), and iPXE runs what it is given as its command
//! line since 2023 (iPXE 4bb521a8c). So the firmware is sent this program under the name of the iPXE in a directory that is
//! none, `with-script/`. It fetches both through the driver, and starts the one with the other.
//!
//! Section numbers are those of the UEFI specification 2.10.

#![no_std]
#![no_main]

mod firmware;

use core::net::Ipv6Addr;
use core::ptr::{null, null_mut};
use core::slice;
use firmware::{END, Firmware, Guid, Handle, LOADED_IMAGE, LoadedImage, NOT_FOUND, SUCCESS, Status, SystemTable};

/// The directory that stands for this program ([`proxydhcpd_core::choose::WITH_SCRIPT`]).
const FOLDER: &[u8] = b"with-script/";
const SCRIPT: &[u8] = b"autoexec.ipxe";

#[unsafe(no_mangle)]
extern "efiapi" fn efi_main(image: Handle, system: *const SystemTable) -> Status {
    // SAFETY: the firmware calls us with our handle and its table.
    let firmware = unsafe { Firmware::new(image, system) };
    firmware.start_with_script().unwrap_or(NOT_FOUND)
}

impl Firmware {
    /// `None` if there was nothing to start; else what iPXE ended with.
    fn start_with_script(&self) -> Option<Status> {
        // SAFETY: our own image is as the firmware made it.
        let device = unsafe { (*self.protocol::<LoadedImage>(self.image, &LOADED_IMAGE)?).device };
        let pxe = self.protocol::<PxeBaseCode>(device, &PXE_BASE_CODE)?;
        // SAFETY: the driver keeps its mode as long as its protocol is there.
        let url = Url::parse(unsafe { &*(*pxe).mode }.boot_file()?)?;
        let program = self.fetch(pxe, &url.server, &url.program)?;
        // An iPXE without a script still has a shell for whoever is there.
        let script = self.fetch(pxe, &url.server, &url.script).unwrap_or_default();
        let options = self.command_line(script)?;

        let mut path = [0; 1024];
        let own = self.device_path(device)?;
        path.get_mut(..own.len())?.copy_from_slice(own);
        path.get_mut(own.len()..own.len() + END.len())?.copy_from_slice(&END);
        let loaded = self.load(&path, program)?;
        Some(self.start(loaded, options))
    }

    /// A file of the TFTP server, whole.
    fn fetch(&self, pxe: *mut PxeBaseCode, server: &Ipv6Addr, name: &Name) -> Option<&'static [u8]> {
        const GET_FILE_SIZE: u32 = 1;
        const READ_FILE: u32 = 2;
        // What fits the smallest link of IPv6, and what the driver asks for by itself (without it asks for 512).
        let block = 1228;
        let server = Address(server.octets());
        let mut size = 0;
        let ask = |what, buffer: *mut u8, size: &mut u64| {
            // SAFETY: the driver writes at most `size` octets to the buffer, and the size; it only reads the rest.
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

    /// The load options by which iPXE takes this text for the script to run: in UCS-2, behind a word for the program's name
    /// (efi_cmdline.c). The zero behind them is not counted.
    fn command_line(&self, script: &[u8]) -> Option<&'static [u8]> {
        let line = b"ipxe ".iter().chain(script);
        let length = (b"ipxe ".len() + script.len()) * 2;
        let wide = self.allocate(length + 2)?;
        for (unit, octet) in wide.chunks_exact_mut(2).zip(line.chain(&[0])) {
            unit.copy_from_slice(&[*octet, 0]);
        }
        Some(&wide[..length])
    }

    /// Memory of the firmware's pool, which has it back when the machine starts anew or boots.
    fn allocate(&self, size: usize) -> Option<&'static mut [u8]> {
        const LOADER_DATA: u32 = 2;
        let mut memory = null_mut();
        // SAFETY: the address goes to a variable of ours, and on success `size` octets there are ours (7.2.4).
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

/// What the URL of this program says: whose it is, and the names of what lies there.
struct Url {
    server: Ipv6Addr,
    program: Name,
    script: Name,
}

impl Url {
    /// `tftp://[2001:db8::10]/with-script/ipxe.efi` stands for `ipxe.efi` and `autoexec.ipxe`; what is in front of the
    /// directory, and in it, is of both names.
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

/// A file name as TFTP has it: without percent-encoding, and with a zero at its end.
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
            // The last one stays zero.
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

/// 24.3.1, as far as we need it.
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

/// The driver's state (24.3.2). Which packets there are is said by flags in front of them.
#[repr(C)]
struct Mode {
    flags: [u8; 20],
    addresses: [u8; 32],
    packets: [[u8; 1472]; 5],
}

impl Mode {
    /// Option 59 of the packet that the firmware has booted by: the boot server's, a proxy's, or else that of whoever gave
    /// the address. A proxy's answer on port 4011 is kept as the proxy's (EDK2 PxeBcRetryDhcp6Binl).
    fn boot_file(&self) -> Option<&[u8]> {
        /// Flag and packet.
        const REPLY: (usize, usize) = (12, 4);
        const PROXY: (usize, usize) = (10, 2);
        const ACK: (usize, usize) = (9, 1);
        let there = [REPLY, PROXY, ACK].into_iter().filter(|(flag, _)| self.flags[*flag] != 0);
        there.map(|(_, packet)| &self.packets[packet]).find_map(|packet| option_59(&packet[4..]))
    }
}

/// The options of a DHCPv6 message, behind its type and transaction: two octets each of code and length, then the value.
fn option_59(mut options: &[u8]) -> Option<&[u8]> {
    while let [c0, c1, l0, l1, rest @ ..] = options {
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([*l0, *l1])))?;
        match u16::from_be_bytes([*c0, *c1]) {
            59 => return Some(value),
            // Behind the last one the packet is filled up with zeros.
            0 => return None,
            _ => options = rest,
        }
    }
    None
}

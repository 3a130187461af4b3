//! The firmware services that the UEFI programs call. `build` compiles this module into each program.
//!
//! Section numbers refer to the UEFI specification 2.10. The programs are not part of the workspace: they have another
//! target and no standard library, and consist mostly of unsafe calls through the firmware's tables.

// Each program uses a part of this.
#![allow(dead_code)]

use core::ffi::c_void;
use core::ptr::{null, null_mut};
use core::slice;

pub struct Firmware {
    pub image: Handle,
    pub boot: &'static BootServices,
    pub runtime: &'static RuntimeServices,
}

impl Firmware {
    /// # Safety
    /// The arguments must be those of `efi_main`, which must not have returned.
    pub unsafe fn new(image: Handle, system: *const SystemTable) -> Firmware {
        // SAFETY: the table and the tables that it points to are valid until `efi_main` returns.
        unsafe { Firmware { image, boot: &*(*system).boot, runtime: &*(*system).runtime } }
    }

    /// Loads a program: from the complete device path, or from `octets`, which were read from there.
    pub fn load(&self, path: &[u8], octets: &[u8]) -> Option<Handle> {
        let from = if octets.is_empty() { null() } else { octets.as_ptr() };
        let boot_manager = u8::from(octets.is_empty());
        let mut program = null_mut();
        // SAFETY: the handle goes to a local variable; the firmware only reads path and octets.
        let loaded = unsafe {
            (self.boot.load_image)(boot_manager, self.image, path.as_ptr(), from, octets.len(), &mut program)
        };
        if loaded == SUCCESS {
            return Some(program);
        }
        // If Secure Boot refuses a program, LoadImage leaves a handle that must be unloaded (7.4.1).
        if !program.is_null() {
            // SAFETY: the handle comes from LoadImage, and its image was not started.
            unsafe { (self.boot.unload_image)(program) };
        }
        None
    }

    /// Starts a program from [`Firmware::load`] with these load options, and waits for its end.
    pub fn start(&self, program: Handle, options: &[u8]) -> Status {
        if let Some(loaded) = self.protocol::<LoadedImage>(program, &LOADED_IMAGE).filter(|_| !options.is_empty()) {
            // SAFETY: no other code uses the image before its start, and the options outlive it: this call waits for
            // its end.
            unsafe {
                (*loaded).options_size = options.len() as u32;
                (*loaded).options = options.as_ptr();
            }
        }
        // SAFETY: the handle comes from LoadImage; the exit data of the program is not requested.
        unsafe { (self.boot.start_image)(program, null_mut(), null_mut()) }
    }

    /// The protocol interface of a handle. `T` must be the type of the protocol `guid`.
    pub fn protocol<T>(&self, handle: Handle, guid: &Guid) -> Option<*mut T> {
        let mut interface = null_mut();
        // SAFETY: the interface goes to a local variable, and `T` is the type of this protocol.
        let status = unsafe { (self.boot.handle_protocol)(handle, guid, &mut interface) };
        (status == SUCCESS && !interface.is_null()).then(|| interface.cast())
    }

    /// A handle's device path without its end node.
    pub fn device_path(&self, handle: Handle) -> Option<&'static [u8]> {
        let start = self.protocol::<u8>(handle, &DEVICE_PATH)?;
        let mut length = 0;
        // SAFETY: a device path is a list of nodes, each with its length at offset 2, up to an end node (10.3.1). It
        // lives as long as its handle.
        unsafe {
            while *start.add(length) != END[0] {
                let node = usize::from(u16::from_le_bytes([*start.add(length + 2), *start.add(length + 3)]));
                if node < 4 || length > 1024 {
                    return None;
                }
                length += node;
            }
            Some(slice::from_raw_parts(start, length))
        }
    }
}

pub type Handle = *mut c_void;
pub type Status = usize;
/// The end node of a device path (10.3.1).
pub const END: [u8; 4] = [0x7f, 0xff, 4, 0];
pub const SUCCESS: Status = 0;
pub const NOT_FOUND: Status = 1 << (usize::BITS - 1) | 14;

#[repr(C)]
pub struct Guid(pub u32, pub u16, pub u16, pub [u8; 8]);
pub const DEVICE_PATH: Guid = Guid(0x09576e91, 0x6d3f, 0x11d2, [0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b]);
pub const LOADED_IMAGE: Guid = Guid(0x5b1b31a1, 0x9562, 0x11d2, [0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b]);

/// The firmware's tables (4.3 to 4.5), up to the last entry in use. Unused entries are arrays of the right size.
#[repr(C)]
pub struct SystemTable {
    header: [u64; 3],
    vendor: *const u16,
    revision: u32,
    consoles: [usize; 6],
    pub runtime: *const RuntimeServices,
    pub boot: *const BootServices,
}

#[repr(C)]
pub struct RuntimeServices {
    header: [u64; 3],
    time_and_memory: [usize; 6],
    pub get_variable: unsafe extern "efiapi" fn(*const u16, *const Guid, *mut u32, *mut usize, *mut u8) -> Status,
}

#[repr(C)]
pub struct BootServices {
    header: [u64; 3],
    memory: [usize; 5],
    pub allocate_pool: unsafe extern "efiapi" fn(u32, usize, *mut *mut u8) -> Status,
    free_pool_and_events: [usize; 10],
    pub handle_protocol: unsafe extern "efiapi" fn(Handle, *const Guid, *mut *mut c_void) -> Status,
    search: [usize; 5],
    pub load_image: unsafe extern "efiapi" fn(u8, Handle, *const u8, *const u8, usize, *mut Handle) -> Status,
    pub start_image: unsafe extern "efiapi" fn(Handle, *mut usize, *mut *mut u16) -> Status,
    exit: usize,
    pub unload_image: unsafe extern "efiapi" fn(Handle) -> Status,
    end_and_time: [usize; 4],
    pub connect_controller: unsafe extern "efiapi" fn(Handle, *const Handle, *const u8, u8) -> Status,
    open_protocol: [usize; 5],
    pub locate_handle_buffer:
        unsafe extern "efiapi" fn(u32, *const Guid, *const c_void, *mut usize, *mut *mut Handle) -> Status,
}

/// EFI_LOADED_IMAGE_PROTOCOL (9.1.1).
#[repr(C)]
pub struct LoadedImage {
    revision: u32,
    parent_and_system: [usize; 2],
    pub device: Handle,
    path_and_reserved: [usize; 2],
    pub options_size: u32,
    pub options: *const u8,
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}

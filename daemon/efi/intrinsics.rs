//! The functions that compiled code calls implicitly: to move memory and to probe the stack. `build` makes this file
//! the `compiler_builtins` of the UEFI programs; no package has the compiler's.

#![allow(internal_features)]
#![feature(compiler_builtins)]
#![compiler_builtins]
// Without this, the compiler may turn a copying loop into a call of the function that contains the loop.
#![no_builtins]
#![no_std]

/// # Safety
/// As for the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    for at in 0..count {
        // SAFETY: as the caller guarantees.
        unsafe { *to.add(at) = *from.add(at) };
    }
    to
}

/// # Safety
/// As for the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    if to.addr() < from.addr() {
        // SAFETY: as the caller guarantees; in ascending order, no octet is overwritten before it is read.
        return unsafe { memcpy(to, from, count) };
    }
    for at in (0..count).rev() {
        // SAFETY: as the caller guarantees.
        unsafe { *to.add(at) = *from.add(at) };
    }
    to
}

/// # Safety
/// As for the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memset(to: *mut u8, octet: i32, count: usize) -> *mut u8 {
    for at in 0..count {
        // SAFETY: as the caller guarantees.
        unsafe { *to.add(at) = octet as u8 };
    }
    to
}

/// # Safety
/// As for the C function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, count: usize) -> i32 {
    for at in 0..count {
        // SAFETY: as the caller guarantees.
        let (left, right) = unsafe { (*left.add(at), *right.add(at)) };
        if left != right {
            return i32::from(left) - i32::from(right);
        }
    }
    0
}

// Windows grows a stack page by page, so code for it touches every page of a large frame first. The firmware allocates
// its whole stack in advance (128 KiB: UEFI 2.10 2.3.2 and the sections after it), so these functions touch nothing.
// LLVM's other requirements differ: IA32's function allocates the frame, ARM32's converts words to octets.
#[cfg(target_arch = "x86")]
core::arch::global_asm!(
    ".globl ___rust_probestack",
    "___rust_probestack:",
    "push ecx",
    "lea ecx, [esp + 8]", // the stack before the call
    "sub ecx, eax",
    "mov eax, [esp + 4]", // whence
    "xchg esp, ecx",
    "mov ecx, [ecx]",
    "jmp eax",
);
#[cfg(target_arch = "x86_64")]
core::arch::global_asm!(".globl __rust_probestack", "__rust_probestack: ret");
#[cfg(target_arch = "arm")]
core::arch::global_asm!(".globl __chkstk", ".thumb_func", "__chkstk: lsl r4, r4, #2", "bx lr");
#[cfg(target_arch = "aarch64")]
core::arch::global_asm!(".globl __chkstk", "__chkstk: ret");

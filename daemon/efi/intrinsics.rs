//! What compiled code calls without being told to: the moving of memory, and the look at the stack. `build` makes it the
//! `compiler_builtins` of our programs; the compiler's own is in no package.

#![allow(internal_features)]
#![feature(compiler_builtins)]
#![compiler_builtins]
// A loop that copies is not to become a call of the function it stands in.
#![no_builtins]
#![no_std]

/// # Safety
/// As C's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    for at in 0..count {
        // SAFETY: the caller's.
        unsafe { *to.add(at) = *from.add(at) };
    }
    to
}

/// # Safety
/// As C's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    if to.addr() < from.addr() {
        // SAFETY: the caller's; from front to back, nothing is overwritten before it is read.
        return unsafe { memcpy(to, from, count) };
    }
    for at in (0..count).rev() {
        // SAFETY: the caller's.
        unsafe { *to.add(at) = *from.add(at) };
    }
    to
}

/// # Safety
/// As C's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memset(to: *mut u8, octet: i32, count: usize) -> *mut u8 {
    for at in 0..count {
        // SAFETY: the caller's.
        unsafe { *to.add(at) = octet as u8 };
    }
    to
}

/// # Safety
/// As C's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, count: usize) -> i32 {
    for at in 0..count {
        // SAFETY: the caller's.
        let (left, right) = unsafe { (*left.add(at), *right.add(at)) };
        if left != right {
            return i32::from(left) - i32::from(right);
        }
    }
    0
}

// Windows grows a stack page by page, and so has every page of a large frame touched first. The firmware's stack is there as
// a whole (128 KiB: UEFI 2.10 2.3.2 and those after it), so nothing is touched here. What else LLVM wants done differs: IA32's
// takes the frame, ARM32's turns its words into octets.
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

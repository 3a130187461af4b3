//! A thread of another process, which makes system calls for a test: so a test sees what the thread may do, and the
//! program under test needs no code for that. Only for x86-64.

use nix::errno::Errno;
use nix::libc::user_regs_struct;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// A thread that waits in a system call, and is stopped. Dropping this value lets it go on.
#[derive(Debug)]
pub struct TracedThread {
    thread: Pid,
    /// The registers with which it goes on.
    registers: user_regs_struct,
    is_alive: bool,
}

/// An argument of a system call.
#[derive(Clone, Copy, Debug)]
pub enum Argument<'a> {
    /// A number.
    Number(i64),
    /// A pointer to these octets, with a NUL after them.
    Octets(&'a [u8]),
}

/// Why a system call has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// The kernel refused it with this error.
    Refused(Errno),
    /// The kernel ended the process.
    Killed(Signal),
}

/// The instruction `syscall`.
const SYSCALL: [u8; 2] = [0x0f, 0x05];

/// Below the stack pointer, the first 128 octets belong to the function that runs.
const RED_ZONE: u64 = 128;

impl TracedThread {
    /// Stops a thread, with this ID, while it waits in a system call.
    pub fn stop(thread: u32) -> TracedThread {
        let thread = Pid::from_raw(thread as i32);
        let began = Instant::now();
        loop {
            ptrace::attach(thread).unwrap_or_else(|error| panic!("cannot trace the thread {thread}: {error}"));
            wait_for(thread).expect("the thread stops");
            let registers = ptrace::getregs(thread).unwrap();
            let before = ptrace::read(thread, (registers.rip - 2) as ptrace::AddressType).unwrap().to_ne_bytes();
            if before[..2] == SYSCALL {
                return TracedThread { thread, registers, is_alive: true };
            }
            ptrace::detach(thread, None).unwrap();
            assert!(began.elapsed() < crate::TIMEOUT, "the thread {thread} never waits");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Lets the thread make a system call, and returns its result.
    pub fn call(&mut self, number: i64, arguments: &[Argument<'_>]) -> Result<i64, Failed> {
        let mut free = self.registers.rsp - RED_ZONE;
        let mut values = [0_u64; 6];
        for (value, argument) in values.iter_mut().zip(arguments) {
            *value = match argument {
                Argument::Number(number) => *number as u64,
                Argument::Octets(octets) => {
                    let text = [octets, &[0; 8][..]].concat();
                    let words: Vec<[u8; 8]> = text.chunks_exact(8).map(|word| word.try_into().unwrap()).collect();
                    free = (free - 8 * words.len() as u64) & !15;
                    for (address, word) in (free..).step_by(8).zip(words) {
                        ptrace::write(self.thread, address as ptrace::AddressType, i64::from_ne_bytes(word)).unwrap();
                    }
                    free
                }
            };
        }
        let [rdi, rsi, rdx, r10, r8, r9] = values;
        // With -1, the kernel does not restart the call in which the thread waits.
        let (rip, rax, orig_rax) = (self.registers.rip - 2, number as u64, u64::MAX);
        let call = user_regs_struct { rip, rax, orig_rax, rsp: free, rdi, rsi, rdx, r10, r8, r9, ..self.registers };
        ptrace::setregs(self.thread, call).unwrap();
        ptrace::step(self.thread, None).unwrap();
        if let Err(signal) = wait_for(self.thread) {
            self.is_alive = false;
            return Err(Failed::Killed(signal));
        }
        let result = ptrace::getregs(self.thread).unwrap().rax as i64;
        ptrace::setregs(self.thread, self.registers).unwrap();
        if result < 0 { Err(Failed::Refused(Errno::from_raw(-result as i32))) } else { Ok(result) }
    }
}

impl Drop for TracedThread {
    fn drop(&mut self) {
        if self.is_alive {
            let _ = ptrace::detach(self.thread, None);
        }
    }
}

/// Waits until the thread has stopped. The error is the signal that ended it.
fn wait_for(thread: Pid) -> Result<(), Signal> {
    loop {
        match waitpid(thread, Some(WaitPidFlag::__WALL)) {
            Ok(WaitStatus::Stopped(..)) => return Ok(()),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Err(signal),
            Ok(WaitStatus::Exited(..)) => return Err(Signal::SIGKILL),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => panic!("cannot wait for the thread {thread}: {error}"),
        }
    }
}

/// The threads of a process, as ID and name.
pub fn threads_of(process: u32) -> Vec<(u32, String)> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let named = tasks.filter_map(|task| {
        let path = task.ok()?.path();
        let name = fs::read_to_string(path.join("comm")).ok()?;
        Some((path.file_name()?.to_str()?.parse().ok()?, name.trim().to_owned()))
    });
    named.collect()
}

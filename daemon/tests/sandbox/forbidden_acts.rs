//! No thread of the server may do what the server does not need. The test lets each thread make the system calls.

use super::common::server::{Server, one_network, request_loader};
use super::{sandbox_line, status};
use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::Signal;
use proxydhcpd_testbed::traced_thread::Argument::{Number, Octets};
use proxydhcpd_testbed::traced_thread::{Argument, Failed, TracedThread, threads_of};
use proxydhcpd_testbed::wait_for;
use std::collections::BTreeSet;
use std::process::Command;

/// Every thread that a server has: all services, and the history. Threads of tokio come and go.
const THREADS: [&str; 7] = ["boot-once", "dhcp", "history", "proxydhcpd", "story", "tftp", "web"];

/// The capabilities 10 (NET_BIND_SERVICE) and 13 (NET_RAW).
const KEPT: &str = "0000000000002400";

const HERE: Argument<'_> = Number(libc::AT_FDCWD as i64);

/// Acts that every thread must refuse: a name, the system call, its arguments, the error.
fn acts<'a>(forbidden: &'a str, victim: &'a str) -> Vec<(&'static str, i64, Vec<Argument<'a>>, Errno)> {
    let (read, write, create) = (libc::O_RDONLY, libc::O_WRONLY, libc::O_WRONLY | libc::O_CREAT);
    let open = |path: &'a [u8], flags: i32| vec![HERE, Octets(path), Number(flags.into()), Number(0o600)];
    let socket = |family: i32| vec![Number(family.into()), Number(libc::SOCK_RAW.into()), Number(0)];
    let kernel_log = vec![HERE, Octets(forbidden.as_bytes()), Number((libc::S_IFCHR | 0o600).into()), Number(0x10b)];
    vec![
        ("read the home of root", libc::SYS_openat, open(b"/root", read), Errno::EACCES),
        ("read the kernel log", libc::SYS_openat, open(b"/dev/kmsg", read), Errno::EACCES),
        ("write a file of the host", libc::SYS_openat, open(victim.as_bytes(), write), Errno::EACCES),
        ("create a file", libc::SYS_openat, open(forbidden.as_bytes(), create), Errno::EACCES),
        ("remove a file", libc::SYS_unlink, vec![Octets(victim.as_bytes())], Errno::EACCES),
        ("create a device", libc::SYS_mknodat, kernel_log, Errno::ENOSYS),
        ("create a link", libc::SYS_symlink, vec![Octets(b"/"), Octets(forbidden.as_bytes())], Errno::ENOSYS),
        ("set the user bit", libc::SYS_chmod, vec![Octets(victim.as_bytes()), Number(0o4644)], Errno::ENOSYS),
        ("start a process", libc::SYS_clone, vec![Number(libc::SIGCHLD.into()), Number(0)], Errno::ENOSYS),
        ("start a process by fork", libc::SYS_fork, vec![], Errno::ENOSYS),
        ("start one by clone3", libc::SYS_clone3, vec![Number(0), Number(0)], Errno::ENOSYS),
        ("send a signal", libc::SYS_kill, vec![Number(std::process::id().into()), Number(0)], Errno::ENOSYS),
        ("use the cryptography of the kernel", libc::SYS_socket, socket(libc::AF_ALG), Errno::ENOSYS),
        ("use io_uring", libc::SYS_io_uring_setup, vec![Number(1), Number(0)], Errno::ENOSYS),
        (
            "map memory to write and execute",
            libc::SYS_mmap,
            vec![
                Number(0),
                Number(4096),
                Number((libc::PROT_WRITE | libc::PROT_EXEC).into()),
                Number((libc::MAP_PRIVATE | libc::MAP_ANONYMOUS).into()),
                Number(-1),
                Number(0),
            ],
            Errno::ENOSYS,
        ),
        ("regain capabilities", libc::SYS_capset, vec![Number(0), Number(0)], Errno::ENOSYS),
    ]
}

/// The address 127.0.0.1:22 as the kernel reads it.
const ADDRESS: [u8; 16] = [2, 0, 0, 22, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];

#[test]
fn no_thread_of_the_server_can_do_what_the_server_does_not_need() {
    let (host, machine) = one_network();
    let server = Server::start_configured(&host, tempfile::tempdir().unwrap(), "");
    server.wait_for_line("ready");
    let forbidden = server.directory.path().join("forbidden").display().to_string();
    let victim = server.directory.path().join("proxydhcpd.toml").display().to_string();
    let threads = wait_for("every thread", || {
        let threads = threads_of(server.pid());
        let names: BTreeSet<&str> = threads.iter().map(|(_, name)| name.as_str()).collect();
        THREADS.iter().all(|name| names.contains(name)).then_some(threads)
    });
    let mut tried = 0;
    for (thread, name) in threads {
        // A thread of tokio may have ended.
        if name.starts_with("tokio") && !threads_of(server.pid()).iter().any(|(id, _)| *id == thread) {
            continue;
        }
        let status = status(server.pid(), thread);
        for (field, value) in [
            ("CapPrm", KEPT),
            ("CapEff", KEPT),
            ("CapBnd", KEPT),
            ("CapInh", "0000000000000000"),
            ("CapAmb", "0000000000000000"),
            ("NoNewPrivs", "1"),
            ("Seccomp", "2"),
            ("Seccomp_filters", "2"),
        ] {
            assert_eq!(status(field), value, "{field} of {name}");
        }
        let mut thread = TracedThread::stop(thread);
        for (act, number, arguments, error) in acts(&forbidden, &victim) {
            assert_eq!(thread.call(number, &arguments), Err(Failed::Refused(error)), "{name}: {act}");
        }
        let ip = [Number(libc::AF_INET.into()), Number(libc::SOCK_STREAM.into()), Number(0)];
        let socket = thread.call(libc::SYS_socket, &ip).unwrap();
        let connect = [Number(socket), Octets(&ADDRESS), Number(16)];
        assert_eq!(thread.call(libc::SYS_connect, &connect), Err(Failed::Refused(Errno::EACCES)), "{name}: connect");
        assert_eq!(thread.call(libc::SYS_bind, &connect), Err(Failed::Refused(Errno::EACCES)), "{name}: bind");
        assert_eq!(thread.call(libc::SYS_close, &[Number(socket)]), Ok(0));
        let boot = server.boot.path().display().to_string();
        let open = [HERE, Octets(boot.as_bytes()), Number(libc::O_RDONLY.into())];
        let opened = thread.call(libc::SYS_openat, &open).expect("the server reads its boot directory");
        assert_eq!(thread.call(libc::SYS_close, &[Number(opened)]), Ok(0));
        tried += 1;
    }
    assert!(tried >= THREADS.len(), "{tried} threads");
    assert_eq!(wait_for("a reply", || request_loader(&machine)), "ipxe.efi", "the threads go on");
}

/// A forbidden call ends the process at once, whichever thread makes it.
#[test]
fn a_thread_that_starts_a_program_or_reaches_for_the_kernel_ends_the_server() {
    let (host, _machine) = one_network();
    let program: &[Argument<'_>] = &[Octets(b"/bin/true"), Number(0), Number(0)];
    let calls: [(i64, &[Argument<'_>]); 3] = [
        (libc::SYS_execve, program),
        (libc::SYS_bpf, &[Number(0), Number(0), Number(0)]),
        (libc::SYS_setresuid, &[Number(0), Number(0), Number(0)]),
    ];
    for (name, (number, arguments)) in THREADS.into_iter().zip(calls.into_iter().cycle()) {
        let server = Server::start_configured(&host, tempfile::tempdir().unwrap(), "");
        server.wait_for_line("ready");
        let find = || threads_of(server.pid()).into_iter().find(|(_, other)| other == name);
        let (thread, _) = wait_for(name, find);
        let mut thread = TracedThread::stop(thread);
        assert_eq!(thread.call(number, arguments), Err(Failed::Killed(Signal::SIGSYS)), "{name}");
    }
}

#[test]
fn with_log_the_kernel_refuses_no_system_call_and_without_sandbox_the_server_keeps_all() {
    let (host, _machine) = one_network();
    // The server never asks for its priority.
    let priority = [Number(0), Number(0)];
    for (mode, line, filters, refused) in [
        ("on", "system calls", "2", true),
        ("log", "all system calls, of which the kernel logs those outside of the", "1", false),
        ("off", "sandbox off: the server keeps every privilege with which it started, as user root", "0", false),
    ] {
        let lines = format!("sandbox = {mode:?}\n");
        let server = Server::start_configured(&host, tempfile::tempdir().unwrap(), &lines);
        server.wait_for_line("ready");
        assert!(sandbox_line(&server).contains(line), "{}", server.log());
        let status = status(server.pid(), server.pid());
        assert_eq!(status("Seccomp_filters"), filters, "{mode}");
        assert_eq!(status("CapEff") == KEPT, mode != "off", "{mode}: {}", status("CapEff"));
        let mut thread = TracedThread::stop(server.pid());
        let result = thread.call(libc::SYS_getpriority, &priority);
        assert_eq!(result == Err(Failed::Refused(Errno::ENOSYS)), refused, "{mode}: {result:?}");
        assert_eq!(result.is_err(), refused, "{mode}: {result:?}");
        if mode == "log" {
            // A thread of the kernel writes the line.
            wait_for("a line of the kernel", || is_logged(server.pid(), libc::SYS_getpriority).then_some(()));
        }
        assert_eq!(is_logged(server.pid(), libc::SYS_getpriority), mode == "log", "{mode}");
    }
}

/// Whether the kernel has logged this system call of a process.
fn is_logged(process: u32, number: i64) -> bool {
    let output = Command::new("dmesg").output().expect("dmesg, which util-linux provides");
    let parts = [" type=1326 ".to_owned(), format!(" pid={process} "), format!(" syscall={number} ")];
    String::from_utf8_lossy(&output.stdout).lines().any(|line| parts.iter().all(|part| line.contains(part)))
}

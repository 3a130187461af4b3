//! The line about the sandbox at the start, and the user as whom the server runs.

use super::common::server::{PROGRAM, Server, one_network, request_loader, unprivileged_with};
use super::{sandbox_line, status};
use nix::unistd::{Uid, User, chown};
use proxydhcpd_testbed::wait_for;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

/// Debian's Python, which every user may start.
const PYTHON: &str = "/usr/bin/python3";

/// A program that denies system calls, by their numbers, as the filter of systemd does, and then becomes the server.
const WITHOUT_CALLS: &str = r#"
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
numbers = [int(number) for number in sys.argv[1].split(",")]
load = struct.pack("HBBI", 0x20, 0, 0, 0)
tests = b"".join(struct.pack("HBBI", 0x15, len(numbers) - at, 0, number) for at, number in enumerate(numbers))
ends = struct.pack("HBBI", 6, 0, 0, 0x7fff0000) + struct.pack("HBBI", 6, 0, 0, 0x00050001)
program = load + tests + ends
buffer = ctypes.create_string_buffer(program)
fprog = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, fprog):
    sys.exit("prctl: " + os.strerror(ctypes.get_errno()))
os.execv(sys.argv[2], sys.argv[2:])
"#;

/// The version of Landlock that this kernel has; 0 if it has none.
fn landlock_version() -> i32 {
    let script = "import ctypes; print(ctypes.CDLL(None).syscall(444, None, 0, 1))";
    let output = Command::new(PYTHON).args(["-c", script]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse::<i32>().unwrap().max(0)
}

#[test]
fn one_line_says_what_is_in_force() {
    let (host, _machine) = one_network();
    let server = Server::start_configured(&host, tempfile::tempdir().unwrap(), "");
    let line = sandbox_line(&server);
    let expected = "sandbox: user root, only NET_BIND_SERVICE and NET_RAW, no new privileges, ";
    assert!(line.contains(expected) && line.ends_with(" system calls"), "{line}");
    // A kernel without Landlock is a fact of the host, which the line states.
    match landlock_version() {
        0 => assert!(line.contains("; not Landlock: this kernel"), "{line}"),
        version => assert!(line.contains(&format!("Landlock (ABI {version}), ")), "{line}"),
    }
    assert_eq!(server.log().matches("sandbox").count(), 1, "{}", server.log());
}

/// The filter of the unit denies `capset`, which the server does not need there: it has no capability to give up.
#[test]
fn a_filter_of_the_service_manager_that_denies_capset_keeps_no_server_from_its_start() {
    let (host, machine) = one_network();
    let capset = nix::libc::SYS_capset.to_string();
    let start = |program: &[&str]| {
        let arguments = [program, &["-v", "-b", "BOOT"]].concat();
        Server::start_program(PYTHON, &host, &[&["-c", WITHOUT_CALLS, &capset], &arguments[..]].concat())
    };
    let server = start(&[PROGRAM]);
    let line = sandbox_line(&server);
    assert!(line.contains("; not fewer capabilities: the kernel refuses capset: Operation not permitted"), "{line}");
    assert_eq!(status(server.pid(), server.pid())("Seccomp_filters"), "3");
    assert_eq!(wait_for("a reply", || request_loader(&machine)), "ipxe.efi");
    drop(server);

    let unit = unprivileged_with("-all,+net_bind_service");
    let unit: Vec<&str> = unit.iter().map(String::as_str).collect();
    let (program, setpriv) = unit.split_last().unwrap();
    let script = [&[PYTHON, "-c", WITHOUT_CALLS, &capset, program], &["-v", "-b", "BOOT"][..]].concat();
    let server = Server::start_program("setpriv", &host, &[setpriv, &script].concat());
    let line = sandbox_line(&server);
    assert!(line.contains(", only NET_BIND_SERVICE, no new privileges, Landlock (ABI "), "{line}");
    assert!(!line.contains("; not "), "{line}");
    assert_eq!(wait_for("a reply", || request_loader(&machine)), "ipxe.efi");
}

#[test]
fn a_kernel_that_refuses_landlock_or_seccomp_is_named_and_the_server_starts() {
    let (host, machine) = one_network();
    for (calls, missing) in [
        (nix::libc::SYS_landlock_create_ruleset, "or the filter of a container or of a service manager denies it"),
        (nix::libc::SYS_seccomp, "; not the list of system calls: "),
    ] {
        let arguments = ["-c", WITHOUT_CALLS, &calls.to_string(), PROGRAM, "-v", "-b", "BOOT"];
        let server = Server::start_program(PYTHON, &host, &arguments);
        let line = sandbox_line(&server);
        assert!(line.contains(missing) && line.contains("NET_BIND_SERVICE"), "{line}");
        assert_eq!(wait_for("a reply", || request_loader(&machine)), "ipxe.efi");
    }
}

#[test]
fn with_user_the_server_opens_its_ports_as_root_and_runs_as_this_user() {
    let (host, machine) = one_network();
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let server = Server::start_configured(&host, directory, "user = \"daemon\"\n");
    server.wait_for_line("ready");
    let line = sandbox_line(&server);
    assert!(line.contains("sandbox: user daemon, only NET_BIND_SERVICE and NET_RAW, "), "{line}");
    let daemon = User::from_name("daemon").unwrap().unwrap();
    let status = status(server.pid(), server.pid());
    let (uid, gid) = (daemon.uid.to_string(), daemon.gid.to_string());
    assert_eq!(status("Uid"), [uid.as_str(); 4].join("\t"));
    assert_eq!(status("Gid"), [gid.as_str(); 4].join("\t"));
    assert_eq!(status("CapEff"), "0000000000002400");
    let state = server.directory.path().join("state");
    assert_eq!(fs::metadata(&state).unwrap().uid(), daemon.uid.as_raw(), "the server creates it for its user");
    wait_for("the history", || state.join("history.sqlite").exists().then_some(()));
    assert_eq!(wait_for("a reply", || request_loader(&machine)), "ipxe.efi");
}

#[test]
fn a_user_that_cannot_be_used_is_an_error_with_its_cure() {
    let (host, _machine) = one_network();
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("state")).unwrap();
    let mut server = Server::start_configured(&host, directory, "user = \"daemon\"\n");
    assert_eq!(server.exit_code(), Some(1));
    let state = server.directory.path().join("state").display().to_string();
    let cure = format!(
        "cannot run as the user daemon (`user`): it cannot write in the state directory: Permission denied (os error \
         13). Give it that: chown -R daemon {state}"
    );
    assert!(server.log().contains(&cure), "{}", server.log());

    let mut server = Server::start_configured(&host, tempfile::tempdir().unwrap(), "user = \"no-such-user\"\n");
    assert_eq!(server.exit_code(), Some(1));
    assert!(server.log().contains("this host has no such user. Create it: useradd --system no-such-user"));

    let unprivileged = unprivileged_with("-all,+net_bind_service");
    let arguments: Vec<&str> =
        unprivileged.iter().map(String::as_str).chain(["-b", "BOOT", "--user", "root"]).collect();
    let mut server = Server::start_program("setpriv", &host, &arguments);
    assert_eq!(server.exit_code(), Some(1));
    assert!(server.log().contains("Start the server as root"), "{}", server.log());
}

/// Root without its capabilities is bound by permissions, like any other user.
#[test]
fn a_path_that_ordinary_rights_cannot_read_is_named_at_the_start_with_its_cure() {
    let (host, _machine) = one_network();
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("joe");
    fs::create_dir_all(home.join("templates")).unwrap();
    fs::set_permissions(&home, Permissions::from_mode(0o700)).unwrap();
    chown(&home, Some(Uid::from_raw(65_534)), None).unwrap();
    let lines = format!("template-dir = {:?}\n", home.join("templates"));
    let server = Server::start_configured(&host, directory, &lines);
    sandbox_line(&server);
    let (path, home) = (home.join("templates").display().to_string(), home.display().to_string());
    server.wait_for_line(&format!(
        "WARN  the server cannot read {path} (`template-dir`): in its sandbox it runs as root without the capability \
         to ignore permissions, and {home} has the mode 0700. Let root read it (setfacl -m u:root:x {home}), move the \
         files to /srv, or set `sandbox = \"off\"`"
    ));
}

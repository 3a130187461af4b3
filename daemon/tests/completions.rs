//! Completed boot-onces: when a machine boots its profile again, and when it does not. Runs the server's binary in
//! network namespaces. Needs root.

mod common;

use common::boot_once::{CONFIG, TestSite, machine_url, rearm};
use common::server::{PROGRAM, Server};
use nix::sys::signal::Signal;
use proxydhcpd_testbed::wait_for;
use std::fs;
use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::os::unix::fs::symlink;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

/// A machine file that is missing for a moment must not cause machines to be installed again.
#[test]
fn a_start_or_a_reload_without_the_machines_keeps_their_completions() {
    let (site, server) = TestSite::start();
    complete(&site, &server, "web1");
    let text = fs::read_to_string(config(&server)).unwrap();
    fs::write(config(&server), text.replace(CONFIG, "")).unwrap();
    server.wait_for_line("no longer in the configuration: 3 machines (web1, web2, web3)");
    server.wait_for_line("INFO  reloaded");
    let warned = "WARN  completed boot-onces of 1 machine (web1), which have no entry: these machines boot from disk;";
    server.wait_for_line(warned);
    let server = server.kill_and_restart(&site.host);
    server.wait_for_line(warned);
    server.wait_for_line("ready");
    let checked = run(&server, &["check"]);
    let warnings = String::from_utf8_lossy(&checked.stderr);
    assert!(warnings.contains("completed boot-onces of 1 machine (web1) without an entry"), "{warnings}");
    fs::write(config(&server), text).unwrap();
    server.wait_for_line("INFO  reloaded");
    assert_eq!(site.boots_kernel(), [false, true, true]);
    assert!(server.directory.path().join("state/boot-once/web1").exists());
    assert!(!server.log().contains("boots its profile again"), "{}", server.log());
}

/// The machine file is empty, or the entry has another name. The completion contains the machine's identities, so the
/// server still recognizes the machine.
#[test]
fn a_machine_without_its_entry_boots_from_disk_while_its_completion_exists() {
    let toml = CONFIG.split_once("[machine.").map(|(_, machines)| format!("[machine.{machines}")).unwrap();
    let csv = "name,mac,profile,boot\nweb1,52:54:00:00:00:01,installer,once\n";
    for (name, whole, cut) in [("all.toml", &toml[..], 0), ("all.csv", csv, "name,mac,profile,boot\n".len())] {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("machines")).unwrap();
        fs::write(directory.path().join("machines").join(name), whole).unwrap();
        let config = "default-profile = \"installer\"\n[profile.installer]\nkernel = \"linux\"\n";
        let (site, server) = TestSite::with_config(directory, config);
        complete(&site, &server, "web1");
        let file = server.directory.path().join("machines").join(name);
        fs::write(&file, &whole[..cut]).unwrap();
        server.wait_for_line("INFO  reloaded");
        let warned = "WARN  completed boot-onces of 1 machine (web1), which have no entry: these machines boot from \
                      disk; `proxydhcpd rearm NAME` lets one boot like any machine without an entry";
        server.wait_for_line(warned);
        let script = |site: &TestSite, last| {
            let mac = format!("mac=52-54-00-00-00-{last}/uuid=/platform=pcbios/arch=i386/menu.ipxe");
            String::from_utf8(site.fetch(&format!("http://192.0.2.10:8080/machine/{mac}"), &[])).unwrap()
        };
        let boots_disk = |site: &TestSite| {
            let script = script(site, "01");
            script.contains("sanboot ") && script.contains("\necho proxydhcpd rearm web1\n")
        };
        assert!(boots_disk(&site), "{}", server.log());
        assert!(script(&site, "77").contains("kernel "), "another machine installs");
        let server = server.kill_and_restart(&site.host);
        server.wait_for_line("ready");
        server.wait_for_line(warned);
        assert!(boots_disk(&site), "{}", server.log());
        discover(&site);
        server.wait_for_line("web1: profile local-disk");
        let arguments = ["explain", "--client", "ipxe-bios", "--mac", "52:54:00:00:00:01", "--server", "192.0.2.10/24"];
        let explained = String::from_utf8(run(&server, &arguments).stdout).unwrap();
        assert!(explained.contains("machine: web1 by mac") && explained.contains("its entry is gone"), "{explained}");
        assert!(!explained.contains("kernel: linux"), "{explained}");

        // The operator renamed the entry.
        fs::write(&file, whole.replace("web1", "renamed").replace("once", "always")).unwrap();
        server.wait_for_line("web1 completed its boot-once and has no entry; its mac is now in the entry of renamed");
        wait_for("the renamed entry", || script(&site, "01").contains("kernel ").then_some(()));
        fs::write(&file, &whole[..cut]).unwrap();
        wait_for("the completion to count again", || boots_disk(&site).then_some(()));
        assert!(rearm(server.directory.path(), &["web1"]).status.success());
        wait_for("a machine without an entry", || script(&site, "01").contains("kernel ").then_some(()));
    }
}

/// The directory contains completions that this server did not write, and an empty one.
#[test]
fn the_log_warns_of_a_completion_without_identities() {
    let (site, server) = TestSite::start();
    let directory = server.directory.path().join("state/boot-once");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("old"), "").unwrap();
    for (name, text) in [
        ("hostile1", "\n\nidentities 1\nmac nonsense\n".to_owned()),
        ("hostile2", "\n\nidentities 2\n".to_owned()),
        ("hostile3", "x".repeat(1 << 20)),
    ] {
        fs::write(directory.join(name), text).unwrap();
    }
    let server = server.kill_and_restart(&site.host);
    server.wait_for_line(
        "4 machines (hostile1, hostile2, hostile3, old), which have no entry and no identities in their",
    );
    for name in ["hostile1", "hostile2", "hostile3"] {
        server.wait_for_line(&format!("cannot read the completion {}", directory.join(name).display()));
    }
    server.wait_for_line("ready");
    assert_eq!(site.boots_kernel(), [true; 3]);
}

/// Sends the DISCOVER of a UEFI machine with the MAC address of web1.
fn discover(site: &TestSite) {
    let mut packet = hex::decode(include_str!("../../core/tests/identity/p01.hex").trim()).unwrap();
    packet[28..34].copy_from_slice(&[0x52, 0x54, 0, 0, 0, 1]);
    let socket = site.machine.on(|| wait_for("port 68", || UdpSocket::bind("0.0.0.0:68").ok()));
    nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::BindToDevice, &"eth0".into()).unwrap();
    socket.set_broadcast(true).unwrap();
    socket.send_to(&packet, "255.255.255.255:67").unwrap();
}

/// A machine file may be truncated while an editor or a script writes it.
#[test]
fn a_truncated_machine_file_keeps_the_completions() {
    let (site, server) = with_machine_file();
    complete(&site, &server, "web3");
    let (file, whole) = (machines(&server), fs::read_to_string(machines(&server)).unwrap());
    let half: String = whole.lines().take(2).flat_map(|line| [line, "\n"]).collect();
    fs::write(&file, &half).unwrap();
    server.wait_for_line("no longer in the configuration: 2 machines (web2, web3)");
    server.wait_for_line("INFO  reloaded");
    assert!(server.directory.path().join("state/boot-once/web3").exists());
    fs::write(&file, &whole).unwrap();
    server.wait_for_line("3 machines in 1 file, read in");
    wait_for("the whole file", || (server.log().matches("INFO  reloaded").count() == 2).then_some(()));
    assert_eq!(site.boots_kernel(), [true, true, false]);
}

/// A truncated file may leave a valid entry without its `boot` key. The missing key is not another value of `boot`, so
/// the completion stays, and the machine boots from disk over every protocol.
#[test]
fn a_machine_whose_entry_lost_its_boot_line_keeps_its_completion_and_boots_from_disk() {
    let toml = CONFIG.split_once("[machine.").map(|(_, machines)| format!("[machine.{machines}")).unwrap();
    let csv = "name,mac,profile,boot\n\
               web1,52:54:00:00:00:01,installer,once\n\
               web2,52:54:00:00:00:02,installer,once\n\
               web3,52:54:00:00:00:03,installer,once\n";
    for (name, whole, cut) in
        [("all.toml", &toml[..], toml.rfind("boot = ").unwrap()), ("all.csv", csv, csv.rfind("once").unwrap())]
    {
        let (site, server) = with_file(name, whole);
        complete(&site, &server, "web3");
        let file = server.directory.path().join("machines").join(name);
        fs::write(&file, &whole[..cut]).unwrap();
        server.wait_for_line("INFO  reloaded");
        // The server checks the directory of completions every few seconds.
        thread::sleep(Duration::from_secs(5));
        assert!(server.directory.path().join("state/boot-once/web3").exists(), "{}", server.log());
        assert_eq!(site.boots_kernel(), [true, true, false], "{name}");
        for url in ["http://192.0.2.10:8080/", "tftp://192.0.2.10/"] {
            let url = format!("{url}machine/mac=52-54-00-00-00-03/uuid=/platform=pcbios/arch=i386/menu.ipxe");
            let script = String::from_utf8(site.fetch(&url, &[])).unwrap();
            assert!(script.contains("sanboot ") && script.contains("\necho proxydhcpd rearm web3\n"), "{script}");
        }
        let output = |arguments: &[&str]| {
            let Output { stdout, stderr, .. } = run(&server, arguments);
            String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap()
        };
        let machine = ["--machine", "web3", "--server", "192.0.2.10/24"];
        let explained = output(&[&["explain", "--client", "ipxe-bios"][..], &machine].concat());
        for line in [
            "not set, and its boot-once is completed: boots from disk (`proxydhcpd rearm web3` or `boot = ",
            "its boot-once is completed, and it has no entry with `boot`: it boots its disk",
        ] {
            assert!(explained.contains(line), "{explained}");
        }
        assert!(!explained.contains("kernel: linux"), "{explained}");
        assert!(output(&[&["render"][..], &machine].concat()).contains("sanboot "), "{name}");
        let checked = output(&["check"]);
        let line = "completed boot-onces of 1 machine (web3) with entries that do not set `boot`: they boot from disk";
        assert!(checked.contains(line) && checked.contains("`proxydhcpd rearm NAME`, or"), "{checked}");
        let line = "WARN  completed boot-onces of 1 machine (web3), whose entries have no `boot`: these machines boot";
        assert_eq!(server.log().matches(line).count(), 1, "{}", server.log());
        fs::write(&file, whole).unwrap();
        wait_for("the whole file", || (server.log().matches("INFO  reloaded").count() == 2).then_some(()));
        assert!(!site.boots_kernel()[2], "{}", server.log());
        assert!(!server.log().contains("no longer counts"), "{}", server.log());
    }
}

#[test]
fn a_machine_file_is_read_when_its_writing_has_ended_even_after_a_signal() {
    let (_site, server) = with_machine_file();
    let (file, whole) = (machines(&server), fs::read_to_string(machines(&server)).unwrap());
    let mut written = fs::File::create(&file).unwrap();
    server.signal(Signal::SIGHUP);
    for line in whole.lines().chain(["web4,52:54:00:00:00:04,installer,once"]) {
        writeln!(written, "{line}").unwrap();
        thread::sleep(Duration::from_millis(900));
    }
    server.wait_for_line("4 machines in 1 file");
    server.wait_for_line("INFO  reloaded");
    assert!(!server.log().contains("no longer in the configuration"), "{}", server.log());
}

/// The directory may become readable again, for example when a file system is mounted.
#[test]
fn an_unreadable_directory_of_completions_is_an_error_and_resets_no_machine() {
    let (site, server) = TestSite::start();
    complete(&site, &server, "web1");
    let (directory, aside) = (server.directory.path().join("state/boot-once"), server.directory.path().join("aside"));
    let break_directory = || {
        fs::rename(&directory, &aside).unwrap();
        symlink("boot-once", &directory).unwrap();
    };
    let restore_directory = || {
        fs::remove_file(&directory).unwrap();
        fs::rename(&aside, &directory).unwrap();
    };
    break_directory();
    server.wait_for_line(
        "boot-once: Too many levels of symbolic links (os error 40); completed boot-onces count as last",
    );
    assert_eq!(site.boots_kernel(), [false, true, true]);
    let failed = rearm(server.directory.path(), &["web1"]);
    assert!(!failed.status.success() && String::from_utf8_lossy(&failed.stderr).contains("boot-onces: Too many"));

    let server = server.kill_and_restart(&site.host);
    server.wait_for_line("until it is readable, boot-once machines boot their disks");
    server.wait_for_line("ready");
    assert_eq!(site.boots_kernel(), [false; 3], "the completions are unknown");
    restore_directory();
    server.wait_for_line("boot-once is readable again");
    assert_eq!(site.boots_kernel(), [false, true, true]);
    assert!(!server.log().contains("boots its profile again"), "{}", server.log());
    assert_eq!(server.log().matches("boot-once: Too many levels").count(), 1, "{}", server.log());
    fs::remove_file(directory.join("web1")).unwrap();
    server.wait_for_line("web1 boots its profile again: its completion was removed");
    assert_eq!(site.boots_kernel(), [true; 3]);
}

/// The directory of completions may be a link to a volume that is not mounted yet.
#[test]
fn with_a_dangling_link_the_completions_are_unknown_and_new_ones_are_written_later() {
    let (site, server) = TestSite::start();
    complete(&site, &server, "web1");
    let (directory, volume) = (server.directory.path().join("state/boot-once"), server.directory.path().join("volume"));
    let aside = server.directory.path().join("aside");
    server.signal(Signal::SIGSTOP);
    fs::rename(&directory, &aside).unwrap();
    symlink(&volume, &directory).unwrap();
    let server = server.kill_and_restart(&site.host);
    server.wait_for_line("until it is readable, boot-once machines boot their disks");
    server.wait_for_line("ready");
    assert_eq!(site.boots_kernel(), [false; 3]);
    // An installer finishes while the directory is not readable.
    site.fetch(&site.done_url("web2"), &[]);
    server.wait_for_line("the completed boot-once of web2 is forgotten at a restart");
    fs::rename(&aside, &volume).unwrap();
    server.wait_for_line("boot-once is writable: wrote 1 delayed completion");
    assert!(volume.join("web2").exists());
    wait_for("the completions", || (site.boots_kernel() == [false, false, true]).then_some(()));
}

#[test]
fn a_file_instead_of_the_state_directory_is_an_error_and_resets_no_machine() {
    let (site, server) = TestSite::start();
    complete(&site, &server, "web1");
    let (state, aside) = (server.directory.path().join("state"), server.directory.path().join("aside"));
    let break_directory = || {
        fs::rename(&state, &aside).unwrap();
        fs::write(&state, "in the way").unwrap();
    };
    let restore_directory = || {
        fs::remove_file(&state).unwrap();
        fs::rename(&aside, &state).unwrap();
    };
    break_directory();
    server.wait_for_line("ERROR");
    server.wait_for_line("boot-once: Not a directory (os error 20); completed boot-onces count as last read");
    assert_eq!(site.boots_kernel(), [false, true, true]);
    let failed = rearm(server.directory.path(), &["web1"]);
    assert!(!failed.status.success() && String::from_utf8_lossy(&failed.stderr).contains("boot-onces: Not a dir"));

    let server = server.kill_and_restart(&site.host);
    server
        .wait_for_line("boot-once: Not a directory (os error 20); until it is readable, boot-once machines boot their");
    server.wait_for_line("after a restart, boot-once machines boot their disks until the directory can be read");
    server.wait_for_line("ready");
    assert!(!server.log().contains("are forgotten at a restart"), "{}", server.log());
    assert_eq!(site.boots_kernel(), [false; 3]);
    restore_directory();
    server.wait_for_line("boot-once is readable again");
    assert_eq!(site.boots_kernel(), [false, true, true]);
}

#[test]
fn a_directory_of_completions_that_vanishes_is_created_again_with_its_files() {
    let (site, server) = TestSite::start();
    complete(&site, &server, "web1");
    let directory = server.directory.path().join("state/boot-once");
    fs::remove_dir_all(&directory).unwrap();
    server.wait_for_line("the directory vanished, and the completions of 1 machine (web1) are gone; they still count");
    wait_for("the completion", || directory.join("web1").exists().then_some(()));
    assert_eq!(site.boots_kernel(), [false, true, true]);

    // If the server does not run when the directory vanishes, it cannot distinguish a lost directory from one that the
    // administrator removed.
    server.signal(Signal::SIGSTOP);
    fs::rename(&directory, server.directory.path().join("aside")).unwrap();
    let server = server.kill_and_restart(&site.host);
    server.wait_for_line("boot-once is missing, and the completions of 1 machine (web1) with it");
}

/// The server reserves file descriptors to read the directory of completions.
#[test]
fn clients_that_use_all_available_descriptors_reset_no_machine() {
    thread::scope(|scope| {
        // With the lower limit, the server's own sockets use more than half of the descriptors.
        for limit in [128, 256] {
            scope.spawn(move || use_all_descriptors(limit));
        }
    });
}

fn use_all_descriptors(limit: usize) {
    let (site, server) = TestSite::start();
    for machine in ["web1", "web2"] {
        complete(&site, &server, machine);
    }
    let nofile = format!("--nofile={limit}");
    let server = server.kill_and_restart_by(&["prlimit", &nofile, PROGRAM], &site.host);
    server.wait_for_line("ready");
    for last in 1..=8 {
        site.machine.run(&format!("ip address add 192.0.2.{}/24 dev eth0", 200 + last));
    }
    let open = || fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count();
    let (mut requests, mut pages) = (Vec::new(), Vec::new());
    for number in 0..128 {
        let from = format!("192.0.2.{}:0", 201 + number % 8);
        let socket = site.machine.on(|| UdpSocket::bind(from).unwrap());
        socket.send_to(b"\0\x01linux\0octet\0", "192.0.2.10:69").unwrap();
        requests.push(socket);
    }
    for _ in 0..80 {
        let mut page = site.machine.on(|| TcpStream::connect("192.0.2.10:8080").unwrap());
        let _ = page.write_all(b"GET /linux HTTP/1.1\r\nHost: x\r\n\r\n");
        pages.push(page);
    }
    let until = Instant::now() + Duration::from_secs(12);
    while Instant::now() < until {
        // Writes a file into the directory, because a new completion changes the directory, too.
        fs::write(server.directory.path().join("state/boot-once/.touched"), "").unwrap();
        assert!(open() <= limit - 32, "{} of {limit} descriptors", open());
        thread::sleep(Duration::from_millis(500));
    }
    assert!(open() > limit / 2, "{} of {limit} descriptors: the test proves nothing", open());
    drop((requests, pages));
    assert!(!server.log().contains("boots its profile again") && !server.log().contains("ERROR"), "{}", server.log());
    wait_for("a free descriptor", || (site.boots_kernel() == [false, false, true]).then_some(()));
}

/// Any host can guess the name of a machine, so the name alone does not complete a boot-once.
#[test]
fn a_machine_is_done_only_by_its_token_or_from_its_address() {
    let (site, server) = TestSite::start();
    // A page in a browser could send these requests.
    let status = ["--write-out", "%{http_code}", "--output", "/dev/null"];
    assert_eq!(site.fetch(&machine_url("web1", "done"), &status), b"403");
    assert_eq!(site.fetch(&machine_url("web1", "token=00112233445566778899aabbccddeeff/done"), &status), b"403");
    assert_eq!(site.fetch(&site.done_url("web2").replace("web2", "web1"), &status), b"403");
    server
        .wait_for_line("192.0.2.107 requested the done URL of web1 without a token, and does not have the address of");
    assert_eq!(site.boots_kernel(), [true; 3]);

    site.request_address(1);
    assert_eq!(site.fetch(&machine_url("web2", "done"), &status), b"403");
    assert_eq!(site.fetch(&machine_url("web1", "done"), &[]), b"noted\n");
    server.wait_for_line("web1 completed its boot-once");
    assert_eq!(site.boots_kernel(), [false, true, true]);
}

#[test]
fn a_token_outlasts_a_reload_and_a_restart_and_expires_when_the_machine_is_reset() {
    let (site, server) = TestSite::start();
    let first = site.done_url("web1");
    server.edit_config("", "# changed\n");
    server.wait_for_line("INFO  reloaded");
    assert_eq!(site.done_url("web1"), first);
    complete(&site, &server, "web1");
    assert_eq!(site.done_url("web1"), first, "an installer fetches its answers after its kernel");
    let server = server.kill_and_restart(&site.host);
    server.wait_for_line("ready");
    assert_eq!(site.done_url("web1"), first);
    let rendered = run(&server, &["render", "done-url", "--machine", "web1", "--server", "192.0.2.10/24"]);
    assert_eq!(String::from_utf8_lossy(&rendered.stdout), first);

    assert!(rearm(server.directory.path(), &["web1"]).status.success());
    server.wait_for_line("web1 boots its profile again: its completion was removed");
    let second = site.done_url("web1");
    assert_ne!(first, second);
    let server = server.kill_and_restart(&site.host);
    server.wait_for_line("ready");
    assert_eq!(site.done_url("web1"), second);
    let status = ["--write-out", "%{http_code}", "--output", "/dev/null"];
    assert_eq!(site.fetch(&first, &status), b"403", "the token of the previous installation");
    assert_eq!(site.boots_kernel(), [true; 3]);
    assert_eq!(site.fetch(&second, &[]), b"noted\n");
    server.wait_for_line("web1 completed its boot-once (/machine/name=web1/token=.../done)");
    let completion = server.directory.path().join("state/boot-once/web1");
    wait_for("the completion", || completion.exists().then_some(()));
    assert!(fs::read_to_string(completion).unwrap().contains("\n/machine/name=web1/token=.../done\n"));
}

#[test]
fn an_entry_with_another_value_of_boot_resets_its_machine_and_the_log_names_it() {
    let (site, server) = TestSite::start();
    complete(&site, &server, "web1");
    let text = fs::read_to_string(config(&server)).unwrap();
    fs::write(config(&server), text.replacen("boot = \"once\"", "boot = \"always\"", 1)).unwrap();
    server.wait_for_line("the completed boot-once of web1 no longer counts: its entry has another `boot`");
    assert!(!server.directory.path().join("state/boot-once/web1").exists());
    assert_eq!(site.boots_kernel(), [true; 3]);
}

#[test]
fn explain_and_render_read_the_completions_and_warn_if_they_cannot() {
    let (site, server) = TestSite::start();
    let explain = ["explain", "--client", "ipxe-bios", "--machine", "web1", "--server", "192.0.2.10/24"];
    let render = ["render", "--machine", "web1", "--server", "192.0.2.10/24"];
    let output = |arguments: &[&str]| String::from_utf8(run(&server, arguments).stdout).unwrap();
    assert!(output(&explain).contains("once, not completed"), "{}", output(&explain));
    complete(&site, &server, "web1");
    let explained = output(&explain);
    assert!(explained.contains("once, completed: boots from disk (`proxydhcpd rearm web1` resets it)"), "{explained}");
    assert!(!explained.contains("kernel: linux"), "{explained}");
    assert!(output(&render).contains("sanboot "), "{}", output(&render));
    // The edit removes the other entries, and the `boot` key of this entry, so no entry has `boot = "once"` now.
    let whole = fs::read_to_string(config(&server)).unwrap();
    fs::write(config(&server), whole.split_once("boot = \"once\"").unwrap().0).unwrap();
    assert!(
        output(&explain).contains("not set, and its boot-once is completed: boots from disk"),
        "{}",
        output(&explain)
    );
    assert!(output(&render).contains("sanboot "), "{}", output(&render));
    fs::write(config(&server), whole).unwrap();

    let directory = server.directory.path().join("state/boot-once");
    fs::rename(&directory, server.directory.path().join("aside")).unwrap();
    symlink("boot-once", &directory).unwrap();
    for arguments in [&explain[..], &render] {
        let warnings = String::from_utf8(run(&server, arguments).stderr).unwrap();
        assert!(warnings.contains("warning: cannot read this (Too many levels"), "{warnings}");
    }
    let explained = output(&explain);
    assert!(explained.contains("once, but its record cannot be read: boots from disk until it can"), "{explained}");
    assert!(!explained.contains("kernel: linux") && explained.contains("profile: local-disk"), "{explained}");
    assert!(output(&render).contains("sanboot "), "as the server would: {}", output(&render));
    let failed = rearm(server.directory.path(), &["web1"]);
    let errors = String::from_utf8_lossy(&failed.stderr);
    assert!(errors.contains("error: ") && !errors.contains("CRITICAL"), "{errors}");
}

#[test]
fn rearm_removes_a_completion_that_is_an_empty_directory_and_names_the_remedy_for_others() {
    let (_site, server) = TestSite::start();
    let completion = server.directory.path().join("state/boot-once/web1");
    fs::create_dir_all(completion.join("deeper")).unwrap();
    let failed = rearm(server.directory.path(), &["web1"]);
    let errors = String::from_utf8_lossy(&failed.stderr);
    assert!(errors.contains(&format!("`rm -r {}`", completion.display())), "{errors}");
    fs::remove_dir(completion.join("deeper")).unwrap();
    assert!(rearm(server.directory.path(), &["web1"]).status.success());
    assert!(!completion.exists());
}

/// Starts a site whose machines are those of [`CONFIG`], in a CSV file.
fn with_machine_file() -> (TestSite, Server) {
    let line = |number| format!("web{number},52:54:00:00:00:0{number},installer,once\n");
    let lines: String = (1..=3).map(line).collect();
    with_file("all.csv", &format!("name,mac,profile,boot\n{lines}"))
}

fn with_file(name: &str, machines: &str) -> (TestSite, Server) {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("machines")).unwrap();
    fs::write(directory.path().join("machines").join(name), machines).unwrap();
    TestSite::with_config(directory, "[profile.installer]\nkernel = \"linux\"\n")
}

fn machines(server: &Server) -> std::path::PathBuf {
    server.directory.path().join("machines/all.csv")
}

fn config(server: &Server) -> std::path::PathBuf {
    server.directory.path().join("proxydhcpd.toml")
}

/// Completes the boot-once of a machine by fetching its kernel. Returns when the completion is on the disk.
fn complete(site: &TestSite, server: &Server, machine: &str) {
    site.fetch(&machine_url(machine, "linux"), &[]);
    let completion = server.directory.path().join("state/boot-once").join(machine);
    wait_for("the completion", || completion.exists().then_some(()));
}

fn run(server: &Server, arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).arg("-c").arg(config(server)).output().unwrap()
}

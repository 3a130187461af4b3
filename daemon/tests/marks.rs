//! Marks of used-up boots: what lets a machine boot again, and what does not. Through the real binary, in network
//! namespaces. Needs root.

mod netns;

use netns::boot_once::{CONFIG, TestSite, machine_url, rearm};
use netns::server::{PROGRAM, Server};
use netns::wait_for;
use nix::sys::signal::Signal;
use std::fs;
use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::os::unix::fs::symlink;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

/// A1 a.
#[test]
fn a_start_or_a_reload_without_the_machines_forgets_no_mark() {
    let (site, server) = TestSite::start();
    use_up(&site, &server, "web1");
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
    let told = String::from_utf8_lossy(&checked.stderr);
    assert!(told.contains("completed boot-onces of 1 machine (web1) without an entry"), "{told}");
    fs::write(config(&server), text).unwrap();
    server.wait_for_line("INFO  reloaded");
    assert_eq!(site.boots_kernel(), [false, true, true]);
    assert!(server.directory.path().join("state/used-up/web1").exists());
    assert!(!server.log().contains("may boot again"), "{}", server.log());
}

/// The whole list is gone, or the entry has another name: the mark knows which machine it is of.
#[test]
fn a_machine_whose_entry_is_gone_boots_its_disk_while_its_mark_is_there() {
    let toml = CONFIG.split_once("[machine.").map(|(_, machines)| format!("[machine.{machines}")).unwrap();
    let csv = "name,mac,profile,boot\nweb1,52:54:00:00:00:01,installer,once\n";
    for (name, whole, cut) in [("all.toml", &toml[..], 0), ("all.csv", csv, "name,mac,profile,boot\n".len())] {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("machines")).unwrap();
        fs::write(directory.path().join("machines").join(name), whole).unwrap();
        let config = "default-profile = \"installer\"\n[profile.installer]\nkernel = \"linux\"\n";
        let (site, server) = TestSite::with_config(directory, config);
        use_up(&site, &server, "web1");
        let file = server.directory.path().join("machines").join(name);
        fs::write(&file, &whole[..cut]).unwrap();
        server.wait_for_line("INFO  reloaded");
        let warned = "WARN  completed boot-onces of 1 machine (web1), which have no entry: these machines boot from disk; \
                      `proxydhcpd rearm NAME` lets one boot like any machine without an entry";
        server.wait_for_line(warned);
        let script = |site: &TestSite, last| {
            let mac = format!("mac=52-54-00-00-00-{last}/uuid=/platform=pcbios/arch=i386/menu.ipxe");
            String::from_utf8(site.fetch(&format!("http://192.0.2.10:8080/machine/{mac}"), &[])).unwrap()
        };
        let is_held = |site: &TestSite| {
            let script = script(site, "01");
            script.contains("sanboot ") && script.contains("\necho proxydhcpd rearm web1\n")
        };
        assert!(is_held(&site), "{}", server.log());
        assert!(script(&site, "77").contains("kernel "), "another machine installs");
        let server = server.kill_and_restart(&site.host);
        server.wait_for_line("ready");
        server.wait_for_line(warned);
        assert!(is_held(&site), "{}", server.log());
        discover(&site);
        server.wait_for_line("web1: profile local-disk");
        let words = ["explain", "--client", "ipxe-bios", "--mac", "52:54:00:00:00:01", "--server", "192.0.2.10/24"];
        let explained = String::from_utf8(run(&server, &words).stdout).unwrap();
        assert!(explained.contains("machine: web1 by mac") && explained.contains("its entry is gone"), "{explained}");
        assert!(!explained.contains("kernel: linux"), "{explained}");

        // Its entry has another name now: that is the operator's word.
        fs::write(&file, whole.replace("web1", "renamed").replace("once", "always")).unwrap();
        server.wait_for_line("web1 completed its boot-once and has no entry; its mac is now in the entry of renamed");
        wait_for("the renamed entry", || script(&site, "01").contains("kernel ").then_some(()));
        fs::write(&file, &whole[..cut]).unwrap();
        wait_for("the mark to hold again", || is_held(&site).then_some(()));
        assert!(rearm(server.directory.path(), &["web1"]).status.success());
        wait_for("a machine without an entry", || script(&site, "01").contains("kernel ").then_some(()));
    }
}

/// Of what somebody else writes there, and of marks that were made before marks said so.
#[test]
fn a_mark_that_does_not_say_which_machine_it_is_of_is_told() {
    let (site, server) = TestSite::start();
    let directory = server.directory.path().join("state/used-up");
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

/// A DISCOVER of a UEFI machine with the address of web1.
fn discover(site: &TestSite) {
    let mut packet = hex::decode(include_str!("../../core/tests/identity/p01.hex").trim()).unwrap();
    packet[28..34].copy_from_slice(&[0x52, 0x54, 0, 0, 0, 1]);
    let socket = site.machine.on(|| wait_for("port 68", || UdpSocket::bind("0.0.0.0:68").ok()));
    nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::BindToDevice, &"eth0".into()).unwrap();
    socket.set_broadcast(true).unwrap();
    socket.send_to(&packet, "255.255.255.255:67").unwrap();
}

/// A1 b.
#[test]
fn a_machine_file_that_is_half_there_forgets_no_mark() {
    let (site, server) = in_a_file();
    use_up(&site, &server, "web3");
    let (file, whole) = (machines(&server), fs::read_to_string(machines(&server)).unwrap());
    let half: String = whole.lines().take(2).flat_map(|line| [line, "\n"]).collect();
    fs::write(&file, &half).unwrap();
    server.wait_for_line("no longer in the configuration: 2 machines (web2, web3)");
    server.wait_for_line("INFO  reloaded");
    assert!(server.directory.path().join("state/used-up/web3").exists());
    fs::write(&file, &whole).unwrap();
    server.wait_for_line("3 machines in 1 file, read in");
    wait_for("the whole file", || (server.log().matches("INFO  reloaded").count() == 2).then_some(()));
    assert_eq!(site.boots_kernel(), [true, true, false]);
}

/// A cut that leaves a sound entry, without its `boot`: that is not an entry that says something else. The mark stays,
/// and the machine boots its disk by every door.
#[test]
fn a_machine_whose_entry_has_lost_its_boot_line_keeps_its_mark_and_boots_its_disk() {
    let toml = CONFIG.split_once("[machine.").map(|(_, machines)| format!("[machine.{machines}")).unwrap();
    let csv = "name,mac,profile,boot\n\
               web1,52:54:00:00:00:01,installer,once\n\
               web2,52:54:00:00:00:02,installer,once\n\
               web3,52:54:00:00:00:03,installer,once\n";
    for (name, whole, cut) in
        [("all.toml", &toml[..], toml.rfind("boot = ").unwrap()), ("all.csv", csv, csv.rfind("once").unwrap())]
    {
        let (site, server) = in_file(name, whole);
        use_up(&site, &server, "web3");
        let file = server.directory.path().join("machines").join(name);
        fs::write(&file, &whole[..cut]).unwrap();
        server.wait_for_line("INFO  reloaded");
        // The directory of marks is looked at every few seconds.
        thread::sleep(Duration::from_secs(5));
        assert!(server.directory.path().join("state/used-up/web3").exists(), "{}", server.log());
        assert_eq!(site.boots_kernel(), [true, true, false], "{name}");
        for url in ["http://192.0.2.10:8080/", "tftp://192.0.2.10/"] {
            let url = format!("{url}machine/mac=52-54-00-00-00-03/uuid=/platform=pcbios/arch=i386/menu.ipxe");
            let script = String::from_utf8(site.fetch(&url, &[])).unwrap();
            assert!(script.contains("sanboot ") && script.contains("\necho proxydhcpd rearm web3\n"), "{script}");
        }
        let told = |arguments: &[&str]| {
            let Output { stdout, stderr, .. } = run(&server, arguments);
            String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap()
        };
        let here = ["--machine", "web3", "--server", "192.0.2.10/24"];
        let explained = told(&[&["explain", "--client", "ipxe-bios"][..], &here].concat());
        for line in [
            "not set, and its boot-once is completed: boots from disk (`proxydhcpd rearm web3` or `boot = ",
            "its boot-once is completed, and it has no entry with `boot`: it boots its disk",
        ] {
            assert!(explained.contains(line), "{explained}");
        }
        assert!(!explained.contains("kernel: linux"), "{explained}");
        assert!(told(&[&["render"][..], &here].concat()).contains("sanboot "), "{name}");
        let checked = told(&["check"]);
        let line = "completed boot-onces of 1 machine (web3) with entries that do not set `boot`: they boot from disk";
        assert!(checked.contains(line) && checked.contains("`proxydhcpd rearm NAME`, or"), "{checked}");
        let line = "WARN  boots are used up, and the entries do not say `boot`, of 1 machine (web3): until they do";
        assert_eq!(server.log().matches(line).count(), 1, "{}", server.log());
        fs::write(&file, whole).unwrap();
        wait_for("the whole file", || (server.log().matches("INFO  reloaded").count() == 2).then_some(()));
        assert!(!site.boots_kernel()[2], "{}", server.log());
        assert!(!server.log().contains("no used-up boot any more"), "{}", server.log());
    }
}

#[test]
fn a_machine_file_that_is_being_written_is_taken_over_when_it_stands_still_even_if_a_signal_comes_before() {
    let (_site, server) = in_a_file();
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

/// A1 c.
#[test]
fn a_directory_of_marks_that_cannot_be_read_is_told_and_lets_nobody_boot_again() {
    let (site, server) = TestSite::start();
    use_up(&site, &server, "web1");
    let (directory, aside) = (server.directory.path().join("state/used-up"), server.directory.path().join("aside"));
    let break_it = || {
        fs::rename(&directory, &aside).unwrap();
        symlink("used-up", &directory).unwrap();
    };
    let mend_it = || {
        fs::remove_file(&directory).unwrap();
        fs::rename(&aside, &directory).unwrap();
    };
    break_it();
    server.wait_for_line("used-up cannot be read (Too many levels of symbolic links (os error 40)): what was known");
    assert_eq!(site.boots_kernel(), [false, true, true]);
    let wrong = rearm(server.directory.path(), &["web1"]);
    assert!(!wrong.status.success() && String::from_utf8_lossy(&wrong.stderr).contains("cannot be read: Too many"));

    let server = server.kill_and_restart(&site.host);
    server.wait_for_line("until it can be read, machines that boot once boot their disks");
    server.wait_for_line("ready");
    assert_eq!(site.boots_kernel(), [false; 3], "nobody knows which of them have");
    mend_it();
    server.wait_for_line("used-up can be read again");
    assert_eq!(site.boots_kernel(), [false, true, true]);
    assert!(!server.log().contains("may boot again"), "{}", server.log());
    assert_eq!(server.log().matches("used-up cannot be read").count(), 1, "{}", server.log());
    fs::remove_file(directory.join("web1")).unwrap();
    server.wait_for_line("web1 may boot again: its mark was removed");
    assert_eq!(site.boots_kernel(), [true; 3]);
}

/// A volume that is not mounted (yet): the link to it leads to nothing.
#[test]
fn a_directory_of_marks_behind_a_link_to_nothing_is_unknown_and_a_mark_is_written_when_it_is_there() {
    let (site, server) = TestSite::start();
    use_up(&site, &server, "web1");
    let (directory, volume) = (server.directory.path().join("state/used-up"), server.directory.path().join("volume"));
    let aside = server.directory.path().join("aside");
    server.signal(Signal::SIGSTOP);
    fs::rename(&directory, &aside).unwrap();
    symlink(&volume, &directory).unwrap();
    let server = server.kill_and_restart(&site.host);
    server.wait_for_line("until it can be read, machines that boot once boot their disks");
    server.wait_for_line("ready");
    assert_eq!(site.boots_kernel(), [false; 3]);
    // An installer that runs meanwhile.
    site.fetch(&site.done_url("web2"), &[]);
    server.wait_for_line("web2 has used up its boot, which is forgotten at a restart");
    fs::rename(&aside, &volume).unwrap();
    server.wait_for_line("used-up can be written: marks that it lacked are in it now, 1 of them");
    assert!(volume.join("web2").exists());
    wait_for("the marks", || (site.boots_kernel() == [false, false, true]).then_some(()));
}

#[test]
fn a_file_in_the_place_of_the_directory_of_state_is_an_error_and_lets_nobody_boot_again() {
    let (site, server) = TestSite::start();
    use_up(&site, &server, "web1");
    let (state, aside) = (server.directory.path().join("state"), server.directory.path().join("aside"));
    let break_it = || {
        fs::rename(&state, &aside).unwrap();
        fs::write(&state, "in the way").unwrap();
    };
    let mend_it = || {
        fs::remove_file(&state).unwrap();
        fs::rename(&aside, &state).unwrap();
    };
    break_it();
    server.wait_for_line("ERROR");
    server.wait_for_line("used-up cannot be read (Not a directory (os error 20)): what was known of the machines");
    assert_eq!(site.boots_kernel(), [false, true, true]);
    let wrong = rearm(server.directory.path(), &["web1"]);
    assert!(!wrong.status.success() && String::from_utf8_lossy(&wrong.stderr).contains("cannot be read: Not a dir"));

    let server = server.kill_and_restart(&site.host);
    server.wait_for_line("used-up cannot be read (Not a directory (os error 20)): until it can be read, machines that");
    server.wait_for_line("machines that boot once boot their disks after a restart, until the directory can be read");
    server.wait_for_line("ready");
    assert!(!server.log().contains("boot again after a restart"), "{}", server.log());
    assert_eq!(site.boots_kernel(), [false; 3]);
    mend_it();
    server.wait_for_line("used-up can be read again");
    assert_eq!(site.boots_kernel(), [false, true, true]);
}

#[test]
fn a_directory_of_marks_that_vanishes_is_made_again_with_its_marks() {
    let (site, server) = TestSite::start();
    use_up(&site, &server, "web1");
    let directory = server.directory.path().join("state/used-up");
    fs::remove_dir_all(&directory).unwrap();
    server.wait_for_line("the directory has vanished, and with it the marks of 1 machine (web1); they still hold");
    wait_for("the mark", || directory.join("web1").exists().then_some(()));
    assert_eq!(site.boots_kernel(), [false, true, true]);

    // While nobody watches, it cannot be told from a directory that was removed on purpose.
    server.signal(Signal::SIGSTOP);
    fs::rename(&directory, server.directory.path().join("aside")).unwrap();
    let server = server.kill_and_restart(&site.host);
    server.wait_for_line("used-up is missing, though boots were used up before, by 1 machine (web1)");
}

/// A1 c from the network: descriptors that no client can take are left for the directory.
#[test]
fn clients_that_take_all_descriptors_they_can_get_let_nobody_boot_again() {
    thread::scope(|scope| {
        // Of the lower limit our own sockets take more than half.
        for limit in [128, 256] {
            scope.spawn(move || take_all_descriptors(limit));
        }
    });
}

fn take_all_descriptors(limit: usize) {
    let (site, server) = TestSite::start();
    for machine in ["web1", "web2"] {
        use_up(&site, &server, machine);
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
        // As a mark that is written changes the directory.
        fs::write(server.directory.path().join("state/used-up/.touched"), "").unwrap();
        assert!(open() <= limit - 32, "{} of {limit} descriptors", open());
        thread::sleep(Duration::from_millis(500));
    }
    assert!(open() > limit / 2, "{} of {limit} descriptors: that was no attack", open());
    drop((requests, pages));
    assert!(!server.log().contains("may boot again") && !server.log().contains("ERROR"), "{}", server.log());
    wait_for("room for a page", || (site.boots_kernel() == [false, false, true]).then_some(()));
}

/// A1 f.
#[test]
fn only_its_token_or_its_address_says_that_a_machine_is_done() {
    let (site, server) = TestSite::start();
    // As a page in the browser of somebody who is no machine.
    let status = ["--write-out", "%{http_code}", "--output", "/dev/null"];
    assert_eq!(site.fetch(&machine_url("web1", "done"), &status), b"403");
    assert_eq!(site.fetch(&machine_url("web1", "token=00112233445566778899aabbccddeeff/done"), &status), b"403");
    assert_eq!(site.fetch(&site.done_url("web2").replace("web2", "web1"), &status), b"403");
    server.wait_for_line("192.0.2.107 says without a token that web1 is done with its boot, and was not seen as web1");
    assert_eq!(site.boots_kernel(), [true; 3]);

    site.request_address(1);
    assert_eq!(site.fetch(&machine_url("web2", "done"), &status), b"403");
    assert_eq!(site.fetch(&machine_url("web1", "done"), &[]), b"noted\n");
    server.wait_for_line("web1 has used up its boot");
    assert_eq!(site.boots_kernel(), [false, true, true]);
}

#[test]
fn a_token_outlives_reload_and_restart_and_ends_when_the_machine_is_armed_again() {
    let (site, server) = TestSite::start();
    let first = site.done_url("web1");
    server.edit_config("", "# changed\n");
    server.wait_for_line("INFO  reloaded");
    assert_eq!(site.done_url("web1"), first);
    use_up(&site, &server, "web1");
    assert_eq!(site.done_url("web1"), first, "an installer asks for its answers after its kernel");
    let server = server.kill_and_restart(&site.host);
    server.wait_for_line("ready");
    assert_eq!(site.done_url("web1"), first);
    let rendered = run(&server, &["render", "done-url", "--machine", "web1", "--server", "192.0.2.10/24"]);
    assert_eq!(String::from_utf8_lossy(&rendered.stdout), first);

    assert!(rearm(server.directory.path(), &["web1"]).status.success());
    server.wait_for_line("web1 may boot again: its mark was removed");
    let second = site.done_url("web1");
    assert_ne!(first, second);
    let server = server.kill_and_restart(&site.host);
    server.wait_for_line("ready");
    assert_eq!(site.done_url("web1"), second);
    let status = ["--write-out", "%{http_code}", "--output", "/dev/null"];
    assert_eq!(site.fetch(&first, &status), b"403", "the installation before");
    assert_eq!(site.boots_kernel(), [true; 3]);
    assert_eq!(site.fetch(&second, &[]), b"noted\n");
    server.wait_for_line("web1 has used up its boot by /machine/name=web1/token=.../done");
    let mark = server.directory.path().join("state/used-up/web1");
    wait_for("the mark", || mark.exists().then_some(()));
    assert!(fs::read_to_string(mark).unwrap().contains("\n/machine/name=web1/token=.../done\n"));
}

#[test]
fn an_entry_that_says_something_else_than_once_ends_a_mark_and_the_log_says_whose() {
    let (site, server) = TestSite::start();
    use_up(&site, &server, "web1");
    let text = fs::read_to_string(config(&server)).unwrap();
    fs::write(config(&server), text.replacen("boot = \"once\"", "boot = \"always\"", 1)).unwrap();
    server.wait_for_line("web1 has no used-up boot any more: its entry says another `boot`");
    assert!(!server.directory.path().join("state/used-up/web1").exists());
    assert_eq!(site.boots_kernel(), [true; 3]);
}

#[test]
fn explain_and_render_read_the_marks_and_say_when_they_cannot() {
    let (site, server) = TestSite::start();
    let explain = ["explain", "--client", "ipxe-bios", "--machine", "web1", "--server", "192.0.2.10/24"];
    let render = ["render", "--machine", "web1", "--server", "192.0.2.10/24"];
    let told = |arguments: &[&str]| String::from_utf8(run(&server, arguments).stdout).unwrap();
    assert!(told(&explain).contains("once, not completed"), "{}", told(&explain));
    use_up(&site, &server, "web1");
    let explained = told(&explain);
    assert!(explained.contains("once, completed: boots from disk (`proxydhcpd rearm web1` resets it)"), "{explained}");
    assert!(!explained.contains("kernel: linux"), "{explained}");
    assert!(told(&render).contains("sanboot "), "{}", told(&render));
    // All others have lost their entries, and this one has lost its `boot`: no machine boots once any more.
    let whole = fs::read_to_string(config(&server)).unwrap();
    fs::write(config(&server), whole.split_once("boot = \"once\"").unwrap().0).unwrap();
    assert!(told(&explain).contains("not set, and its boot-once is completed: boots from disk"), "{}", told(&explain));
    assert!(told(&render).contains("sanboot "), "{}", told(&render));
    fs::write(config(&server), whole).unwrap();

    let directory = server.directory.path().join("state/used-up");
    fs::rename(&directory, server.directory.path().join("aside")).unwrap();
    symlink("used-up", &directory).unwrap();
    for arguments in [&explain[..], &render] {
        let told = String::from_utf8(run(&server, arguments).stderr).unwrap();
        assert!(told.contains("warning: cannot read this (Too many levels"), "{told}");
    }
    let explained = told(&explain);
    assert!(explained.contains("once, but its record cannot be read: boots from disk until it can"), "{explained}");
    assert!(!explained.contains("kernel: linux") && explained.contains("profile: local-disk"), "{explained}");
    assert!(told(&render).contains("sanboot "), "as the server would: {}", told(&render));
    let wrong = rearm(server.directory.path(), &["web1"]);
    let told = String::from_utf8_lossy(&wrong.stderr);
    assert!(told.contains("error: ") && !told.contains("CRITICAL"), "{told}");
}

#[test]
fn a_mark_that_is_a_directory_is_removed_where_it_is_empty_and_the_cure_is_said_where_not() {
    let (_site, server) = TestSite::start();
    let mark = server.directory.path().join("state/used-up/web1");
    fs::create_dir_all(mark.join("deeper")).unwrap();
    let wrong = rearm(server.directory.path(), &["web1"]);
    let told = String::from_utf8_lossy(&wrong.stderr);
    assert!(told.contains(&format!("`rm -r {}` removes it", mark.display())), "{told}");
    fs::remove_dir(mark.join("deeper")).unwrap();
    assert!(rearm(server.directory.path(), &["web1"]).status.success());
    assert!(!mark.exists());
}

/// The machines of [`CONFIG`] in a file of their own.
fn in_a_file() -> (TestSite, Server) {
    let line = |number| format!("web{number},52:54:00:00:00:0{number},installer,once\n");
    let lines: String = (1..=3).map(line).collect();
    in_file("all.csv", &format!("name,mac,profile,boot\n{lines}"))
}

fn in_file(name: &str, machines: &str) -> (TestSite, Server) {
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

/// By its kernel; returns when that is on the disk.
fn use_up(site: &TestSite, server: &Server, machine: &str) {
    site.fetch(&machine_url(machine, "linux"), &[]);
    let mark = server.directory.path().join("state/used-up").join(machine);
    wait_for("the mark", || mark.exists().then_some(()));
}

fn run(server: &Server, arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).arg("-c").arg(config(server)).output().unwrap()
}

//! Boot-once machines: which requests complete a boot-once, which do not, and how long it stays completed. The server's
//! binary serves them over HTTP and TFTP, in network namespaces. Needs root.

mod common;

use common::boot_once::{CONFIG, TestSite, machine_url, rearm};
use proxydhcpd_testbed::wait_for;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;

#[test]
fn a_complete_download_of_the_kernel_over_http_or_tftp_completes_the_boot_once() {
    let (site, server) = TestSite::start();
    site.fetch(&machine_url("web1", "linux"), &[]);
    server.wait_for_line("web1 completed its boot-once (/machine/name=web1/linux); it now boots from disk");
    assert_eq!(site.boots_kernel(), [false, true, true]);
    site.fetch("tftp://192.0.2.10/machine/name=web2/linux", &[]);
    server.wait_for_line("web2 completed its boot-once (machine/name=web2/linux)");
    assert_eq!(site.boots_kernel(), [false, false, true]);
    // A request for a range that covers the whole file completes the boot-once, too.
    site.fetch(&machine_url("web3", "linux"), &["--range", "0-"]);
    server.wait_for_line("web3 completed its boot-once");
    assert_eq!(site.boots_kernel(), [false; 3]);
    assert!(server.log().matches("completed its boot-once").count() == 3, "{}", server.log());
}

#[test]
fn an_incomplete_download_of_the_kernel_completes_no_boot_once() {
    let (site, server) = TestSite::start();
    let linux = machine_url("web1", "linux");
    let head = site.fetch(&linux, &["--head"]);
    let head = String::from_utf8(head).unwrap();
    let tag = head.lines().find_map(|line| line.strip_prefix("Etag: ")).unwrap_or_else(|| panic!("{head}"));
    for part in ["0-1048575", "1-", "-1"] {
        site.fetch(&linux, &["--range", part]);
    }
    site.fetch(&linux, &["--header", &format!("If-None-Match: {tag}")]);
    site.fetch(&linux, &["--header", &format!("If-Match: {tag}"), "--range", "99999999999-"]);
    site.fetch(&machine_url("web1", "initrd"), &[]);
    // A browser on the same network may request the kernel, because a page names it.
    site.fetch(&linux, &["--user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"]);
    let done = site.done_url("web1");
    site.fetch(&done, &["--head"]);
    site.fetch(&done, &["--range", "0-1"]);
    site.abort_http_transfer();
    site.abort_tftp_transfer();
    for line in [
        "HEAD /machine/name=web1/linux 200,",
        "GET /machine/name=web1/linux 206,",
        "GET /machine/name=web1/linux 304,",
        "GET /machine/name=web1/linux 416,",
        "HEAD /machine/name=web1/token=.../done 200,",
        "GET /machine/name=web1/linux 200,",
        "machine/name=web1/linux by TFTP, 512 octets",
    ] {
        server.wait_for_line(line);
    }
    assert_eq!(site.boots_kernel(), [true; 3]);
    assert!(!server.log().contains("completed"), "{}", server.log());
    let token = done.split_once("/token=").unwrap().1.split_once('/').unwrap().0;
    assert!(!server.log().contains(token), "{}", server.log());
}

/// A reload during a transfer changes neither the machine nor its boot-once: the request decides. Each of two transfers
/// of the same kernel may end first, and the boot-once is completed one time.
#[test]
fn a_reload_during_a_transfer_does_not_change_which_boot_once_is_completed() {
    let (web3, web4) = ("[machine.web3]", "[machine.web4]");
    let (others, _) = CONFIG.split_once(web3).unwrap();
    let config = format!(
        "{others}[profile.small]\nkernel = \"small\"\n\
         {web3}\nmac = \"52:54:00:00:00:03\"\nprofile = \"small\"\nboot = \"once\"\n"
    );
    let (site, server) = TestSite::with_config(tempfile::tempdir().unwrap(), &config);
    fs::write(server.boot.path().join("small"), [0; 700]).unwrap();

    let mut over_http = site.begin_http_transfer("machine/mac=52-54-00-00-00-01/linux");
    let over_tftp = [(); 2].map(|()| site.begin_tftp_transfer("machine/name=web3/small"));
    // The MAC addresses of web1 and web2 are swapped, and web3 has another name.
    let file = server.directory.path().join("proxydhcpd.toml");
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replace("00:01\"", "00:0x\"").replace("00:02\"", "00:01\"").replace("00:0x\"", "00:02\"");
    fs::write(&file, text.replace(web3, web4)).unwrap();
    server.wait_for_line("INFO  reloaded");
    io::copy(&mut over_http, &mut io::sink()).unwrap();
    server.wait_for_line("web1 completed its boot-once (/machine/mac=52-54-00-00-00-01/linux)");
    for transfer in &over_tftp {
        transfer.end();
    }
    server.wait_for_line("web3 completed its boot-once (machine/name=web3/small)");
    wait_for("the end of both transfers", || {
        (server.log().matches("small by TFTP, 700 octets").count() == 2).then_some(())
    });
    assert_eq!(server.log().matches("completed its boot-once").count(), 2, "{}", server.log());
    let completion = server.directory.path().join("state/boot-once/web3");
    let stored = wait_for("the completion", || fs::read_to_string(&completion).ok());
    assert!(stored.contains("mac 52:54:00:00:00:03"), "{stored}");
}

#[test]
fn a_transfer_that_began_before_a_reset_does_not_complete_the_boot_once_after_it() {
    let (site, server) = TestSite::start();
    let mut slow = site.begin_http_transfer("machine/name=web1/linux");
    site.fetch(&machine_url("web1", "linux"), &[]);
    server.wait_for_line("web1 completed its boot-once");
    let completion = server.directory.path().join("state/boot-once/web1");
    wait_for("the completion", || completion.exists().then_some(()));
    assert!(rearm(server.directory.path(), &["web1"]).status.success());
    wait_for("web1 to boot again", || site.boots_kernel()[0].then_some(()));

    io::copy(&mut slow, &mut io::sink()).unwrap();
    let ended = "GET /machine/name=web1/linux 200, 33554432 octets";
    wait_for("the end of both transfers", || (server.log().matches(ended).count() == 2).then_some(()));
    assert_eq!(server.log().matches("completed its boot-once").count(), 1, "{}", server.log());
    assert!(site.boots_kernel()[0]);
}

#[test]
fn the_booted_system_completes_its_boot_once_by_get_or_post() {
    let (site, server) = TestSite::start();
    assert_eq!(site.fetch(&site.done_url("web1"), &[]), b"noted\n");
    server.wait_for_line("web1 completed its boot-once (/machine/name=web1/token=");
    assert_eq!(site.fetch(&site.done_url("web2"), &["--data", "status=installed"]), b"noted\n");
    server.wait_for_line("web2 completed its boot-once (/machine/name=web2/token=");
    assert_eq!(site.boots_kernel(), [false, false, true]);
    // For a name other than `done`, the server rejects POST.
    site.fetch(&machine_url("web3", "linux"), &["--data", "x"]);
    server.wait_for_line("POST /machine/name=web3/linux 405");
    assert_eq!(site.boots_kernel(), [false, false, true]);
}

#[test]
fn a_boot_once_stays_completed_after_a_crash_until_it_is_reset() {
    let (site, server) = TestSite::start();
    site.fetch(&machine_url("web1", "linux"), &[]);
    let completion = server.directory.path().join("state/boot-once/web1");
    wait_for("the completion", || completion.exists().then_some(()));
    let server = server.kill_and_restart(&site.host);
    server.wait_for_line("ready");
    assert_eq!(site.boots_kernel(), [false, true, true]);

    let listed = rearm(server.directory.path(), &[]);
    assert_eq!(String::from_utf8_lossy(&listed.stdout), "web1\n");
    let failed = rearm(server.directory.path(), &["web2"]);
    assert!(
        !failed.status.success()
            && String::from_utf8_lossy(&failed.stderr).contains("web2 has not completed a boot-once")
    );
    assert!(rearm(server.directory.path(), &["web1"]).status.success());
    wait_for("web1 to boot again", || site.boots_kernel()[0].then_some(()));
    site.fetch(&machine_url("web1", "linux"), &[]);
    server.wait_for_line("web1 completed its boot-once");
    wait_for("the completion", || completion.exists().then_some(()));
    assert_eq!(site.boots_kernel(), [false, true, true]);
}

#[test]
fn without_a_writable_directory_the_server_warns_and_boot_onces_are_completed_until_it_ends() {
    let directory = tempfile::tempdir().unwrap();
    // The state directory is a link to /proc, in which no directory can be created.
    symlink("/proc", directory.path().join("state")).unwrap();
    let (site, server) = TestSite::start_in(directory);
    let warning = "state/boot-once: No such file or directory (os error 2); boot-onces that complete from now on are \
                   forgotten at a restart of the server";
    assert_eq!(server.log().matches(warning).count(), 1, "{}", server.log());
    for machine in ["web1", "web2"] {
        site.fetch(&machine_url(machine, "linux"), &[]);
        server.wait_for_line(&format!("{machine} completed its boot-once"));
    }
    server.wait_for_line("the completed boot-once of web1 is forgotten at a restart");
    assert_eq!(site.boots_kernel(), [false, false, true]);
    assert_eq!(server.log().matches("ERROR").count(), 1, "{}", server.log());
    let server = server.kill_and_restart(&site.host);
    server.wait_for_line("ready");
    assert_eq!(site.boots_kernel(), [true; 3]);
}

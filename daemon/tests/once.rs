//! Machines that boot once: what uses that up, what does not, and how long it holds. Through the real binary over HTTP
//! and TFTP, in network namespaces. Needs root.

mod netns;

use netns::boot_once::{TestSite, machine_url, rearm};
use netns::wait_for;
use std::os::unix::fs::symlink;

#[test]
fn a_whole_fetch_of_the_kernel_over_http_or_tftp_uses_up_the_boot_of_that_machine() {
    let (site, server) = TestSite::start();
    site.fetch(&machine_url("web1", "linux"), &[]);
    server.wait_for_line("web1 has used up its boot by /machine/name=web1/linux");
    assert_eq!(site.boots_kernel(), [false, true, true]);
    site.fetch("tftp://192.0.2.10/machine/name=web2/linux", &[]);
    server.wait_for_line("web2 has used up its boot by machine/name=web2/linux");
    assert_eq!(site.boots_kernel(), [false, false, true]);
    // The whole in a part is the whole.
    site.fetch(&machine_url("web3", "linux"), &["--range", "0-"]);
    server.wait_for_line("web3 has used up its boot");
    assert_eq!(site.boots_kernel(), [false; 3]);
    assert!(server.log().matches("has used up its boot").count() == 3, "{}", server.log());
}

#[test]
fn what_is_not_the_whole_kernel_uses_nothing_up() {
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
    // A page that names the kernel, in a browser on the same network.
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
    assert!(!server.log().contains("used up"), "{}", server.log());
    let token = done.split_once("/token=").unwrap().1.split_once('/').unwrap().0;
    assert!(!server.log().contains(token), "{}", server.log());
}

#[test]
fn the_booted_system_uses_its_boot_up_by_get_or_post() {
    let (site, server) = TestSite::start();
    assert_eq!(site.fetch(&site.done_url("web1"), &[]), b"noted\n");
    server.wait_for_line("web1 has used up its boot by /machine/name=web1/token=");
    assert_eq!(site.fetch(&site.done_url("web2"), &["--data", "status=installed"]), b"noted\n");
    server.wait_for_line("web2 has used up its boot by /machine/name=web2/token=");
    assert_eq!(site.boots_kernel(), [false, false, true]);
    // Nothing else can be posted.
    site.fetch(&machine_url("web3", "linux"), &["--data", "x"]);
    server.wait_for_line("POST /machine/name=web3/linux 405");
    assert_eq!(site.boots_kernel(), [false, false, true]);
}

#[test]
fn a_boot_that_is_used_up_stays_so_after_a_crash_until_it_is_given_back() {
    let (site, server) = TestSite::start();
    site.fetch(&machine_url("web1", "linux"), &[]);
    let mark = server.directory.path().join("state/used-up/web1");
    wait_for("the mark", || mark.exists().then_some(()));
    let server = server.kill_and_restart(&site.host);
    server.wait_for_line("ready");
    assert_eq!(site.boots_kernel(), [false, true, true]);

    let listed = rearm(server.directory.path(), &[]);
    assert_eq!(String::from_utf8_lossy(&listed.stdout), "web1\n");
    let wrong = rearm(server.directory.path(), &["web2"]);
    assert!(!wrong.status.success() && String::from_utf8_lossy(&wrong.stderr).contains("web2 has not used up a boot"));
    assert!(rearm(server.directory.path(), &["web1"]).status.success());
    wait_for("web1 to boot again", || site.boots_kernel()[0].then_some(()));
    site.fetch(&machine_url("web1", "linux"), &[]);
    server.wait_for_line("web1 has used up its boot");
    wait_for("the mark", || mark.exists().then_some(()));
    assert_eq!(site.boots_kernel(), [false, true, true]);
}

#[test]
fn where_nothing_can_be_kept_the_server_says_so_and_once_is_once_until_it_ends() {
    let directory = tempfile::tempdir().unwrap();
    // No directory can be made there.
    symlink("/proc", directory.path().join("state")).unwrap();
    let (site, server) = TestSite::start_in(directory);
    let warning = "state/used-up cannot be written (No such file or directory (os error 2)): machines that boot once \
                   from now on boot again after a restart of the server";
    assert_eq!(server.log().matches(warning).count(), 1, "{}", server.log());
    for machine in ["web1", "web2"] {
        site.fetch(&machine_url(machine, "linux"), &[]);
        server.wait_for_line(&format!("{machine} has used up its boot"));
    }
    server.wait_for_line("web1 has used up its boot, which is forgotten at a restart");
    assert_eq!(site.boots_kernel(), [false, false, true]);
    assert_eq!(server.log().matches("ERROR").count(), 1, "{}", server.log());
    let server = server.kill_and_restart(&site.host);
    server.wait_for_line("ready");
    assert_eq!(site.boots_kernel(), [true; 3]);
}

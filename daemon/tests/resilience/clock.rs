//! The clock of the host jumps while the server runs. The library of faketime(1) gives only the server another clock.

use crate::common::boot_once::{CONFIG, TestSite, machine_url};
use crate::common::server::{PROGRAM, Server, request_loader};
use proxydhcpd_testbed::{wait_for, wait_up_to};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The dynamic linker replaces `$LIB`.
const LIBRARY: &str = "/usr/$LIB/faketime/libfaketimeMT.so.1";

/// The server looks for changes of the disk, and follows boot orders, every five seconds.
const LOOK: Duration = Duration::from_secs(6);

/// The clock of a server.
struct Clock(String);

impl Clock {
    fn new(directory: &Path) -> Clock {
        let clock = Clock(directory.join("clock").to_str().unwrap().to_owned());
        clock.set("+0");
        clock
    }

    /// Sets the clock: `+1d` is a day later, `@1970-01-01 02:00:00` is that time.
    fn set(&self, time: &str) {
        let new = format!("{}.new", self.0);
        fs::write(&new, format!("{time}\n")).unwrap();
        fs::rename(new, &self.0).unwrap();
    }

    /// Kills the server, and starts it again with this clock.
    fn restart(&self, server: Server, site: &TestSite) -> Server {
        let preload = format!("LD_PRELOAD={LIBRARY}");
        let file = format!("FAKETIME_TIMESTAMP_FILE={}", self.0);
        // Decisions use a clock that never jumps; the times of files are those of the kernel.
        let flags = ["FAKETIME_NO_CACHE=1", "DONT_FAKE_MONOTONIC=1", "NO_FAKE_STAT=1"];
        let command = [&["env", &preload, &file][..], &flags, &[PROGRAM]].concat();
        let server = server.kill_and_restart_by(&command, &site.host);
        server.wait_for_line("ready");
        server
    }
}

/// The number of boots in the history, and the first time of them.
fn stored_boots(server: &Server) -> (usize, String) {
    let file = server.directory.path().join("state/history.sqlite");
    let query = "SELECT count(*), date(min(began) / 1000, 'unixepoch') FROM boots";
    let output = Command::new("sqlite3").args(["-readonly", "-separator", " "]).arg(file).arg(query).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (count, first) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    (count.parse().unwrap_or_default(), first.to_owned())
}

#[test]
fn a_clock_that_is_set_while_machines_boot_changes_no_answer_and_loses_no_boot() {
    let (site, server) = TestSite::start();
    let clock = Clock::new(server.directory.path());
    let server = clock.restart(server, &site);
    site.fetch(&machine_url("web1", "linux"), &[]);
    let completion = server.directory.path().join("state/boot-once/web1");
    wait_for("the completion", || completion.exists().then_some(()));
    let loader = request_loader(&site.machine).expect("an answer");
    wait_for("the boots in the history", || (stored_boots(&server).0 > 0).then_some(()));
    let mut boots = stored_boots(&server).0;
    for time in ["+1d", "-1d", "@1970-01-01 02:00:00", "+400d", "+0"] {
        clock.set(time);
        std::thread::sleep(LOOK);
        assert_eq!(request_loader(&site.machine).as_deref(), Some(&*loader), "{time}");
        assert_eq!(site.boots_kernel(), [false, true, true], "{time}");
        let now = stored_boots(&server).0;
        assert!(now >= boots, "{time}: {now} boots of {boots} are left");
        boots = now;
    }
    // The server notices a changed configuration with any clock.
    clock.set("@1970-01-01 02:00:00");
    server.edit_config("", "[machine.web4]\nmac = \"52:54:00:00:00:04\"\n");
    server.wait_for_line("INFO  reloaded");
    assert_eq!(site.boots_kernel(), [false, true, true]);
    let log = server.log();
    assert!(!log.contains(" ERROR ") && !log.contains("panic"), "{log}");
}

#[test]
fn a_server_that_starts_with_a_wrong_clock_keeps_the_history_and_the_completions() {
    let (site, server) = TestSite::with_config(tempfile::tempdir().unwrap(), CONFIG);
    let clock = Clock::new(server.directory.path());
    site.fetch(&machine_url("web1", "linux"), &[]);
    let completion = server.directory.path().join("state/boot-once/web1");
    wait_for("the completion", || completion.exists().then_some(()));
    wait_for("the boot in the history", || (stored_boots(&server).0 > 0).then_some(()));
    let (mut boots, began) = stored_boots(&server);
    let mut server = server;
    for (time, year) in [("+400d", ""), ("@1970-01-01 02:00:00", "1970")] {
        clock.set(time);
        server = clock.restart(server, &site);
        assert_eq!(site.boots_kernel(), [false, true, true], "{time}");
        assert!(request_loader(&site.machine).is_some(), "{time}");
        // The history looks for what is too old when it opens its file.
        let more = || Some(stored_boots(&server)).filter(|(now, _)| *now > boots);
        let (now, first) =
            wait_up_to(Duration::from_secs(20), &format!("another boot in the history, at {time}"), more);
        assert!(if year.is_empty() { first == began } else { first.starts_with(year) }, "{time}: {first}");
        boots = now;
        // The clock is corrected.
        clock.set("+0");
        std::thread::sleep(LOOK);
        assert!(stored_boots(&server).0 >= boots, "{time}");
        assert_eq!(site.boots_kernel(), [false, true, true], "{time}");
    }
}

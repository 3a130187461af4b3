//! The watchdog hears of the server only while each of its threads serves. Threads of a real server are stopped one at
//! a time, as a thread that waits for ever would be. Needs root.

mod netns;

use netns::server::{PROGRAM, one_network, state_dir};
use netns::{Host, Peer, loaders::boot_dir, wait_for};
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::ptr;
use std::time::Duration;
use tempfile::TempDir;

#[test]
fn the_watchdog_is_told_nothing_while_a_thread_stands_still_and_an_error_line_names_it() {
    let (host, _machine) = one_network();
    for (thread, name) in [("dhcp", "DHCP"), ("tftp", "TFTP")] {
        let server = Watched::start(&host);
        server.wait_until_told();
        // It has just been asked. Stopped while it looks up what it holds together with others, it would stop these as
        // well.
        std::thread::sleep(Duration::from_millis(300));
        let stopped = StoppedThread::of(server.peer.0.id(), thread);
        server.wait_until_silent();
        server.wait_for_line(&format!("ERROR the {name} thread has not answered for"));
        drop(stopped);
        server.wait_until_told();
        server.wait_for_line(&format!("the {name} thread answers again"));
    }
}

/// A server with a service manager that has a watchdog of two seconds.
struct Watched {
    peer: Peer,
    told: UnixDatagram,
    directory: TempDir,
    _boot: TempDir,
    _state: TempDir,
}

impl Watched {
    fn start(host: &Host) -> Watched {
        let (boot, directory, state) = (boot_dir(), tempfile::tempdir().unwrap(), state_dir());
        let path = directory.path().join("notify");
        let told = UnixDatagram::bind(&path).unwrap();
        let log = fs::File::create(directory.path().join("log")).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", PROGRAM, "--boot-dir"]).arg(boot.path());
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "2000000").env("STATE_DIRECTORY", state.path());
        let peer = Peer(host.on(|| command.stdin(Stdio::null()).stderr(log).spawn().unwrap()));
        Watched { peer, told, directory, _boot: boot, _state: state }
    }

    /// Whether it says within this time that it is alive.
    fn is_told_within(&self, time: Duration) -> bool {
        self.told.set_read_timeout(Some(time)).unwrap();
        let mut message = [0; 512];
        while let Ok(length) = self.told.recv(&mut message) {
            if message[..length].windows(10).any(|part| part == b"WATCHDOG=1") {
                return true;
            }
        }
        false
    }

    fn wait_until_told(&self) {
        wait_for("WATCHDOG=1", || self.is_told_within(Duration::from_secs(2)).then_some(()));
    }

    /// For as long as systemd would wait, and longer.
    fn wait_until_silent(&self) {
        wait_for("silence", || (!self.is_told_within(Duration::from_secs(3))).then_some(()));
    }

    fn wait_for_line(&self, part: &str) {
        let log = || fs::read_to_string(self.directory.path().join("log")).unwrap();
        wait_for(&format!("{part:?} in its log"), || log().contains(part).then_some(()));
    }
}

const NOTHING: *mut libc::c_void = ptr::null_mut();

/// Its other threads go on. It goes on as well when this is dropped.
struct StoppedThread(libc::pid_t);

impl StoppedThread {
    fn of(process: u32, name: &str) -> StoppedThread {
        let mut tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap().map(|task| task.unwrap().path());
        let is_it = |task: &std::path::PathBuf| fs::read_to_string(task.join("comm")).unwrap().trim() == name;
        let thread = tasks.find(is_it).unwrap();
        let thread: libc::pid_t = thread.file_name().unwrap().to_str().unwrap().parse().unwrap();
        for request in [libc::PTRACE_SEIZE, libc::PTRACE_INTERRUPT] {
            // SAFETY: these requests read and write no memory of ours.
            let done = unsafe { libc::ptrace(request, thread, NOTHING, NOTHING) };
            assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
        }
        // SAFETY: no status is asked for.
        assert_eq!(unsafe { libc::waitpid(thread, ptr::null_mut(), libc::__WALL) }, thread);
        StoppedThread(thread)
    }
}

impl Drop for StoppedThread {
    fn drop(&mut self) {
        // SAFETY: as above.
        let done = unsafe { libc::ptrace(libc::PTRACE_DETACH, self.0, NOTHING, NOTHING) };
        assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
    }
}

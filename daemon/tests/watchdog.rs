//! Tests that the server notifies the watchdog only while each of its threads responds. The test stops the threads of a
//! real server one at a time, as if they hung. Needs root.

mod common;

use common::loaders::boot_dir;
use common::server::{PROGRAM, one_network, state_dir};
use proxydhcpd_testbed::{Host, Process, wait_for};
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::ptr;
use std::time::Duration;
use tempfile::TempDir;

#[test]
fn while_a_thread_hangs_the_watchdog_gets_no_notification_and_an_error_names_the_thread() {
    let (host, _machine) = one_network();
    for (thread, name) in [("dhcp", "DHCP"), ("tftp", "TFTP")] {
        let server = WatchedServer::start(&host);
        server.wait_for_notification();
        // The server has just probed the thread, so the thread is idle now. If the test stopped it while it holds a
        // lock, it would block the other threads.
        std::thread::sleep(Duration::from_millis(300));
        let stopped = StoppedThread::stop(server.process.id(), thread);
        server.wait_until_silent();
        server.wait_for_line(&format!("ERROR the {name} thread has not responded for"));
        wait_for_health(&host, "503");
        drop(stopped);
        server.wait_for_notification();
        server.wait_for_line(&format!("the {name} thread responds again"));
        wait_for_health(&host, "200");
    }
}

/// Waits until the server answers a request for its health with this status.
fn wait_for_health(host: &Host, status: &str) {
    let url = "http://127.0.0.1:8067/healthz";
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--max-time", "5", "--output", "/dev/null", "--write-out", "%{http_code}", url]);
    let answers = |curl: &mut Command| host.on(|| curl.output()).unwrap().stdout == status.as_bytes();
    wait_for(&format!("status {status} of /healthz"), || answers(&mut curl).then_some(()));
}

/// A server under a service manager. The timeout of the watchdog is two seconds.
struct WatchedServer {
    process: Process,
    notifications: UnixDatagram,
    directory: TempDir,
    _boot: TempDir,
    _state: TempDir,
}

impl WatchedServer {
    fn start(host: &Host) -> WatchedServer {
        let (boot, directory, state) = (boot_dir(), tempfile::tempdir().unwrap(), state_dir());
        let path = directory.path().join("notify");
        let notifications = UnixDatagram::bind(&path).unwrap();
        let log = fs::File::create(directory.path().join("log")).unwrap();
        let mut command = Process::command(PROGRAM);
        command.arg("--boot-dir").arg(boot.path()).stdin(Stdio::null()).stderr(log);
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "2000000").env("STATE_DIRECTORY", state.path());
        command.env("RUNTIME_DIRECTORY", state.path());
        let process = host.on(|| Process::spawn(&mut command));
        WatchedServer { process, notifications, directory, _boot: boot, _state: state }
    }

    /// Whether the server notifies the watchdog within this time.
    fn notifies_within(&self, time: Duration) -> bool {
        self.notifications.set_read_timeout(Some(time)).unwrap();
        let mut message = [0; 512];
        while let Ok(length) = self.notifications.recv(&mut message) {
            if message[..length].windows(10).any(|part| part == b"WATCHDOG=1") {
                return true;
            }
        }
        false
    }

    fn wait_for_notification(&self) {
        wait_for("WATCHDOG=1", || self.notifies_within(Duration::from_secs(2)).then_some(()));
    }

    /// Waits until no notification has arrived for three seconds, which is longer than the watchdog's timeout.
    fn wait_until_silent(&self) {
        wait_for("silence", || (!self.notifies_within(Duration::from_secs(3))).then_some(()));
    }

    fn wait_for_line(&self, part: &str) {
        let log = || fs::read_to_string(self.directory.path().join("log")).unwrap();
        wait_for(&format!("{part:?} in its log"), || log().contains(part).then_some(()));
    }
}

const NULL: *mut libc::c_void = ptr::null_mut();

/// A stopped thread of a process whose other threads continue. Dropping this value resumes the thread.
struct StoppedThread(libc::pid_t);

impl StoppedThread {
    fn stop(process: u32, name: &str) -> StoppedThread {
        let mut tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap().map(|task| task.unwrap().path());
        let has_name = |task: &std::path::PathBuf| fs::read_to_string(task.join("comm")).unwrap().trim() == name;
        let thread = tasks.find(has_name).unwrap();
        let thread: libc::pid_t = thread.file_name().unwrap().to_str().unwrap().parse().unwrap();
        for request in [libc::PTRACE_SEIZE, libc::PTRACE_INTERRUPT] {
            // SAFETY: these requests read and write no memory of this process.
            let done = unsafe { libc::ptrace(request, thread, NULL, NULL) };
            assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
        }
        // SAFETY: no status is requested.
        assert_eq!(unsafe { libc::waitpid(thread, ptr::null_mut(), libc::__WALL) }, thread);
        StoppedThread(thread)
    }
}

impl Drop for StoppedThread {
    fn drop(&mut self) {
        // SAFETY: as above.
        let done = unsafe { libc::ptrace(libc::PTRACE_DETACH, self.0, NULL, NULL) };
        assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
    }
}

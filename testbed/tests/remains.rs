//! Nothing of a test remains, however the test ends. Needs root.

use nix::sys::signal::Signal;
use proxydhcpd_testbed::{CapabilitySet, Host, Process, Segment, unprivileged, wait_for, without_capability};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// How [`child`] ends: `panic`, or `wait` for its end by a signal. Without this variable it does nothing.
const ENDS_BY: &str = "TESTBED_CHILD_ENDS_BY";

#[test]
fn no_interface_and_no_process_of_a_test_that_panics_remains() {
    let host = Host::new();
    let (mut test, programs) = start_child(&host, "panic");
    assert!(!test.wait().success());
    assert_nothing_remains(&host, &programs);
}

#[test]
fn no_interface_and_no_process_of_a_killed_test_remains() {
    let host = Host::new();
    let (test, programs) = start_child(&host, "wait");
    test.signal(Signal::SIGKILL);
    assert_nothing_remains(&host, &programs);
}

#[test]
fn no_process_remains_in_a_sandbox_whose_program_is_killed() {
    // The arguments distinguish the shell in the sandbox, whose process ID there is another one, from all others.
    let marker = format!("sandbox-of-{}", std::process::id());
    let script = "sleep 600 & wait";
    let sandbox = Process::spawn(Process::command(TESTBED).args(["sh", "-c", script, &marker]).stdin(Stdio::null()));
    wait_for("the shell in the sandbox", || (with_argument(&marker) == 3).then_some(()));
    sandbox.signal(Signal::SIGKILL);
    wait_for("the end of the sandbox", || (with_argument(&marker) == 0).then_some(()));
}

#[test]
fn the_testbed_ends_with_the_status_of_its_command() {
    for status in [0, 3] {
        let output = Command::new(TESTBED).args(["sh", "-c", &format!("exit {status}")]).output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_thread_is_on_its_host_and_has_its_capabilities_after_a_panic() {
    let index = || fs::read_link("/proc/thread-self/ns/net").unwrap();
    let status = || fs::read_to_string("/proc/thread-self/status").unwrap();
    let capabilities = || status().lines().find(|line| line.starts_with("CapEff:")).unwrap().to_owned();
    let (before, host) = ((index(), capabilities()), Host::new());
    let work = || without_capability(CapabilitySet::NET_RAW, || host.on(|| panic!("as a test that fails")));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err());
    assert_eq!((index(), capabilities()), before);
}

const TESTBED: &str = env!("CARGO_BIN_EXE_testbed");

/// The test that ends early. It prints `started` and the process IDs of its programs.
#[test]
#[ignore = "other tests start it"]
fn child() {
    let Ok(ends_by) = std::env::var(ENDS_BY) else { return };
    let (host, machine, segment) = (Host::current(), Host::new(), Segment::new());
    host.cable("cable0", &machine, "eth0");
    segment.plug(&host, "plugged0", &["192.0.2.1/24"]);
    segment.tap();
    let as_user = [unprivileged("-all"), vec!["sleep".to_owned(), "600".to_owned()]].concat();
    let programs = [
        machine.on(|| Process::start("sleep 600")),
        host.on(|| Process::spawn(Process::command("setpriv").args(as_user))),
    ];
    // A killed test cannot drop its values, and the kernel kills only the program itself.
    let ends_its_child = if ends_by == "panic" { "" } else { "--kill-child" };
    let parent = machine.on(|| Process::start(&format!("unshare --fork {ends_its_child} sleep 600")));
    let below = wait_for("a child", || {
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", parent.id())).unwrap();
        children.trim().parse::<u32>().ok()
    });
    let programs = programs.iter().map(Process::id).chain([parent.id(), below]);
    let programs: Vec<String> = programs.map(|id| id.to_string()).collect();
    eprintln!("\nstarted {}", programs.join(" "));
    assert_ne!(ends_by, "panic");
    std::thread::sleep(std::time::Duration::from_secs(600));
}

/// Starts [`child`] on this host, and returns when its networks and its programs exist.
fn start_child(host: &Host, ends_by: &str) -> (Process, Vec<u32>) {
    let mut command = Process::command(std::env::current_exe().unwrap());
    command.args(["--exact", "child", "--ignored", "--nocapture"]).env(ENDS_BY, ends_by);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut test = host.on(|| Process::spawn(&mut command));
    let mut lines = BufReader::new(test.take_stderr().unwrap()).lines().map(Result::unwrap);
    let started = lines.find_map(|line| Some(line.strip_prefix("started ")?.to_owned())).expect("it starts");
    let programs: Vec<u32> = started.split(' ').map(|program| program.parse().unwrap()).collect();
    std::thread::spawn(move || lines.for_each(drop));
    (test, programs)
}

/// The other ends of the cables are in namespaces of the test, so the kernel removes the ends on this host with them.
fn assert_nothing_remains(host: &Host, programs: &[u32]) {
    wait_for("the end of its programs", || programs.iter().all(|id| !is_running(*id)).then_some(()));
    let interfaces = || host.on(|| fs::read_to_string("/proc/thread-self/net/dev").unwrap());
    wait_for("the end of its networks", || (interfaces().lines().skip(2).count() == 1).then_some(()));
}

/// Whether the process exists. A process that has ended without notice of its parent has no descriptors.
fn is_running(process: u32) -> bool {
    fs::read_dir(format!("/proc/{process}/fd")).is_ok_and(|mut descriptors| descriptors.next().is_some())
}

/// Returns the number of processes that have this argument.
fn with_argument(argument: &str) -> usize {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let arguments = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    arguments.filter(|arguments| arguments.split(|octet| *octet == 0).any(|each| each == argument.as_bytes())).count()
}

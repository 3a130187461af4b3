//! Tests the installed service under a real systemd: its unit, `make install`, and its administration.

use anyhow::{Context, Result, ensure};
use proxydhcpd_e2e::WorkDir;
use proxydhcpd_e2e::machine;
use proxydhcpd_e2e::site::{self, SharedHostSite, Site};
use proxydhcpd_e2e::systemd_host::SystemdHost;
use proxydhcpd_testbed::Host;
use std::fs;
use std::time::{Duration, Instant};

cases![
    x64_boots_from_the_installed_service,
    the_unit_documents_how_to_boot_with_a_dhcp_server_that_binds_port_67_exclusively,
    a_reload_under_systemd_applies_a_valid_configuration_and_refuses_an_invalid_one,
    root_and_the_group_ask_the_service_and_other_users_are_refused,
    systemd_restarts_a_server_that_hangs,
    the_service_stops_at_once_and_make_uninstall_leaves_the_boot_dir,
    a_server_in_the_background_logs_to_the_journal,
];

fn x64_boots_from_the_installed_service(work: &WorkDir) -> Result<()> {
    let site = Site::new(work)?;
    let systemd = installed(work, &site.server)?;
    systemd.run(&["systemctl", "enable", "--now", "proxydhcpd"])?;
    runs_without_root_and_with_one_capability(&systemd)?;
    site.boot(&machine::x64_2022())?;

    systemd.run(&["journalctl", "--sync"])?;
    let answered = ["_SYSTEMD_UNIT=proxydhcpd.service", "FIRMWARE=x64 UEFI", "FILE=snponly.efi", "LINK=eth0"];
    let lines = systemd.run(&[&["journalctl", "--quiet", "--output=cat"][..], &answered].concat())?;
    ensure!(lines.contains("OFFER snponly.efi"), "the journal has no such line with these fields: {lines}");
    let sandbox = systemd.run(&["journalctl", "--quiet", "--output=cat", "--grep=^sandbox: "])?;
    // The filter of an older systemd-nspawn denies Landlock, which the line states. The unit itself allows it.
    let expected = ["only NET_BIND_SERVICE, no new privileges, ", "Landlock", " system calls"];
    let is_complete = expected.iter().all(|part| sandbox.contains(part)) && !sandbox.contains("capabilities:");
    ensure!(is_complete, "{sandbox}");
    let machines = systemd.run(&["journalctl", "--field=MAC"])?;
    ensure!(machines.starts_with("52:54:00:"), "the journal has these machines: {machines}");
    Ok(())
}

fn runs_without_root_and_with_one_capability(systemd: &SystemdHost) -> Result<()> {
    let status = systemd.run(&["cat", &format!("/proc/{}/status", main_process(systemd)?)])?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
        line.with_context(|| format!("no {name} in {status}"))
    };
    // The user must be in the range of DynamicUser= (see systemd.exec(5)).
    let user: u32 = field("Uid")?.split('\t').next().unwrap_or_default().parse()?;
    ensure!((61184..=65519).contains(&user), "the server is user {user}");
    // The server has only CAP_NET_BIND_SERVICE, which is number 10.
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        ensure!(u64::from_str_radix(field(set)?, 16)? == 1 << 10, "{set} is {}", field(set)?);
    }
    Ok(())
}

/// By default, dnsmasq binds the port exclusively. The three lines that the test adds are from the unit's comment.
fn the_unit_documents_how_to_boot_with_a_dhcp_server_that_binds_port_67_exclusively(work: &WorkDir) -> Result<()> {
    let site = SharedHostSite::new(work, &[])?;
    let systemd = installed(work, &site.host)?;
    let lines =
        ["AmbientCapabilities=CAP_NET_RAW", "CapabilityBoundingSet=CAP_NET_RAW", "RestrictAddressFamilies=AF_PACKET"];
    let unit = fs::read_to_string(systemd.file("/usr/lib/systemd/system/proxydhcpd.service"))?;
    let comment = unit.replace("\n# ", " ");
    ensure!(lines.iter().all(|line| comment.contains(line)), "the unit no longer documents these lines");
    drop_in(&systemd, &lines.join("\n"))?;
    systemd.run(&["systemctl", "enable", "--now", "proxydhcpd"])?;
    site::boot(work, &site.segment, &machine::bios())
}

fn a_reload_under_systemd_applies_a_valid_configuration_and_refuses_an_invalid_one(work: &WorkDir) -> Result<()> {
    let site = Site::new(work)?;
    let mut systemd = installed(work, &site.server)?;
    systemd.run(&["systemctl", "start", "proxydhcpd"])?;
    let (process, file) = (main_process(&systemd)?, systemd.file("/etc/proxydhcpd/proxydhcpd.toml"));
    ensure!(show(&systemd, "StatusText")? == "serving eth0", "at the start: {}", show(&systemd, "StatusText")?);

    fs::write(&file, "interfaces = [\"eth7\"]\n")?;
    systemd.run(&["systemctl", "reload", "proxydhcpd"])?;
    // When systemctl ends, the signal has been sent, but the reload may be incomplete.
    systemd.wait_for("status of a server without its interface", |systemd| {
        Ok(show(systemd, "StatusText")?.starts_with("no interface"))
    })?;

    fs::write(&file, "interfaces = [\"eth0\"\n")?;
    let reload = systemd.output(&["systemctl", "reload", "proxydhcpd"])?;
    ensure!(!reload.status.success(), "systemctl reports success for an invalid configuration");
    ensure!(show(&systemd, "ActiveState")? == "active", "an invalid configuration has ended the server");
    ensure!(
        show(&systemd, "StatusText")?.starts_with("no interface"),
        "an invalid configuration has changed the status"
    );
    systemd.run(&["journalctl", "--sync"])?;
    let journal = systemd.run(&["journalctl", "--unit=proxydhcpd", "--output=cat"])?;
    ensure!(journal.contains("/etc/proxydhcpd/proxydhcpd.toml:1:"), "the journal lacks the location of the error");

    fs::remove_file(&file)?;
    systemd.run(&["systemctl", "reload", "proxydhcpd"])?;
    systemd.wait_for("status of a server that serves again", |systemd| {
        Ok(show(systemd, "StatusText")? == "serving eth0")
    })?;
    ensure!(main_process(&systemd)? == process, "the reload restarted the server");
    Ok(())
}

/// The group and its user are those of docs/operation.md.
fn root_and_the_group_ask_the_service_and_other_users_are_refused(work: &WorkDir) -> Result<()> {
    let systemd = installed(work, &Host::without_dad())?;
    systemd.run(&["systemctl", "start", "proxydhcpd"])?;
    let status = systemd.run(&["proxydhcpd", "status"])?;
    ensure!(status.contains("running for") && status.contains("  8080  tcp  HTTP"), "root receives: {status}");
    let other = ["setpriv", "--reuid=1234", "--regid=1234", "--clear-groups", "proxydhcpd", "status"];
    let refused = systemd.output(&other)?;
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    let sentence = "error: this user may not open the control socket /run/proxydhcpd/control.sock";
    ensure!(refused.status.code() == Some(1) && error.contains(sentence), "another user receives: {error}");
    ensure!(
        error.contains("run the command as root, or add the user to the group proxydhcpd"),
        "without a cure: {error}"
    );

    let users = "root:x:0:0::/root:/bin/sh\nproxydhcpd:x:300:300::/:/usr/sbin/nologin\nalice:x:1234:1234::/:/bin/sh\n";
    fs::write(systemd.file("/etc/passwd"), users)?;
    fs::write(systemd.file("/etc/group"), "root:x:0:\nproxydhcpd:x:300:alice\nalice:x:1234:\n")?;
    systemd.run(&["systemctl", "restart", "proxydhcpd"])?;
    let member = ["setpriv", "--reuid=1234", "--regid=1234", "--init-groups", "proxydhcpd", "status"];
    let status = systemd.run(&member)?;
    ensure!(status.contains("running for"), "a member of the group receives: {status}");
    let refused = systemd.output(&other)?;
    ensure!(refused.status.code() == Some(1), "a process without the group receives: {refused:?}");

    systemd.run(&["systemctl", "stop", "proxydhcpd"])?;
    let gone = systemd.output(&["proxydhcpd", "status"])?;
    let error = String::from_utf8_lossy(&gone.stderr).into_owned();
    ensure!(error.contains("the server is not running"), "after its stop: {error}");
    Ok(())
}

fn systemd_restarts_a_server_that_hangs(work: &WorkDir) -> Result<()> {
    let mut systemd = installed(work, &Host::without_dad())?;
    let unit = fs::read_to_string(systemd.file("/usr/lib/systemd/system/proxydhcpd.service"))?;
    ensure!(unit.contains("\nWatchdogSec="), "the unit has no watchdog");
    drop_in(&systemd, "WatchdogSec=2")?;
    systemd.run(&["systemctl", "start", "proxydhcpd"])?;
    let process = main_process(&systemd)?;
    // While the server responds, it runs for longer than the watchdog's timeout.
    let start = Instant::now();
    systemd.wait_for("third second of running", |_| Ok(start.elapsed() > Duration::from_secs(3)))?;
    ensure!(main_process(&systemd)? == process, "the watchdog restarted a server that responds");

    signal(&systemd, "STOP", &process)?;
    systemd.wait_for("restart", |systemd| {
        Ok(show(systemd, "NRestarts")? == "1" && show(systemd, "ActiveState")? == "active")
    })?;
    ensure!(main_process(&systemd)? != process, "the server that hangs still runs");
    Ok(())
}

fn the_service_stops_at_once_and_make_uninstall_leaves_the_boot_dir(work: &WorkDir) -> Result<()> {
    let systemd = installed(work, &Host::without_dad())?;
    systemd.run(&["systemctl", "enable", "--now", "proxydhcpd"])?;
    let start = Instant::now();
    systemd.run(&["systemctl", "stop", "proxydhcpd"])?;
    ensure!(start.elapsed() < Duration::from_secs(3), "it took {:?} to stop", start.elapsed());
    ensure!(show(&systemd, "Result")? == "success", "it stopped with {}", show(&systemd, "Result")?);

    systemd.run(&["systemctl", "start", "proxydhcpd"])?;
    systemd.run(&["make", "--directory=/src", "uninstall"])?;
    let processes = systemd.output(&["pidof", "proxydhcpd"])?;
    ensure!(processes.stdout.is_empty(), "the server still runs");
    ensure!(show(&systemd, "LoadState")? == "not-found", "systemd still has the unit");
    let left =
        systemd.run(&["find", "/usr/sbin", "/usr/lib/systemd", "/usr/share/man", "/etc", "-name", "proxydhcpd*"])?;
    ensure!(left.is_empty(), "left behind: {left}");
    ensure!(
        systemd.file("/var/lib/proxydhcpd/boot/boot.ipxe").exists(),
        "uninstall removed a file of the administrator"
    );
    Ok(())
}

fn a_server_in_the_background_logs_to_the_journal(work: &WorkDir) -> Result<()> {
    let mut systemd = installed(work, &Host::without_dad())?;
    systemd.run(&["proxydhcpd", "-d"])?;
    signal(&systemd, "TERM", &systemd.run(&["pidof", "proxydhcpd"])?)?;
    systemd.wait_for("end of the server", |systemd| Ok(!systemd.output(&["pidof", "proxydhcpd"])?.status.success()))?;
    systemd.run(&["journalctl", "--sync"])?;
    // The server logged these lines after `-d` had detached it from the terminal.
    let lines = systemd.run(&["journalctl", "--output=cat", "SYSLOG_IDENTIFIER=proxydhcpd", "PRIORITY=6"])?;
    ensure!(lines.lines().any(|line| line == "ready"), "the journal has: {lines}");
    ensure!(lines.lines().any(|line| line.starts_with("stopped")), "the journal has: {lines}");
    Ok(())
}

/// Boots a container with the binary under test, which `make install` has installed. The boot directory contains the
/// loaders and the token's script.
fn installed(work: &WorkDir, host: &Host) -> Result<SystemdHost> {
    let systemd = SystemdHost::boot(work, host)?;
    systemd.run(&["make", "--directory=/src", "--old-file=build", "RELEASE=/binary", "install"])?;
    let boot = systemd.file("/var/lib/proxydhcpd/boot");
    for entry in fs::read_dir(site::boot_dir(work, Some(&work.token.script()))?)? {
        let entry = entry?;
        fs::copy(entry.path(), boot.join(entry.file_name()))?;
    }
    Ok(systemd)
}

/// Adds a drop-in file with these lines to the unit, as `systemctl edit` does.
fn drop_in(systemd: &SystemdHost, lines: &str) -> Result<()> {
    let directory = systemd.file("/etc/systemd/system/proxydhcpd.service.d");
    fs::create_dir_all(&directory)?;
    fs::write(directory.join("override.conf"), format!("[Service]\n{lines}\n"))?;
    systemd.run(&["systemctl", "daemon-reload"]).map(drop)
}

/// Sends a signal with the kill that is built into the shell, because a minimal Debian has no other.
fn signal(systemd: &SystemdHost, name: &str, process: &str) -> Result<()> {
    systemd.run(&["sh", "-c", &format!("kill -{name} {process}")]).map(drop)
}

fn main_process(systemd: &SystemdHost) -> Result<String> {
    show(systemd, "MainPID")
}

fn show(systemd: &SystemdHost, property: &str) -> Result<String> {
    systemd.run(&["systemctl", "show", "--value", &format!("--property={property}"), "proxydhcpd"])
}

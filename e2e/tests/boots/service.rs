//! The installed service under a real systemd: its unit, `make install`, and what an administrator does with it.

use anyhow::{Context, Result, ensure};
use proxydhcpd_e2e::WorkDir;
use proxydhcpd_e2e::systemd_host::SystemdHost;
use proxydhcpd_e2e::machine;
use proxydhcpd_e2e::net::Host;
use proxydhcpd_e2e::site::{self, SharedHostSite, Site};
use std::fs;
use std::time::{Duration, Instant};

cases![
    x64_boots_from_the_installed_service,
    the_unit_says_how_to_boot_machines_beside_a_primary_that_keeps_port_67,
    a_reload_under_systemd_takes_over_a_good_configuration_and_refuses_a_broken_one,
    systemd_starts_a_server_anew_that_hangs,
    the_service_stops_at_once_and_make_uninstall_leaves_the_boot_dir,
    from_the_background_the_lines_go_to_the_journal,
];

fn x64_boots_from_the_installed_service(lab: &WorkDir) -> Result<()> {
    let site = Site::new(lab)?;
    let house = installed(lab, &site.server)?;
    house.run(&["systemctl", "enable", "--now", "proxydhcpd"])?;
    runs_without_root_and_with_one_capability(&house)?;
    site.boot(&machine::x64_2022())?;

    house.run(&["journalctl", "--sync"])?;
    let answered = ["_SYSTEMD_UNIT=proxydhcpd.service", "FIRMWARE=x64 UEFI", "FILE=snponly.efi", "LINK=eth0"];
    let lines = house.run(&[&["journalctl", "--quiet", "--output=cat"][..], &answered].concat())?;
    ensure!(lines.contains("OFFER snponly.efi"), "the journal has no such line with these fields: {lines}");
    let machines = house.run(&["journalctl", "--field=MAC"])?;
    ensure!(machines.starts_with("52:54:00:"), "the journal knows these machines: {machines}");
    Ok(())
}

fn runs_without_root_and_with_one_capability(house: &SystemdHost) -> Result<()> {
    let status = house.run(&["cat", &format!("/proc/{}/status", main_process(house)?)])?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
        line.with_context(|| format!("no {name} in {status}"))
    };
    // What systemd takes for DynamicUser=, see systemd.exec(5).
    let user: u32 = field("Uid")?.split('\t').next().unwrap_or_default().parse()?;
    ensure!((61184..=65519).contains(&user), "the server is user {user}");
    // CAP_NET_BIND_SERVICE is number 10.
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        ensure!(u64::from_str_radix(field(set)?, 16)? == 1 << 10, "{set} is {}", field(set)?);
    }
    Ok(())
}

/// dnsmasq as it is by default has the whole port; the three lines are those of the unit's own comment.
fn the_unit_says_how_to_boot_machines_beside_a_primary_that_keeps_port_67(lab: &WorkDir) -> Result<()> {
    let site = SharedHostSite::new(lab, &[])?;
    let house = installed(lab, &site.host)?;
    let lines =
        ["AmbientCapabilities=CAP_NET_RAW", "CapabilityBoundingSet=CAP_NET_RAW", "RestrictAddressFamilies=AF_PACKET"];
    let unit = fs::read_to_string(house.file("/usr/lib/systemd/system/proxydhcpd.service"))?;
    let comment = unit.replace("\n# ", " ");
    ensure!(lines.iter().all(|line| comment.contains(line)), "the unit does not say how any more");
    drop_in(&house, &lines.join("\n"))?;
    house.run(&["systemctl", "enable", "--now", "proxydhcpd"])?;
    site::boot(lab, &site.segment, &machine::bios())
}

fn a_reload_under_systemd_takes_over_a_good_configuration_and_refuses_a_broken_one(lab: &WorkDir) -> Result<()> {
    let site = Site::new(lab)?;
    let mut house = installed(lab, &site.server)?;
    house.run(&["systemctl", "start", "proxydhcpd"])?;
    let (process, file) = (main_process(&house)?, house.file("/etc/proxydhcpd/proxydhcpd.toml"));
    ensure!(show(&house, "StatusText")? == "serving eth0", "at first: {}", show(&house, "StatusText")?);

    fs::write(&file, "interfaces = [\"eth7\"]\n")?;
    house.run(&["systemctl", "reload", "proxydhcpd"])?;
    // The signal has been sent when systemctl ends, no more.
    house.wait_for("status of a server whose interface is not there", |house| {
        Ok(show(house, "StatusText")?.starts_with("no interface"))
    })?;

    fs::write(&file, "interfaces = [\"eth0\"\n")?;
    let reload = house.output(&["systemctl", "reload", "proxydhcpd"])?;
    ensure!(!reload.status.success(), "systemctl says that a broken configuration has been reloaded");
    ensure!(show(&house, "ActiveState")? == "active", "a broken configuration has ended the server");
    ensure!(show(&house, "StatusText")?.starts_with("no interface"), "a broken configuration has changed something");
    house.run(&["journalctl", "--sync"])?;
    let journal = house.run(&["journalctl", "--unit=proxydhcpd", "--output=cat"])?;
    ensure!(journal.contains("/etc/proxydhcpd/proxydhcpd.toml:1:"), "where the mistake is, is not said");

    fs::remove_file(&file)?;
    house.run(&["systemctl", "reload", "proxydhcpd"])?;
    house.wait_for("status of a server that serves again", |house| Ok(show(house, "StatusText")? == "serving eth0"))?;
    ensure!(main_process(&house)? == process, "a reload was a restart");
    Ok(())
}

fn systemd_starts_a_server_anew_that_hangs(lab: &WorkDir) -> Result<()> {
    let mut house = installed(lab, &Host::new(lab, "server")?)?;
    let unit = fs::read_to_string(house.file("/usr/lib/systemd/system/proxydhcpd.service"))?;
    ensure!(unit.contains("\nWatchdogSec="), "the unit has no watchdog");
    drop_in(&house, "WatchdogSec=2")?;
    house.run(&["systemctl", "start", "proxydhcpd"])?;
    let process = main_process(&house)?;
    // Alive, it outlives its watchdog.
    let start = Instant::now();
    house.wait_for("second of life", |_| Ok(start.elapsed() > Duration::from_secs(3)))?;
    ensure!(main_process(&house)? == process, "the watchdog does not know that the server is alive");

    signal(&house, "STOP", &process)?;
    house.wait_for("new start", |house| {
        Ok(show(house, "NRestarts")? == "1" && show(house, "ActiveState")? == "active")
    })?;
    ensure!(main_process(&house)? != process, "the server that hangs is still there");
    Ok(())
}

fn the_service_stops_at_once_and_make_uninstall_leaves_the_boot_dir(lab: &WorkDir) -> Result<()> {
    let house = installed(lab, &Host::new(lab, "server")?)?;
    house.run(&["systemctl", "enable", "--now", "proxydhcpd"])?;
    let start = Instant::now();
    house.run(&["systemctl", "stop", "proxydhcpd"])?;
    ensure!(start.elapsed() < Duration::from_secs(3), "it took {:?} to stop", start.elapsed());
    ensure!(show(&house, "Result")? == "success", "it stopped with {}", show(&house, "Result")?);

    house.run(&["systemctl", "start", "proxydhcpd"])?;
    house.run(&["make", "--directory=/src", "uninstall"])?;
    let processes = house.output(&["pidof", "proxydhcpd"])?;
    ensure!(processes.stdout.is_empty(), "the server runs on");
    ensure!(show(&house, "LoadState")? == "not-found", "systemd still knows the unit");
    let left =
        house.run(&["find", "/usr/sbin", "/usr/lib/systemd", "/usr/share/man", "/etc", "-name", "proxydhcpd*"])?;
    ensure!(left.is_empty(), "left behind: {left}");
    ensure!(house.file("/var/lib/proxydhcpd/boot/boot.ipxe").exists(), "what the administrator put there is gone");
    Ok(())
}

fn from_the_background_the_lines_go_to_the_journal(lab: &WorkDir) -> Result<()> {
    let mut house = installed(lab, &Host::new(lab, "server")?)?;
    house.run(&["proxydhcpd", "-d"])?;
    signal(&house, "TERM", &house.run(&["pidof", "proxydhcpd"])?)?;
    house.wait_for("end of the server", |house| Ok(!house.output(&["pidof", "proxydhcpd"])?.status.success()))?;
    house.run(&["journalctl", "--sync"])?;
    // One that was after `-d` had let go of the terminal.
    let lines = house.run(&["journalctl", "--output=cat", "SYSLOG_IDENTIFIER=proxydhcpd", "PRIORITY=6"])?;
    ensure!(lines.lines().any(|line| line == "ready"), "the journal has: {lines}");
    ensure!(lines.lines().any(|line| line.starts_with("stopped")), "the journal has: {lines}");
    Ok(())
}

/// A house in which `make install` has put the binary under test, with loaders and our script in the boot directory.
fn installed(lab: &WorkDir, host: &Host) -> Result<SystemdHost> {
    let house = SystemdHost::boot(lab, host)?;
    house.run(&["make", "--directory=/src", "--old-file=build", "RELEASE=/binary", "install"])?;
    let boot = house.file("/var/lib/proxydhcpd/boot");
    for entry in fs::read_dir(site::boot_dir(lab, Some(&lab.token.script()))?)? {
        let entry = entry?;
        fs::copy(entry.path(), boot.join(entry.file_name()))?;
    }
    Ok(house)
}

/// As `systemctl edit` would leave it.
fn drop_in(house: &SystemdHost, lines: &str) -> Result<()> {
    let directory = house.file("/etc/systemd/system/proxydhcpd.service.d");
    fs::create_dir_all(&directory)?;
    fs::write(directory.join("override.conf"), format!("[Service]\n{lines}\n"))?;
    house.run(&["systemctl", "daemon-reload"]).map(drop)
}

/// By the shell's own kill: a minimal Debian has no other.
fn signal(house: &SystemdHost, name: &str, process: &str) -> Result<()> {
    house.run(&["sh", "-c", &format!("kill -{name} {process}")]).map(drop)
}

fn main_process(house: &SystemdHost) -> Result<String> {
    show(house, "MainPID")
}

fn show(house: &SystemdHost, property: &str) -> Result<String> {
    house.run(&["systemctl", "show", "--value", &format!("--property={property}"), "proxydhcpd"])
}

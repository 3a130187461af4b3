//! Tests installers that report to the server while they run.

use anyhow::{Context, Result, ensure};
use proxydhcpd_e2e::WorkDir;
use proxydhcpd_e2e::machine::{self, BOOT_TIMEOUT};
use proxydhcpd_e2e::server;
use proxydhcpd_e2e::site::{self, Site};
use proxydhcpd_e2e::terminal::read_text;
use proxydhcpd_testbed::cache;
use std::ffi::OsStr;
use std::fs;
use std::time::Duration;

cases![the_debian_installer_reports_and_its_lines_of_syslog_stand_in_the_story];

const MAC: &str = "52:54:00:12:34:56";

/// The timeout of a Linux that unpacks its initrd and probes its hardware in an emulator.
const INSTALLER: Duration = Duration::from_secs(360);

const CONFIG: &str = r#"
unknown-machine-profile = "nothing"
[syslog]
port = 514
[profile.debian]
title = "Debian 12 installer"
kernel = "debian/linux"
initrd = "debian/initrd.gz"
arguments = """auto=true priority=critical url={{ base }}preseed.cfg interface=auto \
  log_host={{ server }} log_port=514 console=ttyS0 no_timer_check DEBIAN_FRONTEND=text"""
[machine.web1]
mac = "52:54:00:12:34:56"
profile = "debian"
boot = "once"
"#;

/// A complete installation needs a mirror of Debian and an hour. So the command that runs first does what the one that
/// runs last would do (`preseed/late_command`), with the same shell and the same programs.
const PRESEED: &str = r#"d-i preseed/early_command string \
  logger -t early "a line for the story"; \
  wget -q -O /dev/null --post-data="the first command runs" {{ report_url | sh }}; \
  wget -q -O /dev/null --post-data='{"progress": "nothing is partitioned", "percent": 3}' {{ report_url | sh }}; \
  busybox wget -q -O /dev/null {{ done_url | sh }} && echo TOKEN >/dev/console
"#;

fn the_debian_installer_reports_and_its_lines_of_syslog_stand_in_the_story(work: &WorkDir) -> Result<()> {
    let directory = site::boot_dir(work, None)?;
    fs::create_dir(directory.join("debian"))?;
    for name in ["linux", "initrd.gz"] {
        fs::copy(cache::path(&format!("2022/{name}")), directory.join("debian").join(name))?;
    }
    let preseed = PRESEED.replace("TOKEN", &work.token.word());
    let file = site::write_config(work, &directory, CONFIG, &[("preseed.cfg", &preseed)])?;
    // If the lease had no name server, the installer would prompt for one.
    let site = Site::with_dhcp_options(work, &["--dhcp-option=option:dns-server,10.77.0.1"])?;
    let mut server = server::start(work, &site.server, &[OsStr::new("-v"), OsStr::new("-c"), file.as_os_str()])?;
    let mut machine = machine::bios().with_memory(1024).with_mac(MAC).power_on(work, &site.segment, "machine")?;
    machine.wait_for("Linux version", BOOT_TIMEOUT)?;
    work.log_progress("the kernel runs");
    machine.wait_for(&work.token.word(), INSTALLER)?;
    work.log_progress("the installer has executed its preseed");

    server.wait_for("web1 is installed, by done_url", BOOT_TIMEOUT)?;
    let ask: [&OsStr; 4] = ["-c".as_ref(), file.as_ref(), "story".as_ref(), "web1".as_ref()];
    let last = "the machine reports: installed";
    let mut story = String::new();
    machine.wait_until("its end in the story", BOOT_TIMEOUT, || {
        story = server::ask(work, &site.server, &ask)?;
        Ok(story.contains(last))
    })?;
    // Each step, and the stage that its line shows.
    let steps = [
        ("kernel debian/linux over HTTP: complete", "kernel"),
        ("the machine completed its boot-once", ""),
        ("a system on the machine requested an address", "system"),
        ("the machine reports (syslog): \"main-menu: INFO: Menu item 'network-preseed' selected\"", ""),
        ("preseed.cfg over HTTP: complete", ""),
        ("the machine reports (syslog): \"early: a line for the story\"", ""),
        ("the machine reports (progress): \"the first command runs\"", ""),
        ("the machine reports (progress): \"nothing is partitioned\"", ""),
        ("done over HTTP: complete", "installed"),
        (last, ""),
    ];
    let mut lines = story.lines();
    for (step, stage) in steps {
        // Each step stands behind the one before.
        let line = lines.find(|line| line.contains(step)).with_context(|| format!("no {step} in {story}"))?;
        let shown = line.split_once(" s  ").and_then(|(_, rest)| rest.split_once("  ")).map(|(stage, _)| stage.trim());
        ensure!(shown == Some(stage), "the stage of {step} is not {stage:?}: {line}");
    }
    ensure!(!story.contains("failed:"), "a verdict: {story}");
    // The installer sends the commands of its preseed by syslog, with the token.
    let log = read_text(&work.file("proxydhcpd.log"))?;
    let shows_no_token = |text: &str| text.split("token=").skip(1).all(|behind| behind.starts_with("..."));
    ensure!(
        log.contains("running preseed command") && shows_no_token(&log) && shows_no_token(&story),
        "{log}\n{story}"
    );
    Ok(())
}

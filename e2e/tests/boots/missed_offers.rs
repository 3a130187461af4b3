//! Tests the reports in the log about machines that do not use the server's offer.

use anyhow::{Result, ensure};
use proxydhcpd_e2e::WorkDir;
use proxydhcpd_e2e::machine;
use proxydhcpd_e2e::peers;
use proxydhcpd_e2e::site::Site;
use proxydhcpd_e2e::terminal::read_text;
use proxydhcpd_testbed::Host;
use std::time::Duration;

cases![
    a_dhcp_server_that_sends_option_60_is_reported_with_the_fix,
    a_dhcp_server_that_names_a_boot_file_keeps_ipxe_from_its_script_and_is_reported,
    a_dhcp_server_that_assigns_no_address_is_reported,
    another_boot_server_that_firmware_prefers_is_reported_and_the_dhcp_server_is_not,
];

/// The timeout exceeds the time that the server waits before it reports, because the emulator is slow.
const REPORT_TIMEOUT: Duration = Duration::from_secs(240);

/// The phrases that occur in reports about machines that do not boot.
const REPORTS: [&str; 3] = [" took its address from ", " and took no address", "VERDICT="];

fn a_dhcp_server_that_sends_option_60_is_reported_with_the_fix(work: &WorkDir) -> Result<()> {
    let message = "took its address from 10.77.0.1 but did not request its file from this boot server. The offer of \
                 10.77.0.1 has option 60";
    is_reported(work, &["--dhcp-option-force=option:vendor-class,PXEClient"], message)
}

/// UEFI uses this server's file nevertheless, so this server's iPXE runs. That iPXE then uses the DHCP server's file.
fn a_dhcp_server_that_names_a_boot_file_keeps_ipxe_from_its_script_and_is_reported(work: &WorkDir) -> Result<()> {
    let message = "took its address from 10.77.0.1 but did not request its script from this boot server. The offer of \
                 10.77.0.1 names a boot file";
    is_reported(work, &["--dhcp-boot=other.ipxe"], message)
}

fn a_dhcp_server_that_assigns_no_address_is_reported(work: &WorkDir) -> Result<()> {
    is_reported(
        work,
        &["--dhcp-ignore=tag:!known"],
        "and took no address, without which it cannot boot. No offer of an address arrived here",
    )
}

fn another_boot_server_that_firmware_prefers_is_reported_and_the_dhcp_server_is_not(work: &WorkDir) -> Result<()> {
    let site = Site::new(work)?;
    let another = Host::without_dad();
    site.segment.plug(&another, "eth0", &["10.77.0.3/24"]);
    let mut server = site.serve()?;
    let _another = peers::boot_server(work, &another, &work.file("boot"))?;
    let _machine = machine::x64_2022().power_on(work, &site.segment, "machine")?;
    server.wait_for("Another boot server, 10.77.0.3, sent it an offer as well", REPORT_TIMEOUT)?;
    let log = read_text(&work.file("proxydhcpd.log"))?;
    let blames_dhcp_server = ["settings of 10.77.0.1", "10.77.0.1 sends"].iter().any(|message| log.contains(message));
    ensure!(!blames_dhcp_server, "the log blames the DHCP server:\n{log}");
    Ok(())
}

fn is_reported(work: &WorkDir, dhcp_options: &[&str], message: &str) -> Result<()> {
    let site = Site::with_dhcp_options(work, dhcp_options)?;
    let mut server = site.serve()?;
    let _machine = machine::x64_2022().power_on(work, &site.segment, "machine")?;
    server.wait_for(message, REPORT_TIMEOUT)
}

/// Checks, after the cases of all other files, that the log reports no machine that boots.
pub fn no_machine_is_reported(work: &WorkDir) -> Result<()> {
    let log = read_text(&work.file("proxydhcpd.log"))?;
    let reports: Vec<&str> = log.lines().filter(|line| REPORTS.iter().any(|message| line.contains(message))).collect();
    ensure!(reports.is_empty(), "the log reports a machine that boots:\n{}", reports.join("\n"));
    Ok(())
}

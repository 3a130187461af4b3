//! What keeps machines from our offer, and that the log says so.

use anyhow::{Result, ensure};
use proxydhcpd_e2e::WorkDir;
use proxydhcpd_e2e::machine;
use proxydhcpd_e2e::net::Host;
use proxydhcpd_e2e::peers;
use proxydhcpd_e2e::process::read_text;
use proxydhcpd_e2e::site::Site;
use std::time::Duration;

cases![
    a_primary_that_sends_option_60_is_named_with_the_cure,
    a_primary_that_names_a_boot_file_keeps_ipxe_from_our_script_and_is_named,
    a_primary_that_gives_no_address_is_told_of,
    another_boot_server_that_firmware_prefers_is_named_and_the_primary_is_not_accused,
];

/// Longer than the patience of the server, and the emulator is slow.
const TOLD: Duration = Duration::from_secs(240);

/// What the log never says of machines that boot.
const RIVALS: [&str; 2] = [" took its address from ", " and took no address"];

fn a_primary_that_sends_option_60_is_named_with_the_cure(lab: &WorkDir) -> Result<()> {
    let words = "took its address from 10.77.0.1 but did not request its file from this boot server. The offer of \
                 10.77.0.1 has option 60";
    is_told(lab, &["--dhcp-option-force=option:vendor-class,PXEClient"], words)
}

/// UEFI takes our file all the same, so that our iPXE runs, which then takes the primary's.
fn a_primary_that_names_a_boot_file_keeps_ipxe_from_our_script_and_is_named(lab: &WorkDir) -> Result<()> {
    let words = "took its address from 10.77.0.1 but did not request its script from this boot server. The offer of \
                 10.77.0.1 names a boot file";
    is_told(lab, &["--dhcp-boot=somebody-elses.ipxe"], words)
}

fn a_primary_that_gives_no_address_is_told_of(lab: &WorkDir) -> Result<()> {
    is_told(
        lab,
        &["--dhcp-ignore=tag:!known"],
        "and took no address, without which it cannot boot. No offer of an address arrived here",
    )
}

fn another_boot_server_that_firmware_prefers_is_named_and_the_primary_is_not_accused(lab: &WorkDir) -> Result<()> {
    let site = Site::new(lab)?;
    let another = Host::new(lab, "another")?;
    site.segment.plug(&another, "eth0", &["10.77.0.3/24"])?;
    let mut server = site.serve()?;
    let _another = peers::boot_server(lab, &another, &lab.file("boot"))?;
    let _machine = machine::x64_2022().power_on(lab, &site.segment, "machine")?;
    server.wait_for("Another boot server, 10.77.0.3, sent it an offer as well", TOLD)?;
    let log = read_text(&lab.file("proxydhcpd.log"))?;
    let accused = ["settings of 10.77.0.1", "10.77.0.1 sends"].iter().any(|words| log.contains(words));
    ensure!(!accused, "the primary is accused:\n{log}");
    Ok(())
}

fn is_told(lab: &WorkDir, of_primary: &[&str], words: &str) -> Result<()> {
    let site = Site::with_dhcp_options(lab, of_primary)?;
    let mut server = site.serve()?;
    let _machine = machine::x64_2022().power_on(lab, &site.segment, "machine")?;
    server.wait_for(words, TOLD)
}

/// For the cases of all the other files: no machine that boots is told of.
pub fn no_machine_is_reported(lab: &WorkDir) -> Result<()> {
    let log = read_text(&lab.file("proxydhcpd.log"))?;
    let told: Vec<&str> = log.lines().filter(|line| RIVALS.iter().any(|words| line.contains(words))).collect();
    ensure!(told.is_empty(), "a rival where there is none:\n{}", told.join("\n"));
    Ok(())
}

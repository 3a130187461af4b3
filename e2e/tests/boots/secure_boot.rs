//! Firmware that enforces Secure Boot.

use anyhow::Result;
use proxydhcpd_e2e::Lab;
use proxydhcpd_e2e::machine::{self, PATIENCE, Trusts};
use proxydhcpd_e2e::site::{self, Site};
use proxydhcpd_e2e::{cache, sign};

cases![an_ipxe_with_the_sites_own_signature_boots_under_secure_boot, an_unsigned_ipxe_is_refused_under_secure_boot,];

fn an_ipxe_with_the_sites_own_signature_boots_under_secure_boot(lab: &Lab) -> Result<()> {
    let folder = site::boot_folder(lab, Some(&lab.token.script()))?;
    sign::sign(lab, "2025", &cache::path("2025/snponly.efi")?, &folder.join("snponly.efi"))?;
    let site = Site::new(lab)?;
    let _server = site::serve(lab, &site.server, folder)?;
    site.boot(&machine::x64_2025_with_secure_boot(Trusts::Site))
}

/// The firmware says so and goes on to its next boot entry.
fn an_unsigned_ipxe_is_refused_under_secure_boot(lab: &Lab) -> Result<()> {
    let site = Site::new(lab)?;
    let _server = site.serve()?;
    let machine = machine::x64_2025_with_secure_boot(Trusts::Site);
    let mut machine = machine.power_on(lab, &site.segment, "machine")?;
    machine.wait_for("Access Denied", PATIENCE)?;
    lab.note("the firmware has refused the loader");
    machine.wait_for("Start PXE over IPv6", PATIENCE)?;
    lab.note("and has gone on to its next boot entry");
    Ok(())
}

//! The network of most cases: one segment, the site's DHCP server, and a host for the server under test.

use crate::capture::Capture;
use crate::machine::{BOOT_TIMEOUT, Machine};
use crate::peers::{self, ADVERTISE};
use crate::process::Process;
use crate::server;
use crate::work_dir::WorkDir;
use anyhow::Result;
use proxydhcpd_testbed::{Host, Segment, cache};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// The address of the site's DHCP server.
pub const DHCP_SERVER: &str = "10.77.0.1";
/// The address of the server under test.
pub const SERVER: &str = "10.77.0.2";
/// The addresses that the DHCP server assigns.
pub const LEASES: &str = "10.77.0.100,10.77.0.199";

/// The names that `make loaders` gives the loaders. Each loader has a file in the cache.
const LOADERS: [&str; 5] = ["undionly.kpxe", "snponly.efi", "ipxe-arm64.efi", "ipxe-riscv64.efi", "ipxe-loong64.efi"];

/// The network 10.77.0.0/24: the DHCP server has .1, the server under test .2, and the machines have addresses from
/// .100.
#[derive(Debug)]
pub struct Site<'a> {
    /// The work directory of the case.
    pub work: &'a WorkDir,
    /// The segment of all hosts and machines.
    pub segment: Segment,
    /// The host of the server under test.
    pub server: Host,
    /// The capture of the segment.
    pub capture: Capture,
    _dhcp_server: Process,
}

impl<'a> Site<'a> {
    /// Starts the network.
    pub fn new(work: &'a WorkDir) -> Result<Site<'a>> {
        Site::with_dhcp_options(work, &[])
    }

    /// Starts the network, with more options for the DHCP server.
    pub fn with_dhcp_options(work: &'a WorkDir, options: &[&str]) -> Result<Site<'a>> {
        let segment = Segment::new();
        let capture = Capture::start(work, &segment, "wire")?;
        let dhcp_host = Host::without_dad();
        segment.plug(&dhcp_host, "eth0", &["10.77.0.1/24", "fd77::1/64"]);
        let server = Host::without_dad();
        segment.plug(&server, "eth0", &["10.77.0.2/24", "fd77::2/64"]);
        let dhcp_server = peers::dhcp_server(work, &dhcp_host, LEASES, &[&ADVERTISE[..], options].concat())?;
        Ok(Site { work, segment, server, capture, _dhcp_server: dhcp_server })
    }

    /// Starts the server without a configuration. Its boot directory contains the loaders and the token's script.
    pub fn serve(&self) -> Result<Process> {
        serve(self.work, &self.server, boot_dir(self.work, Some(&self.work.token.script()))?)
    }

    /// Starts the server with this configuration.
    pub fn serve_with_config(&self, configuration: &Path) -> Result<Process> {
        server::start(self.work, &self.server, &[OsStr::new("-c"), configuration.as_os_str()])
    }

    /// Switches the machine on, and waits until it has run the token's script.
    pub fn boot(&self, machine: &Machine) -> Result<()> {
        boot(self.work, &self.segment, machine)
    }
}

/// The network of [`Site`], with the DHCP server and the server under test on one host, 10.77.0.1.
#[derive(Debug)]
pub struct SharedHostSite {
    /// The segment of the host and the machines.
    pub segment: Segment,
    /// The host of both servers.
    pub host: Host,
    /// The capture of the segment.
    pub capture: Capture,
    _dhcp_server: Process,
}

impl SharedHostSite {
    /// Starts the network, with more options for the DHCP server.
    pub fn new(work: &WorkDir, dhcp_options: &[&str]) -> Result<SharedHostSite> {
        let segment = Segment::new();
        let capture = Capture::start(work, &segment, "wire")?;
        let host = Host::without_dad();
        segment.plug(&host, "eth0", &["10.77.0.1/24", "fd77::1/64"]);
        let dhcp_server = peers::dhcp_server(work, &host, LEASES, &[&ADVERTISE[..], dhcp_options].concat())?;
        Ok(SharedHostSite { segment, host, capture, _dhcp_server: dhcp_server })
    }
}

/// Starts the server on this host, with a boot directory and without a configuration.
pub fn serve(work: &WorkDir, host: &Host, directory: PathBuf) -> Result<Process> {
    server::start(work, host, &[OsStr::new("--boot-dir"), directory.as_os_str()])
}

/// Creates a boot directory with the loaders, and with this script as `boot.ipxe`.
pub fn boot_dir(work: &WorkDir, script: Option<&str>) -> Result<PathBuf> {
    let directory = work.new_directory("boot")?;
    for name in LOADERS {
        fs::copy(cache::path(&format!("2025/{name}")), directory.join(name))?;
    }
    if let Some(script) = script {
        fs::write(directory.join("boot.ipxe"), script)?;
    }
    Ok(directory)
}

/// Writes a configuration with a state directory, and these templates, each with its name and text. The configuration
/// has the keys of the directories, followed by `text`. Returns the path of the configuration.
pub fn write_config(work: &WorkDir, boot_dir: &Path, text: &str, templates: &[(&str, &str)]) -> Result<PathBuf> {
    let directory = work.new_directory("configuration")?;
    let (file, state) = (directory.join("proxydhcpd.toml"), work.new_directory("state")?);
    fs::write(&file, format!("boot-dir = {boot_dir:?}\nstate-dir = {state:?}\n{text}"))?;
    let template_dir = work.new_directory("configuration/templates")?;
    for (name, text) in templates {
        fs::write(template_dir.join(name), text)?;
    }
    Ok(file)
}

/// Switches a machine on, and waits until its console shows the token.
pub fn boot(work: &WorkDir, segment: &Segment, machine: &Machine) -> Result<()> {
    machine.power_on(work, segment, "machine")?.wait_for(&work.token.word(), BOOT_TIMEOUT)?;
    work.log_progress("the script has run");
    Ok(())
}

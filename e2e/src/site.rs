//! The network that most cases want: one segment, a primary DHCP server and a host for ours.

use crate::cache;
use crate::capture::Capture;
use crate::work_dir::WorkDir;
use crate::machine::{Machine, BOOT_TIMEOUT};
use crate::net::{Host, Segment};
use crate::peers::{self, ADVERTISE};
use crate::process::Process;
use crate::server;
use anyhow::Result;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

pub const DHCP_SERVER: &str = "10.77.0.1";
pub const SERVER: &str = "10.77.0.2";
/// What the primary hands out.
pub const LEASES: &str = "10.77.0.100,10.77.0.199";

/// Loaders by the names that `make loaders` gives them, each with its file in the cache.
const LOADERS: [&str; 5] = ["undionly.kpxe", "snponly.efi", "ipxe-arm64.efi", "ipxe-riscv64.efi", "ipxe-loong64.efi"];

/// 10.77.0.0/24: the primary at .1, ours at .2, machines from .100.
#[derive(Debug)]
pub struct Site<'a> {
    pub lab: &'a WorkDir,
    pub segment: Segment,
    pub server: Host,
    pub capture: Capture,
    _primary: Process,
}

impl<'a> Site<'a> {
    pub fn new(lab: &'a WorkDir) -> Result<Site<'a>> {
        Site::with_dhcp_options(lab, &[])
    }

    /// With more options for the primary.
    pub fn with_dhcp_options(lab: &'a WorkDir, options: &[&str]) -> Result<Site<'a>> {
        let segment = Segment::new(lab, "wire")?;
        let capture = Capture::start(lab, &segment, "wire")?;
        let primary = Host::new(lab, "primary")?;
        segment.plug(&primary, "eth0", &["10.77.0.1/24", "fd77::1/64"])?;
        let server = Host::new(lab, "server")?;
        segment.plug(&server, "eth0", &["10.77.0.2/24", "fd77::2/64"])?;
        let primary = peers::dhcp_server(lab, &primary, LEASES, &[&ADVERTISE[..], options].concat())?;
        Ok(Site { lab, segment, server, capture, _primary: primary })
    }

    /// Our server as it is on its first day: no configuration, a directory with the loaders and this script of ours.
    pub fn serve(&self) -> Result<Process> {
        serve(self.lab, &self.server, boot_dir(self.lab, Some(&self.lab.token.script()))?)
    }

    /// Our server as this file has it.
    pub fn serve_with_config(&self, configuration: &Path) -> Result<Process> {
        server::start(self.lab, &self.server, &[OsStr::new("-c"), configuration.as_os_str()])
    }

    /// Switches the machine on and waits until it has run our script.
    pub fn boot(&self, machine: &Machine) -> Result<()> {
        boot(self.lab, &self.segment, machine)
    }
}

/// The same network with the primary on our own host, 10.77.0.1.
#[derive(Debug)]
pub struct SharedHostSite {
    pub segment: Segment,
    pub host: Host,
    pub capture: Capture,
    _primary: Process,
}

impl SharedHostSite {
    pub fn new(lab: &WorkDir, of_primary: &[&str]) -> Result<SharedHostSite> {
        let segment = Segment::new(lab, "wire")?;
        let capture = Capture::start(lab, &segment, "wire")?;
        let host = Host::new(lab, "host")?;
        segment.plug(&host, "eth0", &["10.77.0.1/24", "fd77::1/64"])?;
        let primary = peers::dhcp_server(lab, &host, LEASES, &[&ADVERTISE[..], of_primary].concat())?;
        Ok(SharedHostSite { segment, host, capture, _primary: primary })
    }
}

/// Our server on this host, with nothing but a boot directory.
pub fn serve(lab: &WorkDir, host: &Host, directory: PathBuf) -> Result<Process> {
    server::start(lab, host, &[OsStr::new("--boot-dir"), directory.as_os_str()])
}

/// A boot directory with the loaders, and with a script if there is one.
pub fn boot_dir(lab: &WorkDir, script: Option<&str>) -> Result<PathBuf> {
    let directory = lab.new_directory("boot")?;
    for name in LOADERS {
        fs::copy(cache::path(&format!("2025/{name}"))?, directory.join(name))?;
    }
    if let Some(script) = script {
        fs::write(directory.join("boot.ipxe"), script)?;
    }
    Ok(directory)
}

/// A configuration with a directory for the state and one for templates, each of which has a name and its text. What
/// `text` says stands behind the keys that name the directories.
pub fn write_config(lab: &WorkDir, boot_dir: &Path, text: &str, templates: &[(&str, &str)]) -> Result<PathBuf> {
    let directory = lab.new_directory("configuration")?;
    let (file, state) = (directory.join("proxydhcpd.toml"), lab.new_directory("state")?);
    fs::write(&file, format!("boot-dir = {boot_dir:?}\nstate-dir = {state:?}\n{text}"))?;
    let of_templates = lab.new_directory("configuration/templates")?;
    for (name, text) in templates {
        fs::write(of_templates.join(name), text)?;
    }
    Ok(file)
}

/// Switches a machine on and waits until its console shows the token.
pub fn boot(lab: &WorkDir, segment: &Segment, machine: &Machine) -> Result<()> {
    machine.power_on(lab, segment, "machine")?.wait_for(&lab.token.word(), BOOT_TIMEOUT)?;
    lab.log_progress("our script has run");
    Ok(())
}

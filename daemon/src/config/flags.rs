//! The flags of the command line for settings. Each flag overrides the key of the same name.

use crate::settings::port_range::parse_port_range;
use crate::settings::value::range_in_words;
use crate::settings::{Enabled, MAX_TRANSFERS, SandboxMode, Settings};
use std::net::IpAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::ops::RangeInclusive;
use std::path::PathBuf;

// A doc comment here would replace the description of every command that has these flags.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Configuration")]
pub struct Flags {
    /// Configuration file: proxydhcpd.toml, or the proxy.ini of the Python daemon
    ///
    /// The default is the first that exists of /etc/proxydhcpd/proxydhcpd.toml, /etc/proxydhcpd/proxy.ini and
    /// /etc/proxyDHCPd/proxy.ini. No file is required.
    #[arg(short, long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Answer on UDP port 4011 only, because a DHCP server on this host uses port 67
    #[arg(short, long, global = true)]
    pub proxy_only: bool,

    /// Serve this interface; may be repeated [default: all on which machines can boot]
    #[arg(short, long = "interface", global = true, value_name = "NAME")]
    pub interfaces: Vec<String>,

    /// Directory with the files to boot [default: /var/lib/proxydhcpd/boot]
    #[arg(short, long, global = true, value_name = "DIR")]
    pub boot_dir: Option<PathBuf>,

    /// Directory for state: completed boot-onces, shared UUIDs, the DUID [default: /var/lib/proxydhcpd/state]
    #[arg(long, global = true, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,

    /// User as whom the server runs once its ports are open [default: the user who starts it]
    #[arg(long, global = true, value_name = "NAME")]
    pub user: Option<String>,

    /// Whether the server gives up what it does not need once its ports are open [default: on]
    #[arg(long, global = true, value_name = "MODE")]
    pub sandbox: Option<SandboxFlag>,

    /// Ignore case in file names of the boot directory: Windows requests `\Boot\BCD` and `\boot\bcd`
    #[arg(long, global = true)]
    pub ignore_case: bool,

    /// TCP port of the HTTP server [default: 8080]
    #[arg(long, global = true, value_name = "PORT", conflicts_with = "no_http")]
    pub http_port: Option<NonZeroU16>,

    /// Do not run the HTTP server
    #[arg(long, global = true)]
    pub no_http: bool,

    /// Do not run the TFTP server
    #[arg(long, global = true, conflicts_with_all = ["tftp_ports", "tftp_single_port"])]
    pub no_tftp: bool,

    /// UDP ports for TFTP transfers [default: any]
    #[arg(long, global = true, value_name = "FIRST-LAST", value_parser = parse_port_range)]
    pub tftp_ports: Option<RangeInclusive<u16>>,

    /// Use UDP port 69 for TFTP transfers, too, for firewalls and containers
    #[arg(long, global = true, conflicts_with = "tftp_ports")]
    pub tftp_single_port: bool,

    /// Maximum number of concurrent TFTP transfers [default: as many as the limit on open files allows]
    #[arg(long, global = true, value_name = "N", value_parser = |text: &str| parse_number(text, MAX_TRANSFERS))]
    pub max_transfers: Option<u32>,

    /// Open the page for operators to the served networks, by plain HTTP: for a first look
    #[arg(long, global = true)]
    pub open_page: bool,

    /// Maximum number of requests to answer per second on each interface [default: no limit]
    #[arg(long = "max-requests-per-second", global = true, value_name = "N")]
    pub max_requests_per_second: Option<NonZeroU32>,

    /// Answer only this relay; may be repeated [default: any]
    #[arg(long = "allow-relay", global = true, value_name = "ADDRESS")]
    pub relays: Vec<IpAddr>,

    /// Additional user class (option 77) that identifies iPXE; may be repeated
    #[arg(long = "ipxe-user-class", global = true, value_name = "WORD")]
    pub ipxe_user_classes: Vec<String>,
}

/// The values of `--sandbox`.
#[derive(clap::ValueEnum, Clone, Copy, Debug)]
pub enum SandboxFlag {
    /// Give it up, as far as the kernel can
    On,
    /// Let the kernel log the system calls that it would refuse
    Log,
    /// Keep everything
    Off,
}

impl From<SandboxFlag> for SandboxMode {
    fn from(flag: SandboxFlag) -> Self {
        match flag {
            SandboxFlag::On => SandboxMode::On,
            SandboxFlag::Log => SandboxMode::Log,
            SandboxFlag::Off => SandboxMode::Off,
        }
    }
}

impl Flags {
    /// Makes paths absolute, so that a reload finds them after the working directory has changed.
    pub fn with_absolute_paths(mut self) -> Self {
        for path in [&mut self.config, &mut self.boot_dir, &mut self.state_dir].into_iter().flatten() {
            if let Ok(absolute) = std::path::absolute(&*path) {
                *path = absolute;
            }
        }
        self
    }

    /// Overrides each setting whose flag is given.
    pub fn apply(&self, settings: &mut Settings) {
        settings.proxy_only |= self.proxy_only;
        settings.ignore_case |= self.ignore_case;
        replace_list(&mut settings.interfaces, &self.interfaces);
        replace_list(&mut settings.relays, &self.relays);
        replace_list(&mut settings.ipxe_user_classes, &self.ipxe_user_classes);
        if let Some(dir) = &self.boot_dir {
            settings.boot_dir.clone_from(dir);
        }
        if let Some(dir) = &self.state_dir {
            settings.state_dir.clone_from(dir);
        }
        if let Some(user) = &self.user {
            settings.user = Some(user.clone());
        }
        if let Some(mode) = self.sandbox {
            settings.sandbox = mode.into();
        }
        if let Some(port) = self.http_port {
            settings.http.enabled = Enabled::Yes;
            settings.http.port = port.get();
        }
        if self.no_http {
            settings.http.enabled = Enabled::No;
        }
        if self.tftp_ports.is_some() || self.tftp_single_port {
            settings.tftp.enabled = Enabled::Yes;
            settings.tftp.ports.clone_from(&self.tftp_ports);
            settings.tftp.single_port = self.tftp_single_port;
        }
        if self.no_tftp {
            settings.tftp.enabled = Enabled::No;
        }
        if self.open_page {
            settings.web.enabled = true;
            (settings.web.listen, settings.web.open, settings.web.plain_http) = (None, true, true);
        }
        settings.tftp.max_transfers = self.max_transfers.or(settings.tftp.max_transfers);
        settings.max_requests_per_second = self.max_requests_per_second.or(settings.max_requests_per_second);
    }
}

fn replace_list<T: Clone>(setting: &mut Vec<T>, flags: &[T]) {
    if !flags.is_empty() {
        *setting = flags.to_vec();
    }
}

fn parse_number(text: &str, range: RangeInclusive<u32>) -> Result<u32, String> {
    text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| range_in_words(&range))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_overrides_the_file() {
        let mut settings = Settings { interfaces: vec!["eth0".into()], ..Settings::default() };
        let flags = Flags { interfaces: vec!["eth1".into()], no_http: true, ..Flags::default() };
        flags.apply(&mut settings);
        assert_eq!((settings.interfaces, settings.http.enabled), (vec!["eth1".to_owned()], Enabled::No));
    }

    #[test]
    fn a_flag_that_is_not_given_changes_nothing() {
        let mut settings = Settings::default();
        Flags::default().apply(&mut settings);
        assert_eq!(settings, Settings::default());
    }
}

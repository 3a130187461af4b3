//! The site as the server would build it on this host now: for `check`, `explain`, `render`, `probe` and `doctor`,
//! which read the configuration, the interfaces, the loaders and the boot directory, and open no port. The ports that
//! the configuration enables count as open.

pub mod boot_once_records;
pub mod ports;

use crate::boot_once::completions;
use crate::config::flags::Flags;
use crate::config::{ConfigError, Loaded};
use crate::net::link::{self, LinkFilter};
use crate::net::unserved::{self, UnservedInterface, UnservedReason};
use crate::shared_uuids::SharedUuidsFile;
use crate::site::interfaces;
use crate::site::{self, OpenPorts, Site};
use proxydhcpd_core::link::{Link, Network, Network4, Network6};
use proxydhcpd_core::observations::Observations;
use proxydhcpd_reading::diagnostic::Diagnostic;
use proxydhcpd_reading::suggest::closest_match;
use std::net::Ipv6Addr;

/// The site as the server would build it on this host now.
#[derive(Debug)]
pub struct Preview {
    /// The configuration as it was read.
    pub loaded: Loaded,
    /// The links that the server would serve.
    pub links: Vec<Link>,
    /// All links of this host, including those that are not served.
    pub all_links: Vec<Link>,
    /// The filter that selects the links to serve.
    pub filter: LinkFilter,
    /// The site, built from the configuration and the files.
    pub site: Site,
}

/// Reads the configuration and builds the site, without opening a port.
///
/// # Errors
/// The configuration has errors.
pub fn load(flags: &Flags) -> Result<Preview, ConfigError> {
    let mut loaded = site::load(flags)?;
    let all_links = interfaces::list_all(|_| {});
    let filter = interfaces::filter(&loaded, &all_links).map_err(|error| site::with_file_errors(&mut loaded, error))?;
    let links = link::list(&filter).unwrap_or_default();
    let open = OpenPorts {
        tftp: loaded.settings.tftp.enabled.is_on(&all_links),
        tftp6: loaded.settings.tftp.enabled.is_on(&all_links),
        http: loaded.settings.http.enabled.is_on(&all_links).then_some(loaded.settings.http.port),
        syslog: loaded.settings.syslog_port,
        boot_server: true,
        boot_server6: true,
        relays: !loaded.settings.proxy_only,
        relays6: !loaded.settings.proxy_only,
    };
    let mut site = Site::build(&mut loaded, open)?;
    site.check_offered_files(&all_links);
    let directory = completions::path_in(&loaded.settings.state_dir);
    let completed = completions::list(&directory).unwrap_or_default();
    site.protect_removed_machines(&directory, completed.iter().map(String::as_str), |_, _| {});
    Ok(Preview { loaded, links, all_links, filter, site })
}

/// Warns of configured interfaces that the server would not serve now. Each may become usable later.
pub fn unserved_interfaces(filter: &LinkFilter) -> Vec<Diagnostic> {
    let interfaces = unserved::unserved_interfaces(filter).unwrap_or_default();
    interfaces.iter().map(|interface| Diagnostic::warning(interface.to_string()).help(when_served(interface))).collect()
}

fn when_served(UnservedInterface { pattern, reason, all_interfaces }: &UnservedInterface) -> String {
    match reason {
        UnservedReason::NotFound => match closest_match(pattern, all_interfaces.iter().map(String::as_str)) {
            Some(suggestion) => format!("did you mean {suggestion}? The server serves {pattern} as soon as it exists"),
            None => format!("the server serves it as soon as it exists; this host has {}", all_interfaces.join(", ")),
        },
        UnservedReason::Down(name) => {
            format!("run `ip link set {name} up`; the server serves it as soon as it is up and has an address")
        }
        UnservedReason::BridgePort(_) => "name the bridge or bond instead".to_owned(),
        UnservedReason::NoAddress(_) => "the server serves it as soon as it has one".to_owned(),
    }
}

impl Preview {
    /// New observations that contain the shared UUIDs which a server on this host has stored. Adds a warning if they
    /// cannot be read.
    pub fn observations(&self, warnings: &mut Vec<Diagnostic>) -> Observations {
        let mut observations = Observations::new(0);
        match SharedUuidsFile::new(&self.loaded.settings.state_dir).read() {
            Ok(known) => observations.uuid_claims.set_shared(known),
            Err(error) => warnings.push(Diagnostic::warning(error).help("continuing as if no UUID were shared")),
        }
        observations
    }
}

/// A link with the documentation networks (RFC 5737, RFC 3849), for a host without networks. `network` replaces the
/// documentation network of its address family.
pub fn example_links(name: Option<&str>, network: Option<Network>) -> Vec<Link> {
    let link_local = |last| Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, last);
    let mut ipv4 = Network4 { address: [192, 0, 2, 10].into(), prefix: 24 };
    let mut ipv6 = Network6 { address: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10), prefix: 64 };
    match network {
        Some(Network::V4(network)) => ipv4 = network,
        Some(Network::V6(network)) => ipv6 = network,
        None => {}
    }
    let ipv6 = vec![ipv6, Network6 { address: link_local(0x10), prefix: 64 }];
    vec![Link { index: 1, name: name.unwrap_or("eth0").into(), mtu: 1500, ipv4: vec![ipv4], ipv6 }]
}

//! What `check` and `explain` look at: configuration, interfaces, loaders, boot directory. No port is opened; those that
//! the configuration wants are taken as open.

use super::print_diagnostic;
use crate::config::diagnostic::Diagnostic;
use crate::config::flags::Flags;
use crate::config::{ConfigError, Loaded};
use crate::net::link::{self, LinkFilter};
use crate::net::unserved::{self, UnservedInterface, UnservedReason};
use crate::suggest::closest_match;
use crate::serve::listeners;
use crate::shared_uuids::SharedUuidsFile;
use crate::site::{self, OpenPorts, Site};
use crate::boot_once::completions;
use proxydhcpd_core::link::{Link, Network, Network4, Network6};
use proxydhcpd_core::observations::Observations;
use std::net::Ipv6Addr;

#[derive(Debug)]
pub struct CliContext {
    pub loaded: Loaded,
    pub links: Vec<Link>,
    /// Those that are not served as well.
    pub all: Vec<Link>,
    pub filter: LinkFilter,
    pub site: Site,
}

pub fn load(flags: &Flags) -> Result<CliContext, ConfigError> {
    let mut loaded = site::load(flags)?;
    let all = listeners::all_links();
    let filter = listeners::interface_filter(&loaded, &all).map_err(|error| site::with_file_errors(&mut loaded, error))?;
    let links = link::list(&filter).unwrap_or_default();
    let open = OpenPorts {
        tftp: loaded.settings.tftp.enabled.is_on(&all),
        tftp6: loaded.settings.tftp.enabled.is_on(&all),
        http: loaded.settings.http.enabled.is_on(&all).then_some(loaded.settings.http.port),
        boot_server: true,
        boot_server6: true,
        relays: !loaded.settings.proxy_only,
        relays6: !loaded.settings.proxy_only,
    };
    let mut site = Site::build(&mut loaded, open)?;
    site.check_offered_files(&all);
    let directory = completions::path_in(&loaded.settings.state_dir);
    let marks = completions::list(&directory).unwrap_or_default();
    site.protect_removed_machines(&directory, marks.iter().map(String::as_str));
    Ok(CliContext { loaded, links, all, filter, site })
}

/// Interfaces that are named and not served now. Each may come later.
pub fn unserved_interfaces(filter: &LinkFilter) -> Vec<Diagnostic> {
    let told = unserved::unserved_interfaces(filter).unwrap_or_default();
    told.iter().map(|absent| Diagnostic::warning(absent.to_string()).help(when_served(absent))).collect()
}

fn when_served(UnservedInterface { pattern, reason: why, all_interfaces: others }: &UnservedInterface) -> String {
    match why {
        UnservedReason::NotFound => match closest_match(pattern, others.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean {meant}? It is served as soon as there is one"),
            None => format!("it is served as soon as there is one; now there are {}", others.join(", ")),
        },
        UnservedReason::Down(name) => format!("`ip link set {name} up`; it is served as soon as it is up and has an address"),
        UnservedReason::BridgePort(_) => "name the bridge or bond in its place".to_owned(),
        UnservedReason::NoAddress(_) => "it is served as soon as it has one".to_owned(),
    }
}

impl CliContext {
    /// What a server that runs here has learnt for good.
    pub fn observations(&self) -> Observations {
        let mut memory = Observations::new(0);
        match SharedUuidsFile::new(&self.loaded.settings.state_dir).read() {
            Ok(known) => memory.uuid_claims.set_shared(known),
            Err(error) => print_diagnostic(&Diagnostic::warning(error).help("as if no UUID were shared")),
        }
        memory
    }
}

/// Networks of documentation (RFC 5737, RFC 3849), for a machine that has none; or this one in the place of its like.
pub fn example_links(name: Option<&str>, network: Option<Network>) -> Vec<Link> {
    let on_link = |last| Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, last);
    let mut ipv4 = Network4 { address: [192, 0, 2, 10].into(), prefix: 24 };
    let mut ipv6 = Network6 { address: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10), prefix: 64 };
    match network {
        Some(Network::V4(network)) => ipv4 = network,
        Some(Network::V6(network)) => ipv6 = network,
        None => {}
    }
    let ipv6 = vec![ipv6, Network6 { address: on_link(0x10), prefix: 64 }];
    vec![Link { index: 1, name: name.unwrap_or("eth0").into(), mtu: 1500, ipv4: vec![ipv4], ipv6 }]
}

//! What `check` and `explain` look at: configuration, interfaces, loaders, boot folder. No port is opened; those that
//! the configuration wants are taken as open.

use crate::config::flags::Flags;
use crate::config::{self, ConfigError, Loaded};
use crate::net::link;
use crate::serve::doors;
use crate::site::{Open, Site};
use proxydhcpd_core::link::{Link, Network4, Network6};

#[derive(Debug)]
pub struct Setting {
    pub loaded: Loaded,
    pub links: Vec<Link>,
    pub site: Site,
}

pub fn of(flags: &Flags) -> Result<Setting, ConfigError> {
    let mut loaded = config::load(flags)?;
    let all = doors::all_links();
    let filter = doors::filter(&loaded, &all)?;
    let links = link::list(&filter).unwrap_or_default();
    let open = Open {
        tftp: loaded.settings.tftp.enabled.on(&all),
        tftp6: loaded.settings.tftp.enabled.on(&all),
        http: loaded.settings.http.enabled.on(&all).then_some(loaded.settings.http.port),
        boot_server: true,
        boot_server6: true,
    };
    let site = Site::build(&mut loaded, open)?;
    Ok(Setting { loaded, links, site })
}

/// A network of documentation (RFC 5737), for a machine that has none.
pub fn example(name: Option<&str>, network: Option<Network4>) -> Vec<Link> {
    let ipv6 =
        ["2001:db8::10", "fe80::10"].map(|address| Network6 { address: address.parse().unwrap(), prefix: 64 }).into();
    let network = network.unwrap_or(Network4 { address: [192, 0, 2, 10].into(), prefix: 24 });
    vec![Link { index: 1, name: name.unwrap_or("eth0").into(), mtu: 1500, ipv4: vec![network], ipv6 }]
}

//! Resolves the names of servers. dnsmasq uses /etc/hosts and the files of `addn-hosts`, if its DNS server is enabled.

use super::lines::{DnsmasqLine, MAX_FILE_SIZE};
use proxydhcpd_reading::regular::read_regular;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;

/// The first address of each host name, in lower case.
#[derive(Debug, Default)]
pub struct HostsFiles(BTreeMap<String, Ipv4Addr>);

impl HostsFiles {
    /// Reads the hosts files that dnsmasq reads if its configuration has these lines.
    pub fn from_lines(lines: &[DnsmasqLine]) -> HostsFiles {
        let port = lines.iter().rfind(|line| line.key == "port").and_then(|line| line.args().first());
        if port.is_some_and(|port| port.text == "0") {
            return HostsFiles::default();
        }
        let no_hosts = lines.iter().any(|line| line.key == "no-hosts");
        let additional = lines.iter().filter(|line| line.key == "addn-hosts").filter_map(|line| line.args().first());
        let files = (!no_hosts).then_some("/etc/hosts").into_iter().chain(additional.map(|arg| arg.text.as_str()));
        let mut hosts = HostsFiles::default();
        // A hosts file that cannot be read has no names. A device would never end, and a FIFO would block.
        for octets in files.filter_map(|file| read_regular(Path::new(file), MAX_FILE_SIZE).ok()) {
            String::from_utf8_lossy(&octets).lines().for_each(|line| hosts.line(line));
        }
        hosts
    }

    /// The first address of a name. If a name has several addresses, dnsmasq alternates between them. `None`: no hosts
    /// file contains the name.
    pub fn lookup(&self, name: &str) -> Option<Ipv4Addr> {
        self.0.get(&name.to_ascii_lowercase()).copied()
    }

    fn line(&mut self, line: &str) {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(address) = words.next().and_then(|word| word.parse().ok()) else { return };
        for name in words {
            self.0.entry(name.to_ascii_lowercase()).or_insert(address);
        }
    }
}

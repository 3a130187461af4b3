//! Facts about the host on which the import runs. dnsmasq uses the network mask of an interface, and another TFTP
//! server on the host may have the boot files. The import receives these facts as a value, so the tests have the same
//! result on every host.

use super::server_info::ServerInfo;
use proxydhcpd_core::link::{Link, Network4};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

/// The networks of this host, the directories of the TFTP servers on this host, and the server that will run on it.
#[derive(Clone, Debug)]
pub struct HostInfo {
    /// The IPv4 networks of this host, each with the name of its interface.
    pub networks: Vec<(String, Network4)>,
    /// The existing directories of other TFTP servers on this host, the most likely one first.
    pub tftp_dirs: Vec<PathBuf>,
    /// The server that will read the result.
    pub server: ServerInfo,
}

/// The default directories of common TFTP servers.
const DEFAULT_DIRS: [&str; 4] = ["/srv/tftp", "/tftpboot", "/var/lib/tftpboot", "/var/lib/tftp"];

impl HostInfo {
    /// Creates a host without networks and without another TFTP server.
    pub fn new(server: ServerInfo) -> HostInfo {
        HostInfo { networks: Vec::new(), tftp_dirs: Vec::new(), server }
    }

    /// Collects the facts. `links` are all links of the host. `root` is `/`, except in tests.
    pub fn detect(links: &[Link], root: &Path, server: ServerInfo) -> HostInfo {
        let link_networks =
            |link: &Link| link.ipv4.iter().map(|network| (link.name.clone(), *network)).collect::<Vec<_>>();
        let networks =
            links.iter().flat_map(link_networks).filter(|(_, network)| !network.address.is_loopback()).collect();
        let defaults_file = std::fs::read_to_string(root.join("etc/default/tftpd-hpa")).unwrap_or_default();
        let configured = defaults_file.lines().filter_map(|line| line.trim().strip_prefix("TFTP_DIRECTORY="));
        let configured =
            configured.map(|value| value.trim().trim_matches(['"', '\''])).filter(|value| !value.is_empty());
        let directories =
            configured.chain(DEFAULT_DIRS).map(PathBuf::from).filter(|directory| below_root(root, directory).is_dir());
        let mut tftp_dirs: Vec<PathBuf> = Vec::new();
        for directory in directories {
            if !tftp_dirs.contains(&directory) {
                tftp_dirs.push(directory);
            }
        }
        HostInfo { networks, tftp_dirs, server }
    }

    /// The prefix length of the network of this host that contains the address. `None`: no such network does.
    pub fn prefix_for(&self, address: Ipv4Addr) -> Option<u8> {
        self.networks.iter().find(|(_, network)| network.contains(address)).map(|(_, network)| network.prefix)
    }
}

fn below_root(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: ServerInfo = ServerInfo { default_boot_dir: "/boot", loader_fault: |_, _| None };

    #[test]
    fn the_configured_directory_of_another_tftp_server_precedes_the_defaults() {
        let root = tempfile::tempdir().unwrap();
        for directory in ["etc/default", "srv/tftp", "images/boot"] {
            std::fs::create_dir_all(root.path().join(directory)).unwrap();
        }
        let file = "TFTP_USERNAME=\"tftp\"\nTFTP_DIRECTORY=\"/images/boot\"\n";
        std::fs::write(root.path().join("etc/default/tftpd-hpa"), file).unwrap();
        let host = HostInfo::detect(&[], root.path(), SERVER);
        assert_eq!(host.tftp_dirs, [PathBuf::from("/images/boot"), PathBuf::from("/srv/tftp")]);
    }

    #[test]
    fn an_address_has_the_prefix_of_the_interface_network_that_contains_it() {
        let address = Ipv4Addr::new(10, 2, 0, 10);
        let ipv4 = vec![Network4 { address, prefix: 16 }];
        let link = Link { index: 2, name: "eth0".into(), mtu: 1500, ipv4, ipv6: Vec::new() };
        let host = HostInfo::detect(&[link], Path::new("/nowhere"), SERVER);
        assert_eq!(host.prefix_for(Ipv4Addr::new(10, 2, 0, 0)), Some(16));
        assert_eq!(host.prefix_for(Ipv4Addr::new(10, 1, 0, 0)), None);
    }
}

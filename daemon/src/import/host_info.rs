//! What the machine that imports knows: dnsmasq takes a network's mask from the interface, and files may be another
//! server's. It is a value, so that the same file is imported in the same way wherever the tests run.

use proxydhcpd_core::link::{Link, Network4};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, Default)]
pub struct HostInfo {
    /// The networks of this machine's interfaces, by name.
    pub networks: Vec<(String, Network4)>,
    /// Where other TFTP servers of this machine keep their files.
    pub tftp_dirs: Vec<PathBuf>,
}

/// Where TFTP servers keep their files unless they are told otherwise.
const USUAL: [&str; 4] = ["/srv/tftp", "/tftpboot", "/var/lib/tftpboot", "/var/lib/tftp"];

impl HostInfo {
    /// `links`: all of them. `root`: `/`.
    pub fn detect(links: &[Link], root: &Path) -> HostInfo {
        let of_link = |link: &Link| link.ipv4.iter().map(|network| (link.name.clone(), *network)).collect::<Vec<_>>();
        let networks = links.iter().flat_map(of_link).filter(|(_, network)| !network.address.is_loopback()).collect();
        let file = std::fs::read_to_string(root.join("etc/default/tftpd-hpa")).unwrap_or_default();
        let named = file.lines().filter_map(|line| line.trim().strip_prefix("TFTP_DIRECTORY="));
        let named = named.map(|value| value.trim().trim_matches(['"', '\''])).filter(|value| !value.is_empty());
        let directories = named.chain(USUAL).map(PathBuf::from).filter(|directory| inside(root, directory).is_dir());
        let mut tftp_dirs: Vec<PathBuf> = Vec::new();
        for directory in directories {
            if !tftp_dirs.contains(&directory) {
                tftp_dirs.push(directory);
            }
        }
        HostInfo { networks, tftp_dirs }
    }

    /// The prefix that the interface has in whose network the address lies.
    pub fn prefix_for(&self, address: Ipv4Addr) -> Option<u8> {
        self.networks.iter().find(|(_, network)| network.contains(address)).map(|(_, network)| network.prefix)
    }
}

fn inside(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_that_another_tftp_server_is_told_goes_before_the_usual_ones() {
        let root = tempfile::tempdir().unwrap();
        for directory in ["etc/default", "srv/tftp", "images/boot"] {
            std::fs::create_dir_all(root.path().join(directory)).unwrap();
        }
        let file = "TFTP_USERNAME=\"tftp\"\nTFTP_DIRECTORY=\"/images/boot\"\n";
        std::fs::write(root.path().join("etc/default/tftpd-hpa"), file).unwrap();
        let here = HostInfo::detect(&[], root.path());
        assert_eq!(here.tftp_dirs, [PathBuf::from("/images/boot"), PathBuf::from("/srv/tftp")]);
    }

    #[test]
    fn a_range_has_the_mask_of_the_interface_in_whose_network_it_lies() {
        let address = Ipv4Addr::new(10, 2, 0, 10);
        let ipv4 = vec![Network4 { address, prefix: 16 }];
        let link = Link { index: 2, name: "eth0".into(), mtu: 1500, ipv4, ipv6: Vec::new() };
        let here = HostInfo::detect(&[link], Path::new("/nowhere"));
        assert_eq!(here.prefix_for(Ipv4Addr::new(10, 2, 0, 0)), Some(16));
        assert_eq!(here.prefix_for(Ipv4Addr::new(10, 1, 0, 0)), None);
    }
}

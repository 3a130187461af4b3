//! The Linux distribution of this host, and how to get a loader there.

use proxydhcpd_core::arch::Arch;

/// The Linux distribution of this host, which determines the package that a hint names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// Debian before 13, or Ubuntu, whose package contains x86 loaders only.
    DebianX86,
    /// Debian 13 or later.
    Debian,
    /// Fedora, RHEL and their derivatives.
    Fedora,
    /// openSUSE, SLES.
    Suse,
    /// Arch Linux.
    Arch,
    /// Alpine Linux.
    Alpine,
    /// None of these: the hint names a file, not a package.
    Unknown,
}

impl Distribution {
    /// Determines the distribution from the content of /etc/os-release (os-release(5)): by `ID`, or else by the first
    /// known name in `ID_LIKE`.
    pub fn from_os_release(text: &str) -> Distribution {
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.unwrap_or("").trim_matches(['"', '\''])
        };
        let release: Option<u32> = value("VERSION_ID").split('.').next().and_then(|major| major.parse().ok());
        std::iter::once(value("ID"))
            .chain(value("ID_LIKE").split_whitespace())
            .find_map(|id| {
                Some(match id {
                    "debian" if value("ID") == "debian" && release.is_none_or(|release| release >= 13) => {
                        Distribution::Debian
                    }
                    "debian" | "ubuntu" => Distribution::DebianX86,
                    "fedora" | "rhel" | "centos" => Distribution::Fedora,
                    "suse" | "opensuse" => Distribution::Suse,
                    "arch" => Distribution::Arch,
                    "alpine" => Distribution::Alpine,
                    _ => return None,
                })
            })
            .unwrap_or(Distribution::Unknown)
    }

    /// How to get a loader for this architecture: the package that contains a loader, or else the file to provide.
    pub fn hint(self, arch: Arch) -> String {
        let Some(packages) = arch.info().map(|row| &row.names.packages) else { return self.file_hint(arch) };
        let (install, package) = match self {
            Distribution::DebianX86 => ("apt install", packages.debian_12),
            Distribution::Debian => ("apt install", packages.debian),
            Distribution::Fedora => ("dnf install", packages.fedora),
            Distribution::Suse => ("zypper install", packages.suse),
            Distribution::Arch => ("pacman -S", packages.arch_linux),
            Distribution::Alpine => ("apk add", packages.alpine),
            Distribution::Unknown => ("", None),
        };
        match package {
            Some(package) => format!("{install} {package}"),
            // dist/loaders unpacks the package of Debian 13.
            None if self == Distribution::DebianX86 && packages.debian.is_some() => "make loaders".to_owned(),
            None => self.file_hint(arch),
        }
    }

    fn file_hint(self, arch: Arch) -> String {
        // The first name that contains the architecture and stands for iPXE with native drivers.
        let names = arch.info().map_or(&[][..], |row| row.loaders);
        let native = |name: &&&str| name.starts_with("ipxe-") && !name.contains("snponly") && !name.contains("shim");
        let name = names.iter().find(native).or(names.first());
        format!("put {} into the boot directory", name.unwrap_or(&"one"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_is_recognised_by_its_id_or_its_relatives() {
        for (text, system) in [
            ("ID=debian\nVERSION_ID=\"12\"\n", Distribution::DebianX86),
            ("ID=debian\nVERSION_ID=\"13\"\n", Distribution::Debian),
            ("ID=debian\nVERSION_CODENAME=sid\n", Distribution::Debian),
            ("ID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"24.04\"\n", Distribution::DebianX86),
            ("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", Distribution::Fedora),
            ("ID=opensuse-leap\nID_LIKE=\"suse opensuse\"\n", Distribution::Suse),
            ("ID=nixos\n", Distribution::Unknown),
            ("", Distribution::Unknown),
        ] {
            assert_eq!(Distribution::from_os_release(text), system, "{text:?}");
        }
    }
}

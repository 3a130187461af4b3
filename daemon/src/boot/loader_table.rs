//! Which architecture is given which file, for the start-up messages and for `check`.

use super::loaders::FoundLoaders;
use proxydhcpd_core::arch::{Arch, ARCHITECTURES};
use proxydhcpd_core::plan::Loader;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Architectures that are worth a line even without a loader: those that machines of today announce.
const CUSTOMARY: [u16; 7] = [0, 6, 7, 10, 11, 27, 39];

/// A line of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct LoaderRow<'a> {
    pub arch: Arch,
    /// What it gets, or how to come by it.
    pub loader: Result<&'a Loader, String>,
}

/// The lines by architecture: every one that has a loader, and the customary ones that have none.
pub fn rows<'a>(loaders: &'a BTreeMap<Arch, Loader>, found: &FoundLoaders, system: &Distribution) -> Vec<LoaderRow<'a>> {
    ARCHITECTURES
        .iter()
        .map(|row| Arch(row.code))
        .filter_map(|arch| match loaders.get(&arch) {
            Some(loader) => Some(LoaderRow { arch, loader: Ok(loader) }),
            None if CUSTOMARY.contains(&arch.0) => Some(LoaderRow { arch, loader: Err(hint(arch, found, system)) }),
            None => None,
        })
        .collect()
}

/// How to come by a loader of this architecture: by mending the one that is there, or else by getting one.
pub fn hint(arch: Arch, found: &FoundLoaders, system: &Distribution) -> String {
    let misfit = found.unusable.iter().find(|misfit| misfit.archs.contains(&arch));
    match misfit {
        Some(misfit) if misfit.archs.len() == 1 => {
            format!("{} cannot be used ({}): {}", misfit.path.display(), misfit.reason, misfit.fix)
        }
        Some(misfit) => format!(
            "{} cannot be used ({}): {}; or, if that is for another architecture: {}",
            misfit.path.display(),
            misfit.reason,
            misfit.fix,
            system.hint(arch)
        ),
        None => system.hint(arch),
    }
}

/// The table as text, one line each and aligned.
pub fn render(lines: &[LoaderRow<'_>]) -> String {
    let width = lines.iter().map(|line| line.arch.to_string().len()).max().unwrap_or(0);
    let mut text = String::new();
    for LoaderRow { arch, loader } in lines {
        let arch = arch.to_string();
        match loader {
            Ok(loader) => match &loader.path {
                Some(path) => writeln!(text, "{arch:width$}  {path}"),
                None => writeln!(text, "{arch:width$}  {} (from the other TFTP server)", loader.name),
            },
            Err(hint) => writeln!(text, "{arch:width$}  no loader: {hint}"),
        }
        .ok();
    }
    text
}

/// The distribution, as far as a hint depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distribution {
    /// Debian before 13, or Ubuntu: its package has x86 loaders only.
    DebianX86,
    Debian,
    Fedora,
    Suse,
    Arch,
    Alpine,
    Unknown,
}

impl Distribution {
    /// By the content of /etc/os-release (os-release(5)): `ID`, else the nearest of `ID_LIKE`.
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

    /// What to do for a loader of this architecture: packages where one has it, else the file to provide.
    pub fn hint(self, arch: Arch) -> String {
        let id = arch.info().map_or("", |row| row.id);
        let command = match (self, id) {
            (Distribution::DebianX86 | Distribution::Debian, "bios" | "uefi-x64") => "apt install ipxe",
            (Distribution::Debian, "uefi-arm64" | "uefi-riscv64" | "uefi-loongarch64") => "apt install ipxe",
            (Distribution::DebianX86, "uefi-arm64" | "uefi-riscv64" | "uefi-loongarch64") => "make loaders",
            (Distribution::Fedora, "bios" | "uefi-ia32" | "uefi-x64") => "dnf install ipxe-bootimgs-x86",
            (Distribution::Fedora, "uefi-arm64") => "dnf install ipxe-bootimgs-aarch64",
            (Distribution::Suse, "bios" | "uefi-ia32" | "uefi-x64" | "uefi-arm64") => "zypper install ipxe-bootimgs",
            (Distribution::Arch, "bios" | "uefi-x64") => "pacman -S ipxe",
            (Distribution::Alpine, "bios" | "uefi-x64") => "apk add ipxe",
            _ => return self.file(arch),
        };
        command.to_owned()
    }

    fn file(self, arch: Arch) -> String {
        // The first name that says its architecture and takes iPXE with its own drivers.
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
    fn a_system_is_known_by_its_name_or_its_kin() {
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

    #[test]
    fn the_table_names_what_is_there_and_how_to_come_by_the_rest() {
        let loader = Loader { name: "snponly.efi".into(), path: Some("/usr/lib/ipxe/snponly.efi".into()) };
        let loaders = BTreeMap::from([(Arch::X64, loader)]);
        let text = render(&rows(&loaders, &FoundLoaders::default(), &Distribution::DebianX86));
        assert_eq!(
            text,
            "x86 BIOS           no loader: apt install ipxe\n\
             x86 UEFI           no loader: put ipxe-ia32.efi into the boot directory\n\
             x64 UEFI           /usr/lib/ipxe/snponly.efi\n\
             ARM 32 UEFI        no loader: put ipxe-arm32.efi into the boot directory\n\
             ARM 64 UEFI        no loader: make loaders\n\
             RISC-V 64 UEFI     no loader: make loaders\n\
             LoongArch 64 UEFI  no loader: make loaders\n"
        );
    }
}

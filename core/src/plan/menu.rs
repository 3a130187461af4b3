//! The settings of the menu of the boot directory: which items a machine sees, which of them need a password, and which
//! one starts by itself.

use super::offer::EntryTarget;
use super::pattern::Glob;
use super::profile::Linux;
use super::rule::Rule;
use alloc::string::String;
use alloc::vec::Vec;

/// The identifier of the item that boots the local disk. It is in every menu.
pub const LOCAL_DISK: &str = "local-disk";
/// The identifier of the item that opens the shell of iPXE.
pub const SHELL: &str = "shell";
/// The identifier of the item that restarts the machine.
pub const RESTART: &str = "restart";
/// The identifier of the item that starts netboot.xyz from the Internet.
pub const NETBOOT_XYZ: &str = "netboot.xyz";

/// The settings of the menu. An item of the boot directory is identified by the path of its kernel, script or program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MenuSettings {
    /// The seconds after which the default item starts. 0: the menu waits.
    pub timeout: u16,
    /// The identifier of the default item.
    pub default_item: String,
    /// The items that need a password.
    pub protected_items: Vec<Glob>,
    /// The items that no machine sees.
    pub hidden_items: Vec<Glob>,
}

impl Default for MenuSettings {
    fn default() -> Self {
        MenuSettings {
            timeout: 10,
            default_item: LOCAL_DISK.into(),
            protected_items: Vec::new(),
            hidden_items: Vec::new(),
        }
    }
}

impl MenuSettings {
    /// Whether machines that meet this rule do not see the item.
    pub fn hides(&self, item: &str, rule: Option<&Rule>) -> bool {
        let of_rule = rule.map(|rule| &rule.hidden_items[..]).unwrap_or_default();
        item != LOCAL_DISK && self.hidden_items.iter().chain(of_rule).any(|pattern| pattern.matches(item.as_bytes()))
    }

    /// Whether the item needs a password.
    pub fn protects(&self, item: &str) -> bool {
        self.protected_items.iter().any(|pattern| pattern.matches(item.as_bytes()))
    }

    /// Whether the item may start by itself. An installer may not: it could overwrite a disk of a machine whose user
    /// is not there. Neither may an item that needs a password, or one that would end the menu without a boot.
    pub fn may_be_default(&self, item: &str, target: Option<&EntryTarget>) -> bool {
        let is_harmless = match target {
            Some(target) => !target.is_installer(),
            None => item == LOCAL_DISK || item == NETBOOT_XYZ,
        };
        is_harmless && !self.protects(item)
    }
}

/// Words at the begin of a kernel argument that only installers know: Debian, Ubuntu, Red Hat, SUSE, CoreOS, Alpine.
const INSTALLER_ARGUMENTS: [&str; 13] = [
    "inst.",
    "ks=",
    "auto=true",
    "auto-install/",
    "autoinstall",
    "preseed/",
    "debian-installer/",
    "autoyast=",
    "install=",
    "inst_auto=",
    "coreos.inst",
    "agama.",
    "netsetup=",
];
/// Parts of the path of a file that belongs to an installer.
const INSTALLER_PATHS: [&str; 5] = ["install", "d-i/", "preseed", "kickstart", "boot.wim"];

impl EntryTarget {
    /// The path by which settings identify the entry.
    pub fn path(&self) -> &str {
        match self {
            EntryTarget::Linux { kernel, .. } => kernel,
            EntryTarget::Script { path } | EntryTarget::Efi { path, .. } => path,
        }
    }

    /// Whether the entry installs a system, judged by its files and arguments.
    pub fn is_installer(&self) -> bool {
        match self {
            EntryTarget::Linux { kernel, initrds, arguments, .. } => is_installer(kernel, initrds, arguments),
            EntryTarget::Script { path } | EntryTarget::Efi { path, .. } => is_installer(path, &[], ""),
        }
    }
}

impl Linux {
    /// Whether the kernel installs a system, judged by its files and arguments.
    pub fn is_installer(&self) -> bool {
        is_installer(&self.kernel, &self.initrds, &self.arguments)
    }
}

fn is_installer(file: &str, initrds: &[String], arguments: &str) -> bool {
    let is_path_of_installer = |path: &str| {
        let path = path.to_ascii_lowercase();
        INSTALLER_PATHS.iter().any(|part| path.contains(part))
    };
    let installs = |argument: &str| INSTALLER_ARGUMENTS.iter().any(|begin| argument.starts_with(begin));
    is_path_of_installer(file)
        || initrds.iter().any(|initrd| is_path_of_installer(initrd))
        || arguments.split_whitespace().any(installs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installer_is_recognised_by_its_files_and_arguments() {
        for (file, initrd, arguments, expected) in [
            ("debian-installer/amd64/linux", "debian-installer/amd64/initrd.gz", "", true),
            ("fedora/vmlinuz", "fedora/initrd.img", "inst.stage2=http://192.0.2.1/fedora", true),
            ("ubuntu/vmlinuz", "ubuntu/initrd", "ip=dhcp autoinstall ds=nocloud", true),
            ("wimboot", "windows/sources/BOOT.WIM", "", true),
            ("scripts/Install-room.ipxe", "", "", true),
            ("live/vmlinuz", "live/initrd.img", "boot=live fetch=http://192.0.2.1/live/filesystem.squashfs", false),
            ("memtest86+x64.efi", "", "", false),
        ] {
            assert_eq!(is_installer(file, &[initrd.into()], arguments), expected, "{file} {arguments}");
        }
    }

    #[test]
    fn the_local_disk_is_in_every_menu() {
        let all = || alloc::vec![Glob("*".into())];
        let settings = MenuSettings { hidden_items: all(), ..MenuSettings::default() };
        assert!(
            settings.hides(SHELL, None) && settings.hides("a/b/vmlinuz", None) && !settings.hides(LOCAL_DISK, None)
        );
        let rule = Rule { hidden_items: all(), ..Rule::default() };
        assert!(MenuSettings::default().hides(SHELL, Some(&rule)) && !MenuSettings::default().hides(SHELL, None));
    }
}

//! Profiles: named boots.

use super::offer::Loader;
use crate::arch::Arch;
use crate::url::is_url;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

/// A named boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// The name in the configuration.
    pub name: String,
    /// The title in menus and on the console.
    pub title: String,
    /// The target that machines with this profile boot.
    pub boots: BootTarget,
    /// The profile's loaders, by architecture. They take precedence over those of the site.
    pub loaders: BTreeMap<Arch, Loader>,
    /// The profile's loader for every other architecture. It also takes precedence over the loaders of the site.
    pub default_loader: Option<Loader>,
    /// The requested name of the file that completes a boot-once when the client has fetched it completely. `None`
    /// means the kernel, if the profile has one.
    pub boot_once_file: Option<String>,
}

/// The target that a profile boots. All targets but `Loader`, `Menu` and `Nothing` need iPXE: firmware first receives
/// an iPXE, which then receives a script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BootTarget {
    /// The menu of the boot directory, or the `boot.ipxe` in it.
    #[default]
    BootDir,
    /// A Linux kernel.
    Linux(Linux),
    /// A script: its name in the template directory, or a URL. iPXE receives an `https://` URL in a script of this
    /// server, and any other unchanged.
    Script(String),
    /// The loaders of the profile (GRUB, shim, Windows). An iPXE receives them as well.
    Loader,
    /// A menu, which the firmware or iPXE shows.
    Menu(FirmwareMenu),
    /// The machine's local disk.
    LocalDisk,
    /// Nothing: the server does not reply.
    Nothing,
}

impl BootTarget {
    /// The URL of the script on another server; `None` if the target is anything else.
    pub fn script_url(&self) -> Option<&str> {
        match self {
            BootTarget::Script(name) if is_url(name) => Some(name),
            _ => None,
        }
    }
}

/// A kernel, its initrds and its command line. Each text may hold template expressions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Linux {
    /// A path in the boot directory, or a URL.
    pub kernel: String,
    /// Paths or URLs, in the order of loading.
    pub initrds: Vec<String>,
    /// The kernel command line.
    pub arguments: String,
}

/// A menu that the firmware shows (PXE 2.1, option 43 sub-options 8, 9 and 10). An iPXE receives it as a script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FirmwareMenu {
    /// The text above the menu, at most 60 octets.
    pub prompt: String,
    /// The time in seconds after which the firmware boots the first item. 0 means at once and without a prompt; 255
    /// means never.
    pub timeout: u8,
    /// The lines of the menu, at most 24: EDK2 shows no more.
    pub items: Vec<FirmwareMenuItem>,
}

/// A line of a firmware menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirmwareMenuItem {
    /// The PXE boot server type by which the firmware requests the item: 0x8001 and up, or the configured value.
    pub server_type: u16,
    /// The text of the line, at most 60 octets.
    pub title: String,
    /// The target of the item.
    pub target: ItemTarget,
}

/// The target of an item of a firmware menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemTarget {
    /// The profile of this name; `None` means the menu of the boot directory.
    Profile(Option<String>),
    /// The boot server with this address, to which the firmware sends a request on UDP port 4011.
    Server(Ipv4Addr),
    /// The first boot server of this type that replies to a broadcast.
    Broadcast,
}

impl FirmwareMenu {
    /// The item with this boot server type; `None` if the menu has no such item.
    pub fn item(&self, server_type: u16) -> Option<&FirmwareMenuItem> {
        self.items.iter().find(|item| item.server_type == server_type)
    }
}

impl Profile {
    /// The requested name of the file that completes a boot-once; `None` if no file does.
    pub fn boot_once_file(&self) -> Option<&str> {
        match &self.boots {
            BootTarget::Linux(linux) => Some(self.boot_once_file.as_ref().unwrap_or(&linux.kernel)),
            _ => self.boot_once_file.as_deref(),
        }
    }
}

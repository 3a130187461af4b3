//! Profiles: what machines boot.

use super::Loader;
use crate::arch::Arch;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

/// An index into [`super::Plan::profiles`].
pub type ProfileId = usize;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    pub name: String,
    /// What a menu calls it.
    pub title: String,
    pub boots: BootTarget,
    /// First-stage programs that go before those of the site.
    pub loaders: BTreeMap<Arch, Loader>,
    /// The one for every other architecture, whatever the site has for it.
    pub default_loader: Option<Loader>,
    /// The requested name that uses up a boot-once when it was fetched whole; `None`: the kernel, if there is one.
    pub boot_once_file: Option<String>,
}

/// What it comes to. Everything but a loader, a menu and nothing is shown by our iPXE, which a firmware is given first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BootTarget {
    /// The menu of the boot directory, or the operator's own `boot.ipxe` there.
    #[default]
    BootDir,
    Linux(Linux),
    /// A script of the template directory, by its name there; or a URL, which an iPXE is given as it stands.
    Script(String),
    /// The loaders of the profile themselves (GRUB, shim, Windows); an iPXE is given them as well.
    Loader,
    Menu(FirmwareMenu),
    LocalDisk,
    Nothing,
}

/// A kernel and what it is started with. Each text may hold template expressions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Linux {
    pub kernel: String,
    pub initrds: Vec<String>,
    pub arguments: String,
}

/// A menu that the firmware itself shows (PXE 2.1, option 43 sub-options 8, 9 and 10). An iPXE is given it as a script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FirmwareMenu {
    /// At most 60 octets.
    pub prompt: String,
    /// Seconds until the first item is taken; 0: at once and without a prompt; 255: never, the menu is open.
    pub timeout: u8,
    /// At most 24: EDK2 shows no more.
    pub items: Vec<FirmwareMenuItem>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirmwareMenuItem {
    /// The PXE boot server type by which the firmware names it: 0x8001 and up, or what the operator says.
    pub kind: u16,
    /// At most 60 octets.
    pub title: String,
    pub target: ItemTarget,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemTarget {
    Profile(Option<ProfileId>),
    /// Another boot server, which is asked on its port 4011.
    Server(Ipv4Addr),
    /// Whichever boot server of this type answers a broadcast.
    Broadcast,
}

impl FirmwareMenu {
    pub fn item(&self, kind: u16) -> Option<&FirmwareMenuItem> {
        self.items.iter().find(|item| item.kind == kind)
    }
}

impl Profile {
    /// The requested name that uses up a boot-once.
    pub fn boot_once_file(&self) -> Option<&str> {
        match &self.boots {
            BootTarget::Linux(linux) => Some(self.boot_once_file.as_ref().unwrap_or(&linux.kernel)),
            _ => self.boot_once_file.as_deref(),
        }
    }
}

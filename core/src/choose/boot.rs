//! A boot: a file, and how the client boots it.

use super::boot_file::BootFile;
use crate::arch::Arch;
use crate::client::dialect::Dialect;
use crate::wire::pxe::BootItem;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

/// A file to boot and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Boot {
    /// A name on the TFTP server, or an absolute URL; over IPv6 always a URL. Empty if the client chooses from a menu,
    /// or requests fixed names.
    pub file: BootFile,
    /// The TFTP server (siaddr). If it were 0, iPXE would contact port 4011, and shim could fetch nothing, because it
    /// has no other source of the address.
    pub server: IpAddr,
    /// The part of the plan that supplied the file.
    pub source: BootSource,
    /// How the client boots it.
    pub method: BootMethod,
}

/// How the client boots.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BootMethod {
    /// The client loads the file.
    File,
    /// The client shows these items, and sends another request with the chosen item.
    Menu {
        /// The text above the menu.
        prompt: String,
        /// The time in seconds after which the client boots the first item; 255 means never.
        timeout: u8,
        /// The lines of the menu.
        items: Vec<MenuLine>,
    },
    /// The client has chosen this item of the menu.
    Item(BootItem),
    /// The client requests file names that it has built in.
    FixedNames(&'static Dialect),
}

/// A line of a menu as this client shows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MenuLine {
    /// The boot server type. 0 means the local disk, which a BIOS starts without a server.
    pub server_type: u16,
    /// The text of the line.
    pub title: String,
    /// The boot server. `None` means the local disk, or the first boot server of this type that replies.
    pub server: Option<IpAddr>,
}

/// The part of the plan that supplied a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BootSource {
    /// The loader of the client's architecture.
    Loader(Arch),
    /// The loader for every other architecture.
    DefaultLoader,
    /// The built-in program that starts the local disk.
    LocalDisk(Arch),
    /// A built-in script, over HTTP.
    ScriptHttp,
    /// A built-in script, over TFTP: this iPXE does not support HTTP, or the server does not serve it.
    ScriptTftp,
    /// The script or URL that the configuration names.
    ConfiguredScript,
    /// The menu of the profile.
    Menu,
    /// The files that the client requests by names that it has built in.
    FixedNames,
}

impl fmt::Display for BootSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loader(arch) => write!(f, "loader for {arch}"),
            Self::DefaultLoader => f.write_str("loader for every other architecture"),
            Self::LocalDisk(arch) => write!(f, "starts the local disk of {arch}"),
            Self::ScriptHttp => f.write_str("built-in script, over HTTP"),
            Self::ScriptTftp => f.write_str("built-in script, over TFTP"),
            Self::ConfiguredScript => f.write_str("configured script"),
            Self::Menu => f.write_str("menu for the firmware to show"),
            Self::FixedNames => f.write_str("files with fixed names"),
        }
    }
}

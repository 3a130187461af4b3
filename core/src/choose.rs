//! What the plan gives to a client: a boot, or the reason why there is none.

use crate::arch::Arch;
use crate::client::{Class, Client, Stage};
use crate::plan::{Ipxe, Loader, Plan, Tftp};
use crate::wire::pxe::Features;
use alloc::format;
use alloc::string::String;
use core::fmt;
use core::net::Ipv4Addr;

/// The script that an iPXE is given when the plan names no other.
pub const SCRIPT: &str = "boot.ipxe";

/// A file to boot and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    /// A name on the TFTP server, or an absolute URL.
    pub file: String,
    /// siaddr: the TFTP server. With 0 iPXE would go to 4011, and shim has no other source.
    pub server: Ipv4Addr,
    pub why: Why,
}

/// Which part of the plan gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The loader of the client's architecture.
    Loader(Arch),
    /// The file for architectures that have none of their own.
    AnyOther,
    /// Our script, over HTTP.
    ScriptHttp,
    /// Our script, over TFTP: this iPXE cannot do HTTP, or we serve none.
    ScriptTftp,
    /// The script or URL that the configuration names.
    ScriptGiven,
}

/// Why there is nothing to boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nothing {
    /// No loader for this architecture is here.
    NoLoader(Arch),
    /// Nobody serves TFTP, and this client can do nothing else.
    NoTftp,
    /// UEFI HTTP boot clients are not served: our HTTP port is closed, or the old proxy.ini does not know them.
    NoHttp,
    /// A Raspberry Pi: its boot ROM takes neither loader nor script.
    RaspberryPi,
    /// It chose from a menu that we did not show.
    BootItem(u16),
}

/// `here` is our address as the client knows it.
pub fn choose(plan: &Plan, client: &Client, here: Ipv4Addr) -> Result<Boot, Nothing> {
    if let Some(item) = client.boot_item {
        return Err(Nothing::BootItem(item.kind));
    }
    match client.stage {
        Stage::Ipxe(features) => script(plan, client, features, here),
        _ if client.raspberry_pi => Err(Nothing::RaspberryPi),
        Stage::Firmware | Stage::BootProgram => firmware(plan, client, here),
    }
}

fn script(plan: &Plan, client: &Client, features: Option<Features>, here: Ipv4Addr) -> Result<Boot, Nothing> {
    match &plan.ipxe {
        Ipxe::AsFirmware => firmware(plan, client, here),
        Ipxe::Given(name) if name.contains("://") => {
            let server = tftp_server(plan, here).unwrap_or(here);
            Ok(Boot { file: name.clone(), server, why: Why::ScriptGiven })
        }
        Ipxe::Given(name) => Ok(Boot { file: name.clone(), server: tftp_server(plan, here)?, why: Why::ScriptGiven }),
        Ipxe::Ours => {
            // An iPXE that lists no features may still speak HTTP; TFTP every one can.
            let http = features.map_or(plan.tftp != Some(Tftp::Ours), |features| features.has(Features::HTTP));
            match (plan.http, plan.tftp) {
                (Some(port), _) if http => {
                    Ok(Boot { file: format!("http://{here}:{port}/{SCRIPT}"), server: here, why: Why::ScriptHttp })
                }
                (_, Some(Tftp::Ours)) => {
                    Ok(Boot { file: format!("tftp://{here}/{SCRIPT}"), server: here, why: Why::ScriptTftp })
                }
                _ => Err(Nothing::NoTftp),
            }
        }
    }
}

fn firmware(plan: &Plan, client: &Client, here: Ipv4Addr) -> Result<Boot, Nothing> {
    let arch = client.arch.base();
    let own = plan.loaders.get(&arch).map(|loader| (loader, Why::Loader(arch)));
    let any_other = plan.any_other.as_ref().map(|loader| (loader, Why::AnyOther));
    let (Loader { name, path }, why) = own.or(any_other).ok_or(Nothing::NoLoader(arch))?;
    match client.class {
        Class::Pxe => Ok(Boot { file: name.clone(), server: tftp_server(plan, here)?, why }),
        // An address, never a name: a name needs the primary's DNS (EDK2 HttpBootSelectDhcpOffer).
        Class::Http => match plan.http.filter(|_| plan.http_clients && path.is_some()) {
            Some(port) => Ok(Boot { file: format!("http://{here}:{port}/{name}"), server: here, why }),
            None => Err(Nothing::NoHttp),
        },
    }
}

fn tftp_server(plan: &Plan, here: Ipv4Addr) -> Result<Ipv4Addr, Nothing> {
    match plan.tftp {
        Some(Tftp::Ours) => Ok(here),
        Some(Tftp::At(address)) => Ok(address),
        None => Err(Nothing::NoTftp),
    }
}

impl Nothing {
    /// The word for counters and scripts.
    pub fn label(&self) -> &'static str {
        match self {
            Self::NoLoader(_) => "nothing:no-loader",
            Self::NoTftp => "nothing:no-tftp",
            Self::NoHttp => "nothing:no-http",
            Self::RaspberryPi => "nothing:raspberry-pi",
            Self::BootItem(_) => "nothing:boot-item",
        }
    }
}

impl fmt::Display for Nothing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLoader(arch) => write!(f, "no loader for {arch} here"),
            Self::NoTftp => f.write_str("nobody serves TFTP, and this client can do nothing else"),
            Self::NoHttp => f.write_str("UEFI HTTP boot is not served"),
            Self::RaspberryPi => f.write_str("a Raspberry Pi takes neither loader nor script"),
            Self::BootItem(kind) => write!(f, "boot item {kind:#06x} is of no menu that we showed"),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loader(arch) => write!(f, "loader for {arch}"),
            Self::AnyOther => f.write_str("file for every other architecture"),
            Self::ScriptHttp => f.write_str("our script, over HTTP"),
            Self::ScriptTftp => f.write_str("our script, over TFTP"),
            Self::ScriptGiven => f.write_str("script named by the configuration"),
        }
    }
}

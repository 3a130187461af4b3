//! The second stages of shims: whether they exist, and whether they request their configuration from this server.

use crate::boot_files::image;
use proxydhcpd_core::arch::ArchInfo;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::shim;
use proxydhcpd_secureboot::sbat_components;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Why the file is a shim that cannot start its second stage; `None` if it can, or if the file is no shim.
pub fn missing_second_stage(path: &Path, row: &ArchInfo) -> Option<String> {
    let second = shim::second_stage(path.file_name()?.to_str()?)?;
    match image::inspect(&path.with_file_name(&second)) {
        Ok(image) if image.fits(row.image) => None,
        Ok(image) => Some(format!("a shim that starts {second}, which is {image}")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Some(format!("a shim that starts {second}, which is missing in its directory"))
        }
        Err(error) => Some(format!("a shim that starts {second}, which cannot be read: {error}")),
    }
}

/// The second stages that request their configuration from another server. Returns their file names, each with its
/// version of GRUB. `path` maps a name to the path of the file.
///
/// GRUB 2.06 uses the DHCP server's siaddr as the TFTP server, whatever a proxyDHCP offer contains. GRUB 2.12 uses the
/// server from which it was loaded (protocol.md 2.12, and the Secure Boot cases of the end-to-end tests).
pub fn old_grubs(plan: &Plan, path: impl Fn(&str) -> PathBuf) -> BTreeMap<String, String> {
    let shims = plan.all_loaders().filter(|loader| loader.path.is_some());
    let seconds = shims.filter_map(|shim| shim::second_stage(&shim.name));
    seconds.filter_map(|name| Some((old_grub(&path(&name))?, name))).map(|(version, name)| (name, version)).collect()
}

/// The version of GRUB, if the file is a GRUB older than 2.12.
pub fn old_grub(path: &Path) -> Option<String> {
    let grub = sbat_components(&image::read(path).ok()?).into_iter().find(|part| part.name == "grub")?;
    // 2.12~rc1 and later count as 2.12.
    let minor = grub.version.strip_prefix("2.")?.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>();
    minor.is_ok_and(|minor| minor < 12).then_some(grub.version)
}

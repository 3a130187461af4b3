//! A file that has the name of a loader but that no machine can use: which architectures look for it, why it is
//! unusable, and how to fix it.

use crate::boot_files::image::{self, Image};
use proxydhcpd_core::arch::{ARCHITECTURES, Arch, ImageFormat};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A file with the name of a loader that no machine can use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusableLoader {
    /// The path of the file.
    pub path: PathBuf,
    /// The architectures that look for a loader with this name. If the program is truncated, only the architecture in
    /// its header.
    pub archs: Vec<Arch>,
    /// Why it is unusable, as a clause: `it is a script`, `permission denied`.
    pub reason: String,
    /// The fix for the operator.
    pub fix: String,
    /// The loader that these architectures get instead, if any.
    pub replacement: Option<PathBuf>,
}

impl UnusableLoader {
    /// Describes a file that was read, and is not a boot program for any architecture that looks for its name.
    pub fn from_image(path: PathBuf, image: Image) -> UnusableLoader {
        let archs = match image {
            Image::Truncated { machine, .. } => {
                image::arch_of_machine_type(machine).map_or_else(|| archs_of_name(&path), |arch| vec![arch])
            }
            _ => archs_of_name(&path),
        };
        let fix = match image {
            Image::Truncated { .. } => "copy it again".to_owned(),
            Image::Efi(machine) => rename(machine).unwrap_or_else(|| replace(&archs)),
            _ => replace(&archs),
        };
        UnusableLoader { path, archs, reason: format!("it is {image}"), fix, replacement: None }
    }

    /// Describes a shim without its second stage. `what` completes a sentence that begins with "it is".
    pub fn without_second_stage(path: PathBuf, arch: Arch, what: &str) -> UnusableLoader {
        let fix = "put the program that it starts into its directory".to_owned();
        UnusableLoader { path, archs: vec![arch], reason: format!("it is {what}"), fix, replacement: None }
    }

    /// Describes a file that cannot be read.
    pub fn unreadable(path: PathBuf, error: &io::Error) -> UnusableLoader {
        let fix = match error.kind() {
            io::ErrorKind::PermissionDenied => format!("let the server read it: chmod a+r {}", path.display()),
            io::ErrorKind::NotFound => "it is a dangling link: put its target there, or remove the link".to_owned(),
            _ => "replace it with a loader, or remove it".to_owned(),
        };
        UnusableLoader { archs: archs_of_name(&path), path, reason: error.to_string(), fix, replacement: None }
    }
}

/// Every architecture that looks for a loader of this name.
fn archs_of_name(path: &Path) -> Vec<Arch> {
    let name = path.file_name().unwrap_or_default();
    let rows = ARCHITECTURES.iter().filter(|row| row.base == row.code);
    rows.filter(|row| row.loaders.iter().any(|loader| name.eq_ignore_ascii_case(loader)))
        .map(|row| Arch(row.code))
        .collect()
}

/// Suggests a name for a program of this PE machine type, under which only its architecture looks for it.
fn rename(machine: u16) -> Option<String> {
    let arch = image::arch_of_machine_type(machine)?;
    let names = arch.info()?.loaders.iter().filter(|name| name.starts_with("ipxe-") && !name.contains("shim"));
    let own = names.copied().find(|name| !name.contains("snponly"))?;
    Some(format!("rename it to {own}, and put a program of the right kind in its place"))
}

fn replace(archs: &[Arch]) -> String {
    let bios = archs.first() == Some(&Arch::BIOS);
    format!("put {} under this name, or remove the file", if bios { "a BIOS program" } else { "an EFI program" })
}

/// The architecture for which the file was meant, as text. It is "UEFI" if several UEFI architectures use the name.
fn intended_arch(archs: &[Arch]) -> String {
    let programs = || archs.iter().filter_map(|arch| arch.info()).map(|row| row.image);
    let first = programs().next().unwrap_or(ImageFormat::None);
    match archs.first() {
        Some(arch) if programs().all(|program| program == first) => arch.to_string(),
        _ => "UEFI".to_owned(),
    }
}

/// Writes one line, without the fix.
impl fmt::Display for UnusableLoader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not offered for {}: {}", self.path.display(), intended_arch(&self.archs), self.reason)?;
        match &self.replacement {
            Some(instead) => write!(f, "; {} is offered instead", instead.display()),
            None => Ok(()),
        }
    }
}

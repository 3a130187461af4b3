//! The properties of a served file that matter if a boot fails: whether firmware can start a loader, and whether iPXE
//! can run a script.

use super::Site;
use crate::boot_files::image;
use crate::boot_files::script::notes::script_notes;
use crate::loaders::second_stage;
use proxydhcpd_core::link::Link;
use proxydhcpd_core::plan::profile::BootTarget;
use proxydhcpd_core::story::FileNotes;
use std::fs;
use std::path::{Path, PathBuf};

/// The maximum size of a script that is read, in octets.
const MAX_SCRIPT: u64 = 256 << 10;

impl Site {
    /// The path of the file with this name: a loader, a template, or a file of the boot directory.
    pub fn served_path(&self, name: &str) -> PathBuf {
        let loader = self.plan.loader_path(name).map(PathBuf::from);
        loader.unwrap_or_else(|| self.files.directories.path(name))
    }

    /// The path of the file of a template; `None` if there is no template with this name.
    pub fn template_path(&self, name: &str) -> Option<PathBuf> {
        self.plan.offer.templates.contains(name).then(|| self.files.templates.path(name))
    }

    /// The path of the template that is this profile's script, which machines request as `menu.ipxe`; `None` if the
    /// profile boots something else.
    pub fn profile_script(&self, profile: &str) -> Option<PathBuf> {
        match &self.plan.profile(profile)?.boots {
            BootTarget::Script(name) => self.template_path(name),
            _ => None,
        }
    }

    /// The properties of an EFI program that matter if it does not start.
    pub fn loader_notes(&self, path: &Path) -> FileNotes {
        FileNotes {
            is_unsigned: image::is_signed(path).is_ok_and(|signed| signed == Some(false)),
            asks_dhcp_server: second_stage::old_grub(path).is_some(),
            ..FileNotes::default()
        }
    }

    /// The faults of a script of the boot directory or of a template, and the files that it needs. `links` are the
    /// interfaces of this host: a URL with one of their addresses leads to this server.
    pub fn script_notes(&self, name: &str, path: &Path, is_template: bool, links: &[Link]) -> FileNotes {
        let is_small = path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() <= MAX_SCRIPT);
        let Some(octets) = is_small.then(|| fs::read(path).ok()).flatten() else { return FileNotes::default() };
        let shown = if is_template { path.display().to_string() } else { name.to_owned() };
        script_notes(&shown, name, &octets, is_template, |url| self.local_name(url, links))
    }
}

//! Finds the properties of served files for the stories of boots.

use crate::state::State;
use crate::story::InspectFile;
use proxydhcpd_core::event::ContentKind;
use proxydhcpd_core::file_ticket::FileRole;
use proxydhcpd_core::story::{FileNotes, StoryFile};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Finds the properties of the files of the current site.
#[derive(Debug)]
pub struct SiteInspector(pub Arc<State>);

impl InspectFile for SiteInspector {
    fn path(&self, file: &StoryFile, content: ContentKind, profile: &str) -> Option<PathBuf> {
        let name = file.name.as_str();
        let is_program = [".efi", ".EFI"].iter().any(|extension| name.ends_with(extension));
        match content {
            ContentKind::Program if file.role == FileRole::Loader => Some(self.0.site().served_path(name)),
            ContentKind::File if is_program || name.ends_with(".ipxe") => Some(self.0.site().served_path(name)),
            ContentKind::Template if name.ends_with(".ipxe") => {
                let site = self.0.site();
                site.template_path(name).or_else(|| site.profile_script(profile))
            }
            _ => None,
        }
    }

    fn inspect(&self, file: &StoryFile, content: ContentKind, path: &Path) -> FileNotes {
        let (site, name) = (self.0.site(), file.name.as_str());
        if name.ends_with(".ipxe") {
            return site.script_notes(name, path, content == ContentKind::Template, &self.0.links.load());
        }
        site.loader_notes(path)
    }
}

//! Opens the file to which a requested name leads.

use super::Site;
use crate::files::Opened;
use crate::templates::{self, Failure};
use crate::uefi_programs::{ipxe_wrapper, local_disk};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::event::ContentKind;
use proxydhcpd_core::fetch::{Fallback, Fetch, Refusal};
use proxydhcpd_core::request::FileRequest;
use proxydhcpd_core::script;
use std::borrow::Cow;
use std::io;

impl Site {
    /// Opens the file to which a requested name leads, and returns its kind of content. Calls `failed` with the failure
    /// of a template. If a script cannot be rendered, the machine gets a script that prints the failure on its console
    /// instead.
    pub fn open(
        &self,
        fetch: Fetch,
        request: &FileRequest<'_>,
        mut failed: impl FnMut(&Failure),
    ) -> Result<(Opened, ContentKind), Refusal> {
        let mut content = ContentKind::from(&fetch);
        let opened = match self.files.templates.render_request(&self.plan, &fetch, request) {
            Some(Ok(text)) => Ok(Opened::text(text.into_bytes())),
            Some(Err(failure)) => {
                failed(&failure);
                let script = script::template_error(&failure.template, failure.line, &failure.diagnostic.message);
                let shown = templates::is_script(&self.plan, &fetch).then(|| Opened::text(script.into_bytes()));
                shown.ok_or(Refusal::TemplateError)
            }
            None => match fetch {
                Fetch::Text(text) => Ok(Opened::text(text.into_bytes())),
                Fetch::Menu(context) => {
                    let (text, failure) = self.menu(&context, request);
                    failure.iter().for_each(failed);
                    Ok(Opened::text(text.into_bytes()))
                }
                Fetch::Linux(..) | Fetch::Template(..) => Err(Refusal::TemplateError),
                // Only the caller can check whether the request is authentic.
                Fetch::Done(_) => Err(Refusal::Denied),
                Fetch::Loader(path) => crate::files::open_loader(path.as_ref()),
                Fetch::IpxeWrapper(arch) => ipxe_wrapper::program(arch).map(Opened::text).ok_or(Refusal::NotFound),
                Fetch::LocalDisk(arch) => match self.files.local_disks.get(&arch) {
                    Some(path) => crate::files::open_loader(path),
                    None => local_disk::builtin_program(arch).map(Opened::text).ok_or(Refusal::NotFound),
                },
                Fetch::Directory { name, otherwise } => match (self.file(&name), otherwise) {
                    (Err(Refusal::NotFound), Some(Fallback::File(file))) => self.files.directories.open(&file),
                    (Err(Refusal::NotFound), Some(Fallback::Text(text))) => {
                        content = ContentKind::Script;
                        Ok(Opened::text(text.into_bytes()))
                    }
                    (opened, _) => opened,
                },
            },
        };
        Ok((opened?, content))
    }

    /// Opens a file in the boot directory, or in a directory that is served under a name.
    pub(super) fn file(&self, name: &str) -> Result<Opened, Refusal> {
        match self.files.directories.open(name) {
            Err(Refusal::NotFound) => {
                self.files.directories.open(self.files.scan.host_name_script(name).ok_or(Refusal::NotFound)?)
            }
            opened => opened,
        }
    }

    /// The content of the program that starts the local disk of machines of this architecture.
    pub fn local_disk_program(&self, arch: Arch) -> io::Result<Cow<'static, [u8]>> {
        match self.files.local_disks.get(&arch) {
            Some(path) => std::fs::read(path).map(Cow::Owned),
            None => local_disk::builtin_program(arch).map(Cow::Borrowed).ok_or(io::ErrorKind::NotFound.into()),
        }
    }
}

//! Opens the file to which a requested name leads.

use super::Site;
use crate::files::Opened;
use crate::templates::{self, Failure};
use crate::uefi_programs::{ipxe_wrapper, local_disk};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::event::{ContentKind, Substitute};
use proxydhcpd_core::fetch::{Fallback, Fetch, Refusal};
use proxydhcpd_core::request::FileRequest;
use proxydhcpd_core::script;
use std::borrow::Cow;
use std::io;

impl Site {
    /// Opens the file to which a requested name leads, and returns its kind of content. Calls `failed` with the failure
    /// of a template, and with what the machine gets instead: for a script, another one that prints the failure on its
    /// console.
    pub fn open(
        &self,
        fetch: Fetch,
        request: &FileRequest<'_>,
        mut failed: impl FnMut(&Failure, Substitute),
    ) -> Result<(Opened, ContentKind), Refusal> {
        let mut content = ContentKind::from(&fetch);
        let opened = match self.files.templates.render_request(&self.plan, &fetch, request) {
            Some(Ok(text)) => Ok(Opened::text(text.into_bytes())),
            Some(Err(failure)) => {
                if templates::is_script(&self.plan, &fetch) {
                    failed(&failure, Substitute::Explanation);
                    content = ContentKind::Explanation;
                    let script = script::template_error(&failure.template, failure.line, &failure.diagnostic.message);
                    Ok(Opened::text(script.into_bytes()))
                } else {
                    failed(&failure, Substitute::Nothing);
                    Err(Refusal::TemplateError)
                }
            }
            None => match fetch {
                Fetch::Text(text) => Ok(Opened::text(text.into_bytes())),
                Fetch::Menu(context) => {
                    let (text, failure) = self.menu(&context, request);
                    failure.iter().for_each(|failure| failed(failure, Substitute::Menu));
                    Ok(Opened::text(text.into_bytes()))
                }
                Fetch::MenuItem(item, context) => {
                    let script = self.menu_item(&item, &context, request).ok_or(Refusal::NotFound)?;
                    Ok(Opened::text(script.into_bytes()))
                }
                Fetch::Linux(..) | Fetch::Template(..) => Err(Refusal::TemplateError),
                Fetch::Failed(failure) => {
                    let text = script::failure(failure.command, &failure.file, failure.error);
                    Ok(Opened::text(text.into_bytes()))
                }
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

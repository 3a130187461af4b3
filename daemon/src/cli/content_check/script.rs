//! Scripts: what iPXE does not take, and what they name.

use super::ContentCheck;
use crate::boot::script::{self, FileReference, Purpose, UriReference, commands};
use crate::config::diagnostic::Source;
use crate::files;
use crate::site::offered_files::decode_path;
use proxydhcpd_core::url::is_url;
use std::ops::Range;
use std::path::Path;

const LONGEST: u64 = 1 << 20;

impl ContentCheck<'_> {
    /// One of the boot directory, by the name that it is asked for by.
    pub fn check_script(&mut self, name: &str) {
        let path = self.setting.site.path(name);
        let directory = name.trim_start_matches('/').rsplit_once('/').map_or("", |(directory, _)| directory);
        self.check_file(&path, directory, false);
    }

    pub fn check_template(&mut self, path: &Path) {
        self.check_file(path, "", true);
    }

    fn check_file(&mut self, path: &Path, directory: &str, template: bool) {
        if !self.seen.insert(path.to_owned()) {
            return;
        }
        let octets = match files::read_regular(path, LONGEST) {
            Ok(octets) => octets,
            Err(error) => {
                self.warn_unreadable::<()>(path, &error);
                return;
            }
        };
        let name = path.display().to_string();
        let text = String::from_utf8_lossy(&octets).into_owned();
        // What a template puts in front is known only when it is rendered.
        let text_begins = text.trim_start_matches('\u{feff}');
        let first_line = match template {
            true if text_begins.starts_with('{') => None,
            true => script::header_fault(text_begins.as_bytes()),
            false => script::header_fault(&octets),
        };
        let source = Source { name, text };
        if let Some((what, cure)) = first_line {
            return self.told.push(source.warning(0..0, what).help(cure));
        }
        let script = script::parse(&source.text, template);
        let mut judged: Vec<&str> = Vec::new();
        for command in script.commands.iter().filter(|command| !command.guarded) {
            if judged.contains(&&command.name[..]) {
                continue;
            }
            judged.push(&command.name);
            if let Some((what, cure)) = commands::check_command(&command.name, &self.offered_ipxes) {
                self.told.push(source.warning(command.span.clone(), what).help(cure));
            }
        }
        self.told
            .extend(script.faults.iter().map(|fault| source.warning(fault.span.clone(), &fault.problem).help(&fault.fix)));
        for named in &script.files {
            self.check_named_file(named, &source, directory);
        }
    }

    fn check_named_file(&mut self, FileReference { span: at, purpose, target, guarded }: &FileReference, source: &Source, directory: &str) {
        let name = match target {
            UriReference::Relative(path) => beside(directory, path),
            UriReference::Absolute(path) => beside("", path),
            UriReference::Url(url) => match self.setting.site.local_name(url, &self.setting.all) {
                Some(name) => name,
                None => return self.check_remote_file(url, at, source),
            },
            UriReference::Unknown => return,
        };
        if let Err(refusal) = self.setting.site.check_servable(&name, &self.memory) {
            if !guarded {
                let (why, cure) = self.setting.site.explain_refusal(&name, refusal);
                self.told.push(source.warning(at.clone(), why).help(cure));
            }
            return;
        }
        match purpose {
            Purpose::Kernel => drop(self.check_kernel(&name, &[])),
            Purpose::Initrd => self.check_initrd(&name, false),
            Purpose::Other if name.ends_with(".ipxe") && self.local_file(&name).is_some() => self.check_script(&name),
            Purpose::Other => {}
        }
    }

    /// A file of another server.
    fn check_remote_file(&mut self, url: &str, at: &Range<usize>, source: &Source) {
        if !is_url(url) {
            return;
        }
        let who = format!("{}:{}", source.name, source.line_number(at.start));
        self.add_url_dependencies(url, &who);
        let without = if url.starts_with("https://") { self.ipxe_without_https() } else { None };
        if let Some(ipxe) = without {
            let what = format!("{ipxe}, which is offered, was built without HTTPS");
            let cure = "offer an iPXE that was built with it, as Debian 13's are, or name the file by http://";
            self.told.push(source.warning(at.clone(), what).help(cure));
        }
    }
}

/// The name below the top of our server, of what a script of this directory names.
fn beside(directory: &str, path: &str) -> String {
    let path = decode_path(path);
    if directory.is_empty() { path } else { format!("{directory}/{path}") }
}

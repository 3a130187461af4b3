//! Checks scripts for commands that iPXE does not support, and checks the files that scripts name.

use super::files::ContentCheck;
use crate::boot_files::script::{self, FileReference, Purpose, UriReference, commands};
use crate::site::offered_files::decode_path;
use proxydhcpd_core::url::is_url;
use proxydhcpd_reading::diagnostic::Source;
use proxydhcpd_reading::regular::read_regular;
use std::ops::Range;
use std::path::Path;

/// Limit of the size of a script that is checked, in octets.
const MAX_SIZE: u64 = 1 << 20;

impl ContentCheck<'_> {
    /// Checks the script of the boot directory that has this requested name.
    pub fn check_script(&mut self, name: &str) {
        let path = self.context.site.path(name);
        let directory = name.trim_start_matches('/').rsplit_once('/').map_or("", |(directory, _)| directory);
        self.check_file(&path, directory, false);
    }

    /// Checks a script in the template directory.
    pub fn check_template(&mut self, path: &Path) {
        self.check_file(path, "", true);
    }

    fn check_file(&mut self, path: &Path, directory: &str, template: bool) {
        if !self.inspected.insert(path.to_owned()) {
            return;
        }
        let octets = match read_regular(path, MAX_SIZE) {
            Ok(octets) => octets,
            Err(error) => {
                self.warn_unreadable::<()>(path, &error);
                return;
            }
        };
        let name = path.display().to_string();
        let text = String::from_utf8_lossy(&octets).into_owned();
        // If a template begins with an expression, its first line is known only when the template is rendered.
        let start = text.trim_start_matches('\u{feff}');
        let first_line = match template {
            true if start.starts_with('{') => None,
            true => script::header_fault(start.as_bytes()),
            false => script::header_fault(&octets),
        };
        let source = Source { name, text };
        if let Some((problem, fix)) = first_line {
            return self.diagnostics.push(source.warning(0..0, problem).help(fix));
        }
        let script = script::parse(&source.text, template);
        let mut judged: Vec<&str> = Vec::new();
        for command in script.commands.iter().filter(|command| !command.guarded) {
            if judged.contains(&&command.name[..]) {
                continue;
            }
            judged.push(&command.name);
            if let Some((problem, fix)) = commands::check_command(&command.name, &self.offered_ipxes) {
                self.diagnostics.push(source.warning(command.span.clone(), problem).help(fix));
            }
        }
        self.diagnostics.extend(
            script.faults.iter().map(|fault| source.warning(fault.span.clone(), &fault.problem).help(&fault.fix)),
        );
        for named in &script.files {
            self.check_named_file(named, &source, directory);
        }
    }

    fn check_named_file(
        &mut self,
        FileReference { span: at, purpose, target, guarded }: &FileReference,
        source: &Source,
        directory: &str,
    ) {
        let name = match target {
            UriReference::Relative(path) => resolve(directory, path),
            UriReference::Absolute(path) => resolve("", path),
            UriReference::Url(url) => match self.context.site.local_name(url, &self.context.all_links) {
                Some(name) => name,
                None => return self.check_remote_file(url, at, source),
            },
            UriReference::Unknown => return,
        };
        if let Err(refusal) = self.context.site.check_servable(&name, &self.observations) {
            if !guarded {
                let (problem, fix) = self.context.site.explain_refusal(&name, refusal);
                self.diagnostics.push(source.warning(at.clone(), problem).help(fix));
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

    /// Checks a reference to a file of another server.
    fn check_remote_file(&mut self, url: &str, at: &Range<usize>, source: &Source) {
        if !is_url(url) {
            return;
        }
        let needed_by = format!("{}:{}", source.name, source.line_number(at.start));
        self.add_url_dependencies(url, &needed_by);
        let lacking = if url.starts_with("https://") { self.ipxe_without_https() } else { None };
        if let Some(ipxe) = lacking {
            let problem = format!("the offered {ipxe} was built without HTTPS");
            let fix = "offer an iPXE with HTTPS, for example Debian 13's, or use an http:// URL";
            self.diagnostics.push(source.warning(at.clone(), problem).help(fix));
        }
    }
}

/// Resolves a path in a script of this directory to a name on this server.
fn resolve(directory: &str, path: &str) -> String {
    let path = decode_path(path);
    if directory.is_empty() { path } else { format!("{directory}/{path}") }
}

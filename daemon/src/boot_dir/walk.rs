//! Lists a served directory and everything below it, breadth first, within limits.

use super::file_names::natural_order;
use super::results::SkippedFile;
use crate::loaders;
use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Limits, so that scanning a huge boot directory cannot delay the start. The number of files is limited for each
/// directory at the top, so that the packages of one unpacked DVD do not use up the limit for another system.
const MAX_DEPTH: usize = 12;
const MAX_FILES: usize = 10_000;

/// A served directory, with the files that were found in it.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    /// The first part of the path in the files' URLs; empty for the boot directory.
    served_as: String,
    /// The directories, those near the top first. Each has its path from the root, and its file names in natural order.
    pub directories: Vec<(String, Vec<String>)>,
    /// The position of each directory in `directories`, by its path in lower case.
    index: BTreeMap<String, usize>,
}

impl Tree {
    /// The name under which clients request the file.
    pub fn served_name(&self, path: &str) -> String {
        join(&self.served_as, path)
    }

    /// The path of the file on this host.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Whether this is the top of the boot directory.
    pub fn is_top(&self, directory: &str) -> bool {
        self.served_name(directory).is_empty()
    }

    /// The names of the files in this directory.
    pub fn files(&self, directory: &str) -> &[String] {
        self.index.get(&directory.to_ascii_lowercase()).map_or(&[], |at| &self.directories[*at].1)
    }

    /// The actual path of the file with this path, ignoring case; `None` if there is no such file.
    pub fn find(&self, path: &str) -> Option<String> {
        let (directory, name) = split_path(path);
        let at = *self.index.get(&directory.to_ascii_lowercase())?;
        let (directory, files) = &self.directories[at];
        files.iter().find(|file| file.eq_ignore_ascii_case(name)).map(|file| join(directory, file))
    }
}

/// Joins a directory and a name; either may be empty.
pub fn join(directory: &str, name: &str) -> String {
    match (directory, name) {
        ("", only) | (only, "") => only.to_owned(),
        _ => format!("{directory}/{name}"),
    }
}

/// Splits a path into its directory and its last part. The directory is empty if the path has one part only.
pub fn split_path(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Walks the tree until the time `until`. `hidden`: directories at the top that clients cannot request, because other
/// directories are served under the same names.
pub fn walk(root: &Path, served_as: &str, hidden: &[&str], until: Instant, skipped: &mut Vec<SkippedFile>) -> Tree {
    let tree = Tree {
        root: root.to_owned(),
        served_as: served_as.to_owned(),
        directories: Vec::new(),
        index: BTreeMap::new(),
    };
    let mut walk = Walker { tree, hidden, until, left: BTreeMap::new(), skipped };
    let mut queue = VecDeque::from([String::new()]);
    while let Some(directory) = queue.pop_front() {
        if Instant::now() > until {
            walk.skip(&directory, "the scan takes too long: the menu is incomplete");
            break;
        }
        queue.extend(walk.directory(directory));
    }
    walk.tree
}

struct Walker<'a> {
    tree: Tree,
    hidden: &'a [&'a str],
    until: Instant,
    /// The number of files that may still be listed, for each directory at the top.
    left: BTreeMap<String, usize>,
    skipped: &'a mut Vec<SkippedFile>,
}

/// The content of one directory.
#[derive(Default)]
struct Listing {
    files: Vec<String>,
    directories: Vec<String>,
    /// Whether the directory contains anything.
    is_not_empty: bool,
}

impl Walker<'_> {
    /// Adds one directory to the tree; returns its subdirectories.
    fn directory(&mut self, directory: String) -> Vec<String> {
        let listing = match self.list(&directory) {
            Ok(listing) => listing,
            // A missing directory counts as empty, without a report.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                self.skip(&directory, &format!("cannot read this directory: {error}"));
                return Vec::new();
            }
        };
        let Listing { mut files, mut directories, is_not_empty } = listing;
        if !is_not_empty && !directory.is_empty() && !directory.contains('/') {
            self.skip(&directory, "an empty directory: is a mount missing?");
        }
        files.sort_by(|one, other| natural_order(one, other));
        directories.sort_by(|one, other| natural_order(one, other));
        let has = |directories: &[String], name: &str| directories.iter().any(|directory| directory == name);
        let packages =
            [("pool", "dists"), ("Packages", "repodata")].into_iter().filter(|(_, index)| has(&directories, index));
        let packages: Vec<&str> = packages.map(|(packages, _)| packages).collect();
        directories.retain(|name| !packages.contains(&&name[..]));
        let depth = if directory.is_empty() { 0 } else { directory.split('/').count() };
        if depth == MAX_DEPTH && !directories.is_empty() {
            let deeper = join(&directory, &directories[0]);
            self.skip(&deeper, &format!("more than {MAX_DEPTH} directories deep: not scanned"));
            directories.clear();
        }
        let below = directories.iter().map(|name| join(&directory, name)).collect();
        self.tree.index.insert(directory.to_ascii_lowercase(), self.tree.directories.len());
        self.tree.directories.push((directory, files));
        below
    }

    fn list(&mut self, directory: &str) -> io::Result<Listing> {
        let mut listing = Listing::default();
        let top = directory.split('/').next().unwrap_or_default().to_owned();
        for item in fs::read_dir(self.tree.root.join(directory))?.flatten() {
            listing.is_not_empty = true;
            let left = self.left.entry(top.clone()).or_insert(MAX_FILES);
            if *left == 0 || Instant::now() > self.until {
                return Ok(listing);
            }
            *left -= 1;
            if *left == 0 {
                let reason = format!("more than {MAX_FILES} files: the deepest ones are not scanned");
                self.skip(&top, &reason);
            }
            let (name, is_text) = match item.file_name().into_string() {
                Ok(name) => (name, true),
                Err(name) => (name.to_string_lossy().into_owned(), false),
            };
            let is_hidden = directory.is_empty() && self.hidden.contains(&&name[..]);
            // A file whose name begins with a dot is hidden on purpose, so it is not reported.
            if name.starts_with('.') || is_hidden {
                continue;
            }
            let path = join(directory, &name);
            let reason = match &name[..] {
                _ if !is_text => Some("it is not UTF-8"),
                name if name.chars().any(char::is_control) => Some("it has control characters"),
                // iPXE, up to 2025 at least, requests `%FFFFFFC3%FFFFFFA9` over HTTP for an é.
                name if !name.is_ascii() => Some("it has non-ASCII characters"),
                _ => None,
            };
            if let Some(reason) = reason {
                let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
                let shown: String = path.chars().map(escaped).collect();
                self.skip(&shown, &format!("iPXE cannot request this name: {reason}"));
                continue;
            }
            match item.file_type() {
                Ok(kind) if kind.is_dir() => listing.directories.push(name),
                Ok(kind) if kind.is_file() => listing.files.push(name),
                Ok(kind) if kind.is_symlink() => match self.leads_to(&item.path()) {
                    Some(target) if target.is_file() => listing.files.push(name),
                    // A directory inside of the tree is scanned under its real path only.
                    Some(_) => {}
                    None => self.report_link(&path),
                },
                _ => {}
            }
        }
        Ok(listing)
    }

    /// The target of a symbolic link, if it is inside of the served directory; otherwise `None`. Files outside are not
    /// served.
    fn leads_to(&self, link: &Path) -> Option<PathBuf> {
        let (target, root) = (link.canonicalize().ok()?, self.tree.root.canonicalize().ok()?);
        target.starts_with(root).then_some(target)
    }

    /// Reports a link that is dangling or leads out of the served directory. At the top of the boot directory, the
    /// search for loaders and for `boot.ipxe` reports the links with these names.
    fn report_link(&mut self, path: &str) {
        let (directory, name) = split_path(path);
        if !(self.tree.is_top(directory) && (name == "boot.ipxe" || loaders::is_loader_name(name))) {
            self.skip(
                path,
                "a dangling link, or a link out of the directory, which is not followed: use [directories]",
            );
        }
    }

    fn skip(&mut self, path: &str, reason: &str) {
        let path = self.tree.served_name(path);
        let path = if path.is_empty() { self.tree.root.display().to_string() } else { path };
        self.skipped.push(SkippedFile { path, reason: reason.to_owned() });
    }
}

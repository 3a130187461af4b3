//! Lists a served directory and what lies below it, near the top first, within bounds.

use super::results::SkippedFile;
use super::file_names::natural_order;
use crate::boot::loaders;
use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Bounds, so that a boot directory that is somebody's archive does not hold up the start. Each directory at the top has its
/// own: the packages of a DVD hide no other system.
const DEEPEST: usize = 12;
const MOST_FILES: usize = 10_000;

/// A directory that is served, and what was found in it.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    /// The first part of the names under which its files are asked for; empty for the boot directory.
    served_as: String,
    /// By path from the root, those near the top first; the names of the files in the order in which people count.
    pub directories: Vec<(String, Vec<String>)>,
    /// Where each directory stands in that list, by its path in lower case.
    index: BTreeMap<String, usize>,
}

impl Tree {
    /// The name under which a file is asked for.
    pub fn served_name(&self, path: &str) -> String {
        join(&self.served_as, path)
    }

    /// Where it lies.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Whether this is the top of the boot directory.
    pub fn is_top(&self, directory: &str) -> bool {
        self.served_name(directory).is_empty()
    }

    pub fn files(&self, directory: &str) -> &[String] {
        self.index.get(&directory.to_ascii_lowercase()).map_or(&[], |at| &self.directories[*at].1)
    }

    /// The file of this path, in whatever case.
    pub fn find(&self, path: &str) -> Option<String> {
        let (directory, name) = split_path(path);
        let at = *self.index.get(&directory.to_ascii_lowercase())?;
        let (directory, files) = &self.directories[at];
        files.iter().find(|file| file.eq_ignore_ascii_case(name)).map(|file| join(directory, file))
    }
}

pub fn join(directory: &str, name: &str) -> String {
    match (directory, name) {
        ("", only) | (only, "") => only.to_owned(),
        _ => format!("{directory}/{name}"),
    }
}

/// The directory of a path, and its last part.
pub fn split_path(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// `hidden`: directories at the top that cannot be asked for, because others are served under their names.
pub fn walk(root: &Path, served_as: &str, hidden: &[&str], until: Instant, left_out: &mut Vec<SkippedFile>) -> Tree {
    let tree = Tree {
        root: root.to_owned(),
        served_as: served_as.to_owned(),
        directories: Vec::new(),
        index: BTreeMap::new(),
    };
    let mut walk = Walk { tree, hidden, until, left: BTreeMap::new(), left_out };
    let mut queue = VecDeque::from([String::new()]);
    while let Some(directory) = queue.pop_front() {
        if Instant::now() > until {
            walk.leave_out(&directory, "looking through the directory takes too long; the menu shows a part");
            break;
        }
        queue.extend(walk.directory(directory));
    }
    walk.tree
}

struct Walk<'a> {
    tree: Tree,
    hidden: &'a [&'a str],
    until: Instant,
    /// How many more files may be seen, by directory at the top.
    left: BTreeMap<String, usize>,
    left_out: &'a mut Vec<SkippedFile>,
}

/// What is of use of one directory.
#[derive(Default)]
struct Listing {
    files: Vec<String>,
    directories: Vec<String>,
    /// There is anything in it.
    seen: bool,
}

impl Walk<'_> {
    /// One directory; returns those in it.
    fn directory(&mut self, directory: String) -> Vec<String> {
        let listing = match self.list(&directory) {
            Ok(listing) => listing,
            // There is none, or it has gone since: that is no directory to speak of.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                self.leave_out(&directory, &format!("this directory cannot be read: {error}"));
                return Vec::new();
            }
        };
        let Listing { mut files, mut directories, seen } = listing;
        if !seen && !directory.is_empty() && !directory.contains('/') {
            self.leave_out(&directory, "an empty directory: if something should be mounted there, it is not");
        }
        files.sort_by(|one, other| natural_order(one, other));
        directories.sort_by(|one, other| natural_order(one, other));
        let has = |directories: &[String], name: &str| directories.iter().any(|directory| directory == name);
        let packages =
            [("pool", "dists"), ("Packages", "repodata")].into_iter().filter(|(_, index)| has(&directories, index));
        let packages: Vec<&str> = packages.map(|(packages, _)| packages).collect();
        directories.retain(|name| !packages.contains(&&name[..]));
        let depth = if directory.is_empty() { 0 } else { directory.split('/').count() };
        if depth == DEEPEST && !directories.is_empty() {
            let deeper = join(&directory, &directories[0]);
            self.leave_out(&deeper, &format!("deeper than {DEEPEST} directories, not looked through"));
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
            listing.seen = true;
            let left = self.left.entry(top.clone()).or_insert(MOST_FILES);
            if *left == 0 || Instant::now() > self.until {
                return Ok(listing);
            }
            *left -= 1;
            if *left == 0 {
                let why = format!("it has more than {MOST_FILES} files; those deepest in it are not looked at");
                self.leave_out(&top, &why);
            }
            let (name, is_text) = match item.file_name().into_string() {
                Ok(name) => (name, true),
                Err(name) => (name.to_string_lossy().into_owned(), false),
            };
            let is_hidden = directory.is_empty() && self.hidden.contains(&&name[..]);
            // What begins with a dot is meant to be hidden.
            if name.starts_with('.') || is_hidden {
                continue;
            }
            let path = join(directory, &name);
            let why = match &name[..] {
                _ if !is_text => Some("it is not UTF-8"),
                name if name.chars().any(char::is_control) => Some("it has control characters"),
                // iPXE, up to 2025 at least, asks over HTTP for `%FFFFFFC3%FFFFFFA9` where the name has an é.
                name if !name.is_ascii() => Some("it has letters beyond ASCII"),
                _ => None,
            };
            if let Some(why) = why {
                let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
                let shown: String = path.chars().map(escaped).collect();
                self.leave_out(&shown, &format!("iPXE cannot ask for this name: {why}"));
                continue;
            }
            match item.file_type() {
                Ok(kind) if kind.is_dir() => listing.directories.push(name),
                Ok(kind) if kind.is_file() => listing.files.push(name),
                Ok(kind) if kind.is_symlink() => match self.leads_to(&item.path()) {
                    Some(target) if target.is_file() => listing.files.push(name),
                    // A directory is shown under its own name.
                    Some(_) => {}
                    None => self.astray(&path),
                },
                _ => {}
            }
        }
        Ok(listing)
    }

    /// Where a symbolic link leads inside this directory; what lies outside is not served.
    fn leads_to(&self, link: &Path) -> Option<PathBuf> {
        let (target, root) = (link.canonicalize().ok()?, self.tree.root.canonicalize().ok()?);
        target.starts_with(root).then_some(target)
    }

    /// What is to be said of a loader, and of `boot.ipxe`, is said where they are looked for.
    fn astray(&mut self, path: &str) {
        let (directory, name) = split_path(path);
        if !(self.tree.is_top(directory) && (name == "boot.ipxe" || loaders::is_loader_name(name))) {
            self.leave_out(
                path,
                "a link to nothing, or out of the directory, is not followed; [directories] serves what lies elsewhere",
            );
        }
    }

    fn leave_out(&mut self, path: &str, why: &str) {
        let path = self.tree.served_name(path);
        let path = if path.is_empty() { self.tree.root.display().to_string() } else { path };
        self.left_out.push(SkippedFile { path, reason: why.to_owned() });
    }
}

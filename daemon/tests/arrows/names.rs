//! Reads the source files of a crate, and finds the modules that each module names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The path of a module from the root of its crate. Empty: the root.
pub type ModulePath = Vec<String>;

/// A module that has a file, and the modules whose items it names.
#[derive(Debug)]
pub struct Module {
    /// The path of the module.
    pub path: ModulePath,
    /// The modules that define the items that this module names. A re-export of an item from a child counts only if
    /// the module itself uses the item.
    pub named: BTreeSet<ModulePath>,
}

/// Reads the modules of a crate from the folder of its sources.
pub fn read_crate(folder: &Path) -> Vec<Module> {
    let files: BTreeMap<ModulePath, PathBuf> =
        rust_files(folder).into_iter().map(|file| (module_path(file.strip_prefix(folder).unwrap()), file)).collect();
    let source =
        |(path, file)| (Clone::clone(path), SourceFile::read(path, &fs::read_to_string(file).unwrap(), &files));
    let sources: BTreeMap<ModulePath, SourceFile> = files.iter().map(source).collect();
    let named = |source: &SourceFile| source.named(&sources);
    sources.iter().map(|(path, source)| Module { path: path.clone(), named: named(source) }).collect()
}

fn module_path(relative: &Path) -> ModulePath {
    let parts = relative.with_extension("");
    let parts = parts.iter().map(|part| part.to_str().unwrap().to_owned());
    parts.filter(|part| part != "mod" && part != "lib").collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] });
    files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// A path in the source, from the root of the crate. The last segments may be items instead of modules.
type NamePath = Vec<String>;

/// The names in a source file.
#[derive(Debug, Default)]
struct SourceFile {
    path: ModulePath,
    /// The paths in `use` declarations and expressions.
    paths: BTreeSet<NamePath>,
    /// The paths of public `use` declarations, by name.
    exports: BTreeMap<String, NamePath>,
    /// The paths of all `use` declarations, by name.
    imports: BTreeMap<String, NamePath>,
    /// The identifiers outside of `use` declarations.
    identifiers: BTreeSet<String>,
}

impl SourceFile {
    fn read(path: &ModulePath, text: &str, files: &BTreeMap<ModulePath, PathBuf>) -> SourceFile {
        let tokens = tokens(text);
        let mut file = SourceFile { path: path.clone(), ..SourceFile::default() };
        // The module at this position: inline modules, such as `mod tests { ... }`, have a scope inside the file.
        let mut scope = path.clone();
        let mut depth = 0;
        let mut inline_depths = Vec::new();
        let mut expressions: Vec<(ModulePath, NamePath)> = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            let token = &tokens[at][..];
            match token {
                "mod" if tokens.get(at + 2).is_some_and(|next| next == "{") => {
                    inline_depths.push(depth);
                    scope.push(tokens[at + 1].clone());
                    at += 1;
                }
                "use" if tokens.get(at + 1).is_some_and(|next| next != "<") => {
                    let is_public = tokens[..at].last().is_some_and(|last| last == "pub" || last == ")");
                    let mut leaves = Vec::new();
                    at = use_tree(&tokens, at + 1, &mut Vec::new(), &mut leaves);
                    for (path, name) in leaves {
                        let Some(path) = from_root(&scope, &path, files) else { continue };
                        if is_public {
                            file.exports.insert(name.clone(), path.clone());
                        }
                        file.imports.insert(name, path);
                    }
                }
                "{" => depth += 1,
                "}" => {
                    depth -= 1;
                    if inline_depths.last() == Some(&depth) {
                        inline_depths.pop();
                        scope.pop();
                    }
                }
                _ if is_identifier(token) => {
                    let mut path = vec![token.to_owned()];
                    while tokens.get(at + 1).is_some_and(|next| next == "::")
                        && tokens.get(at + 2).is_some_and(|next| is_identifier(next))
                    {
                        path.push(tokens[at + 2].clone());
                        at += 2;
                    }
                    file.identifiers.insert(path[0].clone());
                    if path.len() > 1 {
                        expressions.push((scope.clone(), path));
                    }
                }
                _ => {}
            }
            at += 1;
        }
        for (scope, path) in expressions {
            match file.imports.get(&path[0]) {
                Some(import) => drop(file.paths.insert([import, &path[1..]].concat())),
                None => file.paths.extend(from_root(&scope, &path, files)),
            }
        }
        file
    }

    /// Returns the modules that define the items that this file names.
    fn named(&self, sources: &BTreeMap<ModulePath, SourceFile>) -> BTreeSet<ModulePath> {
        let mut named = BTreeSet::new();
        for path in &self.paths {
            named.extend(resolve(path, sources));
        }
        for (name, path) in &self.imports {
            let Some(target) = resolve(path, sources) else { continue };
            // An imported module counts only with the items that are named through it.
            let is_module = target == *path;
            let is_export_of_child =
                self.exports.contains_key(name) && target.starts_with(&self.path) && !self.identifiers.contains(name);
            if !is_module && !is_export_of_child {
                named.insert(target);
            }
        }
        named.remove(&self.path);
        named
    }
}

/// Returns the module that defines what the path names. `None`: the path leads out of the crate.
fn resolve(path: &[String], sources: &BTreeMap<ModulePath, SourceFile>) -> Option<ModulePath> {
    let length = (0..=path.len()).rev().find(|length| sources.contains_key(&path[..*length]))?;
    let (module, item) = (&path[..length], path.get(length));
    if length == 0 && !sources.contains_key(&path[..1.min(path.len())]) && item.is_some() {
        return Some(Vec::new());
    }
    match item.and_then(|item| sources[module].exports.get(item)) {
        Some(export) if export != path => resolve(&[export, &path[length + 1..]].concat(), sources),
        _ => Some(module.to_vec()),
    }
}

/// Returns a path in this scope as a path from the root of the crate. `None`: the path begins with a name that the
/// scope does not define, such as another crate.
fn from_root(scope: &[String], path: &[String], files: &BTreeMap<ModulePath, PathBuf>) -> Option<NamePath> {
    let (first, rest) = path.split_first()?;
    match &first[..] {
        "crate" => Some(rest.to_vec()),
        "self" => from_scope(scope, rest),
        "super" => from_scope(scope.split_last()?.1, rest),
        _ => files.contains_key(&[scope, &path[..1]].concat()).then(|| [scope, path].concat()),
    }
}

/// Like [`from_root`], for the segments after `self` or `super`.
fn from_scope(scope: &[String], path: &[String]) -> Option<NamePath> {
    match path.first() {
        Some(first) if first == "super" => from_scope(scope.split_last()?.1, &path[1..]),
        _ => Some([scope, path].concat()),
    }
}

/// Reads the tree of a `use` declaration: adds each path with the name that it has in the file. Returns the position
/// after the tree.
fn use_tree(tokens: &[String], mut at: usize, prefix: &mut NamePath, leaves: &mut Vec<(NamePath, String)>) -> usize {
    let length = prefix.len();
    loop {
        match &tokens[at][..] {
            "::" => at += 1,
            "{" => {
                at += 1;
                while tokens[at] != "}" {
                    at = use_tree(tokens, at, prefix, leaves);
                    at += usize::from(tokens[at] == ",");
                }
                prefix.truncate(length);
                return at + 1;
            }
            segment if is_identifier(segment) || segment == "*" => {
                if segment != "self" || prefix.is_empty() {
                    prefix.push(segment.to_owned());
                }
                at += 1;
                if tokens[at] != "::" {
                    let is_renamed = tokens[at] == "as";
                    let name = if is_renamed { &tokens[at + 1] } else { &prefix[prefix.len() - 1] };
                    leaves.push((prefix.clone(), name.clone()));
                    prefix.truncate(length);
                    return at + if is_renamed { 2 } else { 0 };
                }
            }
            _ => return at + 1,
        }
    }
}

fn is_identifier(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Splits Rust text into identifiers, `::` and single characters. Skips comments, strings and characters.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(length) = literal(rest) {
            length
        } else if word > 0 {
            tokens.push(rest[..word].to_owned());
            word
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

/// Returns the length of the string, character or lifetime at the beginning of the text, or `None` if there is none.
fn literal(text: &str) -> Option<usize> {
    if !text.starts_with(['"', '\'', 'r', 'b', 'c']) {
        return None;
    }
    let prefix = ["br", "cr", "r", "b", "c", ""].into_iter().find(|prefix| {
        text.strip_prefix(prefix)
            .is_some_and(|rest| rest.starts_with(['"', '\'']) || rest.starts_with("#\"") || rest.starts_with("##\""))
    })?;
    let rest = &text[prefix.len()..];
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    if prefix.ends_with('r') {
        let end = format!("\"{}", "#".repeat(hashes));
        let begin = prefix.len() + hashes + 1;
        return Some(begin + text.get(begin..)?.find(&end)? + end.len());
    }
    if hashes > 0 {
        return None;
    }
    let quote = rest.chars().next()?;
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return Some(prefix.len() + at + 1),
            // A lifetime: `'a` without a quote after one character.
            _ if quote == '\'' && at > c.len_utf8() => return Some(1),
            _ => {}
        }
    }
    None
}

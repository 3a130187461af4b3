//! Resolves the name of a file in a script: a URL, or a path relative to the script or to the top of its server.

use super::lines::ScriptLine;
use std::collections::BTreeMap;

/// The resolved name of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UriReference {
    /// A whole URL.
    Url(String),
    /// A path relative to the directory of the script.
    Relative(String),
    /// A path from the top of the server from which the script was fetched.
    Absolute(String),
    /// The name depends on the machine, so it cannot be resolved.
    Unknown,
}

/// The variables that have one value throughout a script, with these values.
#[derive(Debug, Default)]
pub struct ScriptVariables(BTreeMap<String, String>);

impl ScriptVariables {
    /// Collects the variables from the commands that set them. Omits those whose value is uncertain.
    pub fn from_lines(lines: &[ScriptLine<'_>]) -> ScriptVariables {
        let mut all = BTreeMap::new();
        for line in lines {
            for (index, part) in line.commands().iter().enumerate() {
                let [command, name, value @ ..] = &part.words[..] else { continue };
                if !["set", "read", "choose", "clear", "inc", "item", "form", "login", "cpuid", "ntp"].contains(command)
                {
                    continue;
                }
                // `choose --default x target` sets the variable that its last word names.
                let name = if *command == "set" { *name } else { value.last().unwrap_or(name) };
                let is_certain = *command == "set" && index == 0 && line.commands().len() == 1;
                let known = all.entry(name.to_owned()).or_insert_with(|| is_certain.then(|| value.join(" ")));
                if known.as_deref() != Some(&value.join(" ")[..]) {
                    *known = None;
                }
            }
        }
        ScriptVariables(all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }

    /// Resolves a word of a script, after expanding the variables and `{{ base }}` in it.
    pub fn resolve(&self, word: &str) -> UriReference {
        const MAX_DEPTH: usize = 8;
        let mut uri = word.to_owned();
        for _ in 0..MAX_DEPTH {
            let Some((before, rest)) = uri.split_once("${") else { break };
            let known = rest.split_once('}').and_then(|(name, rest)| Some((self.0.get(name)?, rest)));
            let Some((value, rest)) = known else { return UriReference::Unknown };
            uri = format!("{before}{value}{rest}");
        }
        let of_base = uri.strip_prefix("{{").and_then(|rest| rest.split_once("}}"));
        let base = of_base.filter(|(name, _)| name.trim() == "base").map(|(_, rest)| rest.to_owned());
        let rest = base.as_ref().unwrap_or(&uri);
        if rest.contains(['{', '}', '$']) || rest.is_empty() {
            return UriReference::Unknown;
        }
        match base {
            Some(path) => UriReference::Absolute(path.trim_start_matches('/').to_owned()),
            None if uri.contains("://") || is_scheme(uri.split_once(':')) => UriReference::Url(uri),
            None => match uri.strip_prefix('/') {
                Some(path) => UriReference::Absolute(path.trim_start_matches('/').to_owned()),
                None => UriReference::Relative(uri),
            },
        }
    }
}

/// Whether the part before the colon is a URI scheme. It need not be followed by a host: `file:/x` is a URI.
fn is_scheme(parts: Option<(&str, &str)>) -> bool {
    parts.is_some_and(|(scheme, _)| !scheme.is_empty() && scheme.bytes().all(|letter| letter.is_ascii_alphanumeric()))
}

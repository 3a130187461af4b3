//! dnsmasq options outside of its configuration file: on the command line of a container, a systemd unit, a script or a
//! Nix expression, and in the `dnsmasq_lines` of Pi-hole.

use super::dnsmasq::{is_key, takes_value};
use super::output::{LineNote, LineOutcome};
use super::translation::{Translation, quote_value};
use proxydhcpd_reading::diagnostic::{Diagnostic, Source};
use std::path::{Path, PathBuf};

/// A word as a shell splits it.
#[derive(Debug, Default)]
struct ShellWord {
    line: usize,
    text: String,
    /// Whether the word contains a shell variable, whose value the import does not know.
    variable: bool,
}

/// The short options that matter for network boot, with their long names.
const SHORT_OPTIONS: [(&str, &str); 9] = [
    ("-p", "port"),
    ("-i", "interface"),
    ("-a", "listen-address"),
    ("-F", "dhcp-range"),
    ("-M", "dhcp-boot"),
    ("-U", "dhcp-vendorclass"),
    ("-j", "dhcp-userclass"),
    ("-G", "dhcp-host"),
    ("-O", "dhcp-option"),
];

/// Prefixes of option names that only dnsmasq has.
const DNSMASQ_PREFIXES: [&str; 3] = ["dhcp-", "pxe-", "tftp-"];

const UNKNOWN_VARIABLE: &str =
    "the value of the variable is not known here: replace the variable by its value, and import again";

/// Collects the dnsmasq options of a command line, or of Pi-hole.
pub fn translate(source: &Source) -> Result<Translation, Vec<Diagnostic>> {
    let mut translation = Translation { many_per_line: true, ..Translation::default() };
    match pi_hole_lines(source) {
        Some(lines) => lines.into_iter().for_each(|(line, text)| translation.add_option(line, text)),
        None => command_line(source, &mut translation),
    }
    replace_container_dirs(source, &mut translation);
    if translation.options.is_empty() {
        let error = source.file_error("the file contains no dnsmasq option");
        return Err(vec![error.help("write options as --dhcp-range=192.0.2.0,proxy, or as in dnsmasq.conf")]);
    }
    Ok(translation)
}

/// Whether the text contains dnsmasq options.
pub fn has_options(text: &str) -> bool {
    let words = words(text);
    text.contains("dnsmasq_lines") || words.iter().any(is_dnsmasq_option) || find_dnsmasq(&words).is_some()
}

/// Whether the word is an option that only dnsmasq has. `--port` and `--server` do not count, because many programs
/// have such options.
fn is_dnsmasq_option(word: &ShellWord) -> bool {
    let has_prefix = |key: &str| DNSMASQ_PREFIXES.iter().any(|prefix| key.starts_with(prefix));
    option(&word.text).is_some_and(|(key, _)| has_prefix(key) || key == "enable-tftp")
}

/// The index of the word that names the dnsmasq program, if options follow that word.
fn find_dnsmasq(words: &[ShellWord]) -> Option<usize> {
    let is_program = |word: &ShellWord| {
        let name = word.text.rsplit('/').next().unwrap_or_default();
        name.split([':', '@']).next() == Some("dnsmasq") && !word.text.starts_with('-')
    };
    let has_options_after = |at: &usize| words[*at..].iter().any(|word| option(&word.text).is_some());
    words.iter().position(is_program).filter(has_options_after)
}

/// Replaces a boot directory inside a container by the host directory that a volume mounts there. If the file does not
/// give the host directory, adds an action item instead.
fn replace_container_dirs(source: &Source, translation: &mut Translation) {
    let volumes = volumes(&source.text);
    let roots =
        translation.options.iter().filter_map(|(line, option)| Some((*line, option.strip_prefix("tftp-root=")?)));
    let roots =
        roots.map(|(line, values)| (line, values.split(',').next().unwrap_or_default().trim_matches('"').to_owned()));
    let roots: Vec<(usize, String)> = roots.collect();
    for (line, root) in roots {
        let below = |(host, container): &(String, String)| {
            let rest = root.strip_prefix(container.trim_end_matches('/'))?;
            (rest.is_empty() || rest.starts_with('/')).then(|| (host.clone(), rest.trim_matches('/').to_owned()))
        };
        // The longest mount path that contains the directory is the volume that the container uses.
        let known =
            volumes.iter().filter(|volume| below(volume).is_some()).max_by_key(|(_, container)| container.len());
        let Some((host, rest)) = known.and_then(below) else { continue };
        let reason = match host_dir(source, &host) {
            Some(directory) => {
                let directory = directory.join(rest).components().collect::<PathBuf>().display().to_string();
                let inside = format!("{}/", root.trim_end_matches('/'));
                for (_, option) in &mut translation.options {
                    if let Some(values) = option.strip_prefix("tftp-root=") {
                        *option = format!("tftp-root={}", values.replacen(&root, &directory, 1));
                    } else if option.starts_with("dhcp-boot=") || option.starts_with("pxe-service=") {
                        // A name that starts with this directory becomes relative to the boot directory.
                        let (key, values) = option.split_once('=').unwrap_or_default();
                        let below = |value: &str| value.strip_prefix(&inside).unwrap_or(value).to_owned();
                        *option = format!("{key}={}", values.split(',').map(below).collect::<Vec<_>>().join(","));
                    }
                }
                format!("{root} in the container is {directory} on its host: this is now the boot directory")
            }
            None => {
                let action = format!(
                    "{root} is a directory in the container. Set `boot-dir` to the directory of its volume {host} on \
                     the host"
                );
                translation.action_items.push(action);
                format!("it is a directory in the container, from the volume {host}")
            }
        };
        let (location, line) = (format!("line {line}"), format!("tftp-root={root}"));
        translation.notes.push(LineNote { location, line, outcome: LineOutcome::Changed(reason) });
    }
}

/// The host directory of a volume, as an absolute path. A relative path is resolved from the directory of the file.
/// `None`: the volume has a name instead of a path, or the path contains a variable.
fn host_dir(source: &Source, host: &str) -> Option<PathBuf> {
    let relative =
        ["$PWD", "${PWD}", "$(pwd)"].iter().find_map(|word| host.strip_prefix(word)).map(|rest| format!(".{rest}"));
    let host = relative.as_deref().unwrap_or(host);
    let is_path = host.starts_with(['/', '.']) && !host.contains('$');
    let directory = Path::new(&source.name).parent().unwrap_or(Path::new(""));
    is_path.then(|| std::path::absolute(directory.join(host)).ok()).flatten()
}

/// The volumes of containers, each as its path on the host and its path in the container. The file writes them as
/// `./tftp:/tftp:ro`, alone or after `-v` or `--volume`, or as `source` and `target`.
fn volumes(text: &str) -> Vec<(String, String)> {
    let mut volumes = Vec::new();
    for word in words(text) {
        let text = ["--volume=", "--mount=", "-v="].iter().find_map(|option| word.text.strip_prefix(option));
        let text = text.unwrap_or(&word.text);
        let field = |names: &[&str]| {
            text.split(',')
                .filter_map(|field| field.split_once('='))
                .find(|(name, _)| names.contains(name))
                .map(|(_, value)| value)
        };
        if let (Some(host), Some(inside)) = (field(&["source", "src"]), field(&["target", "destination", "dst"])) {
            volumes.push((host.to_owned(), inside.to_owned()));
        }
        let mut parts = text.split(':');
        if let (Some(host), Some(inside)) = (parts.next(), parts.next())
            && inside.starts_with('/')
            && !inside.starts_with("//")
            && !host.is_empty()
        {
            volumes.push((host.to_owned(), inside.to_owned()));
        }
    }
    let mut source: Option<&str> = None;
    let mut target: Option<&str> = None;
    for line in text.lines().map(str::trim) {
        if line.starts_with("- ") {
            (source, target) = (None, None);
        }
        let Some((key, value)) = line.trim_start_matches("- ").split_once(':') else { continue };
        let value = value.trim().trim_matches(['"', '\'']);
        match key {
            "source" => source = Some(value),
            "target" => target = Some(value),
            _ => continue,
        }
        if let (Some(host), Some(inside)) = (source, target) {
            volumes.push((host.to_owned(), inside.to_owned()));
        }
    }
    volumes
}

/// The key of a long dnsmasq option, and the text after `=` if there is one. `None`: dnsmasq has no such option.
fn option(text: &str) -> Option<(&str, Option<&str>)> {
    let option = text.strip_prefix("--")?;
    let (key, value) = option.split_once('=').map_or((option, None), |(key, value)| (key, Some(value)));
    is_key(key).then_some((key, value))
}

fn command_line(source: &Source, translation: &mut Translation) {
    let words = words(&source.text);
    // Options before the program's name belong to the program that starts it.
    let start = find_dnsmasq(&words).unwrap_or(0);
    let mut rest = words[start..].iter().peekable();
    while let Some(word) = rest.next() {
        let short =
            SHORT_OPTIONS.iter().find(|(short, _)| word.text.starts_with(short) && !word.text.starts_with("--"));
        let (key, mut text) = match (option(&word.text), short) {
            (Some((key, text)), _) => (key, text.map(str::to_owned)),
            (None, Some((short, key))) if start > 0 => {
                (*key, Some(word.text[short.len()..].to_owned()).filter(|text| !text.is_empty()))
            }
            _ => {
                note_unknown_option(word, translation);
                continue;
            }
        };
        let mut variable = word.variable;
        if text.is_none() && takes_value(key) && rest.peek().is_some_and(|next| !next.text.starts_with('-')) {
            let next = rest.next();
            text = next.map(|next| next.text.clone());
            variable |= next.is_some_and(|next| next.variable);
        }
        if variable {
            add_note(word, LineOutcome::Unsupported(UNKNOWN_VARIABLE.into()), translation);
            continue;
        }
        let values = text.map(|text| format!("={}", quote_values(&text))).unwrap_or_default();
        match key {
            "conf-file" | "conf-dir" => {
                add_note(
                    word,
                    LineOutcome::Unsupported("this file is not imported: import it separately".into()),
                    translation,
                );
            }
            key => translation.add_option(word.line, format!("{key}{values}")),
        }
    }
}

/// Adds a note if the word looks like a misspelled option of dnsmasq.
fn note_unknown_option(word: &ShellWord, translation: &mut Translation) {
    let key = word.text.strip_prefix("--").and_then(|option| option.split('=').next()).unwrap_or_default();
    if DNSMASQ_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) {
        add_note(word, LineOutcome::Unsupported("dnsmasq has no option with this name".into()), translation);
    }
}

fn add_note(word: &ShellWord, outcome: LineOutcome, translation: &mut Translation) {
    let line = word.text.clone();
    translation.notes.push(LineNote { location: format!("line {}", word.line), line, outcome });
}

/// Formats the value for a dnsmasq file. A value with quotes stays unchanged: quotes that the shell did not remove have
/// the same meaning in the file.
fn quote_values(text: &str) -> String {
    if text.contains('"') {
        return text.to_owned();
    }
    text.split(',').map(quote_value).collect::<Vec<_>>().join(",")
}

/// Splits a text into words, and removes quotes and `\`. Removes the brackets and commas of JSON and Nix lists, too.
fn words(text: &str) -> Vec<ShellWord> {
    let mut words = Vec::new();
    let mut word: Option<ShellWord> = None;
    let (mut quote, mut line) = (None, 1);
    // Whether the quotes enclose the whole word.
    let mut is_whole = false;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        line += usize::from(c == '\n');
        let opens =
            word.as_ref().is_none_or(|word| word.text.ends_with(['=', ',', ':', '[', '(']) || word.text.is_empty());
        match (c, quote) {
            ('\\', Some('"') | None) => {
                let next = rest.next();
                line += usize::from(next == Some('\n'));
                match next {
                    Some('\n') | None => {}
                    Some(next) => open_word(&mut word, line).text.push(next),
                }
            }
            (c, Some(open)) if c == open => {
                quote = None;
                // `["a","b"]`: in a list, a space after the comma is optional.
                if is_whole && rest.next_if_eq(&',').is_some() {
                    words.extend(word.take());
                }
            }
            ('\'' | '"', None) if opens || c == '"' => {
                quote = Some(c);
                is_whole = open_word(&mut word, line).text.trim_start_matches(['[', '(']).is_empty();
            }
            ('#', None) if word.is_none() => while rest.next_if(|c| *c != '\n').is_some() {},
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, quote) => {
                let next = rest.peek().copied().unwrap_or(' ');
                let is_variable = c == '$' && quote != Some('\'') && (next.is_alphanumeric() || "{(_".contains(next));
                let word = open_word(&mut word, line);
                word.variable |= is_variable;
                word.text.push(c);
            }
        }
    }
    words.extend(word);
    words.into_iter().map(without_brackets).filter(|word| !word.text.is_empty()).collect()
}

fn open_word(word: &mut Option<ShellWord>, line: usize) -> &mut ShellWord {
    word.get_or_insert_with(|| ShellWord { line, ..ShellWord::default() })
}

/// Removes the characters around the word, as in `["dnsmasq",` and `ExecStart=-/usr/sbin/dnsmasq`.
fn without_brackets(word: ShellWord) -> ShellWord {
    let text = word.text.trim_start_matches(['[', '(', '@']).trim_end_matches([',', ']', ')', ';']);
    let text = text.strip_prefix("ExecStart=").map_or(text, |text| text.trim_start_matches(['-', '@', '+', '!', ':']));
    ShellWord { text: text.to_owned(), ..word }
}

/// The entries of Pi-hole's `dnsmasq_lines`, each with its line number, from `pihole.toml` or from the environment
/// variable of a container. `None`: the text has no `dnsmasq_lines`.
fn pi_hole_lines(source: &Source) -> Option<Vec<(usize, String)>> {
    let text = &source.text;
    if let Some(at) = text.find("FTLCONF_misc_dnsmasq_lines") {
        let line = text[at..].lines().next().unwrap_or_default();
        let value = line.split_once(['=', ':'])?.1.trim();
        let value = value.trim_matches(['"', '\'']);
        let number = source.line_number(at);
        return Some(
            value
                .split(';')
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .map(|line| (number, line.to_owned()))
                .collect(),
        );
    }
    if !text.contains("dnsmasq_lines") {
        return None;
    }
    let document = toml::de::DeTable::parse(text).ok()?;
    let table = document.get_ref();
    let misc_lines = table.get("misc").and_then(|misc| misc.get_ref().get("dnsmasq_lines"));
    let lines = misc_lines.or_else(|| table.get("dnsmasq_lines"))?;
    let lines = lines.get_ref().as_array()?.iter();
    Some(
        lines
            .filter_map(|line| Some((source.line_number(line.span().start), line.get_ref().as_str()?.to_owned())))
            .collect(),
    )
}

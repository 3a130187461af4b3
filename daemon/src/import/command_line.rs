//! Options of dnsmasq outside its own file: on the command line of a container, a unit, a script or a Nix expression,
//! and the lines that Pi-hole keeps for it.

use super::dnsmasq::{is_key, takes_value};
use super::translation::{Translation, quote_value};
use super::output::{LineOutcome, LineNote};
use crate::config::diagnostic::{Diagnostic, Source};
use std::path::{Path, PathBuf};

/// A word as a shell cuts it.
#[derive(Debug, Default)]
struct Word {
    line: usize,
    text: String,
    /// A variable of the shell stands in it, whose value is not known here.
    variable: bool,
}

/// The short options that say something of what is booted, or of where.
const SHORT: [(&str, &str); 9] = [
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

/// What the names of its own options begin with.
const OWN: [&str; 3] = ["dhcp-", "pxe-", "tftp-"];

const VARIABLE: &str = "its value is known only where it runs: write it in the place of the variable, and import again";

pub fn translate(source: &Source) -> Result<Translation, Vec<Diagnostic>> {
    let mut translation = Translation { many_per_line: true, ..Translation::default() };
    match lines_of_pi_hole(source) {
        Some(lines) => lines.into_iter().for_each(|(line, text)| translation.add_option(line, text)),
        None => command_line(source, &mut translation),
    }
    outside(source, &mut translation);
    if translation.options.is_empty() {
        let error = source.file_error("there is no option of dnsmasq in it");
        return Err(vec![
            error.help("options are written --dhcp-range=192.0.2.0,proxy, or as a file of dnsmasq has them"),
        ]);
    }
    Ok(translation)
}

/// Whether there are options of dnsmasq in it.
pub fn has_options(text: &str) -> bool {
    let words = words(text);
    text.contains("dnsmasq_lines") || words.iter().any(is_own) || program(&words).is_some()
}

/// An option that no other program has: many have a `--port` or a `--server`.
fn is_own(word: &Word) -> bool {
    let starts = |key: &str| OWN.iter().any(|start| key.starts_with(start));
    option(&word.text).is_some_and(|(key, _)| starts(key) || key == "enable-tftp")
}

/// The place of its name, with options behind it.
fn program(words: &[Word]) -> Option<usize> {
    let is_program = |word: &Word| {
        let name = word.text.rsplit('/').next().unwrap_or_default();
        name.split([':', '@']).next() == Some("dnsmasq") && !word.text.starts_with('-')
    };
    let behind = |at: &usize| words[*at..].iter().any(|word| option(&word.text).is_some());
    words.iter().position(is_program).filter(behind)
}

/// The boot directory as the host of a container has it, where the file says which directory or volume that is.
fn outside(source: &Source, translation: &mut Translation) {
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
        // The narrowest volume is what the container sees.
        let known =
            volumes.iter().filter(|volume| below(volume).is_some()).max_by_key(|(_, container)| container.len());
        let Some((host, rest)) = known.and_then(below) else { continue };
        let why = match on_host(source, &host) {
            Some(directory) => {
                let directory = directory.join(rest).components().collect::<PathBuf>().display().to_string();
                let inside = format!("{}/", root.trim_end_matches('/'));
                for (_, option) in &mut translation.options {
                    if let Some(values) = option.strip_prefix("tftp-root=") {
                        *option = format!("tftp-root={}", values.replacen(&root, &directory, 1));
                    } else if option.starts_with("dhcp-boot=") || option.starts_with("pxe-service=") {
                        // A name below the directory is the same file without the directory in front.
                        let (key, values) = option.split_once('=').unwrap_or_default();
                        let below = |value: &str| value.strip_prefix(&inside).unwrap_or(value).to_owned();
                        *option = format!("{key}={}", values.split(',').map(below).collect::<Vec<_>>().join(","));
                    }
                }
                format!("in the container it is {root}, and on its host {directory}, which is the boot directory now")
            }
            None => {
                let note = format!(
                    "{root} is a directory in the container. Set `boot-dir` to where its volume {host} is on the host"
                );
                translation.action_items.push(note);
                format!("it is a directory in the container, of the volume {host}")
            }
        };
        let (place, line) = (format!("line {line}"), format!("tftp-root={root}"));
        translation.notes.push(LineNote { location: place, line, outcome: LineOutcome::Changed(why) });
    }
}

/// A directory of the host as a volume names it, relative to the file. `None`: a named volume, or a variable.
fn on_host(source: &Source, host: &str) -> Option<PathBuf> {
    let here =
        ["$PWD", "${PWD}", "$(pwd)"].iter().find_map(|word| host.strip_prefix(word)).map(|rest| format!(".{rest}"));
    let host = here.as_deref().unwrap_or(host);
    let is_path = host.starts_with(['/', '.']) && !host.contains('$');
    let directory = Path::new(&source.name).parent().unwrap_or(Path::new(""));
    is_path.then(|| std::path::absolute(directory.join(host)).ok()).flatten()
}

/// What containers see of their host, each as the path there and the path inside: `./tftp:/tftp:ro`, the same behind
/// `-v` or `--volume`, and `source` with `target`.
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

/// The key of a long option that dnsmasq has, and what stands behind `=`.
fn option(text: &str) -> Option<(&str, Option<&str>)> {
    let option = text.strip_prefix("--")?;
    let (key, value) = option.split_once('=').map_or((option, None), |(key, value)| (key, Some(value)));
    is_key(key).then_some((key, value))
}

fn command_line(source: &Source, translation: &mut Translation) {
    let words = words(&source.text);
    // What stands in front of the program's name are options of the program that starts it.
    let start = program(&words).unwrap_or(0);
    let mut rest = words[start..].iter().peekable();
    while let Some(word) = rest.next() {
        let short = SHORT.iter().find(|(short, _)| word.text.starts_with(short) && !word.text.starts_with("--"));
        let (key, mut text) = match (option(&word.text), short) {
            (Some((key, text)), _) => (key, text.map(str::to_owned)),
            (None, Some((short, key))) if start > 0 => {
                (*key, Some(word.text[short.len()..].to_owned()).filter(|text| !text.is_empty()))
            }
            _ => {
                unknown(word, translation);
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
            tell(word, LineOutcome::Unsupported(VARIABLE.into()), translation);
            continue;
        }
        let values = text.map(|text| format!("={}", values(&text))).unwrap_or_default();
        match key {
            "conf-file" | "conf-dir" => {
                tell(word, LineOutcome::Unsupported("it is not read: import that file on its own".into()), translation);
            }
            key => translation.add_option(word.line, format!("{key}{values}")),
        }
    }
}

/// Of other words, those that look like a mistaken option.
fn unknown(word: &Word, translation: &mut Translation) {
    let key = word.text.strip_prefix("--").and_then(|option| option.split('=').next()).unwrap_or_default();
    if OWN.iter().any(|start| key.starts_with(start)) {
        tell(word, LineOutcome::Unsupported("dnsmasq has no option of this name".into()), translation);
    }
}

fn tell(word: &Word, fate: LineOutcome, translation: &mut Translation) {
    let line = word.text.clone();
    translation.notes.push(LineNote { location: format!("line {}", word.line), line, outcome: fate });
}

/// The value as a file has it. Quotes that the shell leaves mean what they mean in a file.
fn values(text: &str) -> String {
    if text.contains('"') {
        return text.to_owned();
    }
    text.split(',').map(quote_value).collect::<Vec<_>>().join(",")
}

/// The words of a text, with quotes and what `\` does undone. Lists of JSON and Nix have marks around their words.
fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let (mut quote, mut line) = (None, 1);
    // The quote is around the whole word.
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
                    Some(next) => start(&mut word, line).text.push(next),
                }
            }
            (c, Some(open)) if c == open => {
                quote = None;
                // `["a","b"]`: in a list no blank has to stand behind the comma.
                if is_whole && rest.next_if_eq(&',').is_some() {
                    words.extend(word.take());
                }
            }
            ('\'' | '"', None) if opens || c == '"' => {
                quote = Some(c);
                is_whole = start(&mut word, line).text.trim_start_matches(['[', '(']).is_empty();
            }
            ('#', None) if word.is_none() => while rest.next_if(|c| *c != '\n').is_some() {},
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, quote) => {
                let next = rest.peek().copied().unwrap_or(' ');
                let is_variable = c == '$' && quote != Some('\'') && (next.is_alphanumeric() || "{(_".contains(next));
                let word = start(&mut word, line);
                word.variable |= is_variable;
                word.text.push(c);
            }
        }
    }
    words.extend(word);
    words.into_iter().map(without_marks).filter(|word| !word.text.is_empty()).collect()
}

fn start(word: &mut Option<Word>, line: usize) -> &mut Word {
    word.get_or_insert_with(|| Word { line, ..Word::default() })
}

/// `["dnsmasq",` and `ExecStart=-/usr/sbin/dnsmasq` without what is around the word.
fn without_marks(word: Word) -> Word {
    let text = word.text.trim_start_matches(['[', '(', '@']).trim_end_matches([',', ']', ')', ';']);
    let text = text.strip_prefix("ExecStart=").map_or(text, |text| text.trim_start_matches(['-', '@', '+', '!', ':']));
    Word { text: text.to_owned(), ..word }
}

/// `dnsmasq_lines` of pihole.toml, or the variable of a container, each line with its number.
fn lines_of_pi_hole(source: &Source) -> Option<Vec<(usize, String)>> {
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
    let of_misc = table.get("misc").and_then(|misc| misc.get_ref().get("dnsmasq_lines"));
    let lines = of_misc.or_else(|| table.get("dnsmasq_lines"))?;
    let lines = lines.get_ref().as_array()?.iter();
    Some(lines.filter_map(|line| Some((source.line_number(line.span().start), line.get_ref().as_str()?.to_owned()))).collect())
}

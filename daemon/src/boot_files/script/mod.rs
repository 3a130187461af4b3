//! Reads an iPXE script as iPXE does, and finds the faults in it, the commands that it needs, and the files and servers
//! that it names.

pub mod commands;
mod lines;
pub mod notes;
mod uri;

pub use commands::Purpose;
use lines::{ScriptLine, SimpleCommand};
use std::ops::Range;
use uri::ScriptVariables;
pub use uri::UriReference;

/// A problem in a part of the script, and how to fix it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptFault {
    /// The byte range in the text.
    pub span: Range<usize>,
    /// The problem.
    pub problem: String,
    /// How to fix it.
    pub fix: String,
}

/// A command that the script uses, and that iPXE must therefore have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptCommand {
    /// The byte range of the line.
    pub span: Range<usize>,
    /// The command's name.
    pub name: String,
    /// Whether the script continues if the command fails, because `||` or `&&` follows.
    pub guarded: bool,
}

/// A file that the script fetches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReference {
    /// The byte range of the line.
    pub span: Range<usize>,
    /// The purpose, which the command determines.
    pub purpose: Purpose,
    /// The URL or the path of the file.
    pub target: UriReference,
    /// Whether the script continues if it cannot fetch the file.
    pub guarded: bool,
}

/// A parsed script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// Problems in single lines.
    pub faults: Vec<ScriptFault>,
    /// The commands, in order.
    pub commands: Vec<ScriptCommand>,
    /// The files that the script fetches, in order.
    pub files: Vec<FileReference>,
}

/// Checks the beginning and the line endings of a script. Returns the problem and its fix, or `None` if iPXE recognises
/// the script.
pub fn header_fault(octets: &[u8]) -> Option<(&'static str, &'static str)> {
    const FIX: &str = "begin the file with the line `#!ipxe`";
    let rest = ["#!ipxe", "#!gpxe"].iter().find_map(|magic| octets.strip_prefix(magic.as_bytes()));
    match rest {
        Some([b'\r', rest @ ..]) if !rest.starts_with(b"\n") && !octets.contains(&b'\n') => Some((
            "the lines end with CR only, so iPXE reads the script as one line",
            "save it with Unix line endings (LF)",
        )),
        Some(rest) if rest.first().is_some_and(u8::is_ascii_whitespace) => None,
        _ if octets.starts_with(b"\xef\xbb\xbf") => Some((
            "a byte order mark precedes the first line, so iPXE does not recognise the script",
            "save it as UTF-8 without a byte order mark",
        )),
        _ if octets.is_empty() => Some(("the script is empty", FIX)),
        _ => Some(("the first line is not `#!ipxe`, so iPXE does not recognise the script", FIX)),
    }
}

/// Parses a script. `template`: the text may contain expressions, and parts that depend on an expression are not
/// checked.
pub fn parse(text: &str, template: bool) -> Script {
    let text = if template { lines::blank_comments(text) } else { text.to_owned() };
    let lines = lines::parse_lines(&text);
    let mut script = Script::default();
    let variables = ScriptVariables::from_lines(&lines);
    let image_names = image_names(&lines);
    for line in &lines {
        script.line(line, &variables, &image_names);
    }
    script
}

impl Script {
    fn line(&mut self, line: &ScriptLine<'_>, variables: &ScriptVariables, image_names: &[&str]) {
        if line.has_broken_continuation {
            self.faults.push(ScriptFault {
                span: line.span.clone(),
                problem: "a CR follows the `\\` at the end of the line, so iPXE does not continue the line".to_owned(),
                fix: "save the script with Unix line endings (LF)".to_owned(),
            });
        }
        let parts = line.commands();
        for (index, SimpleCommand { words, guarded }) in parts.iter().enumerate() {
            let Some((name, arguments)) = words.split_first().filter(|(name, _)| !name.contains(['$', '{', '}', '%']))
            else {
                continue;
            };
            self.commands.push(ScriptCommand { span: line.span.clone(), name: (*name).to_owned(), guarded: *guarded });
            if uses_next_server(name, arguments) && !self.faults.iter().any(|fault| fault.span == line.span) {
                self.faults.push(next_server(line));
            }
            let Some((purpose, uri)) = fetched(name, arguments, image_names) else { continue };
            let next_command = parts.get(index + 1).and_then(|next| next.words.first().copied());
            let gives_up =
                next_command.is_some_and(|next_command| ["goto", "shell", "exit", "reboot"].contains(&next_command));
            let guarded = *guarded && (purpose == Purpose::Other || !gives_up);
            self.files.push(FileReference {
                span: line.span.clone(),
                purpose,
                target: variables.resolve(uri),
                guarded,
            });
        }
    }
}

/// The file that a command fetches, and its purpose; `None` if the command fetches no file. Commands such as `boot` and
/// `kernel` also accept the name of an image that the script has already fetched.
fn fetched<'a>(command: &str, arguments: &[&'a str], image_names: &[&str]) -> Option<(Purpose, &'a str)> {
    let purpose = commands::fetch_purpose(command)?;
    let uri = commands::first_operand(arguments)?;
    let is_image = image_names.contains(&uri) || (commands::takes_image_name(command) && !uri.contains('/'));
    (!is_image).then_some((purpose, uri))
}

fn next_server(line: &ScriptLine<'_>) -> ScriptFault {
    ScriptFault {
        span: line.span.clone(),
        problem: "`${next-server}` may be the DHCP server's address, not this server's".to_owned(),
        fix:
            "use a name relative to the script (`debian/linux`), or ${proxydhcp/next-server}; in a template {{ base }}"
                .to_owned(),
    }
}

/// Whether the command fetches something from the address in `${next-server}`, or stores the address for a later
/// command. A command that only shows or tests the variable is harmless.
fn uses_next_server(command: &str, arguments: &[&str]) -> bool {
    let may_fetch = command == "set" || commands::fetch_purpose(command).is_some();
    let uses = |word: &&str| word.contains("${next-server}") && (may_fetch || word.contains("://"));
    arguments.iter().any(uses)
}

/// The names that the script gives to the images that it fetches.
fn image_names<'a>(lines: &'a [ScriptLine<'a>]) -> Vec<&'a str> {
    let words = lines.iter().flat_map(|line| line.commands()).map(|part| part.words);
    let named = words.flat_map(|words| {
        let pairs = words.windows(2).filter(|pair| ["--name", "-n"].contains(&pair[0])).map(|pair| pair[1]);
        let joined = words.iter().filter_map(|word| word.strip_prefix("--name="));
        pairs.chain(joined).collect::<Vec<_>>()
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relative(path: &str) -> UriReference {
        UriReference::Relative(path.to_owned())
    }

    fn files(text: &str) -> Vec<(Purpose, UriReference, bool)> {
        parse(text, false).files.into_iter().map(|file| (file.purpose, file.target, file.guarded)).collect()
    }

    #[test]
    fn ipxe_recognises_a_script_by_its_first_line() {
        for text in ["#!ipxe\nshell\n", "#!ipxe\r\nshell\r\n", "#!ipxe \n", "#!gpxe\n"] {
            assert_eq!(header_fault(text.as_bytes()), None, "{text:?}");
        }
        for (text, part) in [
            ("#ipxe\n", "first line"),
            ("\n#!ipxe\n", "first line"),
            (" #!ipxe\n", "first line"),
            ("#!ipxe", "first line"),
            ("\u{feff}#!ipxe\n", "byte order mark"),
            ("#!ipxe\rshell\r", "CR only"),
            ("", "empty"),
        ] {
            assert!(header_fault(text.as_bytes()).is_some_and(|(what, _)| what.contains(part)), "{text:?}");
        }
    }

    #[test]
    fn commands_begin_lines_and_follow_operators() {
        let script = parse(
            "#!ipxe\n# chian x\n:menu\nisset ${x} && goto y || shel\nimgfetch a \\\n  b\n${cmd} x\nparams ||\n",
            false,
        );
        let names: Vec<_> = script.commands.iter().map(|command| (&command.name[..], command.guarded)).collect();
        let expected = [("isset", true), ("goto", true), ("shel", false), ("imgfetch", false), ("params", true)];
        assert_eq!(names, expected);
    }

    #[test]
    fn fetching_commands_name_files_and_options_are_none() {
        let text = "#!ipxe\nset base http://192.0.2.10:8080/debian\n\
                    kernel ${base}/linux initrd=initrd.gz quiet\n\
                    initrd --name initrd.gz --timeout 5000 sub/initrd.gz mode=755\n\
                    kernel initrd.gz\nboot linux\n\
                    chain --autofree --replace /other.ipxe || goto failed\n\
                    imgfetch -n logo logo.png ||\n\
                    kernel x || shell\n\
                    chain ${base}/${mac}.ipxe\n\
                    initrd http://boot.example/x?y\n";
        assert_eq!(
            files(text),
            [
                (Purpose::Kernel, UriReference::Url("http://192.0.2.10:8080/debian/linux".to_owned()), false),
                (Purpose::Initrd, relative("sub/initrd.gz"), false),
                (Purpose::Other, UriReference::Absolute("other.ipxe".to_owned()), true),
                (Purpose::Other, relative("logo.png"), true),
                (Purpose::Kernel, relative("x"), false),
                (Purpose::Other, UriReference::Unknown, false),
                (Purpose::Initrd, UriReference::Url("http://boot.example/x?y".to_owned()), false),
            ]
        );
    }

    #[test]
    fn in_a_template_base_is_known_and_other_expressions_are_not_judged() {
        let text = "#!ipxe\n{# chian is\n no command #}\nkernel {{ base }}rescue/vmlinuz {% if x %}efi=runtime \
                    {% endif %}\n{% for one in many %}initrd {{ base }}{{ one }}\n{% endfor %}\nkernel {{ base }}\n";
        let script = parse(text, true);
        assert_eq!(script.files[0].target, UriReference::Absolute("rescue/vmlinuz".to_owned()));
        assert!(script.files[1..].iter().all(|file| file.target == UriReference::Unknown), "{script:?}");
        assert!(script.commands.iter().all(|command| command.name != "chian"), "{script:?}");
    }

    #[test]
    fn next_server_and_wrong_line_endings_are_reported() {
        let faults = |text: &str| parse(text, false).faults;
        assert!(faults("#!ipxe\nkernel tftp://${next-server}/linux\n")[0].problem.contains("${next-server}"));
        assert_eq!(faults("isset ${next-server} && set s ${next-server} || chain http://${next-server}/x\n").len(), 1);
        assert_eq!(faults("isset ${next-server} && menu from ${next-server} || menu\n"), []);
        assert_eq!(faults("#!ipxe\necho ${next-server}\nkernel tftp://${proxydhcp/next-server}/x\n"), []);
        assert!(faults("#!ipxe\r\nkernel x \\\r\n  quiet\r\n")[0].problem.contains("CR"));
        assert_eq!(faults("#!ipxe\r\nkernel x\r\n"), []);
    }

    #[test]
    fn a_variable_without_a_single_certain_value_is_unknown() {
        for text in [
            "set x a\nset x b\nkernel ${x}\n",
            "isset ${x} || set x a\nkernel ${x}\n",
            "set x ${y}\nkernel ${x}\n",
            "kernel ${x}\n",
        ] {
            assert_eq!(files(text)[0].1, UriReference::Unknown, "{text}");
        }
        assert_eq!(files("set a b\nset x ${a}/c\nkernel ${x}\n")[0].1, relative("b/c"));
    }
}

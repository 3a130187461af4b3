//! An iPXE script as iPXE reads it: what stops it, which commands it needs, and which files and servers it names.

pub mod commands;
mod lines;
mod uri;

pub use commands::Purpose;
use lines::{ScriptLine, SimpleCommand};
use std::ops::Range;
pub use uri::UriReference;
use uri::ScriptVariables;

/// What is said of a part of the text, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptFault {
    pub span: Range<usize>,
    pub problem: String,
    pub fix: String,
}

/// A command that iPXE has to know. Where it fails something else is tried if it is `guarded`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptCommand {
    pub span: Range<usize>,
    pub name: String,
    pub guarded: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReference {
    pub span: Range<usize>,
    pub purpose: Purpose,
    pub target: UriReference,
    /// The script goes on without it.
    pub guarded: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    pub faults: Vec<ScriptFault>,
    pub commands: Vec<ScriptCommand>,
    pub files: Vec<FileReference>,
}

/// What the file of a script begins with, and how its lines end. `None`: iPXE takes it for a script.
pub fn header_fault(octets: &[u8]) -> Option<(&'static str, &'static str)> {
    const CURE: &str = "write `#!ipxe` into the first line, from its first column on";
    let after_mark = ["#!ipxe", "#!gpxe"].iter().find_map(|mark| octets.strip_prefix(mark.as_bytes()));
    match after_mark {
        Some([b'\r', rest @ ..]) if !rest.starts_with(b"\n") && !octets.contains(&b'\n') => Some((
            "its lines end with CR alone, so iPXE takes it for one line",
            "save it with the line ends of Unix (LF)",
        )),
        Some(rest) if rest.first().is_some_and(u8::is_ascii_whitespace) => None,
        _ if octets.starts_with(b"\xef\xbb\xbf") => Some((
            "it begins with a byte order mark, so iPXE does not take it for a script",
            "save it as UTF-8 without a byte order mark",
        )),
        _ if octets.is_empty() => Some(("it is empty", CURE)),
        _ => Some(("its first line is not `#!ipxe`, so iPXE does not take it for a script", CURE)),
    }
}

/// `template`: expressions stand in the text, and what depends on them is not judged.
pub fn parse(text: &str, template: bool) -> Script {
    let text = if template { lines::blank_comments(text) } else { text.to_owned() };
    let lines = lines::parse_lines(&text);
    let mut script = Script::default();
    let variables = ScriptVariables::from_lines(&lines);
    let names = names(&lines);
    for line in &lines {
        script.line(line, &variables, &names);
    }
    script
}

impl Script {
    fn line(&mut self, line: &ScriptLine<'_>, variables: &ScriptVariables, names: &[&str]) {
        if line.has_broken_continuation {
            self.faults.push(ScriptFault {
                span: line.span.clone(),
                problem: "the line goes on behind a `\\`, and the CR behind that keeps iPXE from seeing so".to_owned(),
                fix: "save the script with the line ends of Unix (LF)".to_owned(),
            });
        }
        let parts = line.commands();
        for (index, SimpleCommand { words, guarded }) in parts.iter().enumerate() {
            let Some((name, arguments)) = words.split_first().filter(|(name, _)| !name.contains(['$', '{', '}', '%']))
            else {
                continue;
            };
            self.commands.push(ScriptCommand { span: line.span.clone(), name: (*name).to_owned(), guarded: *guarded });
            if asks_next_server(name, arguments) && !self.faults.iter().any(|fault| fault.span == line.span) {
                self.faults.push(next_server(line));
            }
            let Some((purpose, uri)) = fetched(name, arguments, names) else { continue };
            let then = parts.get(index + 1).and_then(|next| next.words.first().copied());
            let gives_up = then.is_some_and(|then| ["goto", "shell", "exit", "reboot"].contains(&then));
            let guarded = *guarded && (purpose == Purpose::Other || !gives_up);
            self.files.push(FileReference { span: line.span.clone(), purpose, target: variables.resolve(uri), guarded });
        }
    }
}

/// What a command fetches. `boot` and its like, and `kernel` too, also take the name of an image that was fetched
/// before.
fn fetched<'a>(command: &str, arguments: &[&'a str], names: &[&str]) -> Option<(Purpose, &'a str)> {
    let purpose = commands::fetch_purpose(command)?;
    let uri = commands::first_operand(arguments)?;
    let is_image = names.contains(&uri) || (commands::takes_image_name(command) && !uri.contains('/'));
    (!is_image).then_some((purpose, uri))
}

fn next_server(line: &ScriptLine<'_>) -> ScriptFault {
    ScriptFault {
        span: line.span.clone(),
        problem: "`${next-server}` may be the DHCP server's address, not that of this server".to_owned(),
        fix:
            "name the file relative to the script (`debian/linux`), or write ${proxydhcp/next-server}; a template has \
               {{ base }}"
                .to_owned(),
    }
}

/// Whether something is fetched from that address, or may be later. To show it or to ask whether there is one does no
/// harm.
fn asks_next_server(command: &str, arguments: &[&str]) -> bool {
    let may_fetch = command == "set" || commands::fetch_purpose(command).is_some();
    let asks = |word: &&str| word.contains("${next-server}") && (may_fetch || word.contains("://"));
    arguments.iter().any(asks)
}

/// Names that images are given.
fn names<'a>(lines: &'a [ScriptLine<'a>]) -> Vec<&'a str> {
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

    fn own(path: &str) -> UriReference {
        UriReference::Relative(path.to_owned())
    }

    fn files(text: &str) -> Vec<(Purpose, UriReference, bool)> {
        parse(text, false).files.into_iter().map(|file| (file.purpose, file.target, file.guarded)).collect()
    }

    #[test]
    fn ipxe_takes_a_file_for_a_script_by_its_first_line() {
        for text in ["#!ipxe\nshell\n", "#!ipxe\r\nshell\r\n", "#!ipxe \n", "#!gpxe\n"] {
            assert_eq!(header_fault(text.as_bytes()), None, "{text:?}");
        }
        for (text, part) in [
            ("#ipxe\n", "first line"),
            ("\n#!ipxe\n", "first line"),
            (" #!ipxe\n", "first line"),
            ("#!ipxe", "first line"),
            ("\u{feff}#!ipxe\n", "byte order mark"),
            ("#!ipxe\rshell\r", "CR alone"),
            ("", "empty"),
        ] {
            assert!(header_fault(text.as_bytes()).is_some_and(|(what, _)| what.contains(part)), "{text:?}");
        }
    }

    #[test]
    fn commands_stand_at_the_beginning_of_a_line_and_behind_its_operators() {
        let script = parse(
            "#!ipxe\n# chian x\n:menu\nisset ${x} && goto y || shel\nimgfetch a \\\n  b\n${cmd} x\nparams ||\n",
            false,
        );
        let names: Vec<_> = script.commands.iter().map(|command| (&command.name[..], command.guarded)).collect();
        let expected = [("isset", true), ("goto", true), ("shel", false), ("imgfetch", false), ("params", true)];
        assert_eq!(names, expected);
    }

    #[test]
    fn files_are_named_by_the_commands_that_fetch_and_options_are_none() {
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
                (Purpose::Initrd, own("sub/initrd.gz"), false),
                (Purpose::Other, UriReference::Absolute("other.ipxe".to_owned()), true),
                (Purpose::Other, own("logo.png"), true),
                (Purpose::Kernel, own("x"), false),
                (Purpose::Other, UriReference::Unknown, false),
                (Purpose::Initrd, UriReference::Url("http://boot.example/x?y".to_owned()), false),
            ]
        );
    }

    #[test]
    fn in_a_template_our_base_is_known_and_other_expressions_are_not_judged() {
        let text = "#!ipxe\n{# chian is\n no command #}\nkernel {{ base }}rescue/vmlinuz {% if x %}efi=runtime {% endif %}\n\
                    {% for one in many %}initrd {{ base }}{{ one }}\n{% endfor %}\nkernel {{ base }}\n";
        let script = parse(text, true);
        assert_eq!(script.files[0].target, UriReference::Absolute("rescue/vmlinuz".to_owned()));
        assert!(script.files[1..].iter().all(|file| file.target == UriReference::Unknown), "{script:?}");
        assert!(script.commands.iter().all(|command| command.name != "chian"), "{script:?}");
    }

    #[test]
    fn what_depends_on_the_dhcp_server_or_on_line_ends_is_told() {
        let faults = |text: &str| parse(text, false).faults;
        assert!(faults("#!ipxe\nkernel tftp://${next-server}/linux\n")[0].problem.contains("${next-server}"));
        assert_eq!(faults("isset ${next-server} && set s ${next-server} || chain http://${next-server}/x\n").len(), 1);
        assert_eq!(faults("isset ${next-server} && menu from ${next-server} || menu\n"), []);
        assert_eq!(faults("#!ipxe\necho ${next-server}\nkernel tftp://${proxydhcp/next-server}/x\n"), []);
        assert!(faults("#!ipxe\r\nkernel x \\\r\n  quiet\r\n")[0].problem.contains("CR"));
        assert_eq!(faults("#!ipxe\r\nkernel x\r\n"), []);
    }

    #[test]
    fn a_variable_that_is_set_twice_or_in_doubt_is_not_believed() {
        for text in [
            "set x a\nset x b\nkernel ${x}\n",
            "isset ${x} || set x a\nkernel ${x}\n",
            "set x ${y}\nkernel ${x}\n",
            "kernel ${x}\n",
        ] {
            assert_eq!(files(text)[0].1, UriReference::Unknown, "{text}");
        }
        assert_eq!(files("set a b\nset x ${a}/c\nkernel ${x}\n")[0].1, own("b/c"));
    }
}

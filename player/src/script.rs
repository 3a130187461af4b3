//! An interpreter of iPXE scripts, as far as boot servers use the language. It does no I/O: it returns the next file to
//! fetch, and receives its content.

use crate::url::Url;
use std::collections::{BTreeMap, VecDeque};

/// The most commands of a boot, so that a script that loops ends.
const MAX_COMMANDS: usize = 5000;

/// The most scripts that call each other.
const MAX_DEPTH: usize = 8;

/// The next action of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Fetches a URL; [`Interpreter::fetched`] continues.
    Fetch(String),
    /// Waits, in seconds, and continues.
    Sleep(u64),
    /// Boots the kernel that was fetched, with this command line.
    Boot(String),
    /// Boots the machine's disk.
    LocalDisk,
    /// Leaves iPXE: with an error, the URL of the script and the line.
    Exit(Option<(String, String)>),
}

/// The use of a fetched file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Chain { replace: bool },
    Image,
}

/// A running script.
#[derive(Debug)]
struct Frame {
    url: String,
    lines: Vec<String>,
    next: usize,
    /// The commands of the current line that are left, each with the operator before it.
    commands: VecDeque<(Operator, Vec<String>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Always,
    IfTrue,
    IfFalse,
}

/// The interpreter of one iPXE.
#[derive(Debug)]
pub struct Interpreter {
    settings: BTreeMap<String, String>,
    frames: Vec<Frame>,
    status: bool,
    pending: Option<(Purpose, String)>,
    command_line: Option<String>,
    commands: usize,
}

impl Interpreter {
    /// Creates an interpreter with these settings, such as `platform` and `netX/mac:hexhyp`.
    pub fn new(settings: impl IntoIterator<Item = (&'static str, String)>) -> Interpreter {
        let settings = settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Interpreter { settings, frames: Vec::new(), status: true, pending: None, command_line: None, commands: 0 }
    }

    /// Starts a script. Returns `false` if the content is none.
    pub fn start(&mut self, url: &str, content: &[u8]) -> bool {
        let text = String::from_utf8_lossy(content);
        if !text.starts_with("#!ipxe") || self.frames.len() >= MAX_DEPTH {
            return false;
        }
        let lines = text.lines().map(|line| line.trim().to_owned()).collect();
        self.frames.push(Frame { url: url.to_owned(), lines, next: 0, commands: VecDeque::new() });
        self.status = true;
        true
    }

    /// Passes the content of the file that [`Action::Fetch`] requested, or `None` if it could not be fetched.
    /// Returns an action if the file is a program: this server's program for disks, or another.
    pub fn fetched(&mut self, content: Option<&[u8]>) -> Option<Action> {
        let (purpose, url) = self.pending.take()?;
        self.status = content.is_some();
        let Purpose::Chain { replace } = purpose else { return None };
        let content = content?;
        if replace {
            self.frames.clear();
        }
        if self.start(&url, content) {
            return None;
        }
        match url.contains("/local-disk/") {
            true => Some(Action::LocalDisk),
            false => Some(Action::Boot(url)),
        }
    }

    /// Runs until the next action.
    pub fn next_action(&mut self) -> Action {
        loop {
            self.commands += 1;
            let Some(frame) = self.frames.last_mut() else { return Action::Exit(None) };
            if self.commands > MAX_COMMANDS {
                return Action::Exit(Some((frame.url.clone(), "the script does not end".into())));
            }
            if let Some((operator, words)) = frame.commands.pop_front() {
                let runs = match operator {
                    Operator::Always => true,
                    Operator::IfTrue => self.status,
                    Operator::IfFalse => !self.status,
                };
                if runs && let Some(action) = self.run(&words) {
                    return action;
                }
                continue;
            }
            if !self.status {
                let line = frame.lines.get(frame.next.saturating_sub(1)).cloned().unwrap_or_default();
                return Action::Exit(Some((frame.url.clone(), line)));
            }
            match frame.lines.get(frame.next) {
                Some(line) => {
                    frame.commands = split(line);
                    frame.next += 1;
                }
                None => {
                    self.frames.pop();
                }
            }
        }
    }

    /// Runs a command. Returns an action if the command has one.
    fn run(&mut self, words: &[String]) -> Option<Action> {
        let words: Vec<String> = words.iter().map(|word| self.expand(word)).collect();
        self.status = true;
        let (command, arguments) = words.split_first()?;
        // The arguments without options such as --name VALUE.
        let plain = without_options(arguments);
        match command.as_str() {
            "chain" | "boot" if !plain.is_empty() => {
                let replace = arguments.iter().any(|word| word == "--replace");
                return self.fetch(Purpose::Chain { replace }, plain.first()?);
            }
            "boot" => return Some(Action::Boot(self.command_line.take()?)),
            "kernel" => {
                self.command_line = Some(plain.get(1..).unwrap_or_default().join(" "));
                return self.fetch(Purpose::Image, plain.first()?);
            }
            "initrd" | "imgfetch" | "module" => return self.fetch(Purpose::Image, plain.first()?),
            "sanboot" => return Some(Action::LocalDisk),
            "sleep" => return Some(Action::Sleep(plain.first()?.parse().ok()?)),
            "reboot" | "poweroff" => return Some(Action::Exit(None)),
            "exit" => {
                self.frames.pop();
                self.status = plain.first().is_none_or(|code| *code == "0") || self.frames.is_empty();
            }
            "goto" => self.goto(plain.first()?),
            "set" => {
                let name = plain.first()?.split(':').next()?.to_owned();
                self.settings.insert(name, plain.get(1..).unwrap_or_default().join(" "));
            }
            "isset" => self.status = plain.first().is_some_and(|value| !value.is_empty()),
            "iseq" => self.status = plain.first() == plain.get(1),
            "choose" => self.choose(arguments, plain.last()?),
            // A person presses no key.
            "prompt" => self.status = !arguments.iter().any(|word| word == "--key"),
            "shell" => self.status = false,
            "menu" | "item" | "echo" | "cpair" | "colour" | "console" | "imgfree" | "ifconf" | "ifopen" | "dhcp" => {}
            _ => self.status = false,
        }
        None
    }

    fn fetch(&mut self, purpose: Purpose, reference: &str) -> Option<Action> {
        let base = self.frames.last().map(|frame| frame.url.as_str()).unwrap_or_default();
        let url = Url::join(base, reference);
        self.pending = Some((purpose, url.clone()));
        Some(Action::Fetch(url))
    }

    fn goto(&mut self, label: &str) {
        let Some(frame) = self.frames.last_mut() else { return };
        let label = format!(":{label}");
        match frame.lines.iter().position(|line| *line == label) {
            Some(line) => (frame.next, frame.commands) = (line, VecDeque::new()),
            None => self.status = false,
        }
    }

    /// A menu: no person chooses, so the default is chosen when the time is over. A menu without a timeout fails.
    fn choose(&mut self, arguments: &[String], setting: &str) {
        let mut words = arguments.iter().skip_while(|word| *word != "--default").skip(1);
        match words.next() {
            Some(default) => _ = self.settings.insert(setting.to_owned(), default.clone()),
            None => self.status = false,
        }
    }

    /// Replaces `${name}` by the setting, or by nothing.
    fn expand(&self, word: &str) -> String {
        let (mut out, mut rest) = (String::new(), word);
        while let Some((before, after)) = rest.split_once("${") {
            let Some((name, after)) = after.split_once('}') else { break };
            out.push_str(before);
            let plain = name.split(':').next().unwrap_or(name);
            let value = self.settings.get(name).or_else(|| self.settings.get(plain));
            out.push_str(value.map(String::as_str).unwrap_or_default());
            rest = after;
        }
        out + rest
    }
}

/// The arguments without options and their values.
fn without_options(arguments: &[String]) -> Vec<&str> {
    /// The options with a value, of the commands above.
    const WITH_VALUE: [&str; 9] = [
        "--name",
        "--default",
        "--timeout",
        "--key",
        "--drive",
        "--configurator",
        "--foreground",
        "--background",
        "-n",
    ];
    let (mut plain, mut words) = (Vec::new(), arguments.iter());
    while let Some(word) = words.next() {
        if WITH_VALUE.contains(&word.as_str()) {
            words.next();
        } else if !word.starts_with("--") || !plain.is_empty() {
            plain.push(word.as_str());
        }
    }
    plain
}

/// Splits a line at its spaces and operators, before any setting is expanded. A comment and a label have no commands.
fn split(line: &str) -> VecDeque<(Operator, Vec<String>)> {
    let mut commands = VecDeque::new();
    if line.starts_with('#') || line.starts_with(':') {
        return commands;
    }
    let (mut operator, mut words) = (Operator::Always, Vec::new());
    for word in line.split_whitespace() {
        let next = match word {
            "&&" => Operator::IfTrue,
            "||" => Operator::IfFalse,
            ";" => Operator::Always,
            _ => {
                words.push(word.to_owned());
                continue;
            }
        };
        commands.push_back((operator, std::mem::take(&mut words)));
        operator = next;
    }
    // `... ||` ends with an empty command, which succeeds.
    commands.push_back((operator, words));
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(script: &str) -> Interpreter {
        let mut interpreter = Interpreter::new([("platform", "efi".to_owned()), ("netX/mac:hexhyp", "02-50".into())]);
        assert!(interpreter.start("http://10.77.0.2:8080/boot.ipxe", script.as_bytes()));
        interpreter
    }

    #[test]
    fn a_kernel_is_fetched_with_its_initrd_and_booted() {
        let script = "#!ipxe\nimgfree ||\nkernel linux initrd=initrd0 quiet || goto failed\n\
                      initrd --name initrd0 initrd || goto failed\nboot || goto failed\n:failed\nexit 1\n";
        let mut interpreter = started(script);
        assert_eq!(interpreter.next_action(), Action::Fetch("http://10.77.0.2:8080/linux".into()));
        assert_eq!(interpreter.fetched(Some(b"kernel")), None);
        assert_eq!(interpreter.next_action(), Action::Fetch("http://10.77.0.2:8080/initrd".into()));
        assert_eq!(interpreter.fetched(Some(b"initrd")), None);
        assert_eq!(interpreter.next_action(), Action::Boot("initrd=initrd0 quiet".into()));
    }

    #[test]
    fn a_script_that_is_chained_replaces_the_first_and_names_the_machine() {
        let mut interpreter = started("#!ipxe\nchain --replace --autofree m/mac=${netX/mac:hexhyp}/${serial}x ||\n");
        assert_eq!(interpreter.next_action(), Action::Fetch("http://10.77.0.2:8080/m/mac=02-50/x".into()));
        assert_eq!(interpreter.fetched(Some(b"#!ipxe\nsanboot --no-describe --drive 0x80 || goto failed\n")), None);
        assert_eq!(interpreter.next_action(), Action::LocalDisk);
    }

    #[test]
    fn a_failed_fetch_continues_after_the_operator_and_a_menu_takes_its_default() {
        let script = "#!ipxe\nchain a ||\nchoose --default disk --timeout 10 chosen || goto a\ngoto ${chosen}\n\
                      :disk\nchain --autofree http://10.77.0.2/local-disk/uefi-x64.efi || exit 1\n";
        let mut interpreter = started(script);
        interpreter.next_action();
        interpreter.fetched(None);
        assert_eq!(interpreter.next_action(), Action::Fetch("http://10.77.0.2/local-disk/uefi-x64.efi".into()));
        assert_eq!(interpreter.fetched(Some(b"MZ")), Some(Action::LocalDisk));
    }

    #[test]
    fn an_error_without_an_operator_ends_the_script_and_names_the_line() {
        let mut interpreter = started("#!ipxe\nnonsense here\n");
        let end = Action::Exit(Some(("http://10.77.0.2:8080/boot.ipxe".into(), "nonsense here".into())));
        assert_eq!(interpreter.next_action(), end);
    }

    #[test]
    fn a_script_without_an_end_is_stopped() {
        assert!(matches!(started("#!ipxe\n:a\ngoto a\n").next_action(), Action::Exit(Some(_))));
    }
}

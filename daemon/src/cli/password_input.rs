//! Reads a new password: from the terminal, which does not show it, or from standard input.

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use proxydhcpd_reading::diagnostic::Diagnostic;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};

/// The maximum length of a line, in octets.
const MAX_LINE: u64 = 4096;

/// Reads a password: twice from the terminal, or the first line of standard input if that is no terminal.
///
/// # Errors
/// It cannot be read. `help` is what to do then.
pub fn read_password(prompt: &str, help: &str) -> Result<String, Diagnostic> {
    let read = || {
        if !io::stdin().is_terminal() {
            return first_line(io::stdin().lock());
        }
        // The prompt does not mix with the output of the command.
        let terminal = File::options().read(true).write(true).open("/dev/tty")?;
        let _hidden = HiddenInput::new(&terminal)?;
        let password = ask(&terminal, prompt)?;
        if ask(&terminal, "The same password again: ")? != password {
            return Err(io::Error::other("the two passwords differ"));
        }
        Ok(password)
    };
    read().map_err(|error| Diagnostic::error(format!("cannot read the password: {error}")).help(help))
}

fn ask(mut terminal: &File, prompt: &str) -> io::Result<String> {
    terminal.write_all(prompt.as_bytes())?;
    let line = first_line(BufReader::new(terminal));
    terminal.write_all(b"\n")?;
    line
}

fn first_line(reader: impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    reader.take(MAX_LINE).read_line(&mut line)?;
    let line = line.strip_suffix('\n').unwrap_or(&line);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

/// The terminal does not show what is typed, until this value is dropped.
struct HiddenInput<'a> {
    terminal: &'a File,
    before: Termios,
}

impl HiddenInput<'_> {
    fn new(terminal: &File) -> io::Result<HiddenInput<'_>> {
        let before = tcgetattr(terminal)?;
        let mut hidden = before.clone();
        hidden.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(terminal, SetArg::TCSAFLUSH, &hidden)?;
        Ok(HiddenInput { terminal, before })
    }
}

impl Drop for HiddenInput<'_> {
    fn drop(&mut self) {
        // The terminal may be gone.
        let _ = tcsetattr(self.terminal, SetArg::TCSAFLUSH, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_one_line() {
        let line = |text: &str| first_line(text.as_bytes()).unwrap();
        assert_eq!(line("correct horse\nmore\n"), "correct horse");
        assert_eq!(line(" a b \r\n"), " a b ");
        assert_eq!((line("no newline"), line("")), ("no newline".to_owned(), String::new()));
    }
}

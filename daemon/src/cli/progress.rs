//! A line on the terminal that shows how far a command is. Without a terminal, nothing appears.

use std::io::{IsTerminal, Write, stderr};

/// The line. Dropping it removes it from the terminal.
#[derive(Debug)]
pub struct Progress {
    is_shown: bool,
    shown: String,
}

impl Progress {
    /// A line on standard error, if that is a terminal.
    pub fn new() -> Progress {
        Progress { is_shown: stderr().is_terminal(), shown: String::new() }
    }

    /// Replaces the text of the line.
    pub fn show(&mut self, text: String) {
        if self.is_shown && self.shown != text {
            self.write(&text);
            self.shown = text;
        }
    }

    /// Removes the line, so that other output can follow.
    pub fn clear(&mut self) {
        if !self.shown.is_empty() {
            self.write("");
            self.shown.clear();
        }
    }

    /// Writes the text over the previous one. A terminal that is gone is no reason to stop.
    fn write(&self, text: &str) {
        const ERASE_LINE: &str = "\r\x1b[K";
        let mut terminal = stderr().lock();
        write!(terminal, "{ERASE_LINE}{text}").and_then(|()| terminal.flush()).ok();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

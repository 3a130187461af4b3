//! The resources of one test case: its directory, the prefix of its namespaces, and its token.

use crate::log_text::read_text;
use crate::token::Token;
use anyhow::{Context, Result};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

/// The number of lines that a failure message shows from the end of each log.
const LAST_LINES: usize = 25;

/// The working directory of a test case, and the names that are unique to the case.
#[derive(Debug)]
pub struct WorkDir {
    /// The prefix of names that must differ from those of another case: namespaces and sockets.
    pub id: String,
    /// The token whose word proves a boot.
    pub token: Token,
    directory: PathBuf,
    start: Instant,
}

static NEXT_ID: AtomicU32 = AtomicU32::new(0);

impl WorkDir {
    /// Creates the empty directory `e2e/out/CASE`, and chooses the names for this run.
    pub fn new(case: &str) -> Result<WorkDir> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("out").join(case);
        if directory.exists() {
            fs::remove_dir_all(&directory).with_context(|| directory.display().to_string())?;
        }
        fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
        let id = format!("case{}", NEXT_ID.fetch_add(1, Ordering::Relaxed));
        Ok(WorkDir { id, token: Token::random()?, directory, start: Instant::now() })
    }

    /// Returns the path of a file in the case's directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Creates a directory in the case's directory, and returns its path.
    pub fn new_directory(&self, name: &str) -> Result<PathBuf> {
        let directory = self.file(name);
        fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
        Ok(directory)
    }

    /// Returns a path for a socket. The path is short, because the kernel's limit is 107 octets.
    pub fn socket(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/run/{}-{name}", self.id))
    }

    /// Prints the time since the start of the case, and what happened.
    pub fn log_progress(&self, what: &str) {
        eprintln!("{:6.1} s  {what}", self.start.elapsed().as_secs_f32());
    }

    /// Returns the location of the logs, and the last lines of each, for a failure message.
    pub fn evidence(&self) -> String {
        let mut text = format!("logs and captures: {}\n", self.directory.display());
        let mut logs: Vec<_> =
            fs::read_dir(&self.directory).into_iter().flatten().flatten().map(|e| e.path()).collect();
        logs.sort();
        for log in logs.iter().filter(|path| path.extension().is_some_and(|ending| ending == "log")) {
            let log_text = read_text(log).unwrap_or_default();
            // Firmware pads its lines, and draws menus with blanks.
            let squeezed = log_text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
            let lines: Vec<_> = squeezed.filter(|line| !line.is_empty()).collect();
            if lines.is_empty() {
                continue;
            }
            let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
            let _ = writeln!(text, "--- {} ---\n{}", log.display(), last.join("\n"));
        }
        text
    }
}

//! What belongs to one case: its directory, its namespaces' prefix, its token.

use crate::process::read_text;
use crate::token::Token;
use anyhow::{Context, Result};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

/// Lines of each log that a failure shows.
const LAST_LINES: usize = 25;

#[derive(Debug)]
pub struct WorkDir {
    /// Prefix of everything that must not meet its like of another case: namespaces, sockets.
    pub id: String,
    pub token: Token,
    directory: PathBuf,
    start: Instant,
}

static NEXT: AtomicU32 = AtomicU32::new(0);

impl WorkDir {
    /// An empty directory `e2e/out/CASE`, and names for this run.
    pub fn new(case: &str) -> Result<WorkDir> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("out").join(case);
        if directory.exists() {
            fs::remove_dir_all(&directory).with_context(|| directory.display().to_string())?;
        }
        fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
        let id = format!("lab{}", NEXT.fetch_add(1, Ordering::Relaxed));
        Ok(WorkDir { id, token: Token::random()?, directory, start: Instant::now() })
    }

    /// A file in the case's directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// A new directory in the case's directory.
    pub fn new_directory(&self, name: &str) -> Result<PathBuf> {
        let directory = self.file(name);
        fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
        Ok(directory)
    }

    /// A short path for a socket: the kernel takes 107 octets.
    pub fn socket(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/run/{}-{name}", self.id))
    }

    /// Notes on the terminal how long something took, counted from the start of the case.
    pub fn log_progress(&self, what: &str) {
        eprintln!("{:6.1} s  {what}", self.start.elapsed().as_secs_f32());
    }

    /// Where a failure can be read, and the end of each log.
    pub fn evidence(&self) -> String {
        let mut text = format!("logs and captures: {}\n", self.directory.display());
        let mut logs: Vec<_> =
            fs::read_dir(&self.directory).into_iter().flatten().flatten().map(|e| e.path()).collect();
        logs.sort();
        for log in logs.iter().filter(|path| path.extension().is_some_and(|ending| ending == "log")) {
            let said = read_text(log).unwrap_or_default();
            // Firmware pads its lines, and draws menus with blanks.
            let words = said.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
            let lines: Vec<_> = words.filter(|line| !line.is_empty()).collect();
            if lines.is_empty() {
                continue;
            }
            let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
            let _ = writeln!(text, "--- {} ---\n{}", log.display(), last.join("\n"));
        }
        text
    }
}

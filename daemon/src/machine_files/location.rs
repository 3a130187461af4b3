//! Remembers where machines begin, and finds the line of a machine in its file again, for a diagnostic about it.

use super::extension::extension;
use proxydhcpd_reading::diagnostic::{Diagnostic, Source};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// The files that were read, and the offset of each machine in its file. A machine is known by its position in the
/// order of reading.
#[derive(Clone, Debug, Default)]
pub struct MachineLocations {
    /// The files, each with the position of its first machine.
    files: Vec<(usize, PathBuf)>,
    offsets: Vec<u32>,
}

impl MachineLocations {
    /// Begins a file. The machines that are added next are in it.
    pub fn begin(&mut self, path: &Path) {
        self.files.push((self.offsets.len(), path.to_owned()));
    }

    /// Whether the machines that are added next are in this file.
    pub fn is_in(&self, path: &Path) -> bool {
        self.files.last().is_some_and(|(_, last)| last == path)
    }

    /// Adds the next machine, which begins at this offset of its file, and returns its position.
    pub fn add(&mut self, offset: usize) -> usize {
        self.offsets.push(offset.try_into().unwrap_or(u32::MAX));
        self.offsets.len() - 1
    }

    /// The number of files with at least one machine.
    pub fn file_count(&self) -> usize {
        let ends = self.files.iter().skip(1).map(|(first, _)| *first).chain([self.offsets.len()]);
        self.files.iter().zip(ends).filter(|((first, _), end)| first < end).count()
    }

    /// The file and the line of a machine, as text. Reads the file again, because lines are counted only for
    /// diagnostics.
    pub fn text(&self, machine: usize) -> String {
        let Some((file, offset)) = self.file_and_offset(machine) else { return "another file".to_owned() };
        match read_up_to(file, offset) {
            Ok(before) => format!("{}:{}", file.display(), before.iter().filter(|octet| **octet == b'\n').count() + 1),
            Err(_) => file.display().to_string(),
        }
    }

    /// A warning that points at the beginning of a machine. `width`: the number of octets to underline.
    pub fn warning(&self, machine: usize, width: usize, message: String) -> Diagnostic {
        let Some((file, offset)) = self.file_and_offset(machine) else { return Diagnostic::warning(message) };
        let name = file.display().to_string();
        match read_up_to(file, offset + MAX_LINE) {
            Ok(octets) => {
                let source = Source { name, text: String::from_utf8_lossy(&octets).into_owned() };
                let at = offset as usize;
                source.warning(at..at + width, message)
            }
            Err(_) => Diagnostic::warning(message).in_file(&name),
        }
    }

    fn file_and_offset(&self, machine: usize) -> Option<(&Path, u64)> {
        let file = self.files.partition_point(|(first, _)| *first <= machine).checked_sub(1);
        let offset = self.offsets.get(machine).map(|offset| u64::from(*offset));
        file.map(|at| self.files[at].1.as_path()).zip(offset)
    }
}

/// The maximum number of octets to show of the line with which a machine begins.
const MAX_LINE: u64 = 1024;

fn read_up_to(file: &Path, end: u64) -> io::Result<Vec<u8>> {
    const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
    let mut octets = Vec::new();
    File::open(file)?.take(end + BYTE_ORDER_MARK.len() as u64).read_to_end(&mut octets)?;
    // In CSV, an offset counts from the beginning of the file. In the other formats, it counts from the end of the byte
    // order mark.
    if extension(file) != Some("csv") && octets.starts_with(BYTE_ORDER_MARK) {
        octets.drain(..BYTE_ORDER_MARK.len());
    }
    octets.truncate(end as usize);
    Ok(octets)
}

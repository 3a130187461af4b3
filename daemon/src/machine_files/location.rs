//! Finds the line of a machine in its file again, for a diagnostic about it.

use super::extension::extension;
use proxydhcpd_core::plan::inventory::MachineIndex;
use proxydhcpd_reading::diagnostic::{Diagnostic, Source};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Returns the file and the line of a machine, as text. Reads the file again, because lines are counted only for
/// diagnostics.
pub fn location(files: &[(MachineIndex, PathBuf)], offsets: &[u32], machine: MachineIndex) -> String {
    let Some((file, offset)) = file_and_offset(files, offsets, machine) else { return "another file".to_owned() };
    match read_up_to(file, offset) {
        Ok(before) => format!("{}:{}", file.display(), before.iter().filter(|octet| **octet == b'\n').count() + 1),
        Err(_) => file.display().to_string(),
    }
}

/// Returns a warning that points at the beginning of a machine. `width`: the number of octets to underline.
pub fn warning_at(
    files: &[(MachineIndex, PathBuf)],
    offsets: &[u32],
    machine: MachineIndex,
    width: usize,
    message: String,
) -> Diagnostic {
    let Some((file, offset)) = file_and_offset(files, offsets, machine) else { return Diagnostic::warning(message) };
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

/// The maximum number of octets to show of the line with which a machine begins.
const MAX_LINE: u64 = 1024;

fn file_and_offset<'a>(
    files: &'a [(MachineIndex, PathBuf)],
    offsets: &[u32],
    machine: MachineIndex,
) -> Option<(&'a Path, u64)> {
    let file = files.partition_point(|(first, _)| *first <= machine).checked_sub(1).map(|at| files[at].1.as_path());
    file.zip(offsets.get(machine as usize).map(|offset| u64::from(*offset)))
}

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

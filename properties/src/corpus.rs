//! The kept inputs of each property: `corpus/NAME.hex`, an input a line. Most were found by a fuzzer; each adds to what
//! the inputs together reach.

use crate::seeds::hex_lines;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The directory of the kept inputs.
const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus");

/// The file with the kept inputs of this property.
pub fn path(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name).with_extension("hex")
}

/// The kept inputs of this property.
///
/// # Panics
/// If the file is missing, or a line of it is not hexadecimal.
pub fn kept(name: &str) -> Vec<Vec<u8>> {
    let path = path(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    hex_lines(&text)
}

/// Keeps these inputs of the property, and no others. Short ones come first.
///
/// # Errors
/// If the file cannot be written.
pub fn keep(name: &str, mut inputs: Vec<Vec<u8>>) -> io::Result<()> {
    inputs.sort_by(|one, other| (one.len(), one).cmp(&(other.len(), other)));
    inputs.dedup();
    fs::write(path(name), inputs.iter().map(|input| hex::encode(input) + "\n").collect::<String>())
}

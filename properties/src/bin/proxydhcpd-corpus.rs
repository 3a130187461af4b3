//! Exchanges inputs with a fuzzer: `unpack NAME DIRECTORY` writes the seeds and the kept inputs of a property as files,
//! and `keep NAME DIRECTORY` keeps the inputs in a directory, short ones first. `names` lists the properties.

use proxydhcpd_properties::{all, by_name, corpus};
use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

/// The maximum size of the inputs that are kept for a property, in octets. The repository has two digits for each.
const MAX_KEPT: usize = 75 << 10;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["names"] => {
            all().for_each(|property| println!("{}", property.name));
            Ok(())
        }
        ["unpack", name, directory] => unpack(name, Path::new(directory)),
        ["keep", name, directory] => keep(name, Path::new(directory)),
        _ => Err(io::Error::other("the arguments are `names`, `unpack NAME DIRECTORY` or `keep NAME DIRECTORY`")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn unpack(name: &str, directory: &Path) -> io::Result<()> {
    let property = by_name(name).ok_or_else(|| io::Error::other(format!("there is no property {name}")))?;
    fs::create_dir_all(directory)?;
    for (kind, inputs) in [("seed", (property.seeds)()), ("kept", corpus::kept(name))] {
        for (number, input) in inputs.iter().enumerate() {
            fs::write(directory.join(format!("{kind}-{number}")), input)?;
        }
    }
    Ok(())
}

/// Keeps the inputs in the directory, and reports how many are too many.
fn keep(name: &str, directory: &Path) -> io::Result<()> {
    let read = |entry: io::Result<fs::DirEntry>| fs::read(entry?.path());
    let mut inputs = fs::read_dir(directory)?.map(read).collect::<io::Result<Vec<Vec<u8>>>>()?;
    inputs.sort_by_key(Vec::len);
    let (all, mut size) = (inputs.len(), 0);
    inputs.retain(|input| {
        size += input.len();
        size <= MAX_KEPT
    });
    println!("{name}: {} of {all} inputs are kept", inputs.len());
    corpus::keep(name, inputs)
}

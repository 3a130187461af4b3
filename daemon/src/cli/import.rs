//! `import`: another server's configuration in our own words.

use super::{FormatFlag, Import, print_diagnostic};
use crate::config::diagnostic::{Diagnostic, Source};
use crate::import::{self, ImportFormat, HostInfo};
use crate::serve::listeners;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// What is read at most: a file with fifty thousand machines has a tenth of it.
const LONGEST: usize = 64 << 20;
/// How long a pipe may be silent.
const PATIENCE: Duration = Duration::from_secs(60);

pub fn run(import: &Import) -> ExitCode {
    match imported(import).and_then(|text| put(import.output.as_deref(), &text).map_err(|error| vec![error])) {
        Ok(()) => ExitCode::SUCCESS,
        Err(told) => {
            told.iter().for_each(print_diagnostic);
            ExitCode::from(2)
        }
    }
}

fn imported(import: &Import) -> Result<String, Vec<Diagnostic>> {
    if import.file.is_dir() {
        return import::pxelinux_dir::import(&import.file);
    }
    let is_input = import.file.as_os_str() == "-";
    let name = if is_input { "standard input".to_owned() } else { import.file.display().to_string() };
    let path = import.file.clone();
    let open = move || -> io::Result<Box<dyn Read>> {
        if is_input { Ok(Box::new(io::stdin())) } else { Ok(Box::new(File::open(path)?)) }
    };
    let bytes = whole(open, PATIENCE).map_err(|error| vec![error.in_file(&name)])?;
    let source = Source::new(&name, bytes).map_err(|error| vec![error])?;
    let format = import.from.map(|from| match from {
        FormatFlag::Ini => ImportFormat::Ini,
        FormatFlag::Dnsmasq => ImportFormat::Dnsmasq,
        FormatFlag::Isc => ImportFormat::Isc,
        FormatFlag::Kea => ImportFormat::Kea,
        FormatFlag::Uci => ImportFormat::Uci,
        FormatFlag::Options => ImportFormat::CommandLine,
        FormatFlag::Csv => ImportFormat::Csv,
    });
    match &import.map[..] {
        [] => import::import(&source, format, &here()),
        map => import::machine_csv::import(&source, map),
    }
}

/// All that can be read of it. A pipe may never begin and a device never end: a thread of its own waits for them.
fn whole<R: Read>(
    open: impl FnOnce() -> io::Result<R> + Send + 'static,
    patience: Duration,
) -> Result<Vec<u8>, Diagnostic> {
    let (sender, parts) = sync_channel(1);
    std::thread::spawn(move || {
        if let Err(error) = open().and_then(|file| send(file, &sender)) {
            sender.send(Err(error)).ok();
        }
    });
    let mut octets: Vec<u8> = Vec::new();
    loop {
        match parts.recv_timeout(patience) {
            Ok(Ok(part)) => octets.extend(part),
            Ok(Err(error)) => return Err(Diagnostic::error(format!("unable to read the file: {error}"))),
            Err(RecvTimeoutError::Disconnected) => return Ok(octets),
            Err(RecvTimeoutError::Timeout) => {
                let error = format!("nothing came from it for {} s, and it has not ended", patience.as_secs());
                return Err(Diagnostic::error(error).help("write what is to be imported into a file, and name that"));
            }
        }
        if octets.len() > LONGEST {
            let error = Diagnostic::error(format!("it is longer than {} MiB, and is not read", LONGEST >> 20));
            return Err(error.help("name a file that says what machines boot"));
        }
    }
}

fn send(mut file: impl Read, sender: &SyncSender<io::Result<Vec<u8>>>) -> io::Result<()> {
    let mut part = vec![0; 1 << 20];
    loop {
        match file.read(&mut part) {
            Ok(0) => return Ok(()),
            Ok(length) if sender.send(Ok(part[..length].to_vec())).is_err() => return Ok(()),
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
    }
}

/// Without the interfaces a range needs its mask, and nothing else is different.
fn here() -> HostInfo {
    HostInfo::detect(&listeners::all_links(), Path::new("/"))
}

/// What stands in a file already is somebody's work.
fn put(file: Option<&Path>, text: &str) -> Result<(), Diagnostic> {
    let Some(path) = file else {
        return std::io::stdout()
            .write_all(text.as_bytes())
            .map_err(|error| Diagnostic::error(format!("unable to write: {error}")));
    };
    let written = File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        Diagnostic::error(format!("unable to write a new file: {error}")).in_file(&path.display().to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::OwnedFd;

    #[test]
    fn a_pipe_that_says_nothing_is_not_waited_for_for_ever() {
        let (reader, writer) = io::pipe().unwrap();
        let patience = Duration::from_millis(50);
        let error = whole(move || Ok(File::from(OwnedFd::from(reader))), patience).unwrap_err();
        assert!(error.message.starts_with("nothing came from it for"), "{error}");
        drop(writer);
    }
}

//! `import`: converts another server's configuration to `proxydhcpd.toml`.

use super::command::{CommandResult, GlobalFlags};
use super::output::print_diagnostic;
use crate::boot_files::image::{self, Image};
use crate::loaders;
use crate::settings::DEFAULT_BOOT_DIR;
use crate::site::interfaces;
use clap::{Args, ValueEnum};
use proxydhcpd_core::arch::Arch;
use proxydhcpd_import::{HostInfo, ImportFormat, LoaderFault, ServerInfo, machine_csv, pxelinux_dir};
use proxydhcpd_reading::diagnostic::{Diagnostic, Source};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

/// Limit of the size of a file, in octets. A file with fifty thousand machines has a tenth of this size.
const MAX_SIZE: usize = 64 << 20;
/// Limit of the time to wait for data from a pipe.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Convert another server's configuration to proxydhcpd.toml
///
/// Reads the configuration of dnsmasq (its files, options on a command line, OpenWrt's, Pi-hole's), of ISC dhcpd, of
/// Kea or of the Python daemon, and prints a proxydhcpd.toml that gives each machine the same boot file. Lines without
/// an equivalent become comments at its top: the line, its number, and the reason. If the format is a known one
/// that is not supported, the error names it.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  proxydhcpd import /etc/dnsmasq.conf                 print the converted configuration
  proxydhcpd import /etc/dnsmasq.conf -o new.toml     write it to a new file
  proxydhcpd import /etc/dhcp/dhcpd.conf              convert the file of ISC dhcpd, Kea or OpenWrt
  proxydhcpd import proxy.ini -o new.toml             convert the file of the Python daemon
  proxydhcpd import /srv/tftp                         convert the files for machines in this directory
  proxydhcpd import list.csv --map device=name        convert a list of machines
  proxydhcpd check new.toml                           check the new file

Exit status: 0 on success; 2 if the file is invalid: each error is reported with line and column.")]
pub struct Import {
    /// The file, the directory that contains pxelinux.cfg, or `-` for standard input
    pub file: PathBuf,

    /// Write to this new file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// The format of the file [default: detected from its content]
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub from: Option<FormatFlag>,

    /// Read a column of a CSV file as this key: name, mac, uuid, serial, profile, boot, or the name of a variable;
    /// may be repeated
    #[arg(long, value_name = "COLUMN=KEY", value_parser = parse_column_mapping)]
    pub map: Vec<(String, String)>,
}

fn parse_column_mapping(text: &str) -> Result<(String, String), String> {
    let (column, key) = text.split_once('=').ok_or("expected a column and a key, for example device=name")?;
    Ok((column.to_owned(), key.trim().to_owned()))
}

/// The values of `import --from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormatFlag {
    /// The Python daemon's proxy.ini
    Ini,
    /// dnsmasq's dnsmasq.conf
    Dnsmasq,
    /// ISC dhcpd's dhcpd.conf
    Isc,
    /// Kea's kea-dhcp4.conf
    Kea,
    /// OpenWrt's /etc/config/dhcp
    Uci,
    /// Options of dnsmasq on a command line: of a unit, a script, a Compose file, or Pi-hole
    Options,
    /// A list of machines; the first line names the columns
    Csv,
}

/// Converts the file and writes the result to standard output or to a new file.
pub fn run(import: &Import, _: &GlobalFlags) -> CommandResult {
    let written =
        convert(import).and_then(|text| write_output(import.output.as_deref(), &text).map_err(|error| vec![error]));
    Ok(match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(diagnostics) => {
            diagnostics.iter().for_each(print_diagnostic);
            ExitCode::from(2)
        }
    })
}

fn convert(import: &Import) -> Result<String, Vec<Diagnostic>> {
    if import.file.is_dir() {
        return pxelinux_dir::import(&import.file);
    }
    let is_input = import.file.as_os_str() == "-";
    let name = if is_input { "standard input".to_owned() } else { import.file.display().to_string() };
    let path = import.file.clone();
    let open = move || -> io::Result<Box<dyn Read>> {
        if is_input { Ok(Box::new(io::stdin())) } else { Ok(Box::new(File::open(path)?)) }
    };
    let bytes = read_all(open, READ_TIMEOUT).map_err(|error| vec![error.in_file(&name)])?;
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
        [] => proxydhcpd_import::import(&source, format, &local_host()),
        map => machine_csv::import(&source, map),
    }
}

/// Reads a file to its end. A separate thread waits for the data, because a pipe may never send any, and a device may
/// never end.
fn read_all<R: Read>(
    open: impl FnOnce() -> io::Result<R> + Send + 'static,
    timeout: Duration,
) -> Result<Vec<u8>, Diagnostic> {
    let (sender, parts) = sync_channel(1);
    std::thread::spawn(move || {
        if let Err(error) = open().and_then(|file| send(file, &sender)) {
            sender.send(Err(error)).ok();
        }
    });
    let mut octets: Vec<u8> = Vec::new();
    loop {
        match parts.recv_timeout(timeout) {
            Ok(Ok(part)) => octets.extend(part),
            Ok(Err(error)) => return Err(Diagnostic::error(format!("cannot read the file: {error}"))),
            Err(RecvTimeoutError::Disconnected) => return Ok(octets),
            Err(RecvTimeoutError::Timeout) => {
                let error = format!("no data for {} s, and no end of file", timeout.as_secs());
                return Err(Diagnostic::error(error).help("write the data to a regular file, and import that file"));
            }
        }
        if octets.len() > MAX_SIZE {
            let error = Diagnostic::error(format!("the file is larger than {} MiB, the limit", MAX_SIZE >> 20));
            return Err(error.help("import a configuration file of a boot server"));
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

/// The facts about this host that the conversion uses. If the host's interfaces cannot be listed, only the conversion
/// of a range without a mask fails.
fn local_host() -> HostInfo {
    HostInfo::detect(&interfaces::list_all(|_| {}), Path::new("/"), SERVER_INFO)
}

/// The facts about this server that the conversion uses.
pub const SERVER_INFO: ServerInfo = ServerInfo { default_boot_dir: DEFAULT_BOOT_DIR, loader_fault };

fn loader_fault(path: &Path, arch: Arch) -> Option<LoaderFault> {
    let reason = loaders::incompatibility(path, arch)?;
    let is_text = image::inspect(path)
        .is_ok_and(|image| matches!(image, Image::Other("a script" | "text" | "too short for a program")));
    Some(LoaderFault { reason, is_text })
}

/// Writes the text to the file, or to standard output. An existing file is an error, because its content would be lost.
fn write_output(file: Option<&Path>, text: &str) -> Result<(), Diagnostic> {
    let Some(path) = file else {
        return std::io::stdout()
            .write_all(text.as_bytes())
            .map_err(|error| Diagnostic::error(format!("cannot write to standard output: {error}")));
    };
    let written = File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        Diagnostic::error(format!("cannot write a new file: {error}")).in_file(&path.display().to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::OwnedFd;

    #[test]
    fn the_wait_for_a_silent_pipe_ends() {
        let (reader, writer) = io::pipe().unwrap();
        let timeout = Duration::from_millis(50);
        let error = read_all(move || Ok(File::from(OwnedFd::from(reader))), timeout).unwrap_err();
        assert!(error.message.starts_with("no data for"), "{error}");
        drop(writer);
    }
}

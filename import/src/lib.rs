//! Converts another server's configuration to `proxydhcpd.toml`. A line without an equivalent becomes a comment with
//! its line number and the reason, so no line disappears silently.
//!
//! The facts about the host and the server are arguments. The import reads only the files that it converts, those that
//! they include, and whether the boot files exist.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod command_line;
mod detect;
mod dnsmasq;
mod expression;
mod file_names;
mod host_info;
mod isc;
mod kea;
pub mod machine_csv;
mod output;
mod program;
mod proxy_ini;
mod pxelinux;
pub mod pxelinux_dir;
mod server_info;
mod translation;
mod uci;

pub use detect::{Detection, ImportFormat, detect_format};
pub use host_info::HostInfo;
use proxydhcpd_reading::diagnostic::{Diagnostic, Source};
pub use server_info::{LoaderFault, ServerInfo};

/// Returns the text of `proxydhcpd.toml`, or the errors in `source`. If `format` is `None`, detects the format from the
/// text.
pub fn import(source: &Source, format: Option<ImportFormat>, host: &HostInfo) -> Result<String, Vec<Diagnostic>> {
    let format = match format {
        Some(format) => format,
        None => match detect_format(&source.text) {
            Detection::Supported(format) => format,
            Detection::Unsupported(message, help) => return Err(vec![source.file_error(message).help(help)]),
        },
    };
    match format {
        ImportFormat::Ini => proxy_ini::import(source, host),
        ImportFormat::Dnsmasq => dnsmasq::import(source, host),
        ImportFormat::Isc => dnsmasq::import_translation(source, &isc::translate(source, host)?, host),
        ImportFormat::Uci => dnsmasq::import_translation(source, &uci::translate(source)?, host),
        ImportFormat::CommandLine => dnsmasq::import_translation(source, &command_line::translate(source)?, host),
        ImportFormat::Csv => machine_csv::import(source, &[]),
        ImportFormat::Kea => dnsmasq::import_translation(source, &kea::translate(source, host)?, host),
    }
}

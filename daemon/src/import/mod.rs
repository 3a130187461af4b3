//! What other servers' files say, in our own words. What has no equivalent becomes a comment with its line, so that
//! nothing is lost silently.

mod command;
mod detect;
mod dnsmasq;
mod expression;
mod here;
mod ini;
mod isc;
mod kea;
pub mod machines;
mod program;
mod pxelinux;
mod translation;
pub mod tree;
mod uci;
mod written;

use crate::config::diagnostic::{Diagnostic, Source};
pub use detect::{Format, Seen, seen};
pub use here::Here;

/// The native file, or what is wrong with the foreign one.
pub fn import(source: &Source, format: Option<Format>, here: &Here) -> Result<String, Vec<Diagnostic>> {
    let format = match format {
        Some(format) => format,
        None => match seen(&source.text) {
            Seen::Read(format) => format,
            Seen::NotRead(message, help) => return Err(vec![source.file_error(message).help(help)]),
        },
    };
    match format {
        Format::Ini => ini::import(source, here),
        Format::Dnsmasq => dnsmasq::import(source, here),
        Format::Isc => dnsmasq::translated(source, &isc::translate(source, here)?, here),
        Format::Uci => dnsmasq::translated(source, &uci::translate(source)?, here),
        Format::Options => dnsmasq::translated(source, &command::translate(source)?, here),
        Format::Csv => machines::import(source, &[]),
        Format::Kea => dnsmasq::translated(source, &kea::translate(source, here)?, here),
    }
}

//! A request for a file and its transfer, in an event.

use crate::fetch::Fetch;
use crate::transfer::{Outcome, Progress};
use core::fmt;
use core::net::IpAddr;

/// The label of a reason, and its sentence.
#[derive(Clone, Copy, Debug)]
pub struct Reason<'a> {
    /// The label of the counter.
    pub label: &'static str,
    /// The sentence.
    pub text: fmt::Arguments<'a>,
}

/// The kind of content that the server sends for a requested name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentKind {
    /// A file of the boot directory.
    File,
    /// A loader, or a program that the server contains.
    Program,
    /// A script without expressions: the entry script, the menu of a profile, the start of a loader or of the disk.
    Script,
    /// The script that starts the kernel of a profile.
    KernelScript,
    /// The menu of the boot directory.
    Menu,
    /// A template that the server rendered for this machine.
    Template,
    /// An error in words, for the console of the machine.
    Explanation,
    /// The confirmation of a done URL.
    Done,
}

/// The reply to a request for a text that could not be rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Substitute {
    /// Nothing: the request was refused.
    Nothing,
    /// A script that shows the error, and then leaves the network boot.
    Explanation,
    /// The menu: its entry for the text shows the error.
    Menu,
}

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferEnd<'a> {
    /// The end of a TFTP transfer.
    Tftp(Outcome, Progress),
    /// The end of an HTTP response.
    Http {
        /// The method of the request.
        method: &'a str,
        /// The status code of the response.
        status: u16,
        /// Whether the whole body was sent.
        whole: bool,
    },
}

/// The number of connections when the limit was reached, and the address of the connection that was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overload {
    /// The number of connections.
    pub connections: usize,
    /// The address of the connection that was closed.
    pub address: IpAddr,
    /// The number of connections from this address.
    pub from_address: usize,
}

impl From<&Fetch> for ContentKind {
    fn from(resolved: &Fetch) -> Self {
        match resolved {
            Fetch::Text(_) => ContentKind::Script,
            Fetch::Failed(_) => ContentKind::Explanation,
            Fetch::Linux(..) => ContentKind::KernelScript,
            Fetch::Menu(_) | Fetch::MenuItem(..) => ContentKind::Menu,
            Fetch::Template(..) => ContentKind::Template,
            Fetch::Done(_) => ContentKind::Done,
            Fetch::Loader(_) | Fetch::LocalDisk(_) | Fetch::IpxeWrapper(_) => ContentKind::Program,
            Fetch::Directory { .. } => ContentKind::File,
        }
    }
}

//! A verdict whose texts are not stored yet, and a fault that may lead to one.

use super::client_kind::ClientKind;
use super::short_text::ShortText;
use super::stage::Stage;
use super::verdict_code::VerdictCode;
use crate::arrival::Port;
use crate::observations::finding::Finding;
use alloc::borrow::ToOwned;
use alloc::string::String;
use core::net::IpAddr;

/// A verdict whose texts are not stored yet.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The kind of failure.
    pub code: VerdictCode,
    /// The finding that is the evidence.
    pub finding: Option<Finding>,
    /// The file that the verdict is about.
    pub file: String,
    /// A reason in words.
    pub detail: String,
    /// Another host.
    pub address: Option<IpAddr>,
    /// A number that the text needs.
    pub number: u32,
}

impl Draft {
    /// A draft of this kind, without facts.
    pub fn new(code: VerdictCode) -> Draft {
        Draft { code, finding: None, file: String::new(), detail: String::new(), address: None, number: 0 }
    }

    /// The draft about this file.
    pub fn file(self, file: &str) -> Draft {
        Draft { file: file.to_owned(), ..self }
    }

    /// The draft with this reason.
    pub fn detail(self, detail: impl Into<String>) -> Draft {
        Draft { detail: detail.into(), ..self }
    }

    /// The draft with this number.
    pub fn number(self, number: u32) -> Draft {
        Draft { number, ..self }
    }
}

/// A fault that ends the boot unless the machine goes on another way.
#[derive(Debug)]
pub struct PossibleFault {
    /// The verdict if the machine does not go on.
    pub draft: Draft,
    /// The time of the fault, in milliseconds since the start of the server.
    pub at: u64,
    /// How far the boot had come, as its files show it.
    pub progress: Option<Stage>,
    /// The success after which the fault does not matter.
    pub retry: Retry,
}

/// A success after which a fault does not matter.
#[derive(Clone, Copy, Debug)]
pub enum Retry {
    /// A reply to this client on this port.
    Request(ClientKind, Port),
    /// A file that the machine receives.
    File(ShortText),
    /// None.
    None,
}

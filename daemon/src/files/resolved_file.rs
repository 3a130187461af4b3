//! The result of a request for a file.

use super::opened::Opened;
use proxydhcpd_core::fetch::Refusal;
use proxydhcpd_core::file_ticket::FileTicket;
use std::sync::Arc;

/// The content that a request leads to, and the decisions that stay with its transfer.
#[derive(Clone, Debug)]
pub struct ResolvedFile {
    /// The content, or why the server refuses the request.
    pub opened: Result<Opened, Refusal>,
    /// The decisions about the request.
    pub ticket: Arc<FileTicket>,
}

/// A result without decisions: no machine is known.
impl From<Result<Opened, Refusal>> for ResolvedFile {
    fn from(opened: Result<Opened, Refusal>) -> ResolvedFile {
        ResolvedFile { opened, ticket: Arc::default() }
    }
}

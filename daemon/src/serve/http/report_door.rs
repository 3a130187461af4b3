//! The door for the reports of machines. Its responses have nothing to read.

use super::handler::{BodyError, BodyLimit, HttpResponse};
use super::response;
use bytes::Bytes;
use hyper::StatusCode;
use proxydhcpd_core::event::report::ReportRefusal;
use proxydhcpd_core::file_ticket::FileTicket;
use proxydhcpd_core::report_request::MAX_REPORT;
use proxydhcpd_core::request::FileRequest;
use std::net::SocketAddr;
use std::sync::Arc;

/// The part of a report that the server keeps, and the maximum length of the whole: curtin sends the log of an
/// installation with its last event.
pub const BODY_LIMIT: BodyLimit = BodyLimit { kept: MAX_REPORT, max: 4 << 20 };

/// Receives the reports of machines.
pub trait ReportDoor: Send + Sync + 'static {
    /// Verifies the token, before the server reads the report. Must not block.
    fn verify(&self, request: &FileRequest<'_>) -> Result<(), ReportRefusal>;

    /// Accepts a report, or refuses it. May block.
    fn accept(&self, request: &FileRequest<'_>, body: &[u8]) -> (Result<(), ReportRefusal>, Arc<FileTicket>);

    /// Records a report whose body could not be read.
    fn refuse(&self, client: SocketAddr, refusal: ReportRefusal);
}

/// A door that accepts nothing.
impl ReportDoor for () {
    fn verify(&self, _: &FileRequest<'_>) -> Result<(), ReportRefusal> {
        Err(ReportRefusal::Token)
    }

    fn accept(&self, _: &FileRequest<'_>, _: &[u8]) -> (Result<(), ReportRefusal>, Arc<FileTicket>) {
        (Err(ReportRefusal::Token), Arc::default())
    }

    fn refuse(&self, _: SocketAddr, _: ReportRefusal) {}
}

/// The response to a report.
pub fn response(door: &impl ReportDoor, request: &FileRequest<'_>, body: &Result<Bytes, BodyError>) -> HttpResponse {
    let refused_body = |refusal| {
        door.refuse(request.client, refusal);
        (Err(refusal), Arc::default())
    };
    let (accepted, ticket) = match body {
        Ok(body) => door.accept(request, body),
        Err(BodyError::TooLong) => refused_body(ReportRefusal::Size),
        Err(BodyError::Incomplete) => refused_body(ReportRefusal::Incomplete),
    };
    let mut response = response::empty_response(accepted.err().map_or(StatusCode::NO_CONTENT, status));
    response.extensions_mut().insert(ticket);
    response
}

/// The status of a refusal.
pub fn status(refusal: ReportRefusal) -> StatusCode {
    match refusal {
        ReportRefusal::Token | ReportRefusal::UnknownSender => StatusCode::FORBIDDEN,
        ReportRefusal::Rate => StatusCode::TOO_MANY_REQUESTS,
        ReportRefusal::Size => StatusCode::PAYLOAD_TOO_LARGE,
        ReportRefusal::Incomplete => StatusCode::REQUEST_TIMEOUT,
        ReportRefusal::Unreadable => StatusCode::BAD_REQUEST,
    }
}

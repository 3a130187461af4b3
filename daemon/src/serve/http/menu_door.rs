//! The door for protected items of the menu, which a client may have once its user has logged in.

use super::handler::HttpResponse;
use super::response;
use hyper::StatusCode;
use hyper::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::http::request::Parts;
use proxydhcpd_core::request::FileRequest;
use std::time::Duration;

/// Why a client may not have a protected item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MenuRefusal {
    /// The user has to log in. The value is the challenge.
    LogIn(String),
    /// The user has to wait before the next attempt.
    Wait(Duration),
}

/// Decides who may have protected items of the menu.
pub trait MenuDoor: Send + Sync + 'static {
    /// Checks a request. A request for anything else is admitted. Must not block.
    fn admit(&self, request: &FileRequest<'_>, head: &Parts) -> Result<(), MenuRefusal>;
}

/// A door without protected items.
impl MenuDoor for () {
    fn admit(&self, _: &FileRequest<'_>, _: &Parts) -> Result<(), MenuRefusal> {
        Ok(())
    }
}

/// The response to a refused request.
pub fn response(refusal: &MenuRefusal) -> HttpResponse {
    match refusal {
        MenuRefusal::LogIn(challenge) => {
            let mut response = response::status_response(StatusCode::UNAUTHORIZED);
            response::set(&mut response, WWW_AUTHENTICATE, challenge);
            response
        }
        MenuRefusal::Wait(time) => {
            let mut response = response::status_response(StatusCode::TOO_MANY_REQUESTS);
            response::set(&mut response, RETRY_AFTER, &(time.as_secs() + 1).to_string());
            response
        }
    }
}

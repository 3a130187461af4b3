//! The caller that sends a request, and what it may do. The listener that receives a request adds a [`Caller`] to it; a
//! request without one is refused.
//!
//! A handler that needs more than to read takes the caller as an argument, and begins with
//! `caller.require(Scope::Boot)?` or `caller.require(Scope::Write)?`; it returns `Result<_, Refusal>`. The router
//! requires `read` for GET and HEAD, and `boot` for every other method.

use super::error::ApiError;
use crate::access::Scope;
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// The sender of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A command of this host, through the control socket.
    ControlSocket,
    /// A browser that logged in, or that a trusted proxy logged in.
    Browser,
    /// A program with this token.
    Token {
        /// The name of the token.
        name: String,
        /// The scope of its owner.
        scope: Scope,
    },
}

/// The response to a caller that may not do what it requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(pub StatusCode, pub ApiError);

impl Caller {
    /// The scope of the caller.
    pub fn scope(&self) -> Scope {
        match self {
            Caller::ControlSocket | Caller::Browser => Scope::Write,
            Caller::Token { scope, .. } => *scope,
        }
    }

    /// Refuses a caller without this scope.
    pub fn require(&self, scope: Scope) -> Result<(), Refusal> {
        match self {
            Caller::Token { name, scope: granted } if *granted < scope => {
                let problem = format!("the token {name} has the scope {granted}, and this request needs {scope}");
                let cure = format!("make a token for it: proxydhcpd web token add NAME --scope {scope}");
                Err(Refusal(StatusCode::FORBIDDEN, ApiError::new(problem, cure, "Authorization")))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a caller that may not see or change who may use the page: a program with a token.
    pub fn require_person(&self) -> Result<(), Refusal> {
        match self {
            Caller::Token { name, .. } => {
                let problem = format!("the token {name} cannot be used to change who may use the page");
                let cure = "use a command on this host (proxydhcpd web), or a browser that logged in";
                Err(Refusal(StatusCode::FORBIDDEN, ApiError::new(problem, cure, "Authorization")))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a caller that is not a command of this host.
    pub fn require_control_socket(&self) -> Result<(), Refusal> {
        self.require_person()?;
        match self {
            Caller::ControlSocket => Ok(()),
            _ => {
                let problem = "only a command on this host can do this";
                let error = ApiError::new(problem, "run `proxydhcpd web` on this host", "caller");
                Err(Refusal(StatusCode::FORBIDDEN, error))
            }
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Caller, Refusal> {
        parts.extensions.get::<Caller>().cloned().ok_or_else(unknown_caller)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Refusal(status, error) = self;
        error.response(status)
    }
}

/// Refuses a request whose caller is unknown, or may not use its method.
pub async fn require_scope_of_method(caller: Caller, request: Request, next: Next) -> Response {
    let scope = match *request.method() {
        Method::GET | Method::HEAD => Scope::Read,
        _ => Scope::Boot,
    };
    match caller.require(scope) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

fn unknown_caller() -> Refusal {
    let error = ApiError::new("this request has no caller", "log in, or send a token in `Authorization`", "caller");
    Refusal(StatusCode::UNAUTHORIZED, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_contains_those_before_it() {
        let scopes = [Scope::Read, Scope::Boot, Scope::Write];
        for (granted, scope) in scopes.into_iter().enumerate() {
            let caller = Caller::Token { name: "ci".to_owned(), scope };
            for (needed, scope) in scopes.into_iter().enumerate() {
                assert_eq!(caller.require(scope).is_ok(), needed <= granted, "{caller:?} {scope}");
            }
            assert!(caller.require_person().is_err() && caller.require_control_socket().is_err());
        }
        for caller in [Caller::ControlSocket, Caller::Browser] {
            assert!(caller.require(Scope::Write).is_ok() && caller.require_person().is_ok());
        }
        assert!(Caller::Browser.require_control_socket().is_err());
        assert!(Caller::ControlSocket.require_control_socket().is_ok());
    }
}

//! Why an edit was refused, as an error of the API.

use super::access::Refusal;
use super::error::ApiError;
use crate::edits::{EditError, MAX_EDITS};
use crate::state::EditRefusal;
use axum::Json;
use axum::extract::Query;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::http::StatusCode;
use proxydhcpd_reading::diagnostic::{Diagnostic, Severity};

/// The refusal of a request with a wrong value in this part of it.
pub fn bad_request(problem: impl Into<String>, cure: impl Into<String>, place: &str) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, ApiError::new(problem, cure, place))
}

/// The query of a request.
pub fn query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Refusal> {
    let cure = "GET /api/v1/openapi.json describes the query of each resource";
    query.map(|Query(query)| query).map_err(|error| bad_request(error.body_text(), cure, "query"))
}

/// The body of a request. `example` is one with which the request works.
pub fn body<T>(body: Result<Json<T>, JsonRejection>, example: &str) -> Result<T, Refusal> {
    body.map(|Json(body)| body).map_err(|error| {
        let status = match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Refusal(status, ApiError::new(error.body_text(), format!("send JSON such as {example}"), "body"))
    })
}

/// Waits for a thread that may wait for the disk.
pub async fn in_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Refusal> {
    // If the thread panicked, the panic hook has logged that.
    tokio::task::spawn_blocking(work).await.map_err(|_| {
        let error = ApiError::new("the server failed", "its log has the reason", "server");
        Refusal(StatusCode::INTERNAL_SERVER_ERROR, error)
    })
}

/// The refusal of an edit of the machine with this name.
pub fn refused(name: &str, refusal: EditRefusal) -> Refusal {
    let (status, error) = match refusal {
        EditRefusal::Written(place) => (
            StatusCode::CONFLICT,
            ApiError::new(
                format!("a person wrote the entry of {name}, so the server does not change it"),
                "change it there; `boot` lets the machine boot another profile without a change of its entry",
                place,
            ),
        ),
        EditRefusal::Missing => (
            StatusCode::NOT_FOUND,
            ApiError::new(
                format!("{name} has no boot order"),
                "`proxydhcpd boot MACHINE PROFILE` makes one (POST)",
                "machine",
            ),
        ),
        EditRefusal::Invalid(diagnostics) => (StatusCode::UNPROCESSABLE_ENTITY, invalid(&diagnostics)),
        EditRefusal::UnknownProfile(similar) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            ApiError::new(
                "there is no such profile",
                similar.map_or_else(
                    || "GET /api/v1/profiles lists the profiles".to_owned(),
                    |name| format!("did you mean `{name}`?"),
                ),
                "profile",
            ),
        ),
        EditRefusal::NeverCompletes => (
            StatusCode::UNPROCESSABLE_ENTITY,
            ApiError::new(
                "no download completes a boot of this profile, so once would be for ever",
                "set `boot-once-file` in the profile, have the installed system request {{ done_url }}, or omit `once`",
                "once",
            ),
        ),
        EditRefusal::Never(place) => (
            StatusCode::CONFLICT,
            ApiError::new(
                format!("the entry of {name} has `boot = \"never\"`, which protects its disk"),
                "remove that line first",
                place,
            ),
        ),
        EditRefusal::Legacy => (
            StatusCode::CONFLICT,
            ApiError::new(
                "this server runs with an old proxy.ini, which has neither machines nor profiles",
                "`proxydhcpd import` converts it to a configuration that has them",
                "configuration",
            ),
        ),
        EditRefusal::Unkept(EditError::Full) => (
            StatusCode::CONFLICT,
            ApiError::new(
                format!("the server keeps {MAX_EDITS} of them already"),
                "write the entries of a larger site into a machine file (docs/configuration.md)",
                "machine",
            ),
        ),
        EditRefusal::Unkept(EditError::Io(path, error)) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            ApiError::new(
                format!("the server cannot write to its state directory: {error}"),
                "make the directory writable for the user of the server; nothing has changed",
                path.display().to_string(),
            ),
        ),
    };
    Refusal(status, error)
}

/// The first error among these diagnostics. Its place is the line in question, which begins with the name of the key.
fn invalid(diagnostics: &[Diagnostic]) -> ApiError {
    let error = diagnostics.iter().find(|diagnostic| diagnostic.severity > Severity::Warning);
    let Some(error) = error else { return ApiError::new("the settings are invalid", "correct them", "body") };
    let place = error.location.as_ref().map_or("name", |location| location.text.trim());
    let cure = error.help.clone().unwrap_or_else(|| "correct it: docs/configuration.md describes the keys".to_owned());
    ApiError::new(error.message.clone(), cure, place)
}

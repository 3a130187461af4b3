//! The errors of the API.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An error: what failed, what to do, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApiError {
    /// The thing that failed, and the reason.
    pub problem: String,
    /// The remedy.
    pub cure: String,
    /// The part of the request, or the file, that the error is about.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

impl ApiError {
    /// An error about this part of the request.
    pub fn new(problem: impl Into<String>, cure: impl Into<String>, place: impl Into<String>) -> ApiError {
        ApiError { problem: problem.into(), cure: cure.into(), place: Some(place.into()) }
    }

    /// The response with this status code.
    pub fn response(self, status: StatusCode) -> Response {
        (status, Json(self)).into_response()
    }
}

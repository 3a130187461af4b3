//! `/api/v1/check`: what the command `check` finds in the configuration and on the host.

use super::access::Refusal;
use super::error::ApiError;
use super::refusal;
use super::shared::Api;
use crate::check::{CheckReport, Examination, examine};
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use proxydhcpd_reading::diagnostic::{Diagnostic, Severity};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The result of an examination.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CheckRecord {
    /// Whether a server can start with the configuration as the files have it now.
    pub ok: bool,
    /// The errors and warnings.
    pub findings: Vec<CheckFinding>,
    /// How the server would serve machines, as `proxydhcpd check --json` prints it; absent if it cannot start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub served: Option<serde_json::Value>,
}

/// An error or a warning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckFinding {
    /// `warning`: the server starts nevertheless; `error`: the configuration is invalid; `critical`: it does not fit
    /// this host.
    pub severity: String,
    /// The message, in one line.
    pub problem: String,
    /// The remedy, such as the key that is probably meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cure: Option<String>,
    /// The path of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The column of the first character in question, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// The number of characters in question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
    /// The text of the line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// The routes of this resource.
pub fn routes() -> Router<Api> {
    Router::new().route("/api/v1/check", get(checked))
}

/// Examines the configuration as the files have it now, and this host.
///
/// # Errors
/// The examination failed.
pub async fn check(api: &Api) -> Result<CheckRecord, Refusal> {
    let started = api.started.clone();
    refusal::in_thread(move || CheckRecord::from(examine(&started.flags))).await
}

/// Examine the configuration as the files have it now, and this host
#[utoipa::path(
    get,
    path = "/api/v1/check",
    responses((status = 200, body = CheckRecord), (status = 500, body = ApiError))
)]
pub async fn checked(State(api): State<Api>) -> Result<Json<CheckRecord>, Refusal> {
    check(&api).await.map(Json)
}

impl From<Examination> for CheckRecord {
    fn from(Examination { diagnostics, report, status }: Examination) -> Self {
        let findings = diagnostics.into_iter().map(CheckFinding::from).collect();
        CheckRecord { ok: status == 0, findings, served: report.as_ref().map(CheckReport::json) }
    }
}

impl From<Diagnostic> for CheckFinding {
    fn from(Diagnostic { severity, message, file, location, help }: Diagnostic) -> Self {
        let severity = match severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
            Severity::Critical => "critical",
        };
        let place = location.as_deref();
        CheckFinding {
            severity: severity.to_owned(),
            problem: message,
            cure: help,
            file,
            line: place.map(|place| place.line),
            column: place.map(|place| place.column),
            width: place.map(|place| place.width),
            text: place.map(|place| place.text.clone()),
        }
    }
}

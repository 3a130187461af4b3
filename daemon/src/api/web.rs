//! `/api/v1/web`: where the page is, who may use it, and the tokens of programs.

use super::access::{Caller, Refusal};
use super::error::ApiError;
use super::shared::Api;
use crate::access::{AccessControl, LINK_LIFE, Opening, PageListeners, PasswordError, Scope, Token, TokenError};
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use proxydhcpd_core::event::What;
use proxydhcpd_core::event::web::WebEvent;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::time::SystemTime;
use utoipa::ToSchema;

/// Where the page is, and who may use it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebStatus {
    /// The URLs of the page.
    pub urls: Vec<String>,
    /// The addresses at which the server cannot listen, each with the reason.
    pub failures: Vec<String>,
    /// The source of the addresses: `configuration`, `flag`, `command` (`web open`), or `default` (this host only).
    pub opened_by: OpenedBy,
    /// The SHA-256 fingerprint of the certificate; absent if the server uses no TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Whether a password is set.
    pub has_password: bool,
    /// The number of browsers that logged in.
    pub sessions: usize,
    /// The number of tokens.
    pub tokens: usize,
    /// The proxies whose statements about a request are true.
    pub trusted_proxies: Vec<String>,
}

/// The source of the addresses of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OpenedBy {
    /// `listen` in the configuration.
    Configuration,
    /// The flag `--open-page` of the server.
    Flag,
    /// The command `web open`.
    Command,
    /// Nothing: only browsers on this host reach it.
    Default,
}

/// How to open the page.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenRequest {
    /// Whether browsers use plain HTTP.
    #[serde(default)]
    pub plain_http: bool,
}

/// A link that admits one browser.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SetupLinkRecord {
    /// The link, at each address of the page. The first one suits most browsers.
    pub urls: Vec<String>,
    /// How long it is valid, in minutes.
    pub minutes: u64,
}

/// A new password. Nothing shows it.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordRequest {
    /// The password.
    pub password: String,
}

/// A token to add.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// The name, which no other token has.
    pub name: String,
    /// The scope of its owner.
    pub scope: Scope,
}

/// A token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenRecord {
    /// The name.
    pub name: String,
    /// The scope of its owner.
    pub scope: Scope,
    /// When it was made: RFC 3339, in UTC.
    pub created: String,
}

/// A token that was added.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct NewToken {
    /// The token.
    #[serde(flatten)]
    pub record: TokenRecord,
    /// The text for `Authorization: Bearer`. The server shows it only now.
    pub token: String,
}

/// The routes of these resources.
pub fn routes() -> Router<Api> {
    Router::new()
        .route("/api/v1/web", get(web_status))
        .route("/api/v1/web/open", post(open))
        .route("/api/v1/web/close", post(close))
        .route("/api/v1/web/link", post(make_link))
        .route("/api/v1/web/password", put(set_password))
        .route("/api/v1/web/tokens", get(tokens).post(add_token))
        .route("/api/v1/web/tokens/{name}", delete(remove_token))
}

/// Where the page is, and who may use it
#[utoipa::path(get, path = "/api/v1/web", responses((status = 200, body = WebStatus), (status = 403, body = ApiError)))]
pub async fn web_status(State(api): State<Api>, caller: Caller) -> Result<Json<WebStatus>, Refusal> {
    caller.require_person()?;
    let access = access(&api)?;
    Ok(Json(WebStatus::new(access, &access.listeners())))
}

/// Opens the page to the served networks (control socket only)
#[utoipa::path(
    post,
    path = "/api/v1/web/open",
    request_body = OpenRequest,
    responses(
        (status = 200, body = WebStatus),
        (status = 403, body = ApiError),
        (status = 409, description = "The configuration says where the page is", body = ApiError),
    )
)]
pub async fn open(
    State(api): State<Api>,
    caller: Caller,
    request: Result<Json<OpenRequest>, JsonRejection>,
) -> Result<Json<WebStatus>, Refusal> {
    caller.require_control_socket()?;
    let OpenRequest { plain_http } = body(request)?;
    change_opening(&api, Some(Opening { plain_http })).await
}

/// Closes the page to other hosts (control socket only)
#[utoipa::path(
    post,
    path = "/api/v1/web/close",
    responses(
        (status = 200, body = WebStatus),
        (status = 403, body = ApiError),
        (status = 409, description = "The configuration says where the page is", body = ApiError),
    )
)]
pub async fn close(State(api): State<Api>, caller: Caller) -> Result<Json<WebStatus>, Refusal> {
    caller.require_control_socket()?;
    change_opening(&api, None).await
}

/// Makes a link that admits one browser, once (control socket only)
#[utoipa::path(
    post,
    path = "/api/v1/web/link",
    responses((status = 200, body = SetupLinkRecord), (status = 403, body = ApiError))
)]
pub async fn make_link(State(api): State<Api>, caller: Caller) -> Result<Json<SetupLinkRecord>, Refusal> {
    caller.require_control_socket()?;
    let access = access(&api)?;
    let listeners = access.listeners();
    let secret = access.new_setup_link().map_err(|error| internal(&error))?;
    let best = listeners.best();
    let others = listeners.addresses.iter().filter(|address| Some(**address) != best);
    let urls = best.iter().chain(others).map(|address| format!("{address}start/{}", secret.as_str())).collect();
    record(&api, WebEvent::LinkMade);
    Ok(Json(SetupLinkRecord { urls, minutes: LINK_LIFE.as_secs() / 60 }))
}

/// Sets the password of the page, and ends all sessions (control socket only)
#[utoipa::path(
    put,
    path = "/api/v1/web/password",
    request_body = PasswordRequest,
    responses((status = 204), (status = 403, body = ApiError), (status = 422, body = ApiError))
)]
pub async fn set_password(
    State(api): State<Api>,
    caller: Caller,
    request: Result<Json<PasswordRequest>, JsonRejection>,
) -> Result<StatusCode, Refusal> {
    caller.require_control_socket()?;
    let access = access(&api)?;
    let PasswordRequest { password } = body(request)?;
    match access.with_password(move |known| known.set(&password)).await {
        Some(Ok(())) => {}
        Some(Err(PasswordError::Unwritable(error))) => return Err(internal(&error)),
        Some(Err(error)) => {
            let error = ApiError::new(error.to_string(), "choose another one", "password");
            return Err(Refusal(StatusCode::UNPROCESSABLE_ENTITY, error));
        }
        None => return Err(internal(&io::Error::other("the password could not be hashed"))),
    }
    access.lock().end_all();
    record(&api, WebEvent::PasswordSet { source: None });
    Ok(StatusCode::NO_CONTENT)
}

/// The tokens of programs, without their secrets
#[utoipa::path(
    get,
    path = "/api/v1/web/tokens",
    responses((status = 200, body = Vec<TokenRecord>), (status = 403, body = ApiError))
)]
pub async fn tokens(State(api): State<Api>, caller: Caller) -> Result<Json<Vec<TokenRecord>>, Refusal> {
    caller.require_person()?;
    let access = access(&api)?;
    let tokens = access.lock().tokens.list().iter().map(TokenRecord::new).collect();
    Ok(Json(tokens))
}

/// Makes a token for a program
#[utoipa::path(
    post,
    path = "/api/v1/web/tokens",
    request_body = TokenRequest,
    responses(
        (status = 201, body = NewToken),
        (status = 403, body = ApiError),
        (status = 409, description = "A token with this name exists, or there are too many", body = ApiError),
    )
)]
pub async fn add_token(
    State(api): State<Api>,
    caller: Caller,
    request: Result<Json<TokenRequest>, JsonRejection>,
) -> Result<(StatusCode, Json<NewToken>), Refusal> {
    caller.require_person()?;
    let access = access(&api)?;
    let TokenRequest { name, scope } = body(request)?;
    let added = access.with_tokens(move |tokens| tokens.add(&name, scope, SystemTime::now())).await;
    let (token, secret) = token_result(added)?;
    record(&api, WebEvent::TokenAdded { name: &token.name, scope: scope.as_str() });
    let new = NewToken { record: TokenRecord::new(&token), token: secret.as_str().to_owned() };
    Ok((StatusCode::CREATED, Json(new)))
}

/// Removes a token: its owner may do nothing from now on
#[utoipa::path(
    delete,
    path = "/api/v1/web/tokens/{name}",
    params(("name" = String, Path, description = "The name of the token")),
    responses((status = 204), (status = 403, body = ApiError), (status = 404, body = ApiError))
)]
pub async fn remove_token(
    State(api): State<Api>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, Refusal> {
    caller.require_person()?;
    let access = access(&api)?;
    let removed = name.clone();
    token_result(access.with_tokens(move |tokens| tokens.remove(&removed)).await)?;
    record(&api, WebEvent::TokenRemoved(&name));
    Ok(StatusCode::NO_CONTENT)
}

impl fmt::Debug for PasswordRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordRequest(..)")
    }
}

impl fmt::Debug for NewToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewToken({:?}, ..)", self.record)
    }
}

impl WebStatus {
    fn new(access: &AccessControl, listeners: &PageListeners) -> WebStatus {
        let config = access.config();
        let opened_by = match (&config.listen, config.open, access.opening().borrow().1) {
            (Some(_), ..) => OpenedBy::Configuration,
            (None, true, _) => OpenedBy::Flag,
            (None, false, Some(_)) => OpenedBy::Command,
            (None, false, None) => OpenedBy::Default,
        };
        let known = access.lock();
        WebStatus {
            urls: listeners.addresses.iter().map(ToString::to_string).collect(),
            failures: listeners.failures.iter().map(|(address, error)| format!("{address}: {error}")).collect(),
            opened_by,
            fingerprint: listeners.fingerprint.clone(),
            has_password: known.password.is_set(),
            sessions: known.sessions.len(),
            tokens: known.tokens.list().len(),
            trusted_proxies: config.trusted_proxies.iter().map(ToString::to_string).collect(),
        }
    }
}

impl TokenRecord {
    fn new(token: &Token) -> TokenRecord {
        TokenRecord { name: token.name.clone(), scope: token.scope, created: token.created.clone() }
    }
}

/// Opens or closes the page, unless a person has decided that in the configuration or on the command line.
async fn change_opening(api: &Api, opening: Option<Opening>) -> Result<Json<WebStatus>, Refusal> {
    let access = access(api)?;
    let config = access.config();
    let conflict = |problem: &str, cure: &str, place: &str| {
        Err(Refusal(StatusCode::CONFLICT, ApiError::new(problem, cure, place)))
    };
    if config.listen.is_some() {
        return conflict(
            "the configuration says where the page is",
            "change or remove `listen` in [web], and restart the server",
            "listen",
        );
    }
    if config.open {
        return conflict(
            "the flag --open-page opens the page while this server runs",
            "start the server without it",
            "--open-page",
        );
    }
    if config.certificate.is_some() && opening.is_some_and(|opening| opening.plain_http) {
        return conflict(
            "the configuration has a certificate for the page",
            "open the page without --plain-http, or remove `certificate` from [web]",
            "certificate",
        );
    }
    let listeners = access.change_opening(opening).await.map_err(|error| internal(&error))?;
    Ok(Json(WebStatus::new(access, &listeners)))
}

/// The users of the page, unless the configuration switches it off.
fn access(api: &Api) -> Result<&AccessControl, Refusal> {
    api.access.as_ref().ok_or_else(|| {
        let problem = "this server has no page: it is switched off, or could not be started";
        let cure = "remove `enabled = false` from [web] and restart the server; its log has errors";
        Refusal(StatusCode::SERVICE_UNAVAILABLE, ApiError::new(problem, cure, "enabled"))
    })
}

fn body<T>(body: Result<Json<T>, JsonRejection>) -> Result<T, Refusal> {
    body.map(|Json(body)| body).map_err(|error| {
        let problem = format!("the body of the request is invalid: {}", error.body_text());
        Refusal(error.status(), ApiError::new(problem, "GET /api/v1/openapi.json describes it", "body"))
    })
}

fn token_result<T>(result: Option<Result<T, TokenError>>) -> Result<T, Refusal> {
    let error = match result {
        Some(Ok(value)) => return Ok(value),
        Some(Err(error)) => error,
        None => return Err(internal(&io::Error::other("the change of the tokens was not completed"))),
    };
    let (status, cure) = match error {
        TokenError::Name(_) => (StatusCode::UNPROCESSABLE_ENTITY, "choose another name"),
        TokenError::Exists => (StatusCode::CONFLICT, "choose another name, or remove that token first"),
        TokenError::TooMany => (StatusCode::CONFLICT, "remove a token that no program uses"),
        TokenError::Unknown => {
            (StatusCode::NOT_FOUND, "`proxydhcpd web token list` (GET /api/v1/web/tokens) lists them")
        }
        TokenError::Unwritable(error) => return Err(internal(&error)),
    };
    Err(Refusal(status, ApiError::new(error.to_string(), cure, "name")))
}

fn internal(error: &io::Error) -> Refusal {
    let cure = "check that the user of the server may write the state directory, and that its disk has space";
    Refusal(StatusCode::INTERNAL_SERVER_ERROR, ApiError::new(error.to_string(), cure, "state-dir"))
}

fn record(api: &Api, event: WebEvent<'_>) {
    api.state.events.record_host(What::Web(event));
}

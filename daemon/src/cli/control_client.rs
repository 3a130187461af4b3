//! Asks the running server through its control socket.

use super::command::{CommandError, CommandResult, GlobalFlags};
use super::output::{print, print_diagnostic};
use super::server_sent_events::{Message, MessageReader};
use crate::api::ApiError;
use crate::config;
use crate::settings::default_control_socket;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::HeaderName;
use hyper::http::request;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use proxydhcpd_reading::diagnostic::Diagnostic;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Display;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::runtime::{self, Runtime};
use tokio::time::timeout;

/// How long the server may take to respond.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long it may take to respond to a request about many machines.
const PATIENT_TIMEOUT: Duration = Duration::from_secs(120);
/// The server sends a comment every 15 s. Without any data for this time, it is gone or hangs.
const SILENCE: Duration = Duration::from_secs(60);
/// The maximum size of a response that is not a stream, in octets.
const MAX_BODY: usize = 64 << 20;

/// A client of the control socket.
#[derive(Debug)]
pub struct ControlClient {
    path: PathBuf,
    runtime: Runtime,
    /// How long the server may take to respond.
    timeout: Duration,
}

/// Something that arrives on a stream.
#[derive(Clone, Copy, Debug)]
pub enum Received<'a> {
    /// The stream begins: the server accepted the request.
    Begin,
    /// A message.
    Message(&'a Message),
}

/// Why a request failed: what failed, and what to do about it.
#[derive(Debug)]
pub struct ControlError {
    /// The error to print.
    pub diagnostic: Diagnostic,
    /// Whether the server may respond later: it does not run, or the connection was lost.
    pub is_temporary: bool,
    /// Whether the server responded that there is no such thing.
    pub is_unknown: bool,
}

impl ControlError {
    fn new(diagnostic: Diagnostic, is_temporary: bool) -> ControlError {
        ControlError { diagnostic, is_temporary, is_unknown: false }
    }
}

impl From<ControlError> for CommandError {
    fn from(error: ControlError) -> Self {
        CommandError::Control(error.diagnostic)
    }
}

/// Requests a resource of the running server, and prints it as JSON or as `text`.
pub fn show<T: DeserializeOwned + Serialize>(
    flags: &GlobalFlags,
    resource: &str,
    as_json: bool,
    text: impl FnOnce(&T) -> String,
) -> CommandResult {
    let value = ControlClient::new(flags)?.get::<T>(resource)?;
    match as_json {
        true => print(format_args!("{}\n", json(&value)))?,
        false => print(text(&value))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A value of the server as JSON for people, in several lines.
pub fn json(value: &impl Serialize) -> String {
    // The value was read from JSON, so that JSON can express it.
    serde_json::to_string_pretty(value).unwrap_or_default()
}

impl ControlClient {
    /// A client for the socket that the configuration names. If the configuration cannot be read, it is for the default
    /// socket, because the running server may have read another configuration.
    ///
    /// # Errors
    /// The configuration switches the socket off, or this process has no resources.
    pub fn new(flags: &GlobalFlags) -> Result<ControlClient, ControlError> {
        let path = match config::load(&flags.settings) {
            Ok(loaded) => loaded.settings.control_socket.ok_or_else(|| {
                let error = "the configuration switches the control socket off (`control-socket = false`)";
                ControlError::new(Diagnostic::error(error).help("remove that line and restart the server"), false)
            })?,
            Err(_) => {
                let path = default_control_socket();
                let warning = format!("cannot read the configuration: trying the socket {}", path.display());
                print_diagnostic(&Diagnostic::warning(warning).help("`proxydhcpd check` shows the errors"));
                path
            }
        };
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| {
            ControlError::new(Diagnostic::critical(format!("cannot start the runtime: {error}")), false)
        })?;
        Ok(ControlClient { path, runtime, timeout: TIMEOUT })
    }

    /// The client for requests about many machines, whose edits wait for the disk.
    pub fn patient(self) -> ControlClient {
        ControlClient { timeout: PATIENT_TIMEOUT, ..self }
    }

    /// Requests a resource, such as `/api/v1/status`. The result is its JSON.
    pub fn get<T: DeserializeOwned>(&self, resource: &str) -> Result<T, ControlError> {
        self.runtime.block_on(async {
            let response = self.request(resource, None).await?;
            let body = timeout(self.timeout, read(response)).await.unwrap_or_else(|_| Err(self.no_response()))?;
            serde_json::from_slice(&body).map_err(|error| self.unreadable(error))
        })
    }

    /// Sends a request that changes something, with this body as JSON. The result is the JSON of the response; use
    /// `serde_json::Value` for a response without a body.
    pub fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        resource: &str,
        body: &impl Serialize,
    ) -> Result<T, ControlError> {
        self.send_if(method, resource, &[], body)
    }

    /// Sends a request as [`ControlClient::send`] does, with headers that state a condition, such as `If-Match`.
    pub fn send_if<T: DeserializeOwned>(
        &self,
        method: Method,
        resource: &str,
        conditions: &[(HeaderName, &str)],
        body: &impl Serialize,
    ) -> Result<T, ControlError> {
        let body = serde_json::to_vec(body).map_err(|error| self.unreadable(error))?;
        let request = Request::builder().method(method).uri(resource).header(header::CONTENT_TYPE, "application/json");
        let request = conditions.iter().fold(request, |request, (name, value)| request.header(name, *value));
        self.runtime.block_on(async {
            let response = self.successful(request, body.into()).await?;
            let body = timeout(self.timeout, read(response)).await.unwrap_or_else(|_| Err(self.no_response()))?;
            let body = if body.is_empty() { Bytes::from_static(b"null") } else { body };
            serde_json::from_slice(&body).map_err(|error| self.unreadable(error))
        })
    }

    /// Requests a stream of messages, and passes on what arrives until `receive` returns `false`, or until ^C is
    /// pressed. `after`: the identifier of the last message that the caller has.
    ///
    /// # Errors
    /// There was no stream, or it ended.
    pub fn stream(
        &self,
        resource: &str,
        after: Option<&str>,
        mut receive: impl FnMut(Received<'_>) -> bool,
    ) -> Result<(), ControlError> {
        let read = async {
            let mut body = self.request(resource, after).await?.into_body();
            let mut messages = MessageReader::default();
            let mut goes_on = receive(Received::Begin);
            while goes_on {
                let frame = match timeout(SILENCE, body.frame()).await {
                    Ok(Some(Ok(frame))) => frame,
                    Ok(Some(Err(_)) | None) => return Err(self.ended("the server ended the connection")),
                    Err(_) => return Err(self.ended("the server has sent nothing for a minute")),
                };
                let Ok(data) = frame.into_data() else { continue };
                let read = messages.push(&data).map_err(|error| self.unreadable(error))?;
                goes_on = read.iter().all(|message| receive(Received::Message(message)));
            }
            Ok(())
        };
        self.runtime.block_on(async {
            tokio::select! {
                result = read => result,
                _ = tokio::signal::ctrl_c() => Ok(()),
            }
        })
    }

    /// Waits for this time. Returns `false` if ^C is pressed.
    pub fn pause(&self, time: Duration) -> bool {
        self.runtime.block_on(async {
            tokio::select! {
                () = tokio::time::sleep(time) => true,
                _ = tokio::signal::ctrl_c() => false,
            }
        })
    }

    /// Requests a resource, and returns the response if it is a success.
    async fn request(&self, resource: &str, after: Option<&str>) -> Result<Response<Incoming>, ControlError> {
        let request = Request::get(resource);
        let request = match after {
            Some(after) => request.header("Last-Event-ID", after),
            None => request,
        };
        self.successful(request, Bytes::new()).await
    }

    /// Sends a request, and returns the response if it is a success.
    async fn successful(&self, request: request::Builder, body: Bytes) -> Result<Response<Incoming>, ControlError> {
        let response = timeout(self.timeout, self.exchange(request, body)).await;
        let response = response.unwrap_or_else(|_| Err(self.no_response()))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = timeout(self.timeout, read(response)).await.unwrap_or_else(|_| Err(self.no_response()))?;
        Err(match serde_json::from_slice::<ApiError>(&body) {
            Ok(error) => ControlError {
                diagnostic: diagnostic(error),
                is_temporary: status == StatusCode::SERVICE_UNAVAILABLE,
                is_unknown: status == StatusCode::NOT_FOUND,
            },
            Err(_) => self.unreadable(format_args!("status {status}")),
        })
    }

    async fn exchange(&self, request: request::Builder, body: Bytes) -> Result<Response<Incoming>, ControlError> {
        let stream = UnixStream::connect(&self.path).await.map_err(|error| cannot_connect(&self.path, &error))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.unreadable(error))?;
        tokio::spawn(connection);
        // HTTP/1.1 requires the header `Host`, also where it has no meaning.
        let request = request.header(header::HOST, "localhost").body(Full::new(body));
        let request = request.map_err(|error| self.unreadable(error))?;
        sender.send_request(request).await.map_err(|error| match error.is_parse() {
            true => self.unreadable(error),
            false => self.ended("the server ended the connection without a response"),
        })
    }

    fn no_response(&self) -> ControlError {
        self.ended("the server does not respond")
    }

    fn ended(&self, problem: &str) -> ControlError {
        let diagnostic = Diagnostic::error(format!("{problem} ({})", self.path.display()));
        ControlError::new(diagnostic.help("`journalctl -u proxydhcpd` shows its log"), true)
    }

    fn unreadable(&self, error: impl Display) -> ControlError {
        let message = format!("the server at {} sent an unexpected response: {error}", self.path.display());
        let help = "use the command of the version that runs: restart the server after an upgrade";
        ControlError::new(Diagnostic::error(message).help(help), false)
    }
}

/// An error of the API as a diagnostic. Its place is shown if it is a file; the cure names the part of a request.
fn diagnostic(ApiError { problem, cure, place }: ApiError) -> Diagnostic {
    let problem = match place.filter(|place| place.starts_with('/')) {
        Some(file) => format!("{problem} ({file})"),
        None => problem,
    };
    Diagnostic::error(problem).help(cure)
}

/// The body of a response, as a whole.
async fn read(response: Response<Incoming>) -> Result<Bytes, ControlError> {
    let body = Limited::new(response.into_body(), MAX_BODY).collect().await;
    body.map(|body| body.to_bytes()).map_err(|error| {
        let message = format!("the response of the server is not complete: {error}");
        ControlError::new(Diagnostic::error(message).help("`journalctl -u proxydhcpd` shows its log"), true)
    })
}

/// The error for a socket to which no connection is possible.
fn cannot_connect(path: &Path, error: &io::Error) -> ControlError {
    let path = path.display();
    let (message, help, is_temporary) = match error.kind() {
        ErrorKind::NotFound => (
            format!("the server is not running: the control socket {path} does not exist"),
            "start it: systemctl start proxydhcpd; if it runs, `journalctl -u proxydhcpd` shows why it has no socket",
            true,
        ),
        ErrorKind::ConnectionRefused => (
            format!("the server is not running: no process listens at the control socket {path}"),
            "start it: systemctl start proxydhcpd",
            true,
        ),
        ErrorKind::PermissionDenied => (
            format!("this user may not open the control socket {path}"),
            "run the command as root, or add the user to the group proxydhcpd (docs/operation.md)",
            false,
        ),
        _ => (
            format!("cannot open the control socket {path}: {error}"),
            "`proxydhcpd check` shows which configuration applies",
            false,
        ),
    };
    ControlError::new(Diagnostic::error(message).help(help), is_temporary)
}

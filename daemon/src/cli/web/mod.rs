//! `web`: where the page for operators is, and who may use it. The running server does what the command asks.

mod text;

use super::command::{CommandResult, GlobalFlags};
use super::control_client::{ControlClient, ControlError};
use super::output::print_diagnostic;
use super::password_input::read_password;
use crate::access::Scope;
use crate::api::{NewToken, OpenRequest, PasswordRequest, SetupLinkRecord, TokenRecord, TokenRequest, WebStatus};
use clap::{Args, Subcommand};
use hyper::Method;
use proxydhcpd_reading::diagnostic::Diagnostic;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::process::ExitCode;
use text::{link_text, status_text, tokens_text};

/// Open the page for operators to the network, and say who may use it
///
/// The page is at http://127.0.0.1:8067/ of this host. `web open` opens it to the served networks, at once and also
/// after a restart, until `web close`. A key of [web] in the configuration takes precedence.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  proxydhcpd web open                              open the page, and set its password
  pass show boot | proxydhcpd web open             the same, with the password from a program
  proxydhcpd web open --link                       open it, and print a link for the first browser
  proxydhcpd web link                              print a link that lets one browser in, once
  proxydhcpd web token add grafana --scope read    let a program read
  proxydhcpd web status                            where the page is, and who may use it

Exit status: 0 on success; 1 if the server does not run, or refuses; 2 for wrong usage.")]
pub struct Web {
    #[command(subcommand)]
    command: WebCommand,
}

#[derive(Clone, Debug, Subcommand)]
enum WebCommand {
    /// Show where the page is, and who may use it
    Status {
        /// Print JSON: the resource /api/v1/web
        #[arg(long)]
        json: bool,
    },
    /// Open the page to the served networks, and set its password
    ///
    /// Asks for the password, or reads one line of standard input if that is no terminal. If a password is set, it
    /// stays.
    Open {
        /// Use plain HTTP: every host of the network can read the password
        #[arg(long)]
        plain_http: bool,
        /// Print a link that lets one browser in, instead of asking for a password
        #[arg(long)]
        link: bool,
    },
    /// Close the page to other hosts
    Close,
    /// Print a link that lets one browser in, once
    Link,
    /// Set the password, and end all sessions
    Password,
    /// Let programs use the API: add, list and remove their tokens
    #[command(subcommand)]
    Token(TokenCommand),
}

#[derive(Clone, Debug, Subcommand)]
enum TokenCommand {
    /// Make a token and print it; it is not shown again
    Add {
        /// A name that no other token has
        name: String,
        /// The actions that its owner may take: each word contains those before it
        #[arg(long, value_enum)]
        scope: Scope,
    },
    /// List the tokens
    List {
        /// Print JSON: the resource /api/v1/web/tokens
        #[arg(long)]
        json: bool,
    },
    /// Remove a token: its owner may do nothing from now on
    Remove {
        /// The name of the token
        name: String,
    },
}

/// Asks the running server.
pub fn run(arguments: &Web, flags: &GlobalFlags) -> CommandResult {
    let client = ControlClient::new(flags).map_err(|error| error.diagnostic);
    let result = client.and_then(|client| execute(&arguments.command, &WebClient(client)));
    Ok(match result {
        Ok(text) => {
            anstream::print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            print_diagnostic(&error);
            ExitCode::FAILURE
        }
    })
}

/// Runs a command, and returns what to print.
fn execute(command: &WebCommand, client: &WebClient) -> Result<String, Diagnostic> {
    match command {
        WebCommand::Status { json } => {
            let status: WebStatus = client.get("/api/v1/web")?;
            if *json { as_json(&status) } else { Ok(status_text(&status)) }
        }
        WebCommand::Open { plain_http, link } => open(client, *plain_http, *link),
        WebCommand::Close => {
            client.send(Method::POST, "/api/v1/web/close", &json!({})).map(|status| status_text(&status))
        }
        WebCommand::Link => make_link(client),
        WebCommand::Password => {
            let password = read_page_password()?;
            set_password(client, password)?;
            Ok("The password is set, and all browsers must log in again.\n".to_owned())
        }
        WebCommand::Token(TokenCommand::Add { name, scope }) => {
            let request = TokenRequest { name: name.clone(), scope: *scope };
            let new: NewToken = client.send(Method::POST, "/api/v1/web/tokens", &request)?;
            // Only the token: a program may read it.
            Ok(format!("{}\n", new.token))
        }
        WebCommand::Token(TokenCommand::List { json }) => {
            let tokens: Vec<TokenRecord> = client.get("/api/v1/web/tokens")?;
            if *json { as_json(&tokens) } else { Ok(tokens_text(&tokens)) }
        }
        WebCommand::Token(TokenCommand::Remove { name }) => {
            let is_plain = name.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"._-".contains(&octet));
            if !is_plain || name.is_empty() {
                return Err(Diagnostic::error("there is no token with this name")
                    .help("`proxydhcpd web token list` lists them"));
            }
            let _: Value = client.send(Method::DELETE, &format!("/api/v1/web/tokens/{name}"), &json!({}))?;
            Ok(String::new())
        }
    }
}

/// Opens the page. The password is set first, so that the page is never open without one by accident.
fn open(client: &WebClient, plain_http: bool, link: bool) -> Result<String, Diagnostic> {
    let before: WebStatus = client.get("/api/v1/web")?;
    if !link && !before.has_password {
        set_password(client, read_page_password()?)?;
    }
    let status: WebStatus = client.send(Method::POST, "/api/v1/web/open", &OpenRequest { plain_http })?;
    let link = if link { make_link(client)? } else { String::new() };
    Ok(status_text(&status) + &link)
}

fn make_link(client: &WebClient) -> Result<String, Diagnostic> {
    let link: SetupLinkRecord = client.send(Method::POST, "/api/v1/web/link", &json!({}))?;
    link_text(&link)
}

fn set_password(client: &WebClient, password: String) -> Result<(), Diagnostic> {
    client.send::<Value>(Method::PUT, "/api/v1/web/password", &PasswordRequest { password }).map(drop)
}

fn as_json(value: &impl Serialize) -> Result<String, Diagnostic> {
    let text = serde_json::to_string_pretty(value);
    text.map(|text| text + "\n").map_err(|error| Diagnostic::error(format!("cannot print JSON: {error}")))
}

/// The client, with the errors to print.
struct WebClient(ControlClient);

impl WebClient {
    fn get<T: DeserializeOwned>(&self, resource: &str) -> Result<T, Diagnostic> {
        self.0.get(resource).map_err(|ControlError { diagnostic, .. }| diagnostic)
    }

    fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        resource: &str,
        body: &impl Serialize,
    ) -> Result<T, Diagnostic> {
        self.0.send(method, resource, body).map_err(|ControlError { diagnostic, .. }| diagnostic)
    }
}

/// A new password for the page.
fn read_page_password() -> Result<String, Diagnostic> {
    read_password(
        "New password for the page: ",
        "enter it again, write it to standard input, or use `proxydhcpd web link`",
    )
}

//! How a browser begins and ends its session: with the password, or with a link that is valid once.

use super::client::Client;
use super::local_path::local_path;
use super::shared::Web;
use super::{cookie, guard};
use crate::access::{LINK_LIFE, Password, PasswordError, SESSION_LIFE};
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Form, Path, Query, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use minijinja::context;
use proxydhcpd_core::event::What;
use proxydhcpd_core::event::web::WebEvent;
use serde::Deserialize;
use std::time::Instant;

/// The routes of these pages. They need no session.
pub fn routes() -> Router<Web> {
    Router::new()
        .route("/login", get(login_page).post(log_in))
        .route("/logout", post(log_out))
        .route("/start/{secret}", get(setup_page).post(set_up))
        .layer(from_fn(guard::without_token))
}

/// The page that led to the page to log in.
#[derive(Debug, Default, Deserialize)]
struct Next {
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
struct Login {
    password: String,
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
struct Setup {
    #[serde(default)]
    password: String,
    #[serde(default)]
    again: String,
}

async fn login_page(State(web): State<Web>, query: Result<Query<Next>, QueryRejection>) -> Response {
    let next = query.map(|Query(query)| query.next).unwrap_or_default();
    show_login(&web, StatusCode::OK, &next, None)
}

async fn log_in(
    State(web): State<Web>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    Form(form): Form<Login>,
) -> Response {
    let source = client.address;
    // The lock is free again before the page is written, which takes it.
    let attempt = web.access().attempts.note(source, Instant::now());
    if let Err(wait) = attempt {
        let problem = format!("Too many attempts: try again in {} seconds.", wait.as_secs().max(1));
        return show_login(&web, StatusCode::TOO_MANY_REQUESTS, &form.next, Some(&problem));
    }
    let password = form.password;
    if web.control.with_password(move |known| known.is_correct(&password)).await != Some(true) {
        record(&web, WebEvent::WrongPassword { source });
        return show_login(&web, StatusCode::FORBIDDEN, &form.next, Some("This password is wrong."));
    }
    web.access().attempts.succeed(source);
    record(&web, WebEvent::LoggedIn { source, by: "password" });
    begin_session(&web, &client, &headers, local_path(&form.next))
}

async fn log_out(State(web): State<Web>, Extension(client): Extension<Client>, headers: HeaderMap) -> Response {
    end_session(&web, &client, &headers);
    ([(SET_COOKIE, cookie::end(client.is_secure))], Redirect::to("/login")).into_response()
}

async fn setup_page(State(web): State<Web>, Path(secret): Path<String>) -> Response {
    if web.access().setup_link.is_valid(&secret, Instant::now()) {
        return show_setup(&web, StatusCode::OK, None);
    }
    web.pages().show(StatusCode::GONE, "expired.html", context! { minutes => LINK_LIFE.as_secs() / 60 })
}

async fn set_up(
    State(web): State<Web>,
    Extension(client): Extension<Client>,
    Path(secret): Path<String>,
    headers: HeaderMap,
    Form(form): Form<Setup>,
) -> Response {
    if !web.access().setup_link.is_valid(&secret, Instant::now()) {
        return setup_page(State(web), Path(secret)).await;
    }
    if form.password != form.again {
        return show_setup(&web, StatusCode::UNPROCESSABLE_ENTITY, Some("The two passwords differ."));
    }
    let sets_password = !form.password.is_empty();
    if sets_password && let Err(error) = Password::check(&form.password) {
        return refuse_password(&web, &error);
    }
    // Two browsers may have the link: only one of them can use it.
    if !web.access().setup_link.take(&secret, Instant::now()) {
        return setup_page(State(web), Path(secret)).await;
    }
    let source = client.address;
    if sets_password {
        match web.control.with_password(move |known| known.set(&form.password)).await {
            Some(Ok(())) => {}
            Some(Err(error)) => return refuse_password(&web, &error),
            None => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
        web.access().end_all();
        record(&web, WebEvent::PasswordSet { source: Some(source) });
    }
    record(&web, WebEvent::LoggedIn { source, by: "link" });
    begin_session(&web, &client, &headers, "/")
}

fn refuse_password(web: &Web, error: &PasswordError) -> Response {
    let status = match error {
        PasswordError::Unwritable(_) => StatusCode::INTERNAL_SERVER_ERROR,
        PasswordError::TooShort | PasswordError::TooLong => StatusCode::UNPROCESSABLE_ENTITY,
    };
    show_setup(web, status, Some(&format!("This password cannot be used: {error}.")))
}

fn show_login(web: &Web, status: StatusCode, next: &str, problem: Option<&str>) -> Response {
    let has_password = web.access().password.is_set();
    web.pages().show(status, "login.html", context! { next, problem, has_password })
}

fn show_setup(web: &Web, status: StatusCode, problem: Option<&str>) -> Response {
    let has_password = web.access().password.is_set();
    web.pages().show(status, "setup.html", context! { problem, has_password })
}

/// Begins a session with a new secret. The one that the browser presents ends, because an attacker may know it.
fn begin_session(web: &Web, client: &Client, headers: &HeaderMap, page: &str) -> Response {
    end_session(web, client, headers);
    let Ok(secret) = web.access().sessions.begin(Instant::now()) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let cookie = cookie::begin(secret.as_str(), client.is_secure, SESSION_LIFE);
    ([(SET_COOKIE, cookie)], Redirect::to(page)).into_response()
}

fn end_session(web: &Web, client: &Client, headers: &HeaderMap) {
    if let Some(secret) = cookie::session_secret(headers, client.is_secure) {
        web.access().sessions.end(secret);
    }
}

fn record(web: &Web, event: WebEvent<'_>) {
    web.api.state.events.record_host(What::Web(event));
}

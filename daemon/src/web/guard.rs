//! Refuses requests of other sites' pages, and of callers that have not logged in.

use super::admission::Slot;
use super::client::{Client, Connection};
use super::cookie::session_secret;
use super::shared::Web;
use super::{headers, plain_http};
use crate::api::{ApiError, Caller};
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, AUTHORIZATION, ORIGIN, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use std::time::Instant;

/// Refuses requests for another host, and requests that a page of another site causes. Adds the client and the caller,
/// if it is known, to all others.
pub async fn identify(
    State(web): State<Web>,
    Extension(connection): Extension<Connection>,
    request: Request,
    next: Next,
) -> Response {
    let client = Client::new(connection, request.headers(), web.control.config());
    let is_plain_http = !client.is_secure && !client.address.is_loopback();
    let mut response = plain_http::mark(is_plain_http, admit(&web, client, request, next)).await;
    if !is_plain_http {
        let (name, value) = headers::OPENER_POLICY;
        response.headers_mut().insert(name, value);
    }
    response
}

async fn admit(web: &Web, client: Client, mut request: Request, next: Next) -> Response {
    let Some(host) = own_host(web, &client, request.uri()) else {
        let cure = "use the address of this host, or add the name to `names` in [web]";
        return ApiError::new("this server does not have that name", cure, "Host")
            .response(StatusCode::MISDIRECTED_REQUEST);
    };
    let caller = match caller(web, &client, request.headers()) {
        Ok(caller) => caller,
        Err(InvalidToken) => return InvalidToken.into_response(),
    };
    // A browser sends a token only if a page of this server makes it do so.
    let has_token = matches!(caller, Some(Caller::Token { .. }));
    if !has_token && !is_safe(request.method()) && !is_from_own_page(request.headers(), host) {
        let cure = "send the request from a page of this server, or with a token in `Authorization`";
        return ApiError::new("the page of another site caused this request", cure, "Origin")
            .response(StatusCode::FORBIDDEN);
    }
    if let Some(caller) = caller {
        request.extensions_mut().insert(caller);
    }
    request.extensions_mut().insert(client);
    next.run(request).await
}

/// Refuses callers that have not logged in: sends people to the page for that, and answers programs with an error.
pub async fn logged_in(request: Request, next: Next) -> Response {
    if request.extensions().get::<Caller>().is_some() {
        if let Some(slot) = request.extensions().get::<Slot>() {
            slot.keep();
        }
        return next.run(request).await;
    }
    if request.method() == Method::GET && accepts_html(request.headers()) {
        return Redirect::to(&login_path(request.uri())).into_response();
    }
    let cure = "log in at /login, or send a token; `proxydhcpd web link` makes a link that admits a browser once";
    ApiError::new("this resource requires a session or a token", cure, "Cookie").response(StatusCode::UNAUTHORIZED)
}

/// Refuses programs with a token, which need no session.
pub async fn without_token(request: Request, next: Next) -> Response {
    if matches!(request.extensions().get::<Caller>(), Some(Caller::Token { .. })) {
        let cure = "send the token with each request";
        return ApiError::new("a program with a token needs no session", cure, "Authorization")
            .response(StatusCode::BAD_REQUEST);
    }
    next.run(request).await
}

/// A token that the server does not know.
struct InvalidToken;

impl IntoResponse for InvalidToken {
    fn into_response(self) -> Response {
        let cure = "make a token on the server: proxydhcpd web token add NAME --scope read";
        let mut response = ApiError::new("the server does not know this token", cure, "Authorization")
            .response(StatusCode::UNAUTHORIZED);
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""));
        response
    }
}

/// The host of the request, if it is this one.
fn own_host<'a>(web: &Web, client: &'a Client, uri: &Uri) -> Option<&'a str> {
    let host = client.host.as_deref()?;
    let names_other = uri.authority().is_some_and(|authority| authority.as_str() != host);
    (web.hosts().admit(host) && !names_other).then_some(host)
}

/// The sender of the request: the owner of a token, the user of a trusted proxy, or a browser with a session. A request
/// with a token counts as that of its owner only.
fn caller(web: &Web, client: &Client, headers: &HeaderMap) -> Result<Option<Caller>, InvalidToken> {
    if let Some(secret) = bearer(headers)? {
        let access = web.access();
        let token = access.tokens.find(secret).ok_or(InvalidToken)?;
        return Ok(Some(Caller::Token { name: token.name.clone(), scope: token.scope }));
    }
    let has_session = || {
        let secret = session_secret(headers, client.is_secure);
        secret.is_some_and(|secret| web.access().sessions.is_valid(secret, Instant::now()))
    };
    Ok((client.user.is_some() || has_session()).then_some(Caller::Browser))
}

/// The token in `Authorization`. Other schemes are those of a proxy.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, InvalidToken> {
    let mut tokens = headers.get_all(AUTHORIZATION).iter().filter_map(|value| {
        let value = value.to_str().ok()?;
        let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    let token = tokens.next();
    if tokens.next().is_some() { Err(InvalidToken) } else { Ok(token) }
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Whether the browser says that a page of this server causes the request. Every browser since 2023 sends
/// `Sec-Fetch-Site`, but only over HTTPS and to this host itself; then `Origin` says it.
fn is_from_own_page(headers: &HeaderMap, host: &str) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("sec-fetch-site") {
        Some(site) => site == "same-origin",
        None => text(ORIGIN.as_str()).is_some_and(|origin| {
            let own = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
            own.is_some_and(|own| own.eq_ignore_ascii_case(host))
        }),
    }
}

fn accepts_html(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT).and_then(|accepted| accepted.to_str().ok()).is_some_and(|types| types.contains("text/html"))
}

/// The page to log in, which leads back to this page.
fn login_path(uri: &Uri) -> String {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"/-_.~".contains(&octet);
    let encoded: String = path
        .bytes()
        .map(|octet| if is_plain(octet) { char::from(octet).to_string() } else { format!("%{octet:02X}") })
        .collect();
    if path == "/" { "/login".to_owned() } else { format!("/login?next={encoded}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_a_page_of_this_server_may_cause_a_change() {
        let host = "192.0.2.10:8067";
        let own = [
            &[("sec-fetch-site", "same-origin")][..],
            &[("origin", "http://192.0.2.10:8067")],
            &[("origin", "https://192.0.2.10:8067")],
        ];
        assert!(own.iter().all(|own| is_from_own_page(&headers(own), host)));
        let foreign = [
            &[][..],
            &[("sec-fetch-site", "same-site"), ("origin", "http://192.0.2.10:8067")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "none")],
            &[("origin", "null")],
            &[("origin", "http://192.0.2.10:80")],
            &[("origin", "http://192.0.2.10:8067.example.org")],
            &[("origin", "ftp://192.0.2.10:8067")],
        ];
        assert!(foreign.iter().all(|foreign| !is_from_own_page(&headers(foreign), host)));
    }

    #[test]
    fn a_token_is_sent_once() {
        assert_eq!(bearer(&headers(&[("authorization", "bearer 0123")])).ok(), Some(Some("0123")));
        assert_eq!(bearer(&headers(&[("authorization", "Basic 0123")])).ok(), Some(None));
        assert_eq!(bearer(&headers(&[("authorization", "Bearer")])).ok(), Some(Some("")));
        let mut twice = headers(&[("authorization", "Bearer 0")]);
        twice.append("authorization", "Bearer 1".parse().unwrap());
        assert!(bearer(&twice).is_err());
    }

    #[test]
    fn the_page_to_log_in_leads_back() {
        assert_eq!(login_path(&"/".parse().unwrap()), "/login");
        let page = "/machines?failed=true&offset=1".parse().unwrap();
        assert_eq!(login_path(&page), "/login?next=/machines%3Ffailed%3Dtrue%26offset%3D1");
    }
}

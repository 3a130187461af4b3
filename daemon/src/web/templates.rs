//! The templates of the pages. They escape every value.

use super::{assets, page_path, plain_http};
use crate::api::ApiError;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use minijinja::HtmlEscape;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;

const TEMPLATES: [(&str, &str); 21] = [
    ("base.html", include_str!("assets/base.html")),
    ("board.html", include_str!("assets/board.html")),
    ("machine_row.html", include_str!("assets/machine_row.html")),
    ("board_filter.html", include_str!("assets/board_filter.html")),
    ("board_bar.html", include_str!("assets/board_bar.html")),
    ("many.html", include_str!("assets/many.html")),
    ("next_steps.html", include_str!("assets/next_steps.html")),
    ("heard.html", include_str!("assets/heard.html")),
    ("lights.html", include_str!("assets/lights.html")),
    ("machine.html", include_str!("assets/machine.html")),
    ("machine_boot.html", include_str!("assets/machine_boot.html")),
    ("machine_settings.html", include_str!("assets/machine_settings.html")),
    ("explain.html", include_str!("assets/explain.html")),
    ("tree.html", include_str!("assets/tree.html")),
    ("menu.html", include_str!("assets/menu.html")),
    ("network.html", include_str!("assets/network.html")),
    ("log.html", include_str!("assets/log.html")),
    ("login.html", include_str!("assets/login.html")),
    ("setup.html", include_str!("assets/setup.html")),
    ("error.html", include_str!("assets/error.html")),
    ("expired.html", include_str!("assets/expired.html")),
];

/// The compiled templates.
#[derive(Debug)]
pub struct Pages(Environment<'static>);

impl Pages {
    /// Compiles the templates.
    ///
    /// # Panics
    /// A template of this program has an error.
    pub fn new() -> Pages {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.expect("the default delimiters are valid"));
        environment.add_function("asset", |name: &str| assets::path(name).unwrap_or_default());
        environment.add_function("is_plain_http", plain_http::is_plain_http);
        environment.add_function("here", page_path::path);
        environment.add_filter("clock", clock);
        environment.add_filter("code", code);
        environment.add_filter("duration", duration);
        environment.add_filter("encoded", encoded);
        environment.add_filter("sentence", sentence);
        environment.add_filter("size", size);
        for (name, text) in TEMPLATES {
            environment.add_template(name, text).expect("the templates of this program are valid");
        }
        Pages(environment)
    }

    /// Shows an error.
    pub fn show_error(&self, status: StatusCode, error: &ApiError) -> Response {
        #[derive(Serialize)]
        struct ErrorPage<'a> {
            page: &'static str,
            is_missing: bool,
            error: &'a ApiError,
        }
        let is_missing = status == StatusCode::NOT_FOUND;
        self.show(status, "error.html", ErrorPage { page: "", is_missing, error })
    }

    /// Shows a page.
    pub fn show(&self, status: StatusCode, template: &str, values: impl Serialize) -> Response {
        let rendered = self.0.get_template(template).and_then(|template| template.render(Serde(values)));
        match rendered {
            Ok(text) => (status, Html(text)).into_response(),
            Err(error) => {
                let text = format!("the page cannot be shown: {error}\n");
                (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
            }
        }
    }
}

/// A sentence in which the words between backticks are code, as HTML.
fn code(sentence: &str) -> Value {
    let mut html = String::new();
    for (number, part) in sentence.split('`').enumerate() {
        let escaped = HtmlEscape(part);
        let is_closed = number % 2 == 1;
        html += &if is_closed { format!("<code>{escaped}</code>") } else { escaped.to_string() };
    }
    Value::from_safe_string(html)
}

/// A sentence that begins with a capital letter, unless it begins with code.
fn sentence(text: &str) -> Value {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    code(&first.into_iter().flatten().chain(letters).collect::<String>())
}

/// A value as a part of an address.
fn encoded(value: &str) -> String {
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.~:".contains(&octet);
    let octets = value.bytes();
    octets.map(|octet| if is_plain(octet) { char::from(octet).to_string() } else { format!("%{octet:02X}") }).collect()
}

/// The time of day in a time of RFC 3339 in UTC.
fn clock(time: &str) -> String {
    time.get(11..19).unwrap_or(time).to_owned()
}

/// A duration in milliseconds in words: `840 ms`, `1.5 s`, `12 s`, `3 min 20 s`.
fn duration(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0 => format!("{milliseconds} ms"),
        1..10 => format!("{}.{} s", seconds, milliseconds % 1000 / 100),
        10..120 => format!("{seconds} s"),
        120..7200 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A number of octets in words: `512 B`, `3.2 MiB`.
fn size(octets: u64) -> String {
    match octets {
        0..1024 => format!("{octets} B"),
        1024..1_048_576 => format!("{:.1} KiB", octets as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", octets as f64 / 1_048_576.0),
        _ => format!("{:.1} GiB", octets as f64 / 1_073_741_824.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use minijinja::context;

    #[test]
    fn every_template_escapes_its_values() {
        let response = Pages::new().show(
            StatusCode::OK,
            "login.html",
            context! { next => "\"><script>", problem => "<b>", has_password => true },
        );
        assert_eq!(response.status(), StatusCode::OK);
    }

    #[test]
    fn a_sentence_begins_with_a_capital_letter_and_keeps_the_others() {
        assert_eq!(sentence("no boot of `PC1` is known").to_string(), "No boot of <code>PC1</code> is known");
        assert_eq!(sentence("`once` <needs> it").to_string(), "<code>once</code> &lt;needs&gt; it");
    }

    #[test]
    fn durations_and_sizes_have_two_figures() {
        assert_eq!(
            [0, 840, 1_500, 12_345, 200_000, 9_000_000].map(duration),
            ["0 ms", "840 ms", "1.5 s", "12 s", "3 min 20 s", "2 h 30 min"]
        );
        assert_eq!([512, 1536, 3 << 20, 5 << 30].map(size), ["512 B", "1.5 KiB", "3.0 MiB", "5.0 GiB"]);
        assert_eq!(clock("2026-11-30T13:12:09.123Z"), "13:12:09");
    }
}

//! Every example of docs/api.md, run by curl against the real server, on whose network the player boots machines. Needs
//! root.

mod common;

use common::played_network::{PlayedNetwork, run_of};
use proxydhcpd_player::driver;
use proxydhcpd_player::kinds::{Kind, by_name};
use proxydhcpd_testbed::wait_for;
use serde_json::Value;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

/// The MAC address in the document, of a machine that the player plays.
const SHOWN_MAC: &str = "52:54:00:12:34:56";
/// The identifier of an event in the document.
const SHOWN_EVENT: &str = "19b0000-17";

/// An example: a command, and the status and the body of its answer.
struct Example {
    command: String,
    status: String,
    /// Whether the body is JSON.
    is_json: bool,
    body: String,
}

fn document() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/api.md")).unwrap()
}

/// The examples of a document: a block `sh`, and after it the block of its answer, whose status follows its
/// language.
fn examples(document: &str) -> Vec<Example> {
    let mut blocks =
        document.split("\n```").skip(1).step_by(2).map(|block| block.split_once('\n').unwrap_or((block, "")));
    let mut examples = Vec::new();
    while let Some((language, command)) = blocks.next() {
        if language != "sh" {
            assert_eq!(language, "console", "an answer without a command");
            continue;
        }
        let (language, body) = blocks.next().expect("a command without an answer");
        let (language, status) = language.split_once(' ').unwrap_or_else(|| panic!("no status: {command}"));
        examples.push(Example {
            command: command.to_owned(),
            status: status.to_owned(),
            is_json: language == "json",
            body: body.to_owned(),
        });
    }
    examples
}

/// Whether a text is as shown. `...` stands for any text.
fn is_text(shown: &str, actual: &str) -> bool {
    let mut parts = shown.split("...");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = actual.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// Whether a value is as shown. The text `...` stands for any value, at the end of an array for further values, and as
/// a key for further keys.
fn is_value(shown: &Value, actual: &Value) -> bool {
    match (shown, actual) {
        (Value::String(shown), _) if shown == "..." => true,
        (Value::String(shown), Value::String(actual)) => is_text(shown, actual),
        (Value::Array(shown), Value::Array(actual)) => {
            let (shown, more) = match shown.split_last() {
                Some((Value::String(last), before)) if last == "..." => (before, true),
                _ => (&shown[..], false),
            };
            (actual.len() == shown.len() || more && actual.len() > shown.len() || more && shown.is_empty())
                && shown.iter().zip(actual).all(|(shown, actual)| is_value(shown, actual))
        }
        (Value::Object(shown), Value::Object(actual)) => {
            let stated = shown.iter().filter(|(key, _)| *key != "...");
            let more = shown.contains_key("...");
            (more || shown.len() == actual.len())
                && stated.into_iter().all(|(key, value)| actual.get(key).is_some_and(|actual| is_value(value, actual)))
        }
        _ => shown == actual,
    }
}

/// Whether the lines of a text are as shown, in their order, with others between them.
fn are_lines(shown: &str, actual: &str) -> bool {
    let mut actual = actual.lines();
    shown.lines().filter(|line| !line.is_empty()).all(|shown| actual.any(|line| is_text(shown, line.trim_end())))
}

#[test]
fn the_comparison_requires_all_that_an_answer_shows() {
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let actual = json(r#"{"a": 1, "b": ["x1", "y"], "c": {"d": null}}"#);
    for shown in [
        r#"{"a": 1, "b": ["x1", "y"], "c": {"d": null}}"#,
        r#"{"a": 1, "...": "..."}"#,
        r#"{"a": "...", "b": ["x...", "..."], "c": "..."}"#,
        r#"{"b": ["..."], "...": "..."}"#,
    ] {
        assert!(is_value(&json(shown), &actual), "{shown}");
    }
    for shown in [
        r#"{"a": 1}"#,
        r#"{"a": 2, "...": "..."}"#,
        r#"{"z": "...", "...": "..."}"#,
        r#"{"b": ["x1"], "...": "..."}"#,
        r#"{"b": ["y...", "y"], "...": "..."}"#,
        r#"{"c": {}, "...": "..."}"#,
    ] {
        assert!(!is_value(&json(shown), &actual), "{shown}");
    }
    assert!(are_lines("id: ...\ndata: ...", "\nid: 1-2\nevent: x\ndata: {}\n"));
    assert!(!are_lines("data: ...\nid: ...", "id: 1-2\ndata: {}\n"));
}

#[test]
fn every_resource_is_in_the_document() {
    let document = document();
    let description = proxydhcpd::api::document();
    let missing: Vec<&String> =
        description.paths.paths.keys().filter(|path| !document.contains(&format!("`{path}`"))).collect();
    assert!(missing.is_empty(), "docs/api.md does not mention {missing:?}");
}

#[test]
fn every_example_of_the_document_has_the_answer_that_it_shows() {
    // The MAC addresses have the prefixes of real makers, which the document shows.
    let kind = |name: &str, oui| -> &'static Kind { Box::leak(Box::new(Kind { oui, ..*by_name(name).unwrap() })) };
    let kinds = [kind("uefi-x64", [0x52, 0x54, 0]), kind("uefi-relayed", [0, 0x14, 0x22])];
    let run = run_of(&kinds, 2, 2);
    let network = PlayedNetwork::start(&run);
    let server = &network.server;
    wait_for("the control socket", || UnixStream::connect(server.control_socket()).ok());
    let report = network.play(&run);
    assert_eq!(report.failures().count(), 0, "{report}");
    let machines = driver::machines(&run.kinds, run.seed, run.machines);
    let mac = machines[0].mac_text(":");
    let made =
        server.client(&["web", "token", "add", "automation", "--scope", "write", "-c", "CONFIG"]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let token = String::from_utf8(made.stdout).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let own = |text: &str| text.replace(SHOWN_MAC, &mac).replace(&SHOWN_MAC.replace(':', "-"), &mac.replace(':', "-"));
    let mut last_event = String::new();
    for Example { command, status, is_json, body } in examples(&document()) {
        let script = format!(
            "curl() {{ command curl --silent --max-time 20 --write-out '\\n%{{http_code}}' \"$@\"; }}\n{}",
            own(&command).replace(SHOWN_EVENT, &last_event)
        );
        let mut shell = Command::new("bash");
        shell.args(["-c", &script]).current_dir(directory.path());
        shell.env("SERVER", "http://127.0.0.1:8067").env("TOKEN", token.trim());
        let is_over = AtomicBool::new(false);
        let output = std::thread::scope(|scope| {
            if command.contains("/api/v1/events") {
                // Something happens while the stream is open.
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        let cancelled = server.client(&["boot", &mac, "system", "-c", "CONFIG"]).output();
                        assert!(cancelled.unwrap().status.success());
                    }
                });
            }
            let output = network.host.on(|| shell.output()).unwrap();
            is_over.store(true, Ordering::Relaxed);
            output
        });
        let text = String::from_utf8(output.stdout).unwrap();
        let (answer, code) = text.rsplit_once('\n').unwrap_or_else(|| panic!("{command}: {text:?}"));
        assert_eq!(code, status, "{command}{answer}");
        if is_json {
            let (shown, actual) = (own(&body), serde_json::from_str(answer).unwrap());
            let shown: Value = serde_json::from_str(&shown).unwrap_or_else(|error| panic!("{error}: {shown}"));
            assert!(is_value(&shown, &actual), "{command}shows {shown:#}\nis {actual:#}");
        } else {
            assert!(are_lines(&body, answer), "{command}shows {body}\nis {answer}");
        }
        let mut ids = answer.lines().filter_map(|line| line.strip_prefix("id:"));
        last_event = ids.next_back().map_or(last_event, |id| id.trim().to_owned());
    }
}

//! `watch`: every event of the running server, as it happens.

use super::command::{CommandResult, GlobalFlags};
use super::control_client::{ControlClient, ControlError, Received};
use super::output::{OutputError, print, print_diagnostic};
use super::server_sent_events::Message;
use crate::api::{EventRecord, MissedEvents};
use crate::log::{Level, terminal_line};
use clap::Args;
use std::process::ExitCode;
use std::time::Duration;

/// How long to wait before each attempt to reach a server that has ended.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Show what the running server does, as it happens
///
/// One line for each event, also for those that the log leaves out: every reply, every packet without a reply and why,
/// every file. It goes on until ^C, also across a restart of the server.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  proxydhcpd watch                               everything
  proxydhcpd watch --machine 52:54:00:12:34:56   one machine, by its MAC address
  proxydhcpd watch --machine web1                one machine, by the name of its entry
  proxydhcpd watch --machine 192.0.2.50          one machine, by its IP address
  proxydhcpd watch --json | jq .text             for a program: a JSON object in each line

Exit status: 0 after ^C; 1 if the server does not run or this user may not ask it.")]
pub struct Watch {
    /// Print JSON: an object in each line, as /api/v1/events sends it
    #[arg(long)]
    pub json: bool,

    /// Show only the events of this machine: its MAC address, its IP address, or the name of its entry
    #[arg(long, value_name = "MACHINE")]
    pub machine: Option<String>,
}

/// Prints events until ^C.
pub fn run(arguments: &Watch, flags: &GlobalFlags) -> CommandResult {
    let client = ControlClient::new(flags)?;
    let resource = match &arguments.machine {
        Some(machine) => format!("/api/v1/events?machine={}", percent_encoded(machine)),
        None => "/api/v1/events".to_owned(),
    };
    let mut last: Option<String> = None;
    // Whether the server has accepted the request once, and whether the user knows that the connection is lost.
    let (mut was_accepted, mut is_lost) = (false, false);
    loop {
        let after = last.clone();
        let mut printed = Ok(());
        let result = client.stream(&resource, after.as_deref(), |received| match received {
            Received::Begin => {
                (was_accepted, is_lost) = (true, false);
                true
            }
            Received::Message(message) => {
                last = message.id.clone().or(last.take());
                printed = print_message(message, arguments.json);
                printed.is_ok()
            }
        });
        printed?;
        match result {
            Ok(()) => return Ok(ExitCode::SUCCESS),
            // The server may come back.
            Err(ControlError { diagnostic, is_temporary: true, .. }) if was_accepted => {
                if !is_lost {
                    print_diagnostic(&diagnostic.help("waiting for it; ^C ends this command"));
                }
                is_lost = true;
            }
            Err(error) => return Err(error.into()),
        }
        if !client.pause(RETRY_AFTER) {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

fn print_message(message: &Message, json: bool) -> Result<(), OutputError> {
    if json {
        print(format_args!("{}\n", message.data))
    } else if let Ok(event) = serde_json::from_str::<EventRecord>(&message.data) {
        let level = event.level.parse().unwrap_or(Level::INFO);
        print(terminal_line(&event.time, level, &event.text))
    } else if let Ok(MissedEvents { missed }) = serde_json::from_str(&message.data) {
        let events = if missed == 1 { "event" } else { "events" };
        print(format_args!("... {missed} {events} not shown\n"))
    } else {
        Ok(())
    }
}

/// A text as the value of a parameter in a URL (RFC 3986 2.1).
pub fn percent_encoded(text: &str) -> String {
    let encoded = text.bytes().map(|octet| match octet {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(octet).to_string(),
        _ => format!("%{octet:02X}"),
    });
    encoded.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_keeps_its_value() {
        assert_eq!(percent_encoded("52:54&x=\u{fc} a_b"), "52%3A54%26x%3D%C3%BC%20a_b");
    }
}

//! The replies to the probe, as text and as JSON.

use super::exchange::Question;
use super::role::Path;
use crate::cli::found_fault::FoundFault;
use proxydhcpd_core::link::Link;
use serde_json::{Value, json};
use std::fmt::Write;

/// The replies by link and role. `server` is the chosen server as text.
pub fn text(questions: &[Question], links: &[Link], server: Option<&str>) -> String {
    let mut text = String::new();
    let mut heading = None;
    for question in questions {
        let place = (question.link, question.to.is_ipv6(), question.to.port());
        if heading != Some(place) {
            heading = Some(place);
            writeln!(text, "{}", title(question, links, server)).ok();
        }
        writeln!(text, "  {}", question.role.name()).ok();
        for heard in &question.replies {
            let place = if heard.sender == heard.server { String::new() } else { format!(" (from {})", heard.sender) };
            writeln!(text, "    {}{place}, {}: {}", heard.server, heard.origin.name(), heard.text()).ok();
        }
        if question.replies.is_empty() {
            writeln!(text, "    no reply").ok();
        }
    }
    text
}

fn title(question: &Question, links: &[Link], server: Option<&str>) -> String {
    let family = if question.to.is_ipv6() { "IPv6" } else { "IPv4" };
    match (server, links.get(question.link)) {
        (Some(server), _) => format!("{server}, UDP port {}", question.to.port()),
        (None, Some(link)) => format!("{}, {family}", link.name),
        (None, None) => family.to_owned(),
    }
}

/// The replies and the faults as JSON.
pub fn json(questions: &[Question], links: &[Link], faults: &[FoundFault]) -> Value {
    let replies = questions.iter().map(|question| {
        let interface = links.get(question.link).filter(|_| !question.is_to_server()).map(|link| &*link.name);
        json!({
            "interface": interface, "to": question.to, "role": question.role.id(), "ipv6": question.to.is_ipv6(),
            "replies": question.replies.iter().map(|heard| heard.json()).collect::<Vec<_>>(),
            "error": question.send_error,
        })
    });
    let faults_json: Vec<Value> = faults.iter().map(FoundFault::json).collect();
    json!({ "roles": replies.collect::<Vec<_>>(), "findings": faults_json, "ok": faults.is_empty() })
}

impl Question {
    fn is_to_server(&self) -> bool {
        matches!(self.path, Some(Path::Relay(_) | Path::BootServer(_)))
    }
}

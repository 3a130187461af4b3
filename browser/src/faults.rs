//! Finds the faults of a page for people with other eyes, hands or devices.

use crate::browser::Browser;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

const SCRIPT: &str = include_str!("checks/faults.js");

/// The roles of what a person can operate (WAI-ARIA 1.2).
const OPERABLE: [&str; 12] = [
    "button",
    "checkbox",
    "combobox",
    "DisclosureTriangle",
    "link",
    "listbox",
    "menuitem",
    "radio",
    "searchbox",
    "switch",
    "tab",
    "textbox",
];

/// Checks the page as it is now: contrast, room, targets, order of the focus, names, structure, motion.
pub fn check(browser: &Browser<'_>, what: &str) -> Result<()> {
    let mut faults = found(browser)?;
    faults.extend(without_name(browser)?);
    ensure!(faults.is_empty(), "{what} has {} faults:\n  {}", faults.len(), faults.join("\n  "));
    Ok(())
}

/// The faults that the script finds in the page.
fn found(browser: &Browser<'_>) -> Result<Vec<String>> {
    let faults = browser.call(SCRIPT, &[])?;
    let faults = faults.as_array().context("the checks return no list")?;
    Ok(faults.iter().map(|fault| fault.as_str().unwrap_or_default().to_owned()).collect())
}

/// The controls that a screen reader cannot name. The names are those that the browser computes.
fn without_name(browser: &Browser<'_>) -> Result<Vec<String>> {
    let tree = browser.devtools("Accessibility.getFullAXTree", json!({}))?;
    let nodes = tree["nodes"].as_array().context("no accessibility tree")?;
    let text = |node: &Value, key: &str| node[key]["value"].as_str().unwrap_or_default().trim().to_owned();
    let is_operable = |node: &&Value| OPERABLE.contains(&text(node, "role").as_str());
    let nameless = nodes.iter().filter(is_operable).filter(|node| text(node, "name").is_empty());
    Ok(nameless.map(|node| format!("a {} has no name", text(node, "role"))).collect())
}

//! The firmware quirks, and docs/firmware.md, which shows them: the rows of the core, and those of docs/quirks.toml.
#![allow(dead_code, reason = "each test binary uses a part")]

use proxydhcpd_core::quirks::{CoveredBy, QUIRKS};
use serde::Deserialize;
use std::collections::BTreeSet;

const INTRODUCTION: &str = "\
# Firmware behaviour, and how proxydhcpd handles it

Firmware decides whether a machine boots, so the server follows the firmware if it differs from the specifications.
Each row describes real firmware that behaves unexpectedly, how the server handles it, and the test that covers it.
[protocol.md](protocol.md) describes the whole exchange. Evidence: `L:` is an experiment with the firmware itself, a
name with `#` a report from the field, anything else the firmware's source.

\"Covered by\" names a test, or the packet in `core/testdata/vectors/` whose reply is compared octet by octet, or gives
the reason why there is neither. This page is generated from `core/src/quirks.rs` and `docs/quirks.toml`
(`UPDATE=1 cargo test -p proxydhcpd --test generated`); a test fails if a named test, packet or file does not exist.
";

const ROWS: &str = "
## Quirks with a row

The server applies these rows to a client at fixed points of its answer. `proxydhcpd explain` names the rows that
applied to a packet. For each row there is a packet in `core/testdata` to which it applies.

| name | firmware | behaviour | what proxydhcpd does | evidence | covered by |
|---|---|---|---|---|---|
";

const ELSEWHERE: &str = "
## Quirks that other parts of the program handle

| firmware | behaviour | what proxydhcpd does | evidence | code | covered by |
|---|---|---|---|---|---|
";

const NO_REMEDY: &str = "
## Quirks that no server can act upon

| firmware | behaviour | what helps | evidence | reason |
|---|---|---|---|---|
";

/// The content of docs/quirks.toml.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OtherQuirks {
    pub elsewhere: Vec<OtherQuirk>,
    pub no_remedy: Vec<OtherQuirk>,
}

/// A quirk without a row in the core.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OtherQuirk {
    pub firmware: String,
    pub behaviour: String,
    #[serde(default)]
    pub reaction: String,
    pub evidence: String,
    pub code: Option<String>,
    pub vector: Option<String>,
    pub test: Option<String>,
    pub reason: Option<String>,
}

/// Reads docs/quirks.toml.
pub fn other_quirks() -> OtherQuirks {
    toml::from_str(include_str!("../../../docs/quirks.toml")).unwrap()
}

impl OtherQuirk {
    fn covered_by(&self) -> String {
        match (&self.vector, &self.test, &self.reason) {
            (Some(vector), None, None) => format!("vector `{vector}`"),
            (None, Some(test), None) => format!("`{test}`"),
            (None, None, Some(reason)) => reason.clone(),
            _ => panic!("expected one of `vector`, `test` and `reason`: {} {}", self.firmware, self.behaviour),
        }
    }
}

/// Renders docs/firmware.md.
pub fn render() -> String {
    let OtherQuirks { elsewhere, no_remedy } = other_quirks();
    let mut page = [INTRODUCTION, ROWS].concat();
    for quirk in QUIRKS {
        let covered_by = match quirk.covered_by {
            CoveredBy::Vector(vector) => format!("vector `{vector}`"),
            CoveredBy::Test(test) => format!("`{test}`"),
        };
        let name = format!("`{}`", quirk.name);
        page += &row(&[&name, quirk.firmware, quirk.behaviour, quirk.reaction, quirk.evidence, &covered_by]);
    }
    page += ELSEWHERE;
    for quirk in &elsewhere {
        let code = format!("`{}`", quirk.code.as_deref().expect("a quirk that is met elsewhere names its code"));
        let OtherQuirk { firmware, behaviour, reaction, evidence, .. } = quirk;
        page += &row(&[firmware, behaviour, reaction, evidence, &code, &quirk.covered_by()]);
    }
    page += NO_REMEDY;
    for quirk in &no_remedy {
        let OtherQuirk { firmware, behaviour, reaction, evidence, .. } = quirk;
        page += &row(&[firmware, behaviour, reaction, evidence, &quirk.covered_by()]);
    }
    let experiments: BTreeSet<&str> =
        page.split("[L:").skip(1).filter_map(|after| Some(after.split_once(']')?.0)).collect();
    let link = |id: &&str| ["[L:", id, "]: protocol.md", "#L-", id, "\n"].concat();
    let links: String = experiments.iter().map(link).collect();
    page + "\n" + &links
}

fn row(cells: &[&str]) -> String {
    let cells: String =
        cells.iter().map(|cell| if cell.is_empty() { " |".to_owned() } else { format!(" {cell} |") }).collect();
    format!("|{cells}\n")
}

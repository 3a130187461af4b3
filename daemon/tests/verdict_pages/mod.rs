//! The pages about verdicts: docs/verdicts/ID.md, their index in docs/why-did-it-not-boot.md, and the catalogue of the
//! journal. They are generated from the table of the core and from docs/verdicts.toml.

pub mod catalog;
mod findings;
mod text;

use proxydhcpd_core::story::{VERDICTS, VerdictCode, VerdictRow};
use serde::Deserialize;
use text::{code_block, paragraph, quotation, with_words};

/// The content of docs/verdicts.toml.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VerdictFile {
    verdict: Vec<VerdictFacts>,
}

/// An entry of docs/verdicts.toml, whose first lines describe the keys.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerdictFacts {
    pub id: String,
    pub stage: String,
    pub example: String,
    pub story: Option<String>,
    pub proof: String,
    pub silent: String,
    pub tell: String,
    pub tests: Vec<String>,
}

/// Reads docs/verdicts.toml.
pub fn facts() -> Vec<VerdictFacts> {
    toml::from_str::<VerdictFile>(include_str!("../../../docs/verdicts.toml")).unwrap().verdict
}

/// Returns each row of the table with its entry, in the order of the table.
pub fn rows() -> Vec<(&'static VerdictRow, VerdictFacts)> {
    let mut facts = facts();
    let row = |row: &'static VerdictRow| {
        let at = facts.iter().position(|facts| facts.id == row.id);
        let at = at.unwrap_or_else(|| panic!("docs/verdicts.toml has no entry {}", row.id));
        (row, facts.remove(at))
    };
    let rows = VERDICTS.iter().map(row).collect();
    let unknown: Vec<&str> = facts.iter().map(|facts| &facts.id[..]).collect();
    assert!(unknown.is_empty(), "docs/verdicts.toml: no such verdict, or twice: {unknown:?}");
    rows
}

/// Returns the name and the text of each page in docs/verdicts.
pub fn pages() -> Vec<(String, String)> {
    rows().iter().map(|(row, facts)| (format!("{}.md", row.id), page(row, facts))).collect()
}

fn page(row: &VerdictRow, facts: &VerdictFacts) -> String {
    let VerdictRow { code, id, message_id, title, .. } = row;
    let head = format!(
        "<!-- Generated from core/src/story/verdict_code.rs and docs/verdicts.toml:\nUPDATE=1 cargo test --workspace \
         --test generated -->\n\n# {title}\n\nThe verdict `{id}` states {}:\n\n",
        if findings::texts(*code).len() > 1 { "one of these" } else { "this" }
    );
    let journal = format!(
        "```sh\njournalctl VERDICT={id}       # the failed boots of this kind; with -x also this explanation\n```\n\n\
         The field `MESSAGE_ID` is `{message_id}`. All verdicts: [Why did it not \
         boot?](../why-did-it-not-boot.md#all-verdicts)\n"
    );
    let [causes, in_story, in_log, proof, in_journal, in_tests] = HEADINGS;
    [
        &head,
        &short(*code, row),
        causes,
        facts.tell.trim(),
        in_story,
        &story(facts),
        in_log,
        &code_block(&facts.example),
        proof,
        facts.proof.trim(),
        NO_VERDICT,
        facts.silent.trim(),
        in_journal,
        &journal,
        in_tests,
        &tests(facts),
    ]
    .concat()
}

/// The headings of a page, in their order.
const HEADINGS: [&str; 6] = [
    "\n## Causes, and remedies\n\n",
    "\n\n## In the story of the machine\n\n",
    "\n## In the log\n\n",
    "\n## The proof\n\n",
    "\n\n## In the journal\n\n",
    "\n## Tests\n\n",
];

const NO_VERDICT: &str = "\n\nThere is no such verdict in these cases:\n\n";

/// The text of the table, or the texts of all findings that lead to the verdict.
fn short(code: VerdictCode, row: &VerdictRow) -> String {
    let texts = findings::texts(code);
    if !texts.is_empty() {
        return texts.iter().map(|text| quotation(text)).collect::<Vec<_>>().join("\n");
    }
    let remedy = if row.remedy == "{detail}" { String::new() } else { format!(". {}", with_words(row.remedy)) };
    quotation(&format!("{}{remedy}", with_words(row.observation)))
}

fn story(facts: &VerdictFacts) -> String {
    let stage = &facts.stage;
    let VerdictFacts { story, id, .. } = facts;
    let text = "`proxydhcpd story MACHINE` shows the steps of the boot, and why it failed";
    match story {
        Some(story) => {
            paragraph(&format!("{text}. The furthest stage is usually `{stage}`:")) + "\n" + &code_block(story)
        }
        None => paragraph(&format!(
            "{text}. The furthest stage of such a boot is usually `{stage}`, and its last line begins with `failed:` \
             and ends in `({id})`."
        )),
    }
}

/// Returns the lines of the story of this verdict, as its page shows them.
pub fn story_lines(id: &str) -> String {
    let facts = facts().into_iter().find(|facts| facts.id == id).unwrap();
    let block = code_block(&facts.story.unwrap());
    block.trim_start_matches("```text\n").trim_end_matches("```\n").to_owned()
}

fn tests(facts: &VerdictFacts) -> String {
    let test = |test: &String| match test.split_once("::") {
        Some((file, name)) => format!("- `{name}` in `{file}`\n"),
        None => panic!("{}: {test} is no FILE::FUNCTION", facts.id),
    };
    match facts.tests.is_empty() {
        true => "No test stages this failure yet.\n".to_owned(),
        false => facts.tests.iter().map(test).collect(),
    }
}

/// Returns the index of docs/why-did-it-not-boot.md: a table for each stage, in the order of the stages.
pub fn index() -> String {
    let rows = rows();
    let stages = [
        ("asked", "The server received a request and did not answer"),
        ("offered", "The server made an offer, and no loader was loaded"),
        ("loader", "The machine loaded the loader, and no script"),
        ("script", "The machine received its script, and no kernel"),
        ("kernel", "The machine loaded its kernel, and no system ran"),
        ("system", "The system or the installer ran"),
    ];
    let known = |stage: &str| stages.iter().any(|(name, _)| *name == stage);
    assert!(rows.iter().all(|(_, facts)| known(&facts.stage)), "a stage of docs/verdicts.toml is unknown");
    let table = |(stage, meaning): &(&str, &str)| {
        let rows = rows.iter().filter(|(_, facts)| facts.stage == *stage);
        let rows = rows.map(|(row, _)| format!("| {} | [`{}`](verdicts/{}.md) |\n", row.title, row.id, row.id));
        format!("**`{stage}`**: {meaning}.\n\n| verdict | page |\n|---|---|\n{}\n", rows.collect::<String>())
    };
    stages.iter().map(table).collect()
}

//! A dnsmasq configuration in our own words. dnsmasq decides by tags that its lines set and ask for; here the kinds of
//! machines that the tags tell apart become rules, and what each kind is given becomes a profile.

mod config;
mod decide;
mod folder;
mod hosts;
mod known;
mod lines;
mod machines;
mod options;
mod rules;
mod tables;

use super::written::{Fate, Told, head};
use crate::config::diagnostic::{Diagnostic, Source};
use config::{Config, LineId};
use lines::Line;
use machines::Facts;
use rules::{Conflict, Rule};
use std::collections::BTreeSet;

pub fn import(source: &Source) -> Result<String, Vec<Diagnostic>> {
    let lines = lines::read(source)?;
    let mut read = options::read(&lines);
    if !read.told.is_empty() {
        return Err(read.told);
    }
    let of_folder = folder::settle(&mut read.config);
    let facts = Facts::of(&read.config);
    let Some((rules, conflicts)) = rules::rules(&read.config, &facts) else {
        let error = source.missing("its tags tell more than 1024 kinds of machines apart");
        return Err(vec![error.help("take out the tags that decide nothing, and import again")]);
    };
    let mut fates = read.fates;
    fates.extend(of_folder);
    let lost = asking_for_lost_tags(&read.config);
    let idle = idle(&read.config, &facts, &rules);
    fates.extend(idle.into_iter().filter(|(line, _)| !lost.iter().any(|(of, _)| of == line)));
    fates.extend(lost);
    fates.extend(conflicts.iter().flat_map(conflict));
    let written = tables::write(&read.config, &facts, &rules, &lines);
    fates.extend(written.fates);
    fates.sort();
    fates.dedup();
    let told = |(id, fate): (LineId, Fate)| {
        let line: &Line = &lines[id];
        Told { place: place(source, line), line: line.text().to_owned(), fate }
    };
    let told: Vec<Told> = fates.into_iter().map(told).collect();
    Ok(head(&source.name, &told) + &written.text)
}

fn place(source: &Source, line: &Line) -> String {
    match line.source.name == source.name {
        true => format!("line {}", line.number()),
        false => format!("{} line {}", line.source.name, line.number()),
    }
}

/// Lines that ask for a tag which only lines without an equivalent set.
fn asking_for_lost_tags(config: &Config) -> Vec<(LineId, Fate)> {
    let boots = config.boots.iter().map(|boot| (boot.line, &boot.tags));
    let services = config.services.iter().map(|service| (service.line, &service.tags));
    let prompts = config.prompts.iter().map(|prompt| (prompt.line, &prompt.tags));
    let ignores = config.ignores.iter().map(|(line, tags)| (*line, tags));
    let tag_ifs = config.tag_ifs.iter().map(|tag_if| (tag_if.line, &tag_if.tags));
    let all = boots.chain(services).chain(prompts).chain(ignores).chain(tag_ifs);
    all.filter_map(|(line, tags)| {
        let lost = tags.iter().find(|literal| config.lost_tags.contains(&literal.tag) && !config.sets(&literal.tag))?;
        let why =
            format!("the tag {} is set by no line that is imported: it is taken for one that no machine has", lost.tag);
        Some((line, Fate::Lost(why)))
    })
    .collect()
}

/// Lines that were understood and decide nothing.
fn idle(config: &Config, facts: &Facts, rules: &[Rule]) -> Vec<(LineId, Fate)> {
    let used: BTreeSet<LineId> = rules.iter().flat_map(|rule| rule.lines.iter().copied()).collect();
    let other = "no machine comes to it: another line goes before it";
    let tag = "no line that is imported asks for the tag";
    let boots = config.boots.iter().map(|boot| boot.line);
    let services = config.services.iter().map(|service| service.line);
    let prompts = config.prompts.iter().map(|prompt| prompt.line);
    let given = boots.chain(services).chain(prompts).filter(|line| !used.contains(line)).map(|line| (line, other));
    let of_mark = |tag: &String| !facts.needed.contains(tag);
    let marks = config.marks.iter().filter(|mark| of_mark(&mark.tag)).map(|mark| (mark.line, tag));
    let tag_ifs =
        config.tag_ifs.iter().filter(|tag_if| tag_if.sets.iter().all(of_mark)).map(|tag_if| (tag_if.line, tag));
    given.chain(marks).chain(tag_ifs).map(|(line, why)| (line, Fate::Needless(why.into()))).collect()
}

fn conflict(Conflict { code, lines }: &Conflict) -> Vec<(LineId, Fate)> {
    let why = format!("machines that announce architecture {code} are given what their other code is given");
    lines.iter().map(|line| (*line, Fate::Lost(why.clone()))).collect()
}

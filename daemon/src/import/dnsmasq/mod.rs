//! A dnsmasq configuration in our own words. dnsmasq decides by tags that its lines set and ask for; here the kinds of
//! machines that the tags tell apart become rules, and what each kind is given becomes a profile.

mod config;
mod decide;
mod boot_dir;
mod boot_files;
mod hosts_files;
mod unsupported;
mod lines;
mod machine_kinds;
mod networks;
mod options;
mod rules;
mod tables;
mod arguments;

use super::host_info::HostInfo;
use super::translation::Translation;
use super::output::{LineOutcome, LineNote, header, merge_outcomes};
use crate::config::diagnostic::{Diagnostic, Source};
use config::{DnsmasqConfig, LineId};
use lines::DnsmasqLine;
use machine_kinds::{MachineTests, MAX_KINDS, MAX_KINDS_WITH_HOSTS};
pub use options::{is_key, takes_value};
use rules::ArchConflict;
use std::collections::{BTreeMap, BTreeSet};

pub fn import(source: &Source, here: &HostInfo) -> Result<String, Vec<Diagnostic>> {
    imported(source, &lines::read(source)?, here, &Translation::default())
}

/// What a file in another format says, in the options of dnsmasq.
pub fn import_translation(source: &Source, translation: &Translation, here: &HostInfo) -> Result<String, Vec<Diagnostic>> {
    imported(source, &lines::from_translation(source, translation)?, here, translation)
}

fn imported(
    source: &Source,
    lines: &[DnsmasqLine],
    here: &HostInfo,
    translation: &Translation,
) -> Result<String, Vec<Diagnostic>> {
    let mut read = options::parse(lines, here);
    read.config.server = translation.source_server;
    if !read.diagnostics.is_empty() {
        return Err(read.diagnostics);
    }
    let of_networks = networks::resolve(&mut read.config, lines, here)?;
    let mut settled = boot_dir::resolve(&mut read.config, here);
    let unfit = boot_files::remove_unusable_services(&mut read.config);
    let facts = MachineTests::new(&read.config);
    let Some((rules, conflicts)) = rules::build_rules(&read.config, &facts) else {
        let error = source.file_error(format!(
            "it tells more than {MAX_KINDS} kinds of machines apart by what they say, or more than {MAX_KINDS_WITH_HOSTS} with its \
             hosts"
        ));
        return Err(vec![error.help(
            "each becomes a rule: give machines that boot the same the same tags, or import the hosts in parts",
        )]);
    };
    let mut fates = read.outcomes;
    fates.extend(of_networks);
    fates.extend(settled.outcomes.iter().cloned());
    fates.extend(unfit);
    let lost = asking_for_lost_tags(&read.config);
    let used: BTreeSet<LineId> = rules.iter().flat_map(|rule| rule.lines.iter().copied()).collect();
    let idle = idle(&read.config, &facts, &used);
    let mut attention = attention(source, &read.config, &facts, lines, &lost);
    attention.extend(settled.missing_files(read.config.source_server(), &used));
    attention.append(&mut settled.action_items);
    fates.extend(conflicts.iter().flat_map(conflict));
    let written = tables::write(&read.config, &facts, &rules, lines);
    // A line that does nothing does nothing in another way either.
    let does_nothing = |line: &LineId| {
        let needless = |(of, fate): &(LineId, LineOutcome)| of == line && matches!(fate, LineOutcome::Unneeded(_));
        idle.iter().chain(&written.outcomes).any(needless)
    };
    fates.retain(|(line, fate)| !matches!(fate, LineOutcome::Changed(_)) || !does_nothing(line));
    fates.extend(idle.iter().filter(|(line, _)| !lost.iter().any(|(of, _)| of == line)).cloned());
    fates.extend(lost);
    fates.extend(written.outcomes);
    let mut of_lines: BTreeMap<LineId, Vec<LineOutcome>> = BTreeMap::new();
    fates.into_iter().for_each(|(line, fate)| of_lines.entry(line).or_default().push(fate));
    let told = of_lines.into_iter().filter_map(|(id, fates)| {
        let line: &DnsmasqLine = &lines[id];
        Some(LineNote { location: place(source, line), line: line.text().to_owned(), outcome: merge_outcomes(fates)? })
    });
    attention.splice(0..0, translation.action_items.iter().cloned());
    Ok(header(&source.name, &attention, &translation.merge_notes(told.collect())) + &written.text)
}

/// What has to be looked at by somebody who knows the site: it stands above everything.
fn attention(
    source: &Source,
    config: &DnsmasqConfig,
    facts: &MachineTests,
    lines: &[DnsmasqLine],
    asking: &[(LineId, LineOutcome)],
) -> Vec<String> {
    let mut notes = Vec::new();
    for tag in config.unsupported_tags.intersection(&facts.needed_tags) {
        let who =
            if config.sets_tag(tag) { "Some machines that had it do not have it now" } else { "No machine has it now" };
        notes.push(format!("the tag `{tag}` is set by a line that has no equivalent here. {who}"));
    }
    if !asking.is_empty() {
        let places: Vec<String> = asking.iter().map(|(line, _)| place(source, &lines[*line])).collect();
        notes.push(format!(
            "look at what these lines decided by such a tag, and at the rules below: {}",
            places.join(", ")
        ));
    }
    let decides = !config.boots.is_empty()
        || !config.services.is_empty()
        || !config.option_boots.is_empty()
        || !config.raspberry_pi_lines.is_empty()
        || !config.ipv6_boot_lines.is_empty();
    if config.tftp.enabled.is_some() && !decides {
        notes.push(
            "dnsmasq sent files only, and the DHCP server says which. So it is here: no machine is answered by \
             `default-profile = \"nothing\"`. Take that line out to have this server say what boots"
                .into(),
        );
    }
    notes
}

fn place(source: &Source, line: &DnsmasqLine) -> String {
    match line.source.name == source.name {
        true => format!("line {}", line.number()),
        false => format!("{} line {}", line.source.name, line.number()),
    }
}

/// Lines that ask for a tag which only lines without an equivalent set.
fn asking_for_lost_tags(config: &DnsmasqConfig) -> Vec<(LineId, LineOutcome)> {
    let boots = config.boots.iter().chain(&config.option_boots).map(|boot| (boot.line, &boot.tags));
    let services = config.services.iter().map(|service| (service.line, &service.tags));
    let prompts = config.prompts.iter().map(|prompt| (prompt.line, &prompt.tags));
    let ignores = config.ignores.iter().map(|(line, tags)| (*line, tags));
    let tag_ifs = config.tag_ifs.iter().map(|tag_if| (tag_if.line, &tag_if.tags));
    let all = boots.chain(services).chain(prompts).chain(ignores).chain(tag_ifs);
    all.filter_map(|(line, tags)| {
        let lost = tags.iter().find(|literal| config.unsupported_tags.contains(&literal.tag) && !config.sets_tag(&literal.tag))?;
        let why =
            format!("the tag {} is set by no line that is imported: it is taken for one that no machine has", lost.tag);
        Some((line, LineOutcome::Unsupported(why)))
    })
    .collect()
}

/// Lines that were understood and decide nothing.
fn idle(config: &DnsmasqConfig, facts: &MachineTests, used: &BTreeSet<LineId>) -> Vec<(LineId, LineOutcome)> {
    let other = "no machine comes to it: another line goes before it, or gives the same";
    let alone = "no menu is shown, because no machine has a choice";
    let tag = "no line that is imported asks for the tag";
    let boots = config.boots.iter().chain(&config.option_boots).map(|boot| boot.line);
    let services = config.services.iter().map(|service| service.line);
    let prompts = config.prompts.iter().map(|prompt| prompt.line);
    let given = boots.chain(services).map(|line| (line, other)).chain(prompts.map(|line| (line, alone)));
    let given = given.filter(|(line, _)| !used.contains(line));
    let of_mark = |tag: &String| !facts.needed_tags.contains(tag);
    let marks = config.tag_matches.iter().filter(|mark| of_mark(&mark.tag)).map(|mark| (mark.line, tag));
    let tag_ifs =
        config.tag_ifs.iter().filter(|tag_if| tag_if.set_tags.iter().all(of_mark)).map(|tag_if| (tag_if.line, tag));
    given.chain(marks).chain(tag_ifs).map(|(line, why)| (line, LineOutcome::Unneeded(why.into()))).collect()
}

fn conflict(ArchConflict { code, lines }: &ArchConflict) -> Vec<(LineId, LineOutcome)> {
    let why = format!("machines that announce architecture {code} are given what their other code is given");
    lines.iter().map(|line| (*line, LineOutcome::Unsupported(why.clone()))).collect()
}

//! Imports a dnsmasq configuration. dnsmasq decides by tags that its lines set and require. Each kind of machines that
//! the tags distinguish becomes a rule, and the boot settings that dnsmasq sends to these machines become a profile.

mod arguments;
mod boot_dir;
mod boot_files;
mod config;
mod decide;
mod hosts_files;
mod lines;
mod machine_kinds;
mod networks;
mod options;
mod rules;
mod tables;
mod unsupported;

use super::host_info::HostInfo;
use super::output::{LineNote, LineOutcome, header, merge_outcomes};
use super::translation::Translation;
use config::{DnsmasqConfig, LineId};
use lines::DnsmasqLine;
use machine_kinds::{MAX_KINDS, MAX_KINDS_WITH_HOSTS, MachineTests};
pub use options::{is_key, takes_value};
use proxydhcpd_reading::diagnostic::{Diagnostic, Source};
use rules::ArchConflict;
use std::collections::{BTreeMap, BTreeSet};

/// Converts `dnsmasq.conf` to `proxydhcpd.toml`.
pub fn import(source: &Source, host: &HostInfo) -> Result<String, Vec<Diagnostic>> {
    convert(source, &lines::read(source)?, host, &Translation::default())
}

/// Converts a configuration in another format, which is translated to dnsmasq options.
pub fn import_translation(
    source: &Source,
    translation: &Translation,
    host: &HostInfo,
) -> Result<String, Vec<Diagnostic>> {
    convert(source, &lines::from_translation(source, translation)?, host, translation)
}

fn convert(
    source: &Source,
    lines: &[DnsmasqLine],
    host: &HostInfo,
    translation: &Translation,
) -> Result<String, Vec<Diagnostic>> {
    let mut read = options::parse(lines, host);
    read.config.server = translation.source_server;
    if !read.diagnostics.is_empty() {
        return Err(read.diagnostics);
    }
    let network_outcomes = networks::resolve(&mut read.config, lines, host)?;
    let mut report = boot_dir::resolve(&mut read.config, host);
    let refused = boot_files::remove_refused_names(&mut read.config);
    let unfit = boot_files::remove_unusable_services(&mut read.config, &host.server);
    let machine_tests = MachineTests::new(&read.config);
    let Some((rules, conflicts)) = rules::build_rules(&read.config, &machine_tests) else {
        let error = source.file_error(format!(
            "it distinguishes more than {MAX_KINDS} kinds of machines by their requests, or more than \
             {MAX_KINDS_WITH_HOSTS} with its hosts"
        ));
        return Err(vec![error.help(
            "each becomes a rule: set the same tags for machines that boot the same, or import the hosts in parts",
        )]);
    };
    let mut outcomes = read.outcomes;
    outcomes.extend(network_outcomes);
    outcomes.extend(report.outcomes.iter().cloned());
    outcomes.extend(refused);
    outcomes.extend(unfit);
    let lost_lines = requiring_lost_tags(&read.config);
    let used: BTreeSet<LineId> = rules.iter().flat_map(|rule| rule.lines.iter().copied()).collect();
    let unused = without_effect(&read.config, &machine_tests, &used);
    let mut attention = attention(source, &read.config, &machine_tests, lines, &lost_lines);
    attention.extend(report.missing_files(read.config.source_server(), &host.server, &used));
    attention.append(&mut report.action_items);
    outcomes.extend(conflicts.iter().flat_map(conflict_outcomes));
    let tables = tables::write(&read.config, &machine_tests, &rules, lines, &host.server);
    // If a line has no effect, its other outcomes do not matter.
    let has_no_effect = |line: &LineId| {
        let is_unneeded =
            |(other, outcome): &(LineId, LineOutcome)| other == line && matches!(outcome, LineOutcome::Unneeded(_));
        unused.iter().chain(&tables.outcomes).any(is_unneeded)
    };
    outcomes.retain(|(line, outcome)| !matches!(outcome, LineOutcome::Changed(_)) || !has_no_effect(line));
    outcomes.extend(unused.iter().filter(|(line, _)| !lost_lines.iter().any(|(other, _)| other == line)).cloned());
    outcomes.extend(lost_lines);
    outcomes.extend(tables.outcomes);
    let mut outcomes_by_line: BTreeMap<LineId, Vec<LineOutcome>> = BTreeMap::new();
    outcomes.into_iter().for_each(|(line, outcome)| outcomes_by_line.entry(line).or_default().push(outcome));
    let notes = outcomes_by_line.into_iter().filter_map(|(id, outcomes)| {
        let line: &DnsmasqLine = &lines[id];
        Some(LineNote {
            location: location_of(source, line),
            line: line.text().to_owned(),
            outcome: merge_outcomes(outcomes)?,
        })
    });
    attention.splice(0..0, translation.action_items.iter().cloned());
    Ok(header(&source.name, &attention, &translation.merge_notes(notes.collect())) + &tables.text)
}

/// The notes for the administrator, with which the file begins.
fn attention(
    source: &Source,
    config: &DnsmasqConfig,
    machine_tests: &MachineTests,
    lines: &[DnsmasqLine],
    lost_lines: &[(LineId, LineOutcome)],
) -> Vec<String> {
    let mut notes = Vec::new();
    for tag in config.unsupported_tags.intersection(&machine_tests.needed_tags) {
        let effect = if config.sets_tag(tag) { "Some machines lose this tag" } else { "No machine has this tag now" };
        notes.push(format!("a line without an equivalent here sets the tag `{tag}`. {effect}"));
    }
    if !lost_lines.is_empty() {
        let locations: Vec<String> = lost_lines.iter().map(|(line, _)| location_of(source, &lines[*line])).collect();
        notes.push(format!(
            "check the rules below against these lines, which require such a tag: {}",
            locations.join(", ")
        ));
    }
    let decides = !config.boots.is_empty()
        || !config.services.is_empty()
        || !config.option_boots.is_empty()
        || !config.raspberry_pi_lines.is_empty()
        || !config.ipv6_boot_lines.is_empty();
    if config.tftp.enabled.is_some() && !decides {
        notes.push(
            "dnsmasq sent only files, and the DHCP server names them. The import keeps this: with `default-profile = \
             \"nothing\"`, no machine gets a reply. Remove that line if this server is to decide what boots"
                .into(),
        );
    }
    notes
}

fn location_of(source: &Source, line: &DnsmasqLine) -> String {
    match line.source.name == source.name {
        true => format!("line {}", line.number()),
        false => format!("{} line {}", line.source.name, line.number()),
    }
}

/// The outcomes of lines that require a tag which is set only by lines without an equivalent.
fn requiring_lost_tags(config: &DnsmasqConfig) -> Vec<(LineId, LineOutcome)> {
    let boots = config.boots.iter().chain(&config.option_boots).map(|boot| (boot.line, &boot.tags));
    let services = config.services.iter().map(|service| (service.line, &service.tags));
    let prompts = config.prompts.iter().map(|prompt| (prompt.line, &prompt.tags));
    let ignores = config.ignores.iter().map(|(line, tags)| (*line, tags));
    let tag_ifs = config.tag_ifs.iter().map(|tag_if| (tag_if.line, &tag_if.tags));
    let all = boots.chain(services).chain(prompts).chain(ignores).chain(tag_ifs);
    all.filter_map(|(line, tags)| {
        let lost = tags
            .iter()
            .find(|literal| config.unsupported_tags.contains(&literal.tag) && !config.sets_tag(&literal.tag))?;
        let reason = format!("no imported line sets the tag {}: the import assumes that no machine has it", lost.tag);
        Some((line, LineOutcome::Unsupported(reason)))
    })
    .collect()
}

/// The outcomes of the lines that are supported but have no effect.
fn without_effect(
    config: &DnsmasqConfig,
    machine_tests: &MachineTests,
    used: &BTreeSet<LineId>,
) -> Vec<(LineId, LineOutcome)> {
    let unused_reason = "no machine needs it: another line takes precedence, or has the same effect";
    let menu_reason = "firmware shows no menu, because no machine has a choice";
    let tag_reason = "no imported line requires the tag";
    let boots = config.boots.iter().chain(&config.option_boots).map(|boot| boot.line);
    let services = config.services.iter().map(|service| service.line);
    let prompts = config.prompts.iter().map(|prompt| prompt.line);
    let unused_lines =
        boots.chain(services).map(|line| (line, unused_reason)).chain(prompts.map(|line| (line, menu_reason)));
    let unused_lines = unused_lines.filter(|(line, _)| !used.contains(line));
    let is_not_needed = |tag: &String| !machine_tests.needed_tags.contains(tag);
    let tag_matches = config
        .tag_matches
        .iter()
        .filter(|tag_match| is_not_needed(&tag_match.tag))
        .map(|tag_match| (tag_match.line, tag_reason));
    let tag_ifs = config
        .tag_ifs
        .iter()
        .filter(|tag_if| tag_if.set_tags.iter().all(is_not_needed))
        .map(|tag_if| (tag_if.line, tag_reason));
    unused_lines
        .chain(tag_matches)
        .chain(tag_ifs)
        .map(|(line, reason)| (line, LineOutcome::Unneeded(reason.into())))
        .collect()
}

fn conflict_outcomes(ArchConflict { code, lines }: &ArchConflict) -> Vec<(LineId, LineOutcome)> {
    let reason = format!("machines that announce architecture {code} get the same as with their other code");
    lines.iter().map(|line| (*line, LineOutcome::Unsupported(reason.clone()))).collect()
}

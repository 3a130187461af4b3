//! Imports ISC dhcpd's `dhcpd.conf`. dhcpd runs the statements of every block that applies to a machine, from the
//! widest block to the narrowest: the file, the network, the classes, the host. The last assignment wins.

mod conditions;
mod tokens;

use super::expression::{Atom, Expr, FieldSlice, parse_mac};
use super::host_info::HostInfo;
use super::output::{LineNote, LineOutcome};
use super::program::{HostGroup, MessagePart, Program, ProgramStep};
use super::translation::Translation;
use conditions::{IscConditions, OptionNames, compare, option_code, subclass_octets};
use proxydhcpd_reading::diagnostic::{Diagnostic, LineIndex, Source};
use std::net::Ipv4Addr;
use tokens::{IscStatement, IscToken, parse_statements};

const ADDRESSES: &str = "because addresses, leases and DHCP options come from the DHCP server";

/// Translates the file to dnsmasq options.
pub fn translate(source: &Source, host: &HostInfo) -> Result<Translation, Vec<Diagnostic>> {
    let statements = parse_statements(source).map_err(|error| vec![error])?;
    let mut translator = IscTranslator::new(source);
    translator.definitions(&statements);
    let mut scopes = IscScopes::default();
    let mut steps = translator.steps(&statements, &mut scopes, None);
    let IscScopes { subnets, classes, hosts, .. } = scopes;
    steps.extend(subnets);
    // If a machine is in several classes, dhcpd runs the statements of the first class last.
    steps.extend(classes.into_iter().rev());
    let has_one_subnet = translator.program.subnets.len() == 1;
    steps.extend(translator.hosts(hosts));
    if has_one_subnet {
        let (_, address, prefix) = translator.program.subnets[0];
        let only_subnet = &Atom::Subnet(address, prefix);
        steps = steps.into_iter().map(|step| without_subnet(step, only_subnet)).collect();
    }
    translator.program.steps = steps;
    let IscTranslator { program, translation, .. } = translator;
    program.to_dnsmasq(("conditions", "filename"), source, host, translation)
}

/// Replaces the test for the only network by `true`, because every machine that receives a reply is in that network.
fn without_subnet(step: ProgramStep, subnet: &Atom) -> ProgramStep {
    let ProgramStep::If(branches) = step else { return step };
    let simplify = |(condition, steps): (Expr, Vec<ProgramStep>)| {
        let is_subnet_test = condition == Expr::Atom(subnet.clone());
        let steps = steps.into_iter().map(|step| without_subnet(step, subnet)).collect();
        (if is_subnet_test { Expr::Const(true) } else { condition }, steps)
    };
    ProgramStep::If(branches.into_iter().map(simplify).collect())
}

/// Adds steps of the enclosing block before and after the steps of each network or class in that block.
fn around(before: &[ProgramStep], members: Vec<ProgramStep>, after: &[ProgramStep]) -> Vec<ProgramStep> {
    let surround = |(condition, steps): (Expr, Vec<ProgramStep>)| (condition, [before, &steps, after].concat());
    let add_around = |step| match step {
        ProgramStep::If(branches) => ProgramStep::If(branches.into_iter().map(surround).collect()),
        step => step,
    };
    members.into_iter().map(add_around).collect()
}

/// Removes a leading `case VALUE:` or `default:` from a statement. Returns the words of the value, which are empty for
/// `default`. `None`: the statement has no such label.
fn take_case_label(words: &mut Vec<IscToken>) -> Option<Vec<IscToken>> {
    let is_case = words.first()?.is("case");
    let is_label = is_case || words[0].is("default") || words[0].is("default:");
    let end = words.iter().position(|word| !word.quoted && word.word().ends_with(':')).filter(|_| is_label)?;
    let rest = words.split_off(end + 1);
    let mut value = std::mem::replace(words, rest).split_off(usize::from(is_case));
    let last = value.last_mut()?;
    last.text.pop();
    value.retain(|word| is_case && !word.text.is_empty());
    Some(value)
}

/// Whether a statement of the block, or of a block in it, sets a boot file or server, as in `case 1: filename "a";`.
fn sets_boot(block: &[IscStatement]) -> bool {
    let sets_file_or_server =
        |statement: &IscStatement| statement.words.iter().any(|word| word.is("filename") || word.is("next-server"));
    block
        .iter()
        .any(|statement| sets_file_or_server(statement) || sets_boot(statement.block.as_deref().unwrap_or_default()))
}

/// The steps that dhcpd runs after the statements of the file itself.
#[derive(Default)]
struct IscScopes {
    subnets: Vec<ProgramStep>,
    /// The steps of the pools in the current network, which dhcpd runs after the steps of the network.
    pools: Vec<ProgramStep>,
    classes: Vec<ProgramStep>,
    hosts: Vec<IscHost>,
}

struct IscHost {
    line: usize,
    name: String,
    macs: Vec<String>,
    steps: Vec<ProgramStep>,
    /// The name of the group that contains the host.
    group: Option<String>,
}

struct IscClass {
    name: String,
    condition: Expr,
    /// The field whose value the subclasses of this class match.
    part: Option<FieldSlice>,
}

struct IscTranslator<'a> {
    source: &'a Source,
    lines: LineIndex,
    names: OptionNames,
    classes: Vec<IscClass>,
    program: Program,
    translation: Translation,
}

impl<'a> IscTranslator<'a> {
    fn new(source: &'a Source) -> Self {
        let translation = Translation { source_server: Some("ISC dhcpd"), ..Translation::default() };
        let (lines, program) = (LineIndex::new(&source.text), Program::default());
        IscTranslator { source, lines, names: Vec::new(), classes: Vec::new(), program, translation }
    }

    fn line(&self, statement: &IscStatement) -> usize {
        self.lines.line_number(statement.offset())
    }

    fn add_note(&mut self, statement: &IscStatement, outcome: LineOutcome) {
        let line = self.line(statement);
        let line_text = self.lines.trimmed_line(&self.source.text, line);
        let text = match outcome {
            LineOutcome::Grouped(_) if statement.word(0) == "option" => statement.text(1),
            LineOutcome::Grouped(_) => statement.text(0),
            _ => line_text.to_owned(),
        };
        self.translation.notes.push(LineNote { location: format!("line {line}"), line: text, outcome });
    }

    fn note_unsupported(&mut self, statement: &IscStatement, reason: impl Into<String>) {
        self.add_note(statement, LineOutcome::Unsupported(reason.into()));
    }

    /// Collects definitions of options and classes, which apply to the whole file.
    fn definitions(&mut self, statements: &[IscStatement]) {
        for statement in statements {
            match statement.word(0).as_str() {
                "option" if statement.word(2) == "code" => {
                    if let Ok(code) = statement.word(3).parse() {
                        self.names.push((statement.word(1), code));
                    }
                }
                "class" => self.class(statement),
                _ => {}
            }
            // A block may also contain classes. The subclasses of a class follow the class.
            self.definitions(statement.block.as_deref().unwrap_or_default());
        }
        for statement in statements.iter().filter(|statement| statement.word(0) == "subclass") {
            if let Some((class, condition)) = self.subclass(statement) {
                let class_condition = &mut self.classes[class].condition;
                *class_condition = Expr::Or(vec![std::mem::replace(class_condition, Expr::Const(false)), condition]);
            }
        }
    }

    fn class(&mut self, statement: &IscStatement) {
        let name = statement.text(1);
        let mut class = IscClass { name: name.clone(), condition: Expr::Const(false), part: None };
        let conditions = IscConditions { names: &self.names };
        let mut unsupported = None;
        for inner in statement.block.iter().flatten().filter(|inner| ["match", "spawn"].contains(&&inner.word(0)[..])) {
            let read = match inner.word(1).as_str() {
                "with" => conditions
                    .parse_spawn(&inner.words[2..])
                    .map(|condition| class.condition = Expr::Or(vec![class.condition.clone(), condition])),
                "if" => conditions.parse(&inner.words[2..]).map(|condition| class.condition = condition),
                _ => conditions.parse_field(&inner.words[1..]).map(|part| class.part = Some(part)),
            };
            unsupported = read.err().map(|reason| (inner.clone(), reason));
        }
        if let Expr::Atom(atom) = &class.condition {
            self.program.fact_names.push((atom.clone(), name));
        }
        self.classes.push(class);
        if let Some((inner, reason)) = unsupported {
            self.note_unsupported(&inner, format!("{reason}: no machine is treated as a member of this class"));
        }
    }

    /// The index of the class that the subclass belongs to, and the condition for the machines of the subclass.
    fn subclass(&self, statement: &IscStatement) -> Option<(usize, Expr)> {
        let name = statement.text(1);
        let class = self.classes.iter().position(|class| class.name == name)?;
        let value = subclass_octets(statement.words.get(2)?)?;
        Some((class, compare(self.classes[class].part?, &value)?))
    }

    /// The steps of a block. The steps of inner blocks that dhcpd runs later go to `scopes`.
    fn steps(&mut self, statements: &[IscStatement], scopes: &mut IscScopes, group: Option<&str>) -> Vec<ProgramStep> {
        let mut steps: Vec<ProgramStep> = Vec::new();
        let mut next_may_continue_if = false;
        for statement in statements {
            let continues_if = next_may_continue_if;
            next_may_continue_if = matches!(statement.word(0).as_str(), "if" | "elsif") || statement.word(1) == "if";
            match (statement.word(0).as_str(), &statement.block) {
                ("if", Some(block)) => {
                    let branch = self.branch(statement, 1, block, scopes);
                    steps.push(ProgramStep::If(vec![branch]));
                }
                ("elsif" | "else", Some(block)) => {
                    let from = 1 + usize::from(statement.word(1) == "if");
                    let branch = self.branch(statement, from, block, scopes);
                    match steps.last_mut() {
                        Some(ProgramStep::If(branches)) if continues_if => branches.push(branch),
                        _ => self.note_unsupported(statement, "there is no `if` before it"),
                    }
                }
                ("subnet", Some(block)) => self.subnet(statement, block, scopes),
                ("shared-network", Some(block)) => {
                    let mut inner = IscScopes::default();
                    let inner_steps = self.steps(block, &mut inner, None);
                    // The statements of a shared network apply to each network in it.
                    scopes.subnets.extend(around(&inner_steps, inner.subnets, &inner.pools));
                    scopes.classes.extend(inner.classes);
                    scopes.hosts.extend(inner.hosts);
                }
                ("pool", Some(block)) => {
                    let condition = self.pool_condition(block);
                    // The permissions of a pool select the machines of the pool. They do not deny service to other
                    // machines.
                    let is_permit = |statement: &IscStatement| ["allow", "deny"].contains(&&statement.word(0)[..]);
                    let rest: Vec<IscStatement> = block.iter().filter(|inner| !is_permit(inner)).cloned().collect();
                    let inner_steps = self.steps(&rest, scopes, None);
                    scopes.pools.push(ProgramStep::If(vec![(condition, inner_steps)]));
                }
                ("group", Some(block)) => self.group(statement, block, scopes),
                ("class", Some(block)) => {
                    let inner_steps = self.steps(block, scopes, None);
                    let name = statement.text(1);
                    let condition = self.classes.iter().find(|class| class.name == name);
                    let condition = condition.map_or(Expr::Const(false), |class| class.condition.clone());
                    scopes.classes.push(ProgramStep::If(vec![(condition, inner_steps)]));
                }
                ("subclass", block) => {
                    let inner_steps = self.steps(block.as_deref().unwrap_or_default(), scopes, None);
                    match self.subclass(statement) {
                        Some((_, condition)) => scopes.classes.push(ProgramStep::If(vec![(condition, inner_steps)])),
                        None => self.note_unsupported(statement, super::expression::UNSUPPORTED_FACT),
                    }
                }
                ("host", Some(block)) => self.host(statement, block, scopes, group),
                ("switch", Some(block)) if sets_boot(block) => steps.push(self.switch(statement, block, scopes)),
                (word, Some(block)) if sets_boot(block) => {
                    let line = self.line(statement);
                    let action =
                        format!("line {line}: `{word}` is not imported, but it contains network boot settings");
                    self.translation.action_items.push(action);
                    self.note_unsupported(
                        statement,
                        "it is not supported: rewrite it with `if`, `elsif` and `else`, and import again",
                    );
                }
                (_, Some(_)) => self.add_note(statement, LineOutcome::Grouped(ADDRESSES)),
                (_, None) => steps.extend(self.simple_statement(statement)),
            }
        }
        steps
    }

    fn branch(
        &mut self,
        statement: &IscStatement,
        from: usize,
        block: &[IscStatement],
        scopes: &mut IscScopes,
    ) -> (Expr, Vec<ProgramStep>) {
        self.condition_and_steps(statement, statement.words.get(from..).unwrap_or_default(), block, scopes)
    }

    /// The condition and the steps of a block. If `words` is empty, the condition always holds.
    fn condition_and_steps(
        &mut self,
        statement: &IscStatement,
        words: &[IscToken],
        block: &[IscStatement],
        scopes: &mut IscScopes,
    ) -> (Expr, Vec<ProgramStep>) {
        let steps = self.steps(block, scopes, None);
        let conditions = IscConditions { names: &self.names };
        let parsed = if words.is_empty() { Ok(Expr::Const(true)) } else { conditions.parse(words) };
        let condition = parsed.unwrap_or_else(|reason| {
            if steps.is_empty() {
                self.add_note(statement, LineOutcome::Grouped(ADDRESSES));
            } else {
                self.note_unsupported(statement, format!("{reason}: no machine gets what this condition selects"));
            }
            Expr::Const(false)
        });
        (condition, steps)
    }

    /// Translates `switch (VALUE) { case 1: ...; break; default: ...; }`. A case without a `break` continues with the
    /// next case.
    fn switch(&mut self, statement: &IscStatement, block: &[IscStatement], scopes: &mut IscScopes) -> ProgramStep {
        let mut cases: Vec<(IscStatement, Vec<IscToken>, Vec<IscStatement>)> = Vec::new();
        let mut first_open = 0;
        for inner in block {
            let mut rest = inner.clone();
            while let Some(value) = take_case_label(&mut rest.words) {
                cases.push((inner.clone(), value, Vec::new()));
            }
            match rest.word(0).as_str() {
                "break" => first_open = cases.len(),
                _ => cases.iter_mut().skip(first_open).for_each(|(_, _, statements)| statements.push(rest.clone())),
            }
        }
        let value_words = statement.words.get(2..statement.words.len().saturating_sub(1)).unwrap_or_default();
        let equals = IscToken { text: b"=".to_vec(), quoted: false, span: 0..0 };
        let value_words: Vec<IscToken> = value_words.iter().cloned().chain([equals]).collect();
        // `default` applies to machines that no case matches, even if another case follows it.
        cases.sort_by_key(|(_, value, _)| value.is_empty());
        let branch = |(case, value, statements): &(IscStatement, Vec<IscToken>, Vec<IscStatement>)| {
            let words = if value.is_empty() { Vec::new() } else { [&value_words[..], value].concat() };
            self.condition_and_steps(case, &words, statements, scopes)
        };
        ProgramStep::If(cases.iter().map(branch).collect())
    }

    fn subnet(&mut self, statement: &IscStatement, block: &[IscStatement], scopes: &mut IscScopes) {
        let (address, mask) = (statement.text(1).parse::<Ipv4Addr>(), statement.text(3).parse::<Ipv4Addr>());
        let (Ok(address), Ok(mask)) = (address, mask) else {
            return self.note_unsupported(statement, "write the network as `subnet 192.0.2.0 netmask 255.255.255.0`");
        };
        let prefix = mask.to_bits().leading_ones() as u8;
        let line = self.line(statement);
        self.program.subnets.push((line, address, prefix));
        let outer_pools = std::mem::take(&mut scopes.pools);
        let mut steps = self.steps(block, scopes, None);
        steps.append(&mut scopes.pools);
        scopes.pools = outer_pools;
        scopes.subnets.push(ProgramStep::If(vec![(Expr::atom(Atom::Subnet(address, prefix)), steps)]));
    }

    /// Translates a group. Its statements apply to the networks, classes and hosts in the group. dhcpd runs the
    /// statements of classes and hosts last, and does not run those of the group again for a machine in one of the
    /// group's networks.
    fn group(&mut self, statement: &IscStatement, block: &[IscStatement], scopes: &mut IscScopes) {
        let line = self.line(statement);
        let name = match statement.text(1) {
            name if name.is_empty() => format!("group-{line}"),
            name => name,
        };
        let mut inner = IscScopes::default();
        let group_steps = self.steps(block, &mut inner, Some(&name));
        let subnets = inner
            .subnets
            .iter()
            .filter_map(|step| if let ProgramStep::If(branches) = step { Some(branches) } else { None });
        let mut branches: Vec<(Expr, Vec<ProgramStep>)> =
            subnets.flatten().map(|(subnet, _)| (subnet.clone(), Vec::new())).collect();
        let member_steps = if branches.is_empty() {
            group_steps.clone()
        } else {
            branches.push((Expr::Const(true), group_steps.clone()));
            vec![ProgramStep::If(branches)]
        };
        for host in inner.hosts {
            scopes.hosts.push(IscHost { steps: [&member_steps[..], &host.steps].concat(), ..host });
        }
        scopes.subnets.extend(around(&group_steps, inner.subnets, &[]));
        scopes.classes.extend(around(&member_steps, inner.classes, &[]));
    }

    fn host(&mut self, statement: &IscStatement, block: &[IscStatement], scopes: &mut IscScopes, group: Option<&str>) {
        let (line, name) = (self.line(statement), statement.text(1));
        let mut macs = Vec::new();
        for inner in block.iter().filter(|inner| inner.word(0) == "hardware") {
            let text = inner.text(2);
            match parse_mac(&text) {
                Some(mac) => macs.push(mac.map(|octet| format!("{octet:02x}")).join(":")),
                None => self.note_unsupported(inner, format!("{text} is not a MAC address")),
            }
        }
        let rest: Vec<IscStatement> = block.iter().filter(|inner| inner.word(0) != "hardware").cloned().collect();
        let steps = self.steps(&rest, &mut IscScopes::default(), None);
        if macs.is_empty() {
            return self
                .note_unsupported(statement, "a boot client is identified by its MAC address, and this host has none");
        }
        scopes.hosts.push(IscHost { line, name, macs, steps, group: group.map(str::to_owned) });
    }

    /// Groups the hosts with the same boot settings.
    fn hosts(&mut self, hosts: Vec<IscHost>) -> Vec<ProgramStep> {
        let mut groups: Vec<(Vec<ProgramStep>, HostGroup)> = Vec::new();
        for IscHost { line, name, macs, steps, group } in hosts {
            // Hosts are in the same group even if different lines name the file.
            let is_same = |known: &Vec<ProgramStep>| without_lines(known) == without_lines(&steps);
            let member = (line, macs, name.clone());
            match groups.iter_mut().find(|(known, _)| is_same(known)) {
                Some((_, hosts)) => hosts.members.push(member),
                None => groups.push((steps, HostGroup { name: group.unwrap_or(name), members: vec![member] })),
            }
        }
        let mut steps = Vec::new();
        for (index, (host_steps, hosts)) in groups.into_iter().enumerate() {
            steps.push(ProgramStep::If(vec![(Expr::atom(Atom::Host(index)), host_steps)]));
            self.program.host_groups.push(hosts);
        }
        steps
    }

    /// The condition that a pool's permissions, such as `allow members of "x";`, express.
    fn pool_condition(&mut self, block: &[IscStatement]) -> Expr {
        let (mut allowed, mut conditions) = (Vec::new(), Vec::new());
        for statement in block {
            let condition = match (statement.word(1).as_str(), statement.word(2).as_str()) {
                ("known-clients", _) => Expr::atom(Atom::Known),
                ("unknown-clients", _) => Expr::atom(Atom::Known).negate(),
                ("members", "of") => {
                    let name = statement.text(3);
                    let class = self.classes.iter().find(|class| class.name == name);
                    class.map_or(Expr::Const(false), |class| class.condition.clone())
                }
                _ => continue,
            };
            match statement.word(0).as_str() {
                "allow" => allowed.push(condition),
                _ => conditions.push(condition.negate()),
            }
        }
        if !allowed.is_empty() {
            conditions.push(Expr::Or(allowed));
        }
        Expr::And(conditions)
    }

    fn simple_statement(&mut self, statement: &IscStatement) -> Option<ProgramStep> {
        let line = self.line(statement);
        let words = &statement.words;
        let option = (statement.word(0) == "option").then(|| option_code(&self.names, &statement.word(1))).flatten();
        let part = if option.is_some() { MessagePart::Option } else { MessagePart::Header };
        match (statement.word(0).as_str(), option) {
            ("filename", _) | (_, Some(67)) => {
                let value = value(&words[1 + usize::from(option.is_some())..]);
                let [value] = value else {
                    self.note_unsupported(
                        statement,
                        "the file name is computed for each machine: write a template instead",
                    );
                    return None;
                };
                return Some(ProgramStep::File(line, part, String::from_utf8_lossy(&value.text).into_owned()));
            }
            ("next-server", _) | (_, Some(66)) => {
                let [name] = value(&words[1 + usize::from(option.is_some())..]) else {
                    self.note_unsupported(
                        statement,
                        "the server is computed for each machine, so its address is not known here",
                    );
                    return None;
                };
                let name = name.word();
                match name.parse::<Ipv4Addr>() {
                    Ok(address) => {
                        return Some(ProgramStep::Server(
                            part,
                            Some(address).filter(|address| !address.is_unspecified()),
                        ));
                    }
                    Err(_) => self.note_unsupported(
                        statement,
                        format!("server names are not resolved: replace {name} by its address, and import again"),
                    ),
                }
            }
            ("deny" | "ignore", _) if statement.word(1) == "booting" => return Some(ProgramStep::Deny(line)),
            (word @ ("allow" | "deny" | "ignore"), _) if statement.word(1) == "unknown-clients" => {
                let step = if word == "allow" { ProgramStep::Allow } else { ProgramStep::Deny(line) };
                return Some(ProgramStep::If(vec![(Expr::atom(Atom::Known).negate(), vec![step])]));
            }
            ("include", _) => {
                let file = statement.text(1);
                self.note_unsupported(
                    statement,
                    format!("it is not imported: replace this line by the text of {file}, and import again"),
                );
                self.translation
                    .action_items
                    .push(format!("line {line}: {file} is not imported, but it may contain network boot settings"));
            }
            ("server-name", _) => {
                self.add_note(
                    statement,
                    LineOutcome::Changed("the server name is not sent: machines use the server's address".into()),
                );
            }
            ("vendor-option-space" | "site-option-space", _) => {
                self.add_note(
                    statement,
                    LineOutcome::Unneeded("the server generates option 43 for each firmware".into()),
                );
            }
            ("option", Some(60)) => {
                self.add_note(
                    statement,
                    LineOutcome::Unneeded("the server sends the class that each firmware expects".into()),
                );
            }
            ("option", Some(209 | 210)) => {
                self.note_unsupported(
                    statement,
                    "options 209 and 210 are not sent: PXELINUX uses the directory of its loader",
                );
            }
            ("option", _) if statement.word(2) == "code" => {}
            ("match" | "spawn", _) => {}
            _ => self.add_note(statement, LineOutcome::Grouped(ADDRESSES)),
        }
        None
    }
}

/// The words of the value, without a leading `=`: `option bootfile-name = "a";` has the same meaning without `=`.
fn value(words: &[IscToken]) -> &[IscToken] {
    let equals = usize::from(words.first().is_some_and(|word| word.is("=")));
    &words[equals..]
}

/// The steps without their line numbers.
fn without_lines(steps: &[ProgramStep]) -> Vec<ProgramStep> {
    let without_line = |step: &ProgramStep| match step {
        ProgramStep::File(_, part, file) => ProgramStep::File(0, *part, file.clone()),
        ProgramStep::Deny(_) => ProgramStep::Deny(0),
        ProgramStep::Allow => ProgramStep::Allow,
        ProgramStep::Server(part, server) => ProgramStep::Server(*part, *server),
        ProgramStep::If(branches) => ProgramStep::If(
            branches.iter().map(|(condition, steps)| (condition.clone(), without_lines(steps))).collect(),
        ),
    };
    steps.iter().map(without_line).collect()
}

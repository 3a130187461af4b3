//! ISC dhcpd's dhcpd.conf. dhcpd runs the statements of every block that a machine is in, from the widest to the
//! narrowest: the file, its network, its classes, its host. What is set later wins.

mod conditions;
mod tokens;

use super::expression::{Atom, Expr, FieldSlice, parse_mac};
use super::host_info::HostInfo;
use super::program::{HostGroup, Program, ProgramStep, MessagePart};
use super::translation::Translation;
use super::output::{LineOutcome, LineNote};
use crate::config::diagnostic::{Diagnostic, LineIndex, Source};
use conditions::{IscConditions, OptionNames, option_code, compare, subclass_octets};
use std::net::Ipv4Addr;
use tokens::{IscStatement, IscToken, parse_statements};

const ADDRESSES: &str = "for addresses, leases and DHCP options come from the DHCP server";

pub fn translate(source: &Source, here: &HostInfo) -> Result<Translation, Vec<Diagnostic>> {
    let statements = parse_statements(source).map_err(|error| vec![error])?;
    let mut reader = Reader::new(source);
    reader.definitions(&statements);
    let mut scopes = Scopes::default();
    let mut steps = reader.steps(&statements, &mut scopes, None);
    let Scopes { subnets, classes, hosts, .. } = scopes;
    steps.extend(subnets);
    // Of the classes that a machine is in, dhcpd runs the first one last.
    steps.extend(classes.into_iter().rev());
    let alone = reader.program.subnets.len() == 1;
    steps.extend(reader.hosts(hosts));
    if alone {
        let (_, address, prefix) = reader.program.subnets[0];
        let is_alone = &Atom::Subnet(address, prefix);
        steps = steps.into_iter().map(|step| without_subnet(step, is_alone)).collect();
    }
    reader.program.steps = steps;
    let Reader { program, translation, .. } = reader;
    program.to_dnsmasq(("conditions", "filename"), source, here, translation)
}

/// With one network only, every machine that is answered is in it.
fn without_subnet(step: ProgramStep, subnet: &Atom) -> ProgramStep {
    let ProgramStep::If(branches) = step else { return step };
    let always = |(condition, steps): (Expr, Vec<ProgramStep>)| {
        let is = condition == Expr::Atom(subnet.clone());
        let steps = steps.into_iter().map(|step| without_subnet(step, subnet)).collect();
        (if is { Expr::Const(true) } else { condition }, steps)
    };
    ProgramStep::If(branches.into_iter().map(always).collect())
}

/// The steps of each network or class, between those of what it stands in and those that follow its own.
fn around(before: &[ProgramStep], members: Vec<ProgramStep>, behind: &[ProgramStep]) -> Vec<ProgramStep> {
    let with = |(condition, steps): (Expr, Vec<ProgramStep>)| (condition, [before, &steps, behind].concat());
    let one = |step| match step {
        ProgramStep::If(branches) => ProgramStep::If(branches.into_iter().map(with).collect()),
        step => step,
    };
    members.into_iter().map(one).collect()
}

/// Takes the `case VALUE:` or `default:` off that a statement begins with; the words of the value, none of `default`.
fn label(words: &mut Vec<IscToken>) -> Option<Vec<IscToken>> {
    let is_case = words.first()?.is("case");
    let is_label = is_case || words[0].is("default") || words[0].is("default:");
    let end = words.iter().position(|word| !word.quoted && word.word().ends_with(':')).filter(|_| is_label)?;
    let behind = words.split_off(end + 1);
    let mut value = std::mem::replace(words, behind).split_off(usize::from(is_case));
    let last = value.last_mut()?;
    last.text.pop();
    value.retain(|word| is_case && !word.text.is_empty());
    Some(value)
}

/// Whether a block says what is booted: `case 1: filename "a";` does.
fn says_boot(block: &[IscStatement]) -> bool {
    let says = |statement: &IscStatement| statement.words.iter().any(|word| word.is("filename") || word.is("next-server"));
    block.iter().any(|statement| says(statement) || says_boot(statement.block.as_deref().unwrap_or_default()))
}

/// What is run behind the statements of the file itself.
#[derive(Default)]
struct Scopes {
    subnets: Vec<ProgramStep>,
    /// Those of the network around them, which are run behind its own statements.
    pools: Vec<ProgramStep>,
    classes: Vec<ProgramStep>,
    hosts: Vec<Host>,
}

struct Host {
    line: usize,
    name: String,
    macs: Vec<String>,
    steps: Vec<ProgramStep>,
    /// The name of the group that it is in.
    group: Option<String>,
}

struct Class {
    name: String,
    condition: Expr,
    /// What its subclasses are told apart by.
    part: Option<FieldSlice>,
}

struct Reader<'a> {
    source: &'a Source,
    lines: LineIndex,
    names: OptionNames,
    classes: Vec<Class>,
    program: Program,
    translation: Translation,
}

impl<'a> Reader<'a> {
    fn new(source: &'a Source) -> Self {
        let translation = Translation { source_server: Some("ISC dhcpd"), ..Translation::default() };
        let (lines, program) = (LineIndex::new(&source.text), Program::default());
        Reader { source, lines, names: Vec::new(), classes: Vec::new(), program, translation }
    }

    fn line(&self, statement: &IscStatement) -> usize {
        self.lines.line_number(statement.offset())
    }

    fn tell(&mut self, statement: &IscStatement, fate: LineOutcome) {
        let line = self.line(statement);
        let whole = self.lines.trimmed_line(&self.source.text, line);
        let text = match fate {
            LineOutcome::Grouped(_) if statement.word(0) == "option" => statement.text(1),
            LineOutcome::Grouped(_) => statement.text(0),
            _ => whole.to_owned(),
        };
        self.translation.notes.push(LineNote { location: format!("line {line}"), line: text, outcome: fate });
    }

    fn lost(&mut self, statement: &IscStatement, why: impl Into<String>) {
        self.tell(statement, LineOutcome::Unsupported(why.into()));
    }

    /// Definitions of options and classes, which hold wherever they stand.
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
            // A class may stand in a block, and its subclasses stand behind it.
            self.definitions(statement.block.as_deref().unwrap_or_default());
        }
        for statement in statements.iter().filter(|statement| statement.word(0) == "subclass") {
            if let Some((class, condition)) = self.subclass(statement) {
                let known = &mut self.classes[class].condition;
                *known = Expr::Or(vec![std::mem::replace(known, Expr::Const(false)), condition]);
            }
        }
    }

    fn class(&mut self, statement: &IscStatement) {
        let name = statement.text(1);
        let mut class = Class { name: name.clone(), condition: Expr::Const(false), part: None };
        let conditions = IscConditions { names: &self.names };
        let mut lost = None;
        for inner in statement.block.iter().flatten().filter(|inner| ["match", "spawn"].contains(&&inner.word(0)[..])) {
            let read = match inner.word(1).as_str() {
                "with" => conditions
                    .parse_spawn(&inner.words[2..])
                    .map(|condition| class.condition = Expr::Or(vec![class.condition.clone(), condition])),
                "if" => conditions.parse(&inner.words[2..]).map(|condition| class.condition = condition),
                _ => conditions.parse_field(&inner.words[1..]).map(|part| class.part = Some(part)),
            };
            lost = read.err().map(|why| (inner.clone(), why));
        }
        if let Expr::Atom(atom) = &class.condition {
            self.program.fact_names.push((atom.clone(), name));
        }
        self.classes.push(class);
        if let Some((inner, why)) = lost {
            self.lost(&inner, format!("{why}: no machine is taken for one of this class"));
        }
    }

    /// The class that it is a part of, and what its machines are known by.
    fn subclass(&self, statement: &IscStatement) -> Option<(usize, Expr)> {
        let name = statement.text(1);
        let class = self.classes.iter().position(|class| class.name == name)?;
        let value = subclass_octets(statement.words.get(2)?)?;
        Some((class, compare(self.classes[class].part?, &value)?))
    }

    /// The statements of a block, without those of the blocks in it that are run later.
    fn steps(&mut self, statements: &[IscStatement], scopes: &mut Scopes, group: Option<&str>) -> Vec<ProgramStep> {
        let mut steps: Vec<ProgramStep> = Vec::new();
        let mut may_go_on = false;
        for statement in statements {
            let goes_on = may_go_on;
            may_go_on = matches!(statement.word(0).as_str(), "if" | "elsif") || statement.word(1) == "if";
            match (statement.word(0).as_str(), &statement.block) {
                ("if", Some(block)) => {
                    let branch = self.branch(statement, 1, block, scopes);
                    steps.push(ProgramStep::If(vec![branch]));
                }
                ("elsif" | "else", Some(block)) => {
                    let from = 1 + usize::from(statement.word(1) == "if");
                    let branch = self.branch(statement, from, block, scopes);
                    match steps.last_mut() {
                        Some(ProgramStep::If(branches)) if goes_on => branches.push(branch),
                        _ => self.lost(statement, "there is no `if` in front of it"),
                    }
                }
                ("subnet", Some(block)) => self.subnet(statement, block, scopes),
                ("shared-network", Some(block)) => {
                    let mut inner = Scopes::default();
                    let own = self.steps(block, &mut inner, None);
                    // Its statements are for each network in it.
                    scopes.subnets.extend(around(&own, inner.subnets, &inner.pools));
                    scopes.classes.extend(inner.classes);
                    scopes.hosts.extend(inner.hosts);
                }
                ("pool", Some(block)) => {
                    let condition = self.members(block);
                    // Whom it is for says nothing of who is answered at all.
                    let is_permit = |statement: &IscStatement| ["allow", "deny"].contains(&&statement.word(0)[..]);
                    let rest: Vec<IscStatement> = block.iter().filter(|inner| !is_permit(inner)).cloned().collect();
                    let own = self.steps(&rest, scopes, None);
                    scopes.pools.push(ProgramStep::If(vec![(condition, own)]));
                }
                ("group", Some(block)) => self.group(statement, block, scopes),
                ("class", Some(block)) => {
                    let own = self.steps(block, scopes, None);
                    let name = statement.text(1);
                    let condition = self.classes.iter().find(|class| class.name == name);
                    let condition = condition.map_or(Expr::Const(false), |class| class.condition.clone());
                    scopes.classes.push(ProgramStep::If(vec![(condition, own)]));
                }
                ("subclass", block) => {
                    let own = self.steps(block.as_deref().unwrap_or_default(), scopes, None);
                    match self.subclass(statement) {
                        Some((_, condition)) => scopes.classes.push(ProgramStep::If(vec![(condition, own)])),
                        None => self.lost(statement, super::expression::UNSUPPORTED_FACT),
                    }
                }
                ("host", Some(block)) => self.host(statement, block, scopes, group),
                ("switch", Some(block)) if says_boot(block) => steps.push(self.switch(statement, block, scopes)),
                (word, Some(block)) if says_boot(block) => {
                    let line = self.line(statement);
                    let note =
                        format!("what `{word}` decides (line {line}) was not read, and it says what machines boot");
                    self.translation.action_items.push(note);
                    self.lost(statement, "it is not read: write it as `if`, `elsif` and `else`, and import again");
                }
                (_, Some(_)) => self.tell(statement, LineOutcome::Grouped(ADDRESSES)),
                (_, None) => steps.extend(self.simple(statement)),
            }
        }
        steps
    }

    fn branch(
        &mut self,
        statement: &IscStatement,
        from: usize,
        block: &[IscStatement],
        scopes: &mut Scopes,
    ) -> (Expr, Vec<ProgramStep>) {
        self.decided(statement, statement.words.get(from..).unwrap_or_default(), block, scopes)
    }

    /// What a machine has to be for a block, without words any, and what the block says.
    fn decided(
        &mut self,
        statement: &IscStatement,
        words: &[IscToken],
        block: &[IscStatement],
        scopes: &mut Scopes,
    ) -> (Expr, Vec<ProgramStep>) {
        let steps = self.steps(block, scopes, None);
        let conditions = IscConditions { names: &self.names };
        let read = if words.is_empty() { Ok(Expr::Const(true)) } else { conditions.parse(words) };
        let condition = read.unwrap_or_else(|why| {
            if steps.is_empty() {
                self.tell(statement, LineOutcome::Grouped(ADDRESSES));
            } else {
                self.lost(statement, format!("{why}: what stands under this condition is for no machine here"));
            }
            Expr::Const(false)
        });
        (condition, steps)
    }

    /// `switch (VALUE) { case 1: ...; break; default: ...; }`: a case goes on into the next one up to a `break`.
    fn switch(&mut self, statement: &IscStatement, block: &[IscStatement], scopes: &mut Scopes) -> ProgramStep {
        let mut cases: Vec<(IscStatement, Vec<IscToken>, Vec<IscStatement>)> = Vec::new();
        let mut open = 0;
        for inner in block {
            let mut rest = inner.clone();
            while let Some(value) = label(&mut rest.words) {
                cases.push((inner.clone(), value, Vec::new()));
            }
            match rest.word(0).as_str() {
                "break" => open = cases.len(),
                _ => cases.iter_mut().skip(open).for_each(|(_, _, own)| own.push(rest.clone())),
            }
        }
        let asked = statement.words.get(2..statement.words.len().saturating_sub(1)).unwrap_or_default();
        let equals = IscToken { text: b"=".to_vec(), quoted: false, span: 0..0 };
        let asked: Vec<IscToken> = asked.iter().cloned().chain([equals]).collect();
        // Wherever `default` stands, it is for the machines that no case is for.
        cases.sort_by_key(|(_, value, _)| value.is_empty());
        let branch = |(case, value, own): &(IscStatement, Vec<IscToken>, Vec<IscStatement>)| {
            let words = if value.is_empty() { Vec::new() } else { [&asked[..], value].concat() };
            self.decided(case, &words, own, scopes)
        };
        ProgramStep::If(cases.iter().map(branch).collect())
    }

    fn subnet(&mut self, statement: &IscStatement, block: &[IscStatement], scopes: &mut Scopes) {
        let (address, mask) = (statement.text(1).parse::<Ipv4Addr>(), statement.text(3).parse::<Ipv4Addr>());
        let (Ok(address), Ok(mask)) = (address, mask) else {
            return self.lost(statement, "a network is written `subnet 192.0.2.0 netmask 255.255.255.0`");
        };
        let prefix = mask.to_bits().leading_ones() as u8;
        let line = self.line(statement);
        self.program.subnets.push((line, address, prefix));
        let around_it = std::mem::take(&mut scopes.pools);
        let mut steps = self.steps(block, scopes, None);
        steps.append(&mut scopes.pools);
        scopes.pools = around_it;
        scopes.subnets.push(ProgramStep::If(vec![(Expr::atom(Atom::Subnet(address, prefix)), steps)]));
    }

    /// A group's statements are for the networks in it, and for the classes and hosts in it, which dhcpd runs last. For
    /// a machine in one of these networks they are not run again.
    fn group(&mut self, statement: &IscStatement, block: &[IscStatement], scopes: &mut Scopes) {
        let line = self.line(statement);
        let name = match statement.text(1) {
            name if name.is_empty() => format!("group-{line}"),
            name => name,
        };
        let mut inner = Scopes::default();
        let own = self.steps(block, &mut inner, Some(&name));
        let subnets =
            inner.subnets.iter().filter_map(|step| if let ProgramStep::If(branches) = step { Some(branches) } else { None });
        let mut branches: Vec<(Expr, Vec<ProgramStep>)> =
            subnets.flatten().map(|(subnet, _)| (subnet.clone(), Vec::new())).collect();
        let of_members = if branches.is_empty() {
            own.clone()
        } else {
            branches.push((Expr::Const(true), own.clone()));
            vec![ProgramStep::If(branches)]
        };
        for host in inner.hosts {
            scopes.hosts.push(Host { steps: [&of_members[..], &host.steps].concat(), ..host });
        }
        scopes.subnets.extend(around(&own, inner.subnets, &[]));
        scopes.classes.extend(around(&of_members, inner.classes, &[]));
    }

    fn host(&mut self, statement: &IscStatement, block: &[IscStatement], scopes: &mut Scopes, group: Option<&str>) {
        let (line, name) = (self.line(statement), statement.text(1));
        let mut macs = Vec::new();
        for inner in block.iter().filter(|inner| inner.word(0) == "hardware") {
            let text = inner.text(2);
            match parse_mac(&text) {
                Some(mac) => macs.push(mac.map(|octet| format!("{octet:02x}")).join(":")),
                None => self.lost(inner, format!("{text} is no MAC address")),
            }
        }
        let rest: Vec<IscStatement> = block.iter().filter(|inner| inner.word(0) != "hardware").cloned().collect();
        let steps = self.steps(&rest, &mut Scopes::default(), None);
        if macs.is_empty() {
            return self.lost(statement, "a machine that boots is known by its MAC address, and here is none");
        }
        scopes.hosts.push(Host { line, name, macs, steps, group: group.map(str::to_owned) });
    }

    /// Those that are given the same are one group.
    fn hosts(&mut self, hosts: Vec<Host>) -> Vec<ProgramStep> {
        let mut groups: Vec<(Vec<ProgramStep>, HostGroup)> = Vec::new();
        for Host { line, name, macs, steps, group } in hosts {
            // Where a file is named does not matter, only which.
            let same = |known: &Vec<ProgramStep>| plain(known) == plain(&steps);
            let member = (line, macs, name.clone());
            match groups.iter_mut().find(|(known, _)| same(known)) {
                Some((_, hosts)) => hosts.members.push(member),
                None => groups.push((steps, HostGroup { name: group.unwrap_or(name), members: vec![member] })),
            }
        }
        let mut steps = Vec::new();
        for (index, (own, hosts)) in groups.into_iter().enumerate() {
            steps.push(ProgramStep::If(vec![(Expr::atom(Atom::Host(index)), own)]));
            self.program.host_groups.push(hosts);
        }
        steps
    }

    /// `allow members of "x";`: the pool is for those of the class.
    fn members(&mut self, block: &[IscStatement]) -> Expr {
        let (mut allowed, mut all) = (Vec::new(), Vec::new());
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
                _ => all.push(condition.negate()),
            }
        }
        if !allowed.is_empty() {
            all.push(Expr::Or(allowed));
        }
        Expr::And(all)
    }

    fn simple(&mut self, statement: &IscStatement) -> Option<ProgramStep> {
        let line = self.line(statement);
        let words = &statement.words;
        let option = (statement.word(0) == "option").then(|| option_code(&self.names, &statement.word(1))).flatten();
        let way = if option.is_some() { MessagePart::Option } else { MessagePart::Header };
        match (statement.word(0).as_str(), option) {
            ("filename", _) | (_, Some(67)) => {
                let value = value(&words[1 + usize::from(option.is_some())..]);
                let [value] = value else {
                    self.lost(statement, "a file name that is put together for each machine: write it as a template");
                    return None;
                };
                return Some(ProgramStep::File(line, way, String::from_utf8_lossy(&value.text).into_owned()));
            }
            ("next-server", _) | (_, Some(66)) => {
                let [name] = value(&words[1 + usize::from(option.is_some())..]) else {
                    self.lost(statement, "the address of a server that is put together for each machine is not known");
                    return None;
                };
                let name = name.word();
                match name.parse::<Ipv4Addr>() {
                    Ok(address) => {
                        return Some(ProgramStep::Server(way, Some(address).filter(|address| !address.is_unspecified())));
                    }
                    Err(_) => self.lost(
                        statement,
                        format!("names of servers are not looked up: write the address of {name}, and import again"),
                    ),
                }
            }
            ("deny" | "ignore", _) if statement.word(1) == "booting" => return Some(ProgramStep::Deny(line)),
            (word @ ("allow" | "deny" | "ignore"), _) if statement.word(1) == "unknown-clients" => {
                let own = if word == "allow" { ProgramStep::Allow } else { ProgramStep::Deny(line) };
                return Some(ProgramStep::If(vec![(Expr::atom(Atom::Known).negate(), vec![own])]));
            }
            ("include", _) => {
                let file = statement.text(1);
                self.lost(statement, format!("it is not read: put the text of {file} in its place, and import again"));
                self.translation
                    .action_items
                    .push(format!("{file} (line {line}) was not read, and may say what machines boot"));
            }
            ("server-name", _) => {
                self.tell(statement, LineOutcome::Changed("machines go by a server's address: its name is not sent".into()));
            }
            ("vendor-option-space" | "site-option-space", _) => {
                self.tell(statement, LineOutcome::Unneeded("option 43 is made here as each firmware takes it".into()));
            }
            ("option", Some(60)) => {
                self.tell(statement, LineOutcome::Unneeded("each firmware is told the class that it looks for".into()));
            }
            ("option", Some(209 | 210)) => {
                self.lost(statement, "options 209 and 210 are not sent: PXELINUX takes the directory of its own file");
            }
            ("option", _) if statement.word(2) == "code" => {}
            ("match" | "spawn", _) => {}
            _ => self.tell(statement, LineOutcome::Grouped(ADDRESSES)),
        }
        None
    }
}

/// What stands behind the name: `option bootfile-name = "a";` is the same with `=` and without.
fn value(words: &[IscToken]) -> &[IscToken] {
    let equals = usize::from(words.first().is_some_and(|word| word.is("=")));
    &words[equals..]
}

/// The steps without their lines.
fn plain(steps: &[ProgramStep]) -> Vec<ProgramStep> {
    let one = |step: &ProgramStep| match step {
        ProgramStep::File(_, way, file) => ProgramStep::File(0, *way, file.clone()),
        ProgramStep::Deny(_) => ProgramStep::Deny(0),
        ProgramStep::Allow => ProgramStep::Allow,
        ProgramStep::Server(way, server) => ProgramStep::Server(*way, *server),
        ProgramStep::If(branches) => {
            ProgramStep::If(branches.iter().map(|(condition, steps)| (condition.clone(), plain(steps))).collect())
        }
    };
    steps.iter().map(one).collect()
}

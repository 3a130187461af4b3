//! ISC dhcpd's dhcpd.conf. dhcpd runs the statements of every block that a machine is in, from the widest to the
//! narrowest: the file, its network, its classes, its host. What is set later wins.

mod conditions;
mod tokens;

use super::expression::{Atom, Expr, Part, mac};
use super::here::Here;
use super::program::{Hosts, Program, Step, Way};
use super::translation::Translation;
use super::written::{Fate, Told};
use crate::config::diagnostic::{Diagnostic, LineIndex, Source};
use conditions::{Conditions, Names, code, compared, octets};
use std::net::Ipv4Addr;
use tokens::{Statement, Token, statements};

const ADDRESSES: &str = "for addresses, leases and DHCP options come from the DHCP server";

pub fn translate(source: &Source, here: &Here) -> Result<Translation, Vec<Diagnostic>> {
    let statements = statements(source).map_err(|error| vec![error])?;
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
    program.translated(("conditions", "filename"), source, here, translation)
}

/// With one network only, every machine that is answered is in it.
fn without_subnet(step: Step, subnet: &Atom) -> Step {
    let Step::If(branches) = step else { return step };
    let always = |(condition, steps): (Expr, Vec<Step>)| {
        let is = condition == Expr::Atom(subnet.clone());
        let steps = steps.into_iter().map(|step| without_subnet(step, subnet)).collect();
        (if is { Expr::Is(true) } else { condition }, steps)
    };
    Step::If(branches.into_iter().map(always).collect())
}

/// The steps of each network or class, between those of what it stands in and those that follow its own.
fn around(before: &[Step], members: Vec<Step>, behind: &[Step]) -> Vec<Step> {
    let with = |(condition, steps): (Expr, Vec<Step>)| (condition, [before, &steps, behind].concat());
    let one = |step| match step {
        Step::If(branches) => Step::If(branches.into_iter().map(with).collect()),
        step => step,
    };
    members.into_iter().map(one).collect()
}

/// Takes the `case VALUE:` or `default:` off that a statement begins with; the words of the value, none of `default`.
fn label(words: &mut Vec<Token>) -> Option<Vec<Token>> {
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
fn says_boot(block: &[Statement]) -> bool {
    let says = |statement: &Statement| statement.words.iter().any(|word| word.is("filename") || word.is("next-server"));
    block.iter().any(|statement| says(statement) || says_boot(statement.block.as_deref().unwrap_or_default()))
}

/// What is run behind the statements of the file itself.
#[derive(Default)]
struct Scopes {
    subnets: Vec<Step>,
    /// Those of the network around them, which are run behind its own statements.
    pools: Vec<Step>,
    classes: Vec<Step>,
    hosts: Vec<Host>,
}

struct Host {
    line: usize,
    name: String,
    macs: Vec<String>,
    steps: Vec<Step>,
    /// The name of the group that it is in.
    group: Option<String>,
}

struct Class {
    name: String,
    condition: Expr,
    /// What its subclasses are told apart by.
    part: Option<Part>,
}

struct Reader<'a> {
    source: &'a Source,
    lines: LineIndex,
    names: Names,
    classes: Vec<Class>,
    program: Program,
    translation: Translation,
}

impl<'a> Reader<'a> {
    fn new(source: &'a Source) -> Self {
        let translation = Translation { server: Some("ISC dhcpd"), ..Translation::default() };
        let (lines, program) = (LineIndex::new(&source.text), Program::default());
        Reader { source, lines, names: Vec::new(), classes: Vec::new(), program, translation }
    }

    fn line(&self, statement: &Statement) -> usize {
        self.lines.line_number(statement.at())
    }

    fn tell(&mut self, statement: &Statement, fate: Fate) {
        let line = self.line(statement);
        let whole = self.lines.trimmed_line(&self.source.text, line);
        let text = match fate {
            Fate::Group(_) if statement.word(0) == "option" => statement.text(1),
            Fate::Group(_) => statement.text(0),
            _ => whole.to_owned(),
        };
        self.translation.told.push(Told { place: format!("line {line}"), line: text, fate });
    }

    fn lost(&mut self, statement: &Statement, why: impl Into<String>) {
        self.tell(statement, Fate::Lost(why.into()));
    }

    /// Definitions of options and classes, which hold wherever they stand.
    fn definitions(&mut self, statements: &[Statement]) {
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
                *known = Expr::Or(vec![std::mem::replace(known, Expr::Is(false)), condition]);
            }
        }
    }

    fn class(&mut self, statement: &Statement) {
        let name = statement.text(1);
        let mut class = Class { name: name.clone(), condition: Expr::Is(false), part: None };
        let conditions = Conditions { names: &self.names };
        let mut lost = None;
        for inner in statement.block.iter().flatten().filter(|inner| ["match", "spawn"].contains(&&inner.word(0)[..])) {
            let read = match inner.word(1).as_str() {
                "with" => conditions
                    .spawned(&inner.words[2..])
                    .map(|condition| class.condition = Expr::Or(vec![class.condition.clone(), condition])),
                "if" => conditions.read(&inner.words[2..]).map(|condition| class.condition = condition),
                _ => conditions.part(&inner.words[1..]).map(|part| class.part = Some(part)),
            };
            lost = read.err().map(|why| (inner.clone(), why));
        }
        if let Expr::Atom(atom) = &class.condition {
            self.program.names.push((atom.clone(), name));
        }
        self.classes.push(class);
        if let Some((inner, why)) = lost {
            self.lost(&inner, format!("{why}: no machine is taken for one of this class"));
        }
    }

    /// The class that it is a part of, and what its machines are known by.
    fn subclass(&self, statement: &Statement) -> Option<(usize, Expr)> {
        let name = statement.text(1);
        let class = self.classes.iter().position(|class| class.name == name)?;
        let value = octets(statement.words.get(2)?)?;
        Some((class, compared(self.classes[class].part?, &value)?))
    }

    /// The statements of a block, without those of the blocks in it that are run later.
    fn steps(&mut self, statements: &[Statement], scopes: &mut Scopes, group: Option<&str>) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        let mut may_go_on = false;
        for statement in statements {
            let goes_on = may_go_on;
            may_go_on = matches!(statement.word(0).as_str(), "if" | "elsif") || statement.word(1) == "if";
            match (statement.word(0).as_str(), &statement.block) {
                ("if", Some(block)) => {
                    let branch = self.branch(statement, 1, block, scopes);
                    steps.push(Step::If(vec![branch]));
                }
                ("elsif" | "else", Some(block)) => {
                    let from = 1 + usize::from(statement.word(1) == "if");
                    let branch = self.branch(statement, from, block, scopes);
                    match steps.last_mut() {
                        Some(Step::If(branches)) if goes_on => branches.push(branch),
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
                    let is_permit = |statement: &Statement| ["allow", "deny"].contains(&&statement.word(0)[..]);
                    let rest: Vec<Statement> = block.iter().filter(|inner| !is_permit(inner)).cloned().collect();
                    let own = self.steps(&rest, scopes, None);
                    scopes.pools.push(Step::If(vec![(condition, own)]));
                }
                ("group", Some(block)) => self.group(statement, block, scopes),
                ("class", Some(block)) => {
                    let own = self.steps(block, scopes, None);
                    let name = statement.text(1);
                    let condition = self.classes.iter().find(|class| class.name == name);
                    let condition = condition.map_or(Expr::Is(false), |class| class.condition.clone());
                    scopes.classes.push(Step::If(vec![(condition, own)]));
                }
                ("subclass", block) => {
                    let own = self.steps(block.as_deref().unwrap_or_default(), scopes, None);
                    match self.subclass(statement) {
                        Some((_, condition)) => scopes.classes.push(Step::If(vec![(condition, own)])),
                        None => self.lost(statement, super::expression::KNOWN),
                    }
                }
                ("host", Some(block)) => self.host(statement, block, scopes, group),
                ("switch", Some(block)) if says_boot(block) => steps.push(self.switch(statement, block, scopes)),
                (word, Some(block)) if says_boot(block) => {
                    let line = self.line(statement);
                    let note =
                        format!("what `{word}` decides (line {line}) was not read, and it says what machines boot");
                    self.translation.attention.push(note);
                    self.lost(statement, "it is not read: write it as `if`, `elsif` and `else`, and import again");
                }
                (_, Some(_)) => self.tell(statement, Fate::Group(ADDRESSES)),
                (_, None) => steps.extend(self.simple(statement)),
            }
        }
        steps
    }

    fn branch(
        &mut self,
        statement: &Statement,
        from: usize,
        block: &[Statement],
        scopes: &mut Scopes,
    ) -> (Expr, Vec<Step>) {
        self.decided(statement, statement.words.get(from..).unwrap_or_default(), block, scopes)
    }

    /// What a machine has to be for a block, without words any, and what the block says.
    fn decided(
        &mut self,
        statement: &Statement,
        words: &[Token],
        block: &[Statement],
        scopes: &mut Scopes,
    ) -> (Expr, Vec<Step>) {
        let steps = self.steps(block, scopes, None);
        let conditions = Conditions { names: &self.names };
        let read = if words.is_empty() { Ok(Expr::Is(true)) } else { conditions.read(words) };
        let condition = read.unwrap_or_else(|why| {
            if steps.is_empty() {
                self.tell(statement, Fate::Group(ADDRESSES));
            } else {
                self.lost(statement, format!("{why}: what stands under this condition is for no machine here"));
            }
            Expr::Is(false)
        });
        (condition, steps)
    }

    /// `switch (VALUE) { case 1: ...; break; default: ...; }`: a case goes on into the next one up to a `break`.
    fn switch(&mut self, statement: &Statement, block: &[Statement], scopes: &mut Scopes) -> Step {
        let mut cases: Vec<(Statement, Vec<Token>, Vec<Statement>)> = Vec::new();
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
        let equals = Token { text: b"=".to_vec(), quoted: false, at: 0..0 };
        let asked: Vec<Token> = asked.iter().cloned().chain([equals]).collect();
        // Wherever `default` stands, it is for the machines that no case is for.
        cases.sort_by_key(|(_, value, _)| value.is_empty());
        let branch = |(case, value, own): &(Statement, Vec<Token>, Vec<Statement>)| {
            let words = if value.is_empty() { Vec::new() } else { [&asked[..], value].concat() };
            self.decided(case, &words, own, scopes)
        };
        Step::If(cases.iter().map(branch).collect())
    }

    fn subnet(&mut self, statement: &Statement, block: &[Statement], scopes: &mut Scopes) {
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
        scopes.subnets.push(Step::If(vec![(Expr::is(Atom::Subnet(address, prefix)), steps)]));
    }

    /// A group's statements are for the networks in it, and for the classes and hosts in it, which dhcpd runs last. For
    /// a machine in one of these networks they are not run again.
    fn group(&mut self, statement: &Statement, block: &[Statement], scopes: &mut Scopes) {
        let line = self.line(statement);
        let name = match statement.text(1) {
            name if name.is_empty() => format!("group-{line}"),
            name => name,
        };
        let mut inner = Scopes::default();
        let own = self.steps(block, &mut inner, Some(&name));
        let subnets =
            inner.subnets.iter().filter_map(|step| if let Step::If(branches) = step { Some(branches) } else { None });
        let mut branches: Vec<(Expr, Vec<Step>)> =
            subnets.flatten().map(|(subnet, _)| (subnet.clone(), Vec::new())).collect();
        let of_members = if branches.is_empty() {
            own.clone()
        } else {
            branches.push((Expr::Is(true), own.clone()));
            vec![Step::If(branches)]
        };
        for host in inner.hosts {
            scopes.hosts.push(Host { steps: [&of_members[..], &host.steps].concat(), ..host });
        }
        scopes.subnets.extend(around(&own, inner.subnets, &[]));
        scopes.classes.extend(around(&of_members, inner.classes, &[]));
    }

    fn host(&mut self, statement: &Statement, block: &[Statement], scopes: &mut Scopes, group: Option<&str>) {
        let (line, name) = (self.line(statement), statement.text(1));
        let mut macs = Vec::new();
        for inner in block.iter().filter(|inner| inner.word(0) == "hardware") {
            let text = inner.text(2);
            match mac(&text) {
                Some(mac) => macs.push(mac.map(|octet| format!("{octet:02x}")).join(":")),
                None => self.lost(inner, format!("{text} is no MAC address")),
            }
        }
        let rest: Vec<Statement> = block.iter().filter(|inner| inner.word(0) != "hardware").cloned().collect();
        let steps = self.steps(&rest, &mut Scopes::default(), None);
        if macs.is_empty() {
            return self.lost(statement, "a machine that boots is known by its MAC address, and here is none");
        }
        scopes.hosts.push(Host { line, name, macs, steps, group: group.map(str::to_owned) });
    }

    /// Those that are given the same are one group.
    fn hosts(&mut self, hosts: Vec<Host>) -> Vec<Step> {
        let mut groups: Vec<(Vec<Step>, Hosts)> = Vec::new();
        for Host { line, name, macs, steps, group } in hosts {
            // Where a file is named does not matter, only which.
            let same = |known: &Vec<Step>| plain(known) == plain(&steps);
            let member = (line, macs, name.clone());
            match groups.iter_mut().find(|(known, _)| same(known)) {
                Some((_, hosts)) => hosts.members.push(member),
                None => groups.push((steps, Hosts { name: group.unwrap_or(name), members: vec![member] })),
            }
        }
        let mut steps = Vec::new();
        for (index, (own, hosts)) in groups.into_iter().enumerate() {
            steps.push(Step::If(vec![(Expr::is(Atom::Host(index)), own)]));
            self.program.hosts.push(hosts);
        }
        steps
    }

    /// `allow members of "x";`: the pool is for those of the class.
    fn members(&mut self, block: &[Statement]) -> Expr {
        let (mut allowed, mut all) = (Vec::new(), Vec::new());
        for statement in block {
            let condition = match (statement.word(1).as_str(), statement.word(2).as_str()) {
                ("known-clients", _) => Expr::is(Atom::Known),
                ("unknown-clients", _) => Expr::is(Atom::Known).negated(),
                ("members", "of") => {
                    let name = statement.text(3);
                    let class = self.classes.iter().find(|class| class.name == name);
                    class.map_or(Expr::Is(false), |class| class.condition.clone())
                }
                _ => continue,
            };
            match statement.word(0).as_str() {
                "allow" => allowed.push(condition),
                _ => all.push(condition.negated()),
            }
        }
        if !allowed.is_empty() {
            all.push(Expr::Or(allowed));
        }
        Expr::And(all)
    }

    fn simple(&mut self, statement: &Statement) -> Option<Step> {
        let line = self.line(statement);
        let words = &statement.words;
        let option = (statement.word(0) == "option").then(|| code(&self.names, &statement.word(1))).flatten();
        let way = if option.is_some() { Way::Option } else { Way::Field };
        match (statement.word(0).as_str(), option) {
            ("filename", _) | (_, Some(67)) => {
                let value = value(&words[1 + usize::from(option.is_some())..]);
                let [value] = value else {
                    self.lost(statement, "a file name that is put together for each machine: write it as a template");
                    return None;
                };
                return Some(Step::File(line, way, String::from_utf8_lossy(&value.text).into_owned()));
            }
            ("next-server", _) | (_, Some(66)) => {
                let [name] = value(&words[1 + usize::from(option.is_some())..]) else {
                    self.lost(statement, "the address of a server that is put together for each machine is not known");
                    return None;
                };
                let name = name.word();
                match name.parse::<Ipv4Addr>() {
                    Ok(address) => {
                        return Some(Step::Server(way, Some(address).filter(|address| !address.is_unspecified())));
                    }
                    Err(_) => self.lost(
                        statement,
                        format!("names of servers are not looked up: write the address of {name}, and import again"),
                    ),
                }
            }
            ("deny" | "ignore", _) if statement.word(1) == "booting" => return Some(Step::Deny(line)),
            (word @ ("allow" | "deny" | "ignore"), _) if statement.word(1) == "unknown-clients" => {
                let own = if word == "allow" { Step::Allow } else { Step::Deny(line) };
                return Some(Step::If(vec![(Expr::is(Atom::Known).negated(), vec![own])]));
            }
            ("include", _) => {
                let file = statement.text(1);
                self.lost(statement, format!("it is not read: put the text of {file} in its place, and import again"));
                self.translation
                    .attention
                    .push(format!("{file} (line {line}) was not read, and may say what machines boot"));
            }
            ("server-name", _) => {
                self.tell(statement, Fate::Changed("machines go by a server's address: its name is not sent".into()));
            }
            ("vendor-option-space" | "site-option-space", _) => {
                self.tell(statement, Fate::Needless("option 43 is made here as each firmware takes it".into()));
            }
            ("option", Some(60)) => {
                self.tell(statement, Fate::Needless("each firmware is told the class that it looks for".into()));
            }
            ("option", Some(209 | 210)) => {
                self.lost(statement, "options 209 and 210 are not sent: PXELINUX takes the directory of its own file");
            }
            ("option", _) if statement.word(2) == "code" => {}
            ("match" | "spawn", _) => {}
            _ => self.tell(statement, Fate::Group(ADDRESSES)),
        }
        None
    }
}

/// What stands behind the name: `option bootfile-name = "a";` is the same with `=` and without.
fn value(words: &[Token]) -> &[Token] {
    let equals = usize::from(words.first().is_some_and(|word| word.is("=")));
    &words[equals..]
}

/// The steps without their lines.
fn plain(steps: &[Step]) -> Vec<Step> {
    let one = |step: &Step| match step {
        Step::File(_, way, file) => Step::File(0, *way, file.clone()),
        Step::Deny(_) => Step::Deny(0),
        Step::Allow => Step::Allow,
        Step::Server(way, server) => Step::Server(*way, *server),
        Step::If(branches) => {
            Step::If(branches.iter().map(|(condition, steps)| (condition.clone(), plain(steps))).collect())
        }
    };
    steps.iter().map(one).collect()
}

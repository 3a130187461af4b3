//! What servers ask of a machine, as one kind of value: ISC dhcpd and Kea say the same things in two languages.

use crate::config::toml::value::parse_any_mac;
use std::net::Ipv4Addr;

/// One fact about a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Atom {
    Arch(u16),
    Ipxe,
    /// It boots by UEFI HTTP boot.
    Http,
    VendorClass(String),
    UserClass(String),
    Mac([Option<u8>; 6]),
    CircuitId(String),
    Uuid([u8; 16]),
    /// The relay that the message comes from.
    Relay(Ipv4Addr),
    /// The server's interface that it arrives on.
    Interface(String),
    Subnet(Ipv4Addr, u8),
    /// One of the hosts that are given the same, by the number of their group.
    Host(usize),
    /// One of the hosts of the file, whichever.
    Known,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    Is(bool),
    Atom(Atom),
    Not(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Option(u8),
    /// The hardware address.
    Mac,
    /// The relay's circuit id.
    CircuitId,
    /// The address of the relay.
    Relay,
    /// The name of the server's interface.
    Interface,
}

/// A part of a field, from this octet on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub field: Field,
    pub from: usize,
    /// `None`: the whole rest.
    pub length: Option<usize>,
}

/// The facts that matter here, for a `why not` that names them.
pub const KNOWN: &str =
    "of what a machine says, rules know its architecture, classes, addresses, UUID and whether it is iPXE";

/// What is in what: no server's file comes near it.
const DEEPEST: usize = 64;

/// How conditions are joined, in both languages: `or` of `and`s.
pub trait Grammar: Sized {
    /// Goes past the word if it stands here.
    fn take(&mut self, word: &str) -> bool;

    /// One fact, as each language says it.
    fn fact(&mut self) -> Result<Expr, String>;

    /// What `and` and `or` join.
    fn one(&mut self) -> Result<Expr, String> {
        if self.take("not") {
            return self.within(Self::one).map(Expr::negated);
        }
        if self.take("(") {
            let expr = self.within(Self::either)?;
            self.need(")")?;
            return Ok(expr);
        }
        if self.take("known") {
            return Ok(Expr::is(Atom::Known));
        }
        self.fact()
    }

    /// In how much of what we are.
    fn depth(&mut self) -> &mut usize;

    fn need(&mut self, word: &str) -> Result<(), String> {
        if self.take(word) { Ok(()) } else { Err(format!("there is no `{word}` where it has to stand")) }
    }

    /// One level deeper: parentheses, `not`, or the argument of a function.
    fn within<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        if *self.depth() == DEEPEST {
            return Err("it is nested too deeply".into());
        }
        *self.depth() += 1;
        let read = read(self);
        *self.depth() -= 1;
        read
    }

    fn either(&mut self) -> Result<Expr, String> {
        let mut parts = vec![self.both()?];
        while self.take("or") {
            parts.push(self.both()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::Or(parts) })
    }

    fn both(&mut self) -> Result<Expr, String> {
        let mut parts = vec![self.one()?];
        while self.take("and") {
            parts.push(self.one()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::And(parts) })
    }
}

impl Expr {
    pub fn is(atom: Atom) -> Expr {
        Expr::Atom(atom)
    }

    pub fn negated(self) -> Expr {
        Expr::Not(Box::new(self))
    }

    /// The kinds of hosts that it asks for.
    pub fn hosts(&self, hosts: &mut Vec<usize>) {
        match self {
            Expr::Atom(Atom::Host(host)) if !hosts.contains(host) => hosts.push(*host),
            Expr::Is(_) | Expr::Atom(_) => {}
            Expr::Not(expr) => expr.hosts(hosts),
            Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| part.hosts(hosts)),
        }
    }

    /// Whether it depends on this fact.
    pub fn asks(&self, fact: &Atom) -> bool {
        match self {
            Expr::Is(_) => false,
            Expr::Atom(atom) => atom == fact,
            Expr::Not(expr) => expr.asks(fact),
            Expr::And(parts) | Expr::Or(parts) => parts.iter().any(|part| part.asks(fact)),
        }
    }
}

/// A MAC address as lease servers read it: of an octet, a leading zero may be missing.
pub fn mac(text: &str) -> Option<[u8; 6]> {
    let octet = |part: &str| {
        let is_octet = (1..=2).contains(&part.len()) && part.bytes().all(|digit| digit.is_ascii_hexdigit());
        u8::from_str_radix(part, 16).ok().filter(|_| is_octet)
    };
    let octets: Option<Vec<u8>> = text.split(':').map(octet).collect();
    octets.and_then(|octets| octets.try_into().ok()).or_else(|| parse_any_mac(text))
}

/// Whether that part of the field is this value; `None`: we have no such fact.
pub fn equals(part: Part, value: &[u8]) -> Option<Expr> {
    // A part cut to another length than the value's is never equal to it.
    if part.length.is_some_and(|length| length < value.len()) {
        return Some(Expr::Is(false));
    }
    let text = || String::from_utf8(value.to_vec()).ok().filter(|text| !text.is_empty());
    match part.field {
        Field::Option(93) if part.from == 0 && value.len() == 2 => {
            Some(Expr::is(Atom::Arch(u16::from_be_bytes([value[0], value[1]]))))
        }
        Field::Option(93) if part.from == 1 && value.len() == 1 => Some(Expr::is(Atom::Arch(value[0].into()))),
        Field::Option(60) => vendor_class(part.from, &text()?),
        Field::Option(77) => Some(Expr::is(user_class(&text()?))),
        Field::Option(97) if part.from == 0 && value.len() == 17 && value[0] == 0 => {
            Some(Expr::is(Atom::Uuid(value[1..].try_into().ok()?)))
        }
        Field::Mac if part.from + value.len() <= 6 => {
            let mut octets = [None; 6];
            octets[part.from..part.from + value.len()].iter_mut().zip(value).for_each(|(o, v)| *o = Some(*v));
            Some(Expr::is(Atom::Mac(octets)))
        }
        Field::Relay if part.from == 0 => {
            let address: [u8; 4] = value.try_into().ok()?;
            (address != [0; 4]).then(|| Expr::is(Atom::Relay(address.into())))
        }
        Field::Interface if part.from == 0 && part.length.is_none() => Some(Expr::is(Atom::Interface(text()?))),
        Field::CircuitId if part.from == 0 && part.length.is_none() => Some(Expr::is(Atom::CircuitId(text()?))),
        _ => None,
    }
}

/// A hardware address as text, `52:54:00:00:00:01`, or a part of that text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The octets that are written.
    pub part: Part,
    pub mark: String,
    /// dhcpd writes `8` where Kea writes `08`.
    pub zeros: bool,
    pub from: usize,
    pub length: Option<usize>,
}

impl Written {
    pub fn part(self, from: usize, length: Option<usize>) -> Written {
        Written { from: self.from + from, length, ..self }
    }

    /// The octets that are written so. `Err`: why it is never equal, or no rule says it.
    pub fn octets(&self, text: &str) -> Result<(Part, Vec<u8>), String> {
        let Written { part, mark, zeros, from, length } = self;
        let whole = text.strip_suffix(mark.as_str()).unwrap_or(text);
        let parts: Vec<&str> = match mark.as_str() {
            "" if *zeros && whole.is_ascii() => {
                (0..whole.len()).step_by(2).filter_map(|at| whole.get(at..at + 2)).collect()
            }
            "" => return Err(KNOWN.into()),
            mark => whole.split(mark).collect(),
        };
        let octet = |part: &&str| {
            let is_hex = (1..=2).contains(&part.len()) && part.bytes().all(|digit| digit.is_ascii_hexdigit());
            u8::from_str_radix(part, 16).ok().filter(|_| is_hex)
        };
        let octets: Vec<u8> = parts.iter().map(octet).collect::<Option<_>>().ok_or(KNOWN)?;
        let as_written = |octet: &u8| if *zeros { format!("{octet:02x}") } else { format!("{octet:x}") };
        let right = octets.iter().map(as_written).collect::<Vec<_>>().join(mark);
        if !right.eq_ignore_ascii_case(whole) {
            return Err(format!("the server writes {right}, which is never equal to {text}"));
        }
        // Where octets have a fixed width, so has a part of them.
        let width = 2 + mark.len();
        let is_cut = length.is_some_and(|length| length != text.len());
        if from % width != 0 || is_cut || (!zeros && *from > 0) {
            return Err(KNOWN.into());
        }
        let octet = from / width;
        let all = length.is_none() && part.length.is_none();
        let rest = 6usize.saturating_sub(part.from + octet);
        if all && octets.len() < rest.min(6) {
            return Err(format!("the server writes the whole address, which is never equal to {text}"));
        }
        Ok((Part { from: part.from + octet, length: Some(octets.len()), ..*part }, octets))
    }
}

/// Whether the field is there at all.
pub fn exists(field: Field) -> Option<Expr> {
    match field {
        // Every machine that boots sends these.
        Field::Option(60 | 93 | 94 | 97) | Field::Mac => Some(Expr::Is(true)),
        Field::Option(175) => Some(Expr::is(Atom::Ipxe)),
        _ => None,
    }
}

/// The class of PXE firmware, `PXEClient:Arch:00007:UNDI:003016`, is told apart by what is in it.
fn vendor_class(from: usize, text: &str) -> Option<Expr> {
    const PXE: &str = "PXEClient";
    const HTTP: &str = "HTTPClient";
    const ARCH: &str = ":Arch:";
    let code = |digits: &str| digits.get(..5)?.parse().ok().map(|code| Expr::is(Atom::Arch(code)));
    let whole = |word: &str| word.starts_with(text) && from == 0 && text.len() > 3;
    let behind = |word: &str| text.strip_prefix(word).filter(|_| from == 0);
    if whole(PXE) {
        return Some(Expr::is(Atom::Http).negated());
    }
    if whole(HTTP) {
        return Some(Expr::is(Atom::Http));
    }
    for (word, is_http) in [(PXE, false), (HTTP, true)] {
        let of_word = if is_http { Expr::is(Atom::Http) } else { Expr::is(Atom::Http).negated() };
        let Some(rest) = behind(word) else { continue };
        return match rest.strip_prefix(ARCH) {
            Some(digits) => code(digits),
            None if ARCH.starts_with(rest) => Some(of_word),
            None => None,
        };
    }
    if [PXE.len() + ARCH.len(), HTTP.len() + ARCH.len()].contains(&from) && text.len() == 5 {
        return code(text);
    }
    if from == PXE.len() && text.starts_with(ARCH) {
        return code(&text[ARCH.len()..]);
    }
    (from == 0).then(|| Expr::is(Atom::VendorClass(text.to_owned())))
}

fn user_class(text: &str) -> Atom {
    match text {
        "iPXE" => Atom::Ipxe,
        text => Atom::UserClass(text.to_owned()),
    }
}

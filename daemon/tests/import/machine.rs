//! Simulates a machine that boots: the machine sends requests, follows the replies, and displays its menu.

use super::SERVER;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;

/// The result of a simulated boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootResult {
    /// A boot file: its name, and the address of its server unless that is the server that replies.
    File(String, Option<Ipv4Addr>),
    /// A menu: prompt with timeout, and the lines with their targets.
    Menu(Vec<u8>, Vec<(String, MenuTarget)>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MenuTarget {
    Disk,
    Server(Option<Ipv4Addr>),
    File(Option<Box<BootResult>>),
}

pub struct Vector {
    pub name: String,
    pub octets: Vec<u8>,
    pub from: SocketAddrV4,
    pub to: SocketAddrV4,
}

impl Vector {
    pub fn option(&self, code: u8) -> Option<Vec<u8>> {
        options(&self.octets).get(&code).cloned()
    }

    pub fn is_ipxe(&self) -> bool {
        self.option(175).is_some() || self.option(77).is_some_and(|class| class.ends_with(b"iPXE"))
    }

    pub fn is_uefi(&self) -> bool {
        self.option(93).is_some_and(|arch| arch.get(1).is_some_and(|code| *code >= 6))
    }

    pub fn is_http(&self) -> bool {
        self.option(60).is_some_and(|class| class.starts_with(b"HTTPClient"))
    }

    pub fn is_raspberry_pi(&self) -> bool {
        self.name.starts_with("raspberry-pi")
    }

    /// Returns a request of the same machine to port 4011, for this menu item if there is one.
    pub fn on_4011(&self, item: Option<[u8; 2]>) -> Vector {
        let mut octets = self.octets[..240].to_vec();
        octets[12..16].copy_from_slice(&[192, 0, 2, 107]);
        octets[24..28].fill(0);
        octets.extend([53, 1, 3]);
        for code in [60, 77, 93, 94, 97, 175] {
            if let Some(value) = self.option(code) {
                octets.extend([code, value.len() as u8]);
                octets.extend(value);
            }
        }
        octets.extend(item.iter().flat_map(|[high, low]| [43, 7, 71, 4, *high, *low, 0, 0, 255]));
        octets.push(255);
        octets.resize(octets.len().max(300), 0);
        let from = "192.0.2.107:4011".parse().unwrap();
        Vector { name: self.name.clone(), octets, from, to: SocketAddrV4::new(SERVER, 4011) }
    }
}

/// The vectors that the comparison excludes: malformed and hostile packets, some of which dnsmasq answers, and packets
/// without an architecture in option 93.
const EXCLUDED: [&str; 4] = [
    "request-4011-ciaddr-is-not-the-source",
    "odd-length-arch-discover",
    "truncated-option-discover",
    "option-overload-discover",
];

pub fn all_vectors() -> impl Iterator<Item = Vector> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/testdata/vectors");
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let values = files.map(|path| serde_json::from_slice::<Value>(&std::fs::read(path).unwrap()).unwrap());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    values.filter(|value| value["family"] == "dhcp4").map(move |value| Vector {
        name: text(&value["name"]),
        octets: hex::decode(text(&value["hex"])).unwrap(),
        from: text(&value["transport"]["src"]).parse().unwrap(),
        to: text(&value["transport"]["dst"]).parse().unwrap(),
    })
}

/// Returns the vectors of machines that boot by PXE, without Raspberry Pis, because they accept only their own menu.
pub fn vectors() -> Vec<Vector> {
    let mut vectors: Vec<Vector> = all_vectors()
        .filter(|vector| matches!(vector.to.port(), 67 | 4011) && vector.octets.len() > 240)
        .filter(|vector| !EXCLUDED.contains(&vector.name.as_str()) && !vector.name.starts_with("raspberry-pi"))
        .filter(|vector| vector.option(60).is_some_and(|class| class.starts_with(b"PXEClient")))
        .collect();
    // These vectors are the same machines with a vendor class of their manufacturer.
    let manufacturer_vectors: Vec<Vector> =
        vectors.iter().filter(|vector| vector.name.ends_with("intel-discover")).map(with_vendor_class).collect();
    vectors.extend(manufacturer_vectors);
    vectors.sort_by(|one, other| one.name.cmp(&other.name));
    vectors
}

fn with_vendor_class(vector: &Vector) -> Vector {
    let at = vector.octets.windows(9).position(|word| word == b"PXEClient").unwrap();
    let mut octets = vector.octets.clone();
    octets[at..at + 9].copy_from_slice(b"HW-Client");
    Vector { name: format!("{} HW-Client", vector.name), octets, from: vector.from, to: vector.to }
}

/// Simulates the boot: the machine follows a reply without a file to port 4011, and requests each line of a menu.
/// Returns `None` if the machine boots nothing.
pub fn boot_result(vector: &Vector, ask: &mut dyn FnMut(&Vector) -> Option<Vec<u8>>) -> Option<BootResult> {
    let mut reply = ask(vector)?;
    let mut reply_options = options(&reply);
    if vector.is_http() {
        let is_http_reply = reply_options.get(&60).is_some_and(|class| class.starts_with(b"HTTPClient"));
        let is_url =
            |boot_result: &BootResult| matches!(boot_result, BootResult::File(name, _) if name.starts_with("http"));
        return file(&reply, &reply_options).filter(is_url).filter(|_| is_http_reply);
    }
    if vector.is_raspberry_pi() {
        // A Raspberry Pi looks only for this text in option 43.
        let has_text =
            reply_options.get(&43).is_some_and(|value| value.windows(17).any(|part| part == b"Raspberry Pi Boot"));
        let server = server(&reply);
        return has_text.then(|| BootResult::File("its own files".into(), server));
    }
    if vector.to.port() == 67 && !reply_options.contains_key(&43) {
        let has_file = reply[108] != 0 || reply_options.contains_key(&67);
        let with_address = reply[16..20] != [0; 4];
        if !(has_file && (vector.is_ipxe() || !vector.is_uefi() || with_address)) {
            reply = ask(&vector.on_4011(None))?;
            reply_options = options(&reply);
        }
    }
    let vendor = reply_options.get(&43).map(|value| sub_options(value)).unwrap_or_default();
    let file = file(&reply, &reply_options);
    let Some(lines) = vendor.get(&9) else { return file };
    let servers = vendor.get(&8).cloned().unwrap_or_default();
    let mut items = Vec::new();
    let mut rest = &lines[..];
    while let [high, low, length, after @ ..] = rest {
        let (title, after) = after.split_at(usize::from(*length));
        rest = after;
        let kind = [*high, *low];
        let server = servers.chunks(7).find(|server| server[..2] == kind);
        let server = server.map(|server| Ipv4Addr::from(<[u8; 4]>::try_from(&server[3..7]).unwrap()));
        let target = match server {
            _ if kind == [0, 0] => MenuTarget::Disk,
            Some(SERVER) => MenuTarget::File(ask(&vector.on_4011(Some(kind))).and_then(|reply| {
                let options = options(&reply);
                self::file(&reply, &options).map(Box::new)
            })),
            server => MenuTarget::Server(server),
        };
        items.push((String::from_utf8(title.to_vec()).unwrap(), target));
    }
    let prompt = vendor.get(&10).cloned().unwrap_or_default();
    match (&items[..], prompt.first()) {
        // If the menu has a single line and its timeout is 0, the machine selects that line without displaying a menu.
        ([(_, MenuTarget::File(file))], Some(0)) if prompt[1..] == *b"PXE" => file.as_deref().cloned(),
        _ => Some(BootResult::Menu(prompt, items)),
    }
}

fn file(reply: &[u8], options: &BTreeMap<u8, Vec<u8>>) -> Option<BootResult> {
    let name = options.get(&67).cloned().unwrap_or_else(|| reply[108..236].to_vec());
    let name = String::from_utf8(name.split(|octet| *octet == 0).next()?.to_vec()).unwrap();
    let server = server(reply).filter(|_| !name.contains("://"));
    (!name.is_empty()).then_some(BootResult::File(name, server))
}

/// Returns the server in siaddr, or `None` if that is the server that replies or the field is empty.
fn server(reply: &[u8]) -> Option<Ipv4Addr> {
    let server = Ipv4Addr::from(<[u8; 4]>::try_from(&reply[20..24]).unwrap());
    (!server.is_unspecified() && server != SERVER).then_some(server)
}

pub fn options(message: &[u8]) -> BTreeMap<u8, Vec<u8>> {
    sub_options(message.get(240..).unwrap_or_default())
}

fn sub_options(mut rest: &[u8]) -> BTreeMap<u8, Vec<u8>> {
    let mut options: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
    while let Some((&code, after)) = rest.split_first() {
        match (code, after) {
            (0, _) => rest = after,
            (255, _) => break,
            (code, [length, after @ ..]) if after.len() >= usize::from(*length) => {
                let (value, after) = after.split_at(usize::from(*length));
                options.entry(code).or_default().extend_from_slice(value);
                rest = after;
            }
            _ => break,
        }
    }
    options
}

//! Whose file it is, by what stands in it. Formats that say what machines boot are read; of every other one that is
//! known it is said what it is.

use super::command_line::has_options;
use super::kea::strip_comments;
use super::machine_csv::is_machine_list;
use serde_json::Value;

/// A format that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportFormat {
    Ini,
    Dnsmasq,
    Isc,
    Kea,
    Uci,
    /// Options of dnsmasq outside its own file.
    CommandLine,
    /// A list of machines.
    Csv,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detection {
    Supported(ImportFormat),
    /// What it is, and what helps.
    Unsupported(String, String),
}

/// The first that recognises the text.
pub fn detect_format(text: &str) -> Detection {
    let tests = [empty, xml, json, table, menus, options, template, sections, router, lists, braces, scripts];
    tests.iter().find_map(|test| test(text)).unwrap_or(Detection::Supported(ImportFormat::Dnsmasq))
}

fn not_read(what: &str, help: &str) -> Option<Detection> {
    Some(Detection::Unsupported(format!("this is {what}, and is not read"), help.to_owned()))
}

const BY_HAND: &str = "what it says of network boots is written by hand: docs/configuration.md";

/// The lines that say something, without the blanks around them.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';']))
}

/// The first words of lines, at the beginning of the line or behind blanks.
fn has(text: &str, test: impl Fn(&str) -> bool) -> bool {
    lines(text).any(test)
}

fn empty(text: &str) -> Option<Detection> {
    let help = "name a file that says what machines boot".to_owned();
    if text.trim().is_empty() {
        return Some(Detection::Unsupported("the file is empty: there is nothing to import".into(), help));
    }
    let is_script = text.starts_with("#!");
    (!is_script && lines(text).next().is_none())
        .then(|| Detection::Unsupported("the file has comments only: there is nothing to import".into(), help))
}

fn xml(text: &str) -> Option<Detection> {
    let text = text.trim_start();
    if !text.starts_with('<') {
        return None;
    }
    let element =
        |rest: &str| rest.split([' ', '>', '/', '\r', '\n', '\t']).next().unwrap_or_default().to_ascii_lowercase();
    let mut elements = text.split('<').skip(1).map(element).filter(|name| !name.starts_with(['?', '!']));
    match elements.next().unwrap_or_default().as_str() {
        "pfsense" => not_read(
            "the configuration of pfSense",
            "its DHCP server may go on; beside it this server needs no file at all",
        ),
        "opnsense" => not_read(
            "the configuration of OPNsense",
            "its DHCP server may go on; beside it this server needs no file at all",
        ),
        "domain" | "network" | "domstatus" | "networkstatus" => {
            not_read("XML of libvirt", "machines are [machine.NAME] with the `mac` of the domain's <interface>")
        }
        "dhcpserver" => not_read("the export of a Windows DHCP server", BY_HAND),
        _ => not_read("XML of a kind that is not known here", BY_HAND),
    }
}

fn json(text: &str) -> Option<Detection> {
    let plain = strip_comments(text);
    if !plain.trim_start().starts_with(['{', '[']) || plain.trim_start().starts_with("[machine") {
        return None;
    }
    if ["\"Dhcp4\"", "\"Dhcp6\""].iter().any(|word| plain.contains(word)) {
        return Some(Detection::Supported(ImportFormat::Kea));
    }
    let Ok(value) = serde_json::from_str::<Value>(&plain) else {
        return plain
            .trim_start()
            .starts_with('{')
            .then_some(())
            .and_then(|()| not_read("JSON with an error in it, or JSON of a kind that is not known here", BY_HAND));
    };
    let says = |key: &str| value.get(key).is_some();
    if says("profile") && (says("selector") || says("id")) {
        return not_read(
            "a group of matchbox",
            "a group is a [[rule]] or a [machine.NAME], its profile a [profile.NAME]",
        );
    }
    if says("boot") && (says("id") || says("ignition_id")) {
        return not_read("a profile of matchbox", "write [profile.NAME] with its `kernel`, `initrd` and `cmdline`");
    }
    if value.is_array() {
        return not_read(
            "a list in JSON",
            "a list of machines goes into `machine-files` as it is, if each has a `name`",
        );
    }
    not_read("JSON of a kind that is not known here", BY_HAND)
}

fn table(text: &str) -> Option<Detection> {
    is_machine_list(text).then_some(Detection::Supported(ImportFormat::Csv))
}

/// In any file that may hold a command line. Its own file has no dashes in front of an option.
fn options(text: &str) -> Option<Detection> {
    has_options(text).then_some(Detection::Supported(ImportFormat::CommandLine))
}

fn template(text: &str) -> Option<Detection> {
    let is_template = text.contains("{%") || (text.contains("{{") && text.contains("}}"));
    if !is_template {
        return None;
    }
    not_read(
        "a template (Jinja, as Ansible and Salt have them)",
        "import the file that is made from it, on the machine that has it",
    )
}

fn sections(text: &str) -> Option<Detection> {
    let heading =
        |line: &str| line.strip_prefix('[').and_then(|line| line.split_once(']')).map(|(name, _)| name.to_owned());
    let names: Vec<String> = lines(text).filter_map(heading).collect();
    let named = |name: &str| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    let is_list = names.iter().any(|name| name.contains(['"', ',']) || name.starts_with('['));
    if names.is_empty() || is_list {
        return None;
    }
    if named("proxy") {
        return Some(Detection::Supported(ImportFormat::Ini));
    }
    if named("Unit") || named("Service") || named("Container") {
        return not_read(
            "a unit of systemd without a command line of dnsmasq",
            "import the file that the command reads",
        );
    }
    if named("tftpd32") || named("tftpd64") || has(text, |line| line.starts_with("BaseDirectory=")) {
        return not_read("the INI file of tftpd32", BY_HAND);
    }
    let key = |word: &str| has(text, |line| line.to_ascii_lowercase().starts_with(word));
    if named("frmMain") || named("arch") || (named("dhcp") && key("filename")) {
        return not_read("the INI file of Tiny PXE Server", BY_HAND);
    }
    if named("profile") || names.iter().any(|name| name.starts_with("profile.") || name.starts_with("machine.")) {
        return not_read("a file of this server already", "`proxydhcpd check FILE` says what is wrong with it");
    }
    if named("all:vars") || names.iter().any(|name| name.ends_with(":children") || name.ends_with(":vars")) {
        return not_read("an inventory of Ansible", "export it as CSV with the columns name and mac, and import that");
    }
    Some(Detection::Supported(ImportFormat::Ini))
}

fn router(text: &str) -> Option<Detection> {
    if has(text, |line| line.starts_with("config "))
        && has(text, |line| ["option ", "option\t", "list ", "list\t"].iter().any(|word| line.starts_with(word)))
    {
        return Some(Detection::Supported(ImportFormat::Uci));
    }
    let is_command = |line: &str| line.starts_with("/ip dhcp-server") || line.starts_with("/ip/dhcp-server");
    if has(text, is_command) || text.starts_with("# by RouterOS") {
        return not_read(
            "an export of MikroTik's RouterOS",
            "its DHCP server may go on; beside it this server needs no file at all",
        );
    }
    if has(text, |line| line.to_ascii_lowercase().starts_with("dhcp server ")) {
        return not_read("the dump of a Windows DHCP server", BY_HAND);
    }
    None
}

/// YAML, as far as it is known.
fn lists(text: &str) -> Option<Detection> {
    let key = |name: &str| has(text, |line| line.trim_start_matches("- ").starts_with(&format!("{name}:")));
    if key("bootFilename") || (key("ipxe") && key("mounts")) {
        return not_read("a manifest of netbootd", "write [machine.NAME] with its `mac`, and a [profile.NAME]");
    }
    if key("services") && (key("image") || key("build")) {
        return not_read("a Compose file without options of dnsmasq", "import the file that the container reads");
    }
    if key("apiVersion") && key("kind") {
        return not_read("a manifest of Kubernetes", "import the text of the file that it holds");
    }
    None
}

/// ISC dhcpd's language: statements that end in `;`, and blocks.
fn braces(text: &str) -> Option<Detection> {
    const WORDS: [&str; 17] = [
        "subnet",
        "shared-network",
        "group",
        "host",
        "class",
        "subclass",
        "pool",
        "option",
        "filename",
        "next-server",
        "default-lease-time",
        "max-lease-time",
        "authoritative",
        "ddns-update-style",
        "include",
        "allow",
        "if",
    ];
    let is_statement = |line: &str| {
        let line = line.split('#').next().unwrap_or_default().trim_end();
        let word = line.split([' ', '\t', ';', '{']).next().unwrap_or_default();
        WORDS.contains(&word) && line.ends_with([';', '{', '}']) && !line.contains("=tag:")
    };
    has(text, is_statement).then_some(Detection::Supported(ImportFormat::Isc))
}

/// Their arguments may look like options of dnsmasq.
fn menus(text: &str) -> Option<Detection> {
    if text.starts_with("#!ipxe") {
        return not_read(
            "a script of iPXE",
            "it is used as it is: `script = \"NAME\"` in a profile, the file in the boot directory",
        );
    }
    // A shell script may have a menu in it.
    if text.starts_with("#!") {
        return None;
    }
    let word = |word: &str| has_word(text, word);
    if word("label") && (word("kernel") || word("linux") || word("localboot") || word("append")) {
        return not_read(
            "a menu of PXELINUX",
            "PXELINUX reads it as before; import the directory that pxelinux.cfg is in to have its machines here",
        );
    }
    None
}

fn has_word(text: &str, word: &str) -> bool {
    has(text, |line| line.split_whitespace().next().is_some_and(|first| first.eq_ignore_ascii_case(word)))
}

fn scripts(text: &str) -> Option<Detection> {
    if has_word(text, "menuentry") {
        return not_read("a menu of GRUB", "GRUB reads it as before, from the boot directory");
    }
    None
}

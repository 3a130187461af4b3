//! Detects the format of a file from its text. A known format that `import` does not read results in an error, which
//! names the format and says what to do instead.

use super::command_line::has_options;
use super::kea::strip_comments;
use super::machine_csv::is_machine_list;
use serde_json::Value;

/// A format that `import` reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportFormat {
    /// `proxy.ini` of the Python daemon.
    Ini,
    /// `dnsmasq.conf`.
    Dnsmasq,
    /// `dhcpd.conf` of ISC dhcpd.
    Isc,
    /// `kea-dhcp4.conf`.
    Kea,
    /// OpenWrt's `/etc/config/dhcp`.
    Uci,
    /// dnsmasq options outside of its configuration file, as on a command line.
    CommandLine,
    /// A list of machines in CSV.
    Csv,
}

/// The result of detecting a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detection {
    /// A format that `import` reads.
    Supported(ImportFormat),
    /// A format that `import` does not read: the error message, and its help.
    Unsupported(String, String),
}

/// The format of the first test that recognises the text; dnsmasq if none does.
pub fn detect_format(text: &str) -> Detection {
    let tests = [empty, xml, json, csv, scripts_and_menus, command_line, template, ini, router_os, yaml, isc, grub];
    tests.iter().find_map(|test| test(text)).unwrap_or(Detection::Supported(ImportFormat::Dnsmasq))
}

fn not_read(what: &str, help: &str) -> Option<Detection> {
    Some(Detection::Unsupported(format!("cannot import {what}"), help.to_owned()))
}

const BY_HAND: &str = "write its network boot settings by hand (docs/configuration.md)";

/// The trimmed lines, without empty lines and comments.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';']))
}

/// Whether the test holds for any of the trimmed lines.
fn any_line(text: &str, test: impl Fn(&str) -> bool) -> bool {
    lines(text).any(test)
}

fn empty(text: &str) -> Option<Detection> {
    let help = "name a file that configures network boot".to_owned();
    if text.trim().is_empty() {
        return Some(Detection::Unsupported("the file is empty: there is nothing to import".into(), help));
    }
    let is_script = text.starts_with("#!");
    (!is_script && lines(text).next().is_none())
        .then(|| Detection::Unsupported("the file contains only comments: there is nothing to import".into(), help))
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
            "a pfSense configuration",
            "keep its DHCP server running: next to it, proxydhcpd needs no configuration",
        ),
        "opnsense" => not_read(
            "an OPNsense configuration",
            "keep its DHCP server running: next to it, proxydhcpd needs no configuration",
        ),
        "domain" | "network" | "domstatus" | "networkstatus" => {
            not_read("libvirt XML", "write a [machine.NAME] with the `mac` of the domain's <interface>")
        }
        "dhcpserver" => not_read("a Windows DHCP server export", BY_HAND),
        _ => not_read("XML of an unknown kind", BY_HAND),
    }
}

fn json(text: &str) -> Option<Detection> {
    let json_text = strip_comments(text);
    if !json_text.trim_start().starts_with(['{', '[']) || json_text.trim_start().starts_with("[machine") {
        return None;
    }
    if ["\"Dhcp4\"", "\"Dhcp6\""].iter().any(|word| json_text.contains(word)) {
        return Some(Detection::Supported(ImportFormat::Kea));
    }
    let Ok(value) = serde_json::from_str::<Value>(&json_text) else {
        return json_text
            .trim_start()
            .starts_with('{')
            .then_some(())
            .and_then(|()| not_read("JSON with a syntax error, or JSON of an unknown kind", BY_HAND));
    };
    let has_key = |key: &str| value.get(key).is_some();
    if has_key("profile") && (has_key("selector") || has_key("id")) {
        return not_read(
            "a matchbox group",
            "write a [[rule]] or a [machine.NAME] for the group, and a [profile.NAME] for its profile",
        );
    }
    if has_key("boot") && (has_key("id") || has_key("ignition_id")) {
        return not_read("a matchbox profile", "write [profile.NAME] with its `kernel`, `initrd` and `cmdline`");
    }
    if value.is_array() {
        return not_read("a JSON list", "if it lists machines and each has a `name`, add the file to `machine-files`");
    }
    not_read("JSON of an unknown kind", BY_HAND)
}

fn csv(text: &str) -> Option<Detection> {
    is_machine_list(text).then_some(Detection::Supported(ImportFormat::Csv))
}

/// A dnsmasq command line, in any kind of file. Its options have leading dashes, unlike those in `dnsmasq.conf`.
fn command_line(text: &str) -> Option<Detection> {
    has_options(text).then_some(Detection::Supported(ImportFormat::CommandLine))
}

fn template(text: &str) -> Option<Detection> {
    let is_template = text.contains("{%") || (text.contains("{{") && text.contains("}}"));
    if !is_template {
        return None;
    }
    not_read("a template (Jinja, as in Ansible and Salt)", "import the rendered file, on the host that uses it")
}

fn ini(text: &str) -> Option<Detection> {
    let heading =
        |line: &str| line.strip_prefix('[').and_then(|line| line.split_once(']')).map(|(name, _)| name.to_owned());
    let names: Vec<String> = lines(text).filter_map(heading).collect();
    let has_section = |name: &str| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    let is_array = names.iter().any(|name| name.contains(['"', ',']) || name.starts_with('['));
    if names.is_empty() || is_array {
        return None;
    }
    if has_section("proxy") {
        return Some(Detection::Supported(ImportFormat::Ini));
    }
    if has_section("Unit") || has_section("Service") || has_section("Container") {
        return not_read("a systemd unit without a dnsmasq command line", "import the file that the command reads");
    }
    if has_section("tftpd32") || has_section("tftpd64") || any_line(text, |line| line.starts_with("BaseDirectory=")) {
        return not_read("a tftpd32 INI file", BY_HAND);
    }
    let has_key = |word: &str| any_line(text, |line| line.to_ascii_lowercase().starts_with(word));
    if has_section("frmMain") || has_section("arch") || (has_section("dhcp") && has_key("filename")) {
        return not_read("a Tiny PXE Server INI file", BY_HAND);
    }
    if has_section("profile") || names.iter().any(|name| name.starts_with("profile.") || name.starts_with("machine.")) {
        return not_read("a proxydhcpd configuration", "run `proxydhcpd check FILE` to check it");
    }
    if has_section("all:vars") || names.iter().any(|name| name.ends_with(":children") || name.ends_with(":vars")) {
        return not_read("an Ansible inventory", "export it as CSV with the columns name and mac, and import that");
    }
    Some(Detection::Supported(ImportFormat::Ini))
}

fn router_os(text: &str) -> Option<Detection> {
    if any_line(text, |line| line.starts_with("config "))
        && any_line(text, |line| ["option ", "option\t", "list ", "list\t"].iter().any(|word| line.starts_with(word)))
    {
        return Some(Detection::Supported(ImportFormat::Uci));
    }
    let is_command = |line: &str| line.starts_with("/ip dhcp-server") || line.starts_with("/ip/dhcp-server");
    if any_line(text, is_command) || text.starts_with("# by RouterOS") {
        return not_read(
            "a MikroTik RouterOS export",
            "keep its DHCP server running: next to it, proxydhcpd needs no configuration",
        );
    }
    if any_line(text, |line| line.to_ascii_lowercase().starts_with("dhcp server ")) {
        return not_read("a Windows DHCP server dump", BY_HAND);
    }
    None
}

/// The kinds of YAML file that can be recognised by their keys.
fn yaml(text: &str) -> Option<Detection> {
    let has_key = |name: &str| any_line(text, |line| line.trim_start_matches("- ").starts_with(&format!("{name}:")));
    if has_key("bootFilename") || (has_key("ipxe") && has_key("mounts")) {
        return not_read("a netbootd manifest", "write [machine.NAME] with its `mac`, and a [profile.NAME]");
    }
    if has_key("services") && (has_key("image") || has_key("build")) {
        return not_read("a Compose file without dnsmasq options", "import the file that the container reads");
    }
    if has_key("apiVersion") && has_key("kind") {
        return not_read("a Kubernetes manifest", "extract the configuration file from it, and import that file");
    }
    None
}

/// The language of ISC dhcpd, recognised by its blocks and by statements that end with `;`.
fn isc(text: &str) -> Option<Detection> {
    const KEYWORDS: [&str; 17] = [
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
        KEYWORDS.contains(&word) && line.ends_with([';', '{', '}']) && !line.contains("=tag:")
    };
    any_line(text, is_statement).then_some(Detection::Supported(ImportFormat::Isc))
}

/// iPXE scripts and boot menus. This test precedes that for dnsmasq options, because the kernel arguments of a menu may
/// look like such options.
fn scripts_and_menus(text: &str) -> Option<Detection> {
    if text.starts_with("#!ipxe") {
        return not_read(
            "an iPXE script",
            "put the file into the boot directory, and write `script = \"NAME\"` in a profile",
        );
    }
    // A shell script may contain a menu.
    if text.starts_with("#!") {
        return None;
    }
    let word = |word: &str| any_line_starts_with(text, word);
    if word("label") && (word("kernel") || word("linux") || word("localboot") || word("append")) {
        return not_read(
            "a PXELINUX menu",
            "PXELINUX still reads it; to import its machines, name the directory that contains pxelinux.cfg",
        );
    }
    None
}

fn any_line_starts_with(text: &str, word: &str) -> bool {
    any_line(text, |line| line.split_whitespace().next().is_some_and(|first| first.eq_ignore_ascii_case(word)))
}

fn grub(text: &str) -> Option<Detection> {
    if any_line_starts_with(text, "menuentry") {
        return not_read("a GRUB menu", "GRUB still reads it from the boot directory");
    }
    None
}

//! The rows.

use super::{ConfigKey, ConfigTable};
use crate::config::MaxTransfers;

pub const TABLES: &[ConfigTable] = &[
    table("", "the top of the file", "The site.", "These keys stand before the first table.", ""),
    table(
        "variables",
        "[variables]",
        "Variables for all templates.",
        VARIABLES_MORE,
        "[variables]\ndomain = \"example.org\"\nmirror = \"http://192.0.2.5/debian\"\n",
    ),
    table(
        "directories",
        "[directories]",
        "Further directories, served under names.",
        "What is asked for as debian/... comes from that directory. The boot directory must have nothing of the same name.",
        "[directories]\ndebian = \"/srv/mirror/debian\"\n",
    ),
    table("dhcp", "[dhcp]", "Which requests are answered.", "", ""),
    table("dhcp6", "[dhcp6]", "What there is to IPv6 beside all that holds for both families.", "", ""),
    table("http", "[http]", "Our HTTP server.", "", ""),
    table("tftp", "[tftp]", "Our TFTP server.", "", ""),
    table("profile", "[profile.NAME]", "What machines boot.", PROFILE_MORE, PROFILE_EXAMPLE),
    table(
        "profile.loaders",
        "[profile.NAME.loaders]",
        "The first programs that firmware is given, by architecture.",
        "They take the place of the loaders that the server finds by itself. In a profile that boots nothing else \
         they are \
         all there is: GRUB, shim, Windows. Files of the boot directory; each must be a program for its architecture. \
         `default` is given to every other architecture, and to iPXE. A file of another TFTP server is written \
         tftp://192.0.2.5/name; any other URL is for UEFI HTTP boot and for iPXE, and other firmware is given our iPXE to go there.",
        "[profile.grub.loaders]\nuefi-x64 = \"grub/bootx64.efi\"\nuefi-arm64 = \"grub/bootaa64.efi\"\n",
    ),
    table(
        "profile.menu",
        "[profile.NAME.menu]",
        "A menu that the firmware itself shows; iPXE shows it as well.",
        "It has to fit into 255 octets with all its texts.",
        "",
    ),
    table("profile.menu.items", "an item of a menu", "A line of the menu.", "", ""),
    table("rule", "[[rule]]", "Which machines get what. The first rule that matches decides.", RULE_MORE, RULE_EXAMPLE),
    table(
        "machine",
        "[machine.NAME]",
        "A machine that you know.",
        "NAME is of letters, digits, dots, hyphens and underscores, at most 63. The same keys stand in machine files.",
        MACHINE_EXAMPLE,
    ),
];

pub const KEYS: &[ConfigKey] = &[
    key(
        "",
        "interfaces",
        "a list of names: [\"eth0\", \"vlan*\"]",
        "all on which machines can boot",
        "Interfaces to serve.",
        "`*` stands for any characters, `?` for one.",
        "[\"eth0\", \"vlan*\"]",
    ),
    key(
        "",
        "ipv4-interfaces",
        "a list of names: [\"eth0\", \"vlan*\"]",
        "all that are served",
        "Of the interfaces to serve, those on which machines boot over IPv4.",
        "An empty list switches IPv4 off: no DHCP port of it is open then, and to switch it on again needs a restart.",
        "[\"eth0\"]",
    ),
    key(
        "",
        "ipv6-interfaces",
        "a list of names: [\"eth0\", \"vlan*\"]",
        "all that are served",
        "Of the interfaces to serve, those on which machines boot over IPv6.",
        "An empty list switches IPv6 off: nothing listens there then, and to switch it on again needs a restart.",
        "[\"vlan*\"]",
    ),
    key(
        "",
        "address",
        "an address of this machine, or a list of them",
        "the first address of each interface",
        "The address to announce: in replies and in URLs.",
        "For interfaces that have several, IPv4 or IPv6. An interface that has none of the addresses given here is not \
         served.",
        "\"192.0.2.10\"",
    ),
    key(
        "",
        "boot-dir",
        "an absolute path in quotes",
        "\"/var/lib/proxydhcpd/boot\"",
        "The directory with the files to boot.",
        "The menu shows what is in it.",
        "\"/srv/boot\"",
    ),
    key(
        "",
        "state-dir",
        "an absolute path in quotes",
        "\"/var/lib/proxydhcpd/state\"",
        "The directory for what outlasts the server.",
        "used-up/ has a mark for each machine that has used up its boot; armings and done-key make the tokens of \
         done_url; shared-uuids lists UUIDs that were heard from two machines; duid is the server's name in DHCPv6. No \
         other directory is written to. Where $STATE_DIRECTORY is set, as systemd does it, that is the default.",
        "\"/var/lib/proxydhcpd/state\"",
    ),
    key(
        "",
        "ignore-case",
        "true or false",
        "false",
        "Find files of the boot directory whose names differ in case.",
        "Windows asks for \\Boot\\BCD and for \\boot\\bcd.",
        "true",
    ),
    key(
        "",
        "template-dir",
        "an absolute path in quotes",
        "the directory `templates` beside this file",
        "The directory with templates: scripts, and any text that machines fetch.",
        "Each file in it is served under its name there, rendered for the machine that asks.",
        "\"/etc/proxydhcpd/templates\"",
    ),
    key(
        "",
        "machine-files",
        "a list of absolute paths: [\"/etc/proxydhcpd/machines\"]",
        "the directory `machines` beside this file",
        "Where machines are described, beside this file.",
        MACHINE_FILES_MORE,
        "[\"/etc/proxydhcpd/machines\"]",
    ),
    key(
        "",
        "default-profile",
        "the name of a profile",
        "\"menu\"",
        "What a machine boots for which nothing else decides.",
        "Built in are \"menu\" (the menu of the boot directory), \"local-disk\" and \"nothing\".",
        "\"menu\"",
    ),
    key(
        "",
        "unknown-machine-profile",
        "the name of a profile",
        "what default-profile says",
        "What a machine boots that has no entry, where no rule decides.",
        "",
        "\"local-disk\"",
    ),
    key(
        "",
        "shared-macs",
        "a list of MAC addresses, or parts of them: [\"00:e0:4c:68:*\"]",
        "none",
        "Addresses that many machines share in turn: no identity.",
        "Those of docking stations and USB adapters. Give the machines that use them a UUID or a serial number.",
        "[\"00:e0:4c:68:*\"]",
    ),
    key(
        "",
        "secure-boot-keys",
        "a list of absolute paths: [\"/etc/proxydhcpd/site.pem\"]",
        "none",
        "Certificates of your own that machines with Secure Boot hold, beside Microsoft's.",
        "`check` says by them which loaders would be refused. PEM files.",
        "[\"/etc/proxydhcpd/site.pem\"]",
    ),
    key(
        "dhcp",
        "proxy-only",
        "true or false",
        "false",
        "Answer on port 4011 only.",
        "For a host whose own DHCP server has port 67 and sends machines to us. Machines of all networks may then come to port 4011.",
        "true",
    ),
    key(
        "dhcp",
        "relays",
        ADDRESSES,
        "any",
        "The relays that may ask, and no others.",
        "",
        "[\"10.1.0.1\", \"10.2.0.1\"]",
    ),
    key(
        "dhcp",
        "user-classes",
        "a list of words: [\"one\", \"two\"]",
        "none",
        "Further words in option 77 that mean \"already iPXE\".",
        "",
        "[\"xNBA\"]",
    ),
    key(
        "dhcp",
        "vendor-classes",
        "a list of words: [\"one\", \"two\"]",
        "none",
        "Further words with which option 60 of PXE firmware begins.",
        "Beside PXEClient: the firmware of some makers has a word of its own.",
        "[\"HW-Client\"]",
    ),
    key(
        "dhcp",
        "max-packets-per-second",
        "a number above 0 (leave the line out for no limit)",
        "no limit",
        "The most boot clients that are answered in a second on each interface.",
        "What comes from the link itself, through relays, and to port 4011 counts each by itself.",
        "1000",
    ),
    key(
        "dhcp",
        "loop-guard",
        "\"warn\", \"stop\" or \"off\"",
        "\"warn\"",
        "What is done about a machine that fetches the same first loader for the third time within two minutes.",
        "\"warn\": the log says so. \"stop\": it is not answered for five minutes as well.",
        "\"stop\"",
    ),
    key(
        "dhcp6",
        "stateless-ipxe",
        "true or false",
        "false",
        "Answer an iPXE in a network whose DHCPv6 server gives no addresses.",
        STATELESS_MORE,
        "true",
    ),
    key(
        "dhcp6",
        "dns-servers",
        "a list of unicast IPv6 addresses: [\"2001:db8::53\"]",
        "none",
        "The name servers that such an iPXE is told.",
        "",
        "[\"2001:db8::53\"]",
    ),
    key(
        "dhcp6",
        "domains",
        "a list of domain names: [\"example.org\"]",
        "none",
        "The domains in which it looks up names.",
        "",
        "[\"example.org\"]",
    ),
    key(
        "http",
        "enabled",
        "true or false",
        "true",
        "Serve HTTP.",
        "Scripts and kernels come much faster than by TFTP.",
        "true",
    ),
    key("http", "port", "a port, 1 to 65535", "8080", "The port.", "", "80"),
    key(
        "tftp",
        "enabled",
        "true or false",
        "true",
        "Serve TFTP.",
        "Without it firmware can only boot over HTTP.",
        "true",
    ),
    key(
        "tftp",
        "ports",
        "two ports, the lower one first: \"50000-51023\"",
        "any",
        "The ports from which transfers are sent.",
        "For firewalls. Not together with single-port. 1024 or more allow for windows of 64 blocks.",
        "\"50000-51023\"",
    ),
    key(
        "tftp",
        "single-port",
        "true or false",
        "false",
        "Send transfers from port 69 too.",
        "For firewalls and containers. Not together with ports. Machines behind relays that are not listed load slowly.",
        "false",
    ),
    key(
        "tftp",
        "max-transfers",
        MaxTransfers::EXPECTED,
        "as many as open files allow",
        "Transfers at a time, of all machines together.",
        "The others ask again until it is their turn.",
        "512",
    ),
    key(
        "profile",
        "extends",
        "the name of a profile",
        "none",
        "Another profile: what is not said here comes from there.",
        "Variables and loaders are united. Another kind of boot takes the place of that of the other profile.",
        "\"base\"",
    ),
    key("profile", "title", TEXT, "its name", "What menus and logs call it.", "", "\"Debian 12 installer\""),
    key(
        "profile",
        "kernel",
        "a path in the boot directory, or a URL",
        "none",
        "The kernel that iPXE starts.",
        "May hold template expressions, as initrd and arguments may.",
        "\"debian/linux\"",
    ),
    key(
        "profile",
        "initrd",
        "a path in the boot directory or a URL, or a list of them",
        "none",
        "Its initrds.",
        "",
        "[\"debian/initrd.gz\"]",
    ),
    key(
        "profile",
        "arguments",
        LINE,
        "none",
        "What the kernel is told.",
        "",
        "\"auto=true priority=critical url={{ base }}preseed.cfg\"",
    ),
    key(
        "profile",
        "script",
        "the name of a file in the template directory, or a URL",
        "none",
        "The script that iPXE runs, a template.",
        "A URL is given to iPXE as it stands.",
        "\"rescue.ipxe\"",
    ),
    key(
        "profile",
        "boot",
        "\"menu\", \"local-disk\" or \"nothing\"",
        "none",
        "What is built in.",
        "\"menu\" is the menu of the boot directory; \"local-disk\" starts the machine's disk; \"nothing\" leaves it alone.",
        "\"local-disk\"",
    ),
    key(
        "profile",
        "boot-once-file",
        "the name of a file as it is asked for",
        "the kernel",
        "The file that uses up a boot-once when it was fetched whole.",
        "",
        "\"debian/initrd.gz\"",
    ),
    key(
        "profile",
        "variables",
        "a table: { name = \"value\" }",
        "none",
        "Variables for templates, before those of the site.",
        "",
        "{ suite = \"bookworm\" }",
    ),
    key(
        "profile",
        "loaders",
        "a table",
        "none",
        "The first program by architecture; see [profile.NAME.loaders].",
        "",
        "{ uefi-x64 = \"shimx64.efi\" }",
    ),
    key(
        "profile",
        "menu",
        "a table",
        "none",
        "A menu for the firmware to show; see [profile.NAME.menu].",
        "",
        "{ items = [{ title = \"Debian\", profile = \"debian\" }] }",
    ),
    key(
        "profile.menu",
        "prompt",
        MENU_TEXT,
        "\"Press F8 for the menu\"",
        "What is shown before the menu.",
        "",
        "\"Press F8 for the menu\"",
    ),
    key(
        "profile.menu",
        "timeout",
        "a number of seconds, 0 to 255",
        "10",
        "Seconds until the first item is taken.",
        "0: at once and without a word. 255: the menu is shown and waits.",
        "10",
    ),
    key(
        "profile.menu",
        "items",
        "a list of tables: [{ title = \"Debian\", profile = \"debian\" }]",
        "none",
        "The lines of the menu, at most 24.",
        "",
        "[{ title = \"Debian\", profile = \"debian\" }]",
    ),
    key("profile.menu.items", "title", MENU_TEXT, "none", "What the line says.", "", "\"Debian\""),
    key("profile.menu.items", "profile", "the name of a profile", "none", "What it boots.", "", "\"debian\""),
    key(
        "profile.menu.items",
        "server",
        "a unicast IPv4 address in quotes",
        "none",
        "Another boot server, which is asked for it on port 4011.",
        "In place of a profile.",
        "\"192.0.2.99\"",
    ),
    key(
        "profile.menu.items",
        "type",
        "a PXE boot server type, 1 to 65535",
        "32769 and up",
        "The number by which firmware asks for it.",
        "An item with nothing else leads to whichever boot server of this type answers a broadcast.",
        "1",
    ),
    key("rule", "name", TEXT, "\"rule\" and its number", "What logs and `explain` call it.", "", "\"lab\""),
    key(
        "rule",
        "mac",
        "a list of MAC addresses, or parts of them: [\"52:54:00:*\"]",
        ANY,
        "By MAC address.",
        "",
        "[\"52:54:00:*\"]",
    ),
    key(
        "rule",
        "uuid",
        "a list of UUIDs",
        ANY,
        "By the machine's UUID, as its firmware prints it.",
        "",
        "[\"11223344-5566-7788-99aa-bbccddeeff00\"]",
    ),
    key(
        "rule",
        "serial",
        PATTERNS,
        ANY,
        "By serial number.",
        "Only iPXE tells it: it decides which script is given, not which loader.",
        "[\"ABC*\"]",
    ),
    key(
        "rule",
        "arch",
        "a list of architectures: [\"uefi-x64\"]",
        ANY,
        "By architecture.",
        "",
        "[\"uefi-x64\", \"uefi-arm64\"]",
    ),
    key(
        "rule",
        "firmware",
        "a list of \"bios\", \"uefi\", \"http\", \"ipxe\", \"raspberry-pi\" or \"u-boot\"",
        ANY,
        "By the kind of firmware that asks.",
        "An iPXE is \"ipxe\" and what it runs on as well. U-Boot is answered only where a rule names it.",
        "[\"uefi\"]",
    ),
    key("rule", "vendor-class", PATTERNS, ANY, "By vendor class (option 60).", "", "[\"PXEClient:Arch:00007*\"]"),
    key("rule", "user-class", PATTERNS, ANY, "By user class (option 77).", "", "[\"iPXE\"]"),
    key("rule", "interface", PATTERNS, ANY, "By the interface of ours that it asks on.", "", "[\"eth*\"]"),
    key(
        "rule",
        "subnet",
        "a list of networks: [\"10.1.0.0/16\", \"2001:db8:12::/48\"]",
        ANY,
        "By the network that it is in.",
        "",
        "[\"10.1.0.0/16\"]",
    ),
    key(
        "rule",
        "relay",
        ADDRESSES,
        ANY,
        "By the relay that it is behind.",
        "A DHCPv6 relay is known by the address that it writes from, or by that on the machine's link.",
        "[\"10.1.0.1\"]",
    ),
    key(
        "rule",
        "circuit-id",
        PATTERNS,
        ANY,
        "By what the relay says of its port (option 82, circuit id).",
        "",
        "[\"*:12\"]",
    ),
    key(
        "rule",
        "interface-id",
        PATTERNS,
        ANY,
        "By what a DHCPv6 relay says of its port (option 18, interface id).",
        "",
        "[\"vlan12\"]",
    ),
    key("rule", "known", "true or false", ANY, "Whether it has an entry.", "", "true"),
    key(
        "rule",
        "profile",
        "the name of a profile",
        "as if there were no rule",
        "What it boots, unless its own entry says otherwise.",
        "",
        "\"debian\"",
    ),
    key("rule", "deny", "true or false", "false", "Do not answer it, whatever its own entry says.", "", "true"),
    key(
        "rule",
        "as-firmware",
        "true or false",
        "false",
        "Give it its firmware's loader, whatever it says of itself.",
        "For an iPXE in a network card that shall be replaced by ours.",
        "true",
    ),
    key(
        "rule",
        "as-raspberry-pi",
        "true or false",
        "false",
        "It is a Raspberry Pi, although nothing in its packet says so.",
        "For a Compute Module with another maker's address, or an option 97 of your own. A UEFI that runs on a Pi is a \
         UEFI machine all the same.",
        "true",
    ),
    key(
        "machine",
        "mac",
        "a MAC address, or a list of them: \"52:54:00:12:34:56\"",
        "none",
        "Its MAC addresses.",
        "",
        "[\"52:54:00:12:34:56\"]",
    ),
    key(
        "machine",
        "uuid",
        "a UUID: \"11223344-5566-7788-99aa-bbccddeeff00\"",
        "none",
        "Its UUID, as its firmware prints it.",
        "",
        "\"11223344-5566-7788-99aa-bbccddeeff00\"",
    ),
    key("machine", "serial", TEXT, "none", "Its serial number.", "", "\"ABC123\""),
    key(
        "machine",
        "profile",
        "the name of a profile",
        "what a rule says, or default-profile",
        "What it boots.",
        "",
        "\"debian\"",
    ),
    key(
        "machine",
        "boot",
        "\"always\", \"once\" or \"never\"",
        "\"always\"",
        "When it boots its profile. Otherwise it boots its disk.",
        "\"once\": until the file that its profile names has been fetched whole, or its system asks for .../done. \
         Without this key a boot that was used up before still counts.",
        "\"once\"",
    ),
    key(
        "machine",
        "variables",
        "a table: { name = \"value\" }",
        "none",
        "Variables for templates, before all others.",
        "",
        "{ role = \"web\" }",
    ),
];

const TEXT: &str = "a text in quotes";
const LINE: &str = "a text in quotes, on one line";
const MENU_TEXT: &str = "a text of 1 to 60 printable ASCII characters, which is what firmware shows";
const PATTERNS: &str = "a list of patterns: [\"eth*\"]";
const ANY: &str = "any";
const ADDRESSES: &str = "a list of unicast addresses: [\"192.0.2.1\", \"2001:db8::1\"]";

const STATELESS_MORE: &str = "It takes the first reply and asks no further, so ours stands in for that of the DHCPv6 server, which would \
                              have named the DNS servers: name them here.";
const MACHINE_FILES_MORE: &str = "A path is a file that ends in .toml, .csv or .json, or a directory of such files. The first line of a CSV names its \
     columns: name, mac (several with blanks between them), uuid, serial, profile, boot, or by their usual \
     names (Hostname, MAC Address, Serial number); any other is a variable, and an empty field says nothing. JSON is \
     an array of machines, an object that has them by name, or one with such an array in it; there, \
     too, any other key is a variable.";
const VARIABLES_MORE: &str = "A template finds them by their names. Those of a profile go before them, those of a machine before both. Also as \
                              variables = { ... } at the top of the file.";
const PROFILE_MORE: &str = "A profile boots one thing: a kernel, a script, a menu, what `boot` says, or, where it says none of these, its \
                            loaders. One that others extend may leave that to them.";
const RULE_MORE: &str = "All keys of a rule must hold, of a list one element. `*` stands for any characters, `?` for one. A machine's own entry \
                         goes before a rule, but not before one that denies. A rule without profile and deny allows: \
                         what is behind it does \
                         not count.";

const PROFILE_EXAMPLE: &str = r#"[profile.base]
arguments = "auto=true priority=critical url={{ base }}preseed.cfg"

[profile.debian]
extends = "base"
title = "Debian 12 installer"
kernel = "debian/linux"
initrd = ["debian/initrd.gz"]
boot-once-file = "debian/initrd.gz"
variables = { suite = "bookworm" }

[profile.rescue]
script = "rescue.ipxe"

[profile.grub.loaders]
uefi-x64 = "shimx64.efi"

[profile.disk]
boot = "local-disk"

[profile.ask.menu]
prompt = "Press F8 for the menu"
timeout = 10
items = [
  { title = "Debian", profile = "debian" },
  { title = "Rescue", profile = "rescue", type = 1 },
  { title = "Windows", server = "192.0.2.99" },
  { title = "Local disk", profile = "local-disk" },
]
"#;

const RULE_EXAMPLE: &str = r#"[[rule]]
name = "printers"
mac = ["00:17:c8:*"]
deny = true

[[rule]]
name = "lab"
arch = ["uefi-x64", "uefi-arm64"]
firmware = ["uefi"]
interface = ["eth*"]
subnet = ["10.1.0.0/16"]
known = false
profile = "debian"

[[rule]]
name = "behind the relay of room 12"
relay = ["10.1.0.1"]
circuit-id = ["*:12"]
profile = "rescue"

[[rule]]
name = "the same over IPv6"
relay = ["2001:db8:12::1"]
interface-id = ["vlan12"]
profile = "rescue"

[[rule]]
name = "our iPXE in place of that of the network card"
vendor-class = ["PXEClient:Arch:00000*"]
user-class = ["iPXE"]
as-firmware = true

[[rule]]
name = "Compute Modules with addresses of our own"
mac = ["02:c0:*"]
as-raspberry-pi = true

[[rule]]
name = "borrowed"
uuid = ["11223344-5566-7788-99aa-bbccddeeff00"]
serial = ["ABC*"]
profile = "local-disk"
"#;

const MACHINE_EXAMPLE: &str = r#"[machine.web1]
mac = ["52:54:00:12:34:56"]
uuid = "11223344-5566-7788-99aa-bbccddeeff00"
serial = "ABC123"
profile = "debian"
boot = "once"
variables = { role = "web" }
"#;

const fn table(
    name: &'static str,
    header: &'static str,
    about: &'static str,
    more: &'static str,
    example: &'static str,
) -> ConfigTable {
    ConfigTable { name, header, summary: about, details: more, example }
}

const fn key(
    table: &'static str,
    name: &'static str,
    is: &'static str,
    default: &'static str,
    about: &'static str,
    more: &'static str,
    example: &'static str,
) -> ConfigKey {
    ConfigKey { table, name, expected: is, default, summary: about, details: more, example }
}

//! The contents of the table of keys.

use super::key::{ConfigKey, ConfigTable};
use crate::settings::MaxTransfers;

/// The tables, in the order of the example file and the manual page.
pub const TABLES: &[ConfigTable] = &[
    table("", "the top of the file", "Settings of the whole site.", "These keys come before the first table.", ""),
    table(
        "variables",
        "[variables]",
        "Variables for all templates.",
        VARIABLES_DETAILS,
        "[variables]\ndomain = \"example.org\"\nmirror = \"http://192.0.2.5/debian\"\n",
    ),
    table(
        "directories",
        "[directories]",
        "Additional directories to serve, each under a name.",
        "Files requested as debian/... come from that directory. A file or directory of the same name in the boot \
         directory is hidden.",
        "[directories]\ndebian = \"/srv/mirror/debian\"\n",
    ),
    table("dhcp", "[dhcp]", "DHCP, over IPv4 and IPv6.", "", ""),
    table("dhcp6", "[dhcp6]", "IPv6-only settings.", "All others apply to IPv4 and IPv6.", ""),
    table("http", "[http]", "The HTTP server.", "", ""),
    table("tftp", "[tftp]", "The TFTP server.", "", ""),
    table(
        "profile",
        "[profile.NAME]",
        "A named boot, to which machines, rules and menus refer.",
        PROFILE_DETAILS,
        PROFILE_EXAMPLE,
    ),
    table(
        "profile.loaders",
        "[profile.NAME.loaders]",
        "The first programs that firmware downloads, by architecture.",
        "They replace the loaders that the server finds automatically. A profile that boots nothing else boots only \
         them: GRUB, shim or Windows. A value is a file in the boot directory, which must be a program for its \
         architecture, or a URL. `default` is the loader for iPXE and for every architecture that is not listed. \
         tftp://192.0.2.5/name is a file on another TFTP server. Any other URL is for UEFI HTTP boot and for iPXE; \
         other firmware gets the server's iPXE first, which then opens the URL.",
        "[profile.grub.loaders]\nuefi-x64 = \"grub/bootx64.efi\"\nuefi-arm64 = \"grub/bootaa64.efi\"\n",
    ),
    table(
        "profile.menu",
        "[profile.NAME.menu]",
        "A menu that the firmware itself shows; iPXE shows it, too.",
        "The menu must fit into 255 octets, including all its texts.",
        "",
    ),
    table("profile.menu.items", "an item of a menu", "A line of the menu.", "", ""),
    table(
        "rule",
        "[[rule]]",
        "A rule chooses what machines boot. The first rule that matches decides.",
        RULE_DETAILS,
        RULE_EXAMPLE,
    ),
    table(
        "machine",
        "[machine.NAME]",
        "The entry of one machine.",
        "NAME has at most 63 letters, digits, dots, hyphens and underscores. Machine files have the same keys.",
        MACHINE_EXAMPLE,
    ),
];

/// The keys, in the order of the example file and the manual page.
pub const KEYS: &[ConfigKey] = &[
    key(
        "",
        "interfaces",
        "a list of names: [\"eth0\", \"vlan*\"]",
        "all on which machines can boot",
        "The interfaces to serve.",
        "`*` stands for any characters, `?` for one.",
        "[\"eth0\", \"vlan*\"]",
    ),
    key(
        "",
        "ipv4-interfaces",
        "a list of names: [\"eth0\", \"vlan*\"]",
        "all served interfaces",
        "The served interfaces on which machines boot over IPv4.",
        "An empty list turns IPv4 off: the server opens no DHCPv4 port, and turning it on again needs a restart.",
        "[\"eth0\"]",
    ),
    key(
        "",
        "ipv6-interfaces",
        "a list of names: [\"eth0\", \"vlan*\"]",
        "all served interfaces",
        "The served interfaces on which machines boot over IPv6.",
        "An empty list turns IPv6 off: the server opens no IPv6 port, and turning it on again needs a restart.",
        "[\"vlan*\"]",
    ),
    key(
        "",
        "address",
        "an address of this host, or a list of them",
        "the first address of each interface",
        "The address to announce in replies and URLs.",
        "For interfaces with several addresses, IPv4 or IPv6. An interface with none of the listed addresses is not \
         served.",
        "\"192.0.2.10\"",
    ),
    key(
        "",
        "boot-dir",
        "an absolute path in quotes",
        "\"/var/lib/proxydhcpd/boot\"",
        "The directory with the files to boot.",
        "The boot menu lists its contents.",
        "\"/srv/boot\"",
    ),
    key(
        "",
        "state-dir",
        "an absolute path in quotes",
        "\"/var/lib/proxydhcpd/state\"",
        "The directory for state that outlives the server.",
        "boot-once/ records the machines that completed their boot-once; boot-once-counts and done-url-key make the \
         tokens of done_url; shared-uuids lists UUIDs seen on more than one machine; duid identifies the server in \
         DHCPv6. The server writes to no other directory. $STATE_DIRECTORY, which systemd sets, overrides the \
         default.",
        "\"/var/lib/proxydhcpd/state\"",
    ),
    key(
        "",
        "ignore-case",
        "true or false",
        "false",
        "Ignore case in file names of the boot directory.",
        "Windows requests both \\Boot\\BCD and \\boot\\bcd.",
        "true",
    ),
    key(
        "",
        "template-dir",
        "an absolute path in quotes",
        "the directory `templates` next to this file",
        "The directory of templates: scripts, and any other text that machines download.",
        "Each file in it is served under its name, rendered for the machine that requests it.",
        "\"/etc/proxydhcpd/templates\"",
    ),
    key(
        "",
        "machine-files",
        "a list of absolute paths: [\"/etc/proxydhcpd/machines\"]",
        "the directory `machines` next to this file",
        "Files with the entries of machines, in addition to this file.",
        MACHINE_FILES_DETAILS,
        "[\"/etc/proxydhcpd/machines\"]",
    ),
    key(
        "",
        "default-profile",
        "the name of a profile",
        "\"menu\"",
        "The profile of machines for which no entry or rule names one.",
        "Built-in profiles are \"menu\" (the menu of the boot directory), \"local-disk\" and \"nothing\".",
        "\"menu\"",
    ),
    key(
        "",
        "unknown-machine-profile",
        "the name of a profile",
        "the value of default-profile",
        "The profile of machines that have no entry, if no rule names one.",
        "",
        "\"local-disk\"",
    ),
    key(
        "",
        "shared-macs",
        "a list of MAC addresses, or parts of them: [\"00:e0:4c:68:*\"]",
        "none",
        "MAC addresses of shared adapters, which never identify a machine.",
        "Docking stations and USB adapters have them. Identify the machines that use them by UUID or serial number.",
        "[\"00:e0:4c:68:*\"]",
    ),
    key(
        "",
        "secure-boot-certificates",
        "a list of absolute paths: [\"/etc/proxydhcpd/site.pem\"]",
        "none",
        "Your own certificates that machines with Secure Boot trust, besides Microsoft's.",
        "PEM files. `check` reports which loaders the firmware would refuse.",
        "[\"/etc/proxydhcpd/site.pem\"]",
    ),
    key(
        "dhcp",
        "proxy-only",
        "true or false",
        "false",
        "Answer on UDP port 4011 only.",
        "For a host whose own DHCP server uses port 67 and refers machines to this server. Machines of all networks \
         may then send requests to port 4011.",
        "true",
    ),
    key(
        "dhcp",
        "relays",
        ADDRESSES,
        "any",
        "The relays to answer.",
        "Requests through any other relay are ignored.",
        "[\"10.1.0.1\", \"10.2.0.1\"]",
    ),
    key(
        "dhcp",
        "ipxe-user-classes",
        "a list of words: [\"one\", \"two\"]",
        "none",
        "Additional user classes (option 77) that identify iPXE.",
        "For builds of iPXE that send another word than iPXE.",
        "[\"xNBA\"]",
    ),
    key(
        "dhcp",
        "pxe-vendor-classes",
        "a list of words: [\"one\", \"two\"]",
        "none",
        "Additional beginnings of the vendor class (option 60) that identify PXE firmware.",
        "For makers whose firmware sends another word than PXEClient.",
        "[\"HW-Client\"]",
    ),
    key(
        "dhcp",
        "max-requests-per-second",
        "a number above 0 (omit the key for no limit)",
        "no limit",
        "The maximum number of requests to answer per second on each interface.",
        "Requests from the link itself, through relays, and to port 4011 are counted separately.",
        "1000",
    ),
    key(
        "dhcp",
        "loop-guard",
        "\"warn\", \"stop\" or \"off\"",
        "\"warn\"",
        "The reaction to a boot loop: a machine fetches the same first loader three times within two minutes.",
        "\"warn\" logs a warning. \"stop\" also ignores the machine for five minutes.",
        "\"stop\"",
    ),
    key(
        "dhcp6",
        "stateless-ipxe",
        "true or false",
        "false",
        "Answer iPXE in a network whose DHCPv6 server assigns no addresses.",
        STATELESS_DETAILS,
        "true",
    ),
    key(
        "dhcp6",
        "dns-servers",
        "a list of unicast IPv6 addresses: [\"2001:db8::53\"]",
        "none",
        "The DNS servers for such an iPXE.",
        "",
        "[\"2001:db8::53\"]",
    ),
    key(
        "dhcp6",
        "domains",
        "a list of domain names: [\"example.org\"]",
        "none",
        "The search domains for such an iPXE.",
        "",
        "[\"example.org\"]",
    ),
    key(
        "http",
        "enabled",
        "true or false",
        "true",
        "Run the HTTP server.",
        "Scripts and kernels load much faster over HTTP than over TFTP.",
        "true",
    ),
    key("http", "port", "a port, 1 to 65535", "8080", "The TCP port of the HTTP server.", "", "80"),
    key(
        "tftp",
        "enabled",
        "true or false",
        "true",
        "Run the TFTP server.",
        "Without it, firmware can boot only over HTTP.",
        "true",
    ),
    key(
        "tftp",
        "ports",
        "two ports, the lower one first: \"50000-51023\"",
        "any",
        "The UDP ports for transfers.",
        "For firewalls. Cannot be combined with single-port. Windows of 64 blocks need 1024 ports or more.",
        "\"50000-51023\"",
    ),
    key(
        "tftp",
        "single-port",
        "true or false",
        "false",
        "Use port 69 for transfers, too.",
        "For firewalls and containers. Cannot be combined with ports. Machines behind relays that `relays` does not \
         list load slowly.",
        "false",
    ),
    key(
        "tftp",
        "max-transfers",
        MaxTransfers::EXPECTED,
        "as many as the limit on open files allows",
        "The maximum number of concurrent transfers.",
        "Machines beyond the limit repeat their requests until another transfer ends.",
        "512",
    ),
    key(
        "profile",
        "extends",
        "the name of a profile",
        "none",
        "Another profile, from which this one inherits the keys that it does not set.",
        "The title is not inherited; variables and loaders are merged. A different kind of boot replaces that of the \
         other profile.",
        "\"base\"",
    ),
    key(
        "profile",
        "title",
        TEXT,
        "the name of the profile",
        "The title in menus and logs.",
        "",
        "\"Debian 12 installer\"",
    ),
    key(
        "profile",
        "kernel",
        "a path in the boot directory, or a URL",
        "none",
        "The kernel that iPXE starts.",
        "May contain template expressions, and so may initrd and arguments.",
        "\"debian/linux\"",
    ),
    key(
        "profile",
        "initrd",
        "a path in the boot directory or a URL, or a list of them",
        "none",
        "The initrds to load with the kernel.",
        "",
        "[\"debian/initrd.gz\"]",
    ),
    key(
        "profile",
        "arguments",
        LINE,
        "none",
        "The command line of the kernel.",
        "",
        "\"auto=true priority=critical url={{ base }}preseed.cfg\"",
    ),
    key(
        "profile",
        "script",
        "the name of a file in the template directory, or a URL",
        "none",
        "The script that iPXE runs: a template.",
        "iPXE opens a URL unchanged.",
        "\"rescue.ipxe\"",
    ),
    key(
        "profile",
        "boot",
        "\"menu\", \"local-disk\" or \"nothing\"",
        "none",
        "A built-in boot.",
        "\"menu\" shows the menu of the boot directory, \"local-disk\" starts the machine's disk, \"nothing\" leaves \
         the machine alone.",
        "\"local-disk\"",
    ),
    key(
        "profile",
        "boot-once-file",
        "the name of a file, as machines request it",
        "the kernel",
        "The file whose complete download completes a boot-once.",
        "",
        "\"debian/initrd.gz\"",
    ),
    key(
        "profile",
        "variables",
        "a table: { name = \"value\" }",
        "none",
        "Variables for templates; they override the site's.",
        "",
        "{ suite = \"bookworm\" }",
    ),
    key(
        "profile",
        "loaders",
        "a table",
        "none",
        "The first programs, by architecture; see [profile.NAME.loaders].",
        "",
        "{ uefi-x64 = \"shimx64.efi\" }",
    ),
    key(
        "profile",
        "menu",
        "a table",
        "none",
        "A menu that the firmware shows; see [profile.NAME.menu].",
        "",
        "{ items = [{ title = \"Debian\", profile = \"debian\" }] }",
    ),
    key(
        "profile.menu",
        "prompt",
        MENU_TEXT,
        "\"Press F8 for the menu\"",
        "The prompt before the menu.",
        "",
        "\"Press F8 for the menu\"",
    ),
    key(
        "profile.menu",
        "timeout",
        "a number of seconds, 0 to 255",
        "10",
        "Seconds until the firmware selects the first item.",
        "0 selects it at once and shows nothing. 255 shows the menu and waits.",
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
    key("profile.menu.items", "title", MENU_TEXT, "none", "The text of the line.", "", "\"Debian\""),
    key("profile.menu.items", "profile", "the name of a profile", "none", "The profile to boot.", "", "\"debian\""),
    key(
        "profile.menu.items",
        "server",
        "a unicast IPv4 address in quotes",
        "none",
        "Another boot server for this item, instead of a profile.",
        "The client sends its request to UDP port 4011 there.",
        "\"192.0.2.99\"",
    ),
    key(
        "profile.menu.items",
        "type",
        "a PXE boot server type, 1 to 65535",
        "32769 and up",
        "The boot server type by which firmware requests the item.",
        "An item with only a type leads to any boot server of this type that answers a broadcast.",
        "1",
    ),
    key(
        "rule",
        "name",
        TEXT,
        "\"rule\" and its number",
        "The name in logs and in the output of `explain`.",
        "",
        "\"lab\"",
    ),
    key(
        "rule",
        "mac",
        "a list of MAC addresses, or parts of them: [\"52:54:00:*\"]",
        ANY,
        "Condition: the MAC address.",
        "",
        "[\"52:54:00:*\"]",
    ),
    key(
        "rule",
        "uuid",
        "a list of UUIDs",
        ANY,
        "Condition: the machine's UUID, as its firmware prints it.",
        "",
        "[\"11223344-5566-7788-99aa-bbccddeeff00\"]",
    ),
    key(
        "rule",
        "serial",
        PATTERNS,
        ANY,
        "Condition: the serial number.",
        "Only iPXE sends it, so it can select a script, but not a loader.",
        "[\"ABC*\"]",
    ),
    key(
        "rule",
        "arch",
        "a list of architectures: [\"uefi-x64\"]",
        ANY,
        "Condition: the architecture.",
        "",
        "[\"uefi-x64\", \"uefi-arm64\"]",
    ),
    key(
        "rule",
        "firmware",
        "a list of \"bios\", \"uefi\", \"http\", \"ipxe\", \"raspberry-pi\" or \"u-boot\"",
        ANY,
        "Condition: the kind of firmware.",
        "iPXE matches \"ipxe\", and also the kind of firmware on which it runs. The server answers U-Boot only if a \
         rule lists it.",
        "[\"uefi\"]",
    ),
    key(
        "rule",
        "vendor-class",
        PATTERNS,
        ANY,
        "Condition: the vendor class (option 60).",
        "",
        "[\"PXEClient:Arch:00007*\"]",
    ),
    key("rule", "user-class", PATTERNS, ANY, "Condition: the user class (option 77).", "", "[\"iPXE\"]"),
    key(
        "rule",
        "interface",
        PATTERNS,
        ANY,
        "Condition: the interface of this host that received the request.",
        "",
        "[\"eth*\"]",
    ),
    key(
        "rule",
        "subnet",
        "a list of networks: [\"10.1.0.0/16\", \"2001:db8:12::/48\"]",
        ANY,
        "Condition: the machine's network.",
        "",
        "[\"10.1.0.0/16\"]",
    ),
    key(
        "rule",
        "relay",
        ADDRESSES,
        ANY,
        "Condition: the relay that forwarded the request.",
        "A DHCPv6 relay matches by the address that it sends from, or by its address on the machine's link.",
        "[\"10.1.0.1\"]",
    ),
    key(
        "rule",
        "circuit-id",
        PATTERNS,
        ANY,
        "Condition: the circuit ID that the relay adds for its port (option 82).",
        "",
        "[\"*:12\"]",
    ),
    key(
        "rule",
        "interface-id",
        PATTERNS,
        ANY,
        "Condition: the interface ID that a DHCPv6 relay adds for its port (option 18).",
        "",
        "[\"vlan12\"]",
    ),
    key("rule", "known", "true or false", ANY, "Condition: whether the machine has an entry.", "", "true"),
    key(
        "rule",
        "profile",
        "the name of a profile",
        "as if there were no rule",
        "The profile to boot, unless the machine's entry names one.",
        "",
        "\"debian\"",
    ),
    key("rule", "deny", "true or false", "false", "Do not answer the machine, whatever its entry says.", "", "true"),
    key(
        "rule",
        "as-firmware",
        "true or false",
        "false",
        "Treat the client as plain firmware and give it its architecture's loader.",
        "For an iPXE in a network card that the server's iPXE should replace.",
        "true",
    ),
    key(
        "rule",
        "as-raspberry-pi",
        "true or false",
        "false",
        "Treat the machine as a Raspberry Pi, although its requests do not show that it is one.",
        "For a Compute Module with another maker's MAC address, or one with a custom option 97. A UEFI that runs on a \
         Pi stays a UEFI machine.",
        "true",
    ),
    key(
        "machine",
        "mac",
        "a MAC address, or a list of them: \"52:54:00:12:34:56\"",
        "none",
        "The machine's MAC addresses.",
        "",
        "[\"52:54:00:12:34:56\"]",
    ),
    key(
        "machine",
        "uuid",
        "a UUID: \"11223344-5566-7788-99aa-bbccddeeff00\"",
        "none",
        "The machine's UUID, as its firmware prints it.",
        "",
        "\"11223344-5566-7788-99aa-bbccddeeff00\"",
    ),
    key("machine", "serial", TEXT, "none", "The machine's serial number.", "", "\"ABC123\""),
    key(
        "machine",
        "profile",
        "the name of a profile",
        "that of a rule, or default-profile",
        "The profile to boot.",
        "",
        "\"debian\"",
    ),
    key(
        "machine",
        "boot",
        "\"always\", \"once\" or \"never\"",
        "\"always\"",
        "When the machine boots its profile; otherwise it boots its disk.",
        "\"once\": until it has downloaded the whole boot-once-file of its profile, or its system requests .../done. \
         Without this key, a boot-once that was completed before still counts.",
        "\"once\"",
    ),
    key(
        "machine",
        "variables",
        "a table: { name = \"value\" }",
        "none",
        "Variables for templates; they override all others.",
        "",
        "{ role = \"web\" }",
    ),
];

const TEXT: &str = "text in quotes, on one line";
const LINE: &str = "text in quotes, without control characters";
const MENU_TEXT: &str = "1 to 60 printable ASCII characters in quotes (firmware shows no others)";
const PATTERNS: &str = "a list of patterns with `*` and `?`";
const ANY: &str = "any";
const ADDRESSES: &str = "a list of unicast addresses: [\"192.0.2.1\", \"2001:db8::1\"]";

const STATELESS_DETAILS: &str = "\
    iPXE takes the first reply, so this server's reply replaces that of the DHCPv6 server, which would have listed the \
    DNS servers: set `dns-servers` as well.";
const MACHINE_FILES_DETAILS: &str = "\
    Each path is a file that ends in .toml, .csv or .json, or a directory of such files. The first line of a CSV file \
    names the columns: name, mac (several are separated by blanks), uuid, serial, profile and boot. Usual names such \
    as Hostname, MAC Address and Serial number are accepted, too. Every other column is a variable; an empty field \
    sets nothing. A JSON file is an array of machines, an object with machines by name, or an object that contains \
    such an array. There, too, every other key is a variable.";
const VARIABLES_DETAILS: &str = "\
    Templates use them by name. Variables of a profile override them, and variables of a machine override both. They \
    can also be set as variables = { ... } at the top of the file.";
const PROFILE_DETAILS: &str = "\
    A profile boots one thing: a kernel, a script, a menu, a built-in boot (`boot`), or, if it sets none of these, its \
    loaders. A profile that others extend may leave this to them.";
const RULE_DETAILS: &str = "\
    A rule matches if all its conditions are met; a list is met if one of its elements is. `*` stands for any \
    characters, `?` for one. The entry of a machine takes precedence over a rule, but not over one that denies. A rule \
    with neither profile nor deny lets the machine boot as if there were no rules: later rules do not apply.";

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
name = "replace the iPXE of network cards"
vendor-class = ["PXEClient:Arch:00000*"]
user-class = ["iPXE"]
as-firmware = true

[[rule]]
name = "Compute Modules with local MAC addresses"
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
    summary: &'static str,
    details: &'static str,
    example: &'static str,
) -> ConfigTable {
    ConfigTable { name, header, summary, details, example }
}

const fn key(
    table: &'static str,
    name: &'static str,
    expected: &'static str,
    default: &'static str,
    summary: &'static str,
    details: &'static str,
    example: &'static str,
) -> ConfigKey {
    ConfigKey { table, name, expected, default, summary, details, example }
}

//! The tables of the file, in the order of the example file and the manual page.

use super::key::ConfigTable;

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
    table("syslog", "[syslog]", "The receiver of lines that machines send by syslog.", "", ""),
    table("history", "[history]", "The history of boots.", "", ""),
    table("web", "[web]", "The page for operators.", "", ""),
    table("menu", "[menu]", "The menu of the boot directory, which iPXE shows.", MENU_DETAILS, MENU_EXAMPLE),
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
    table(
        "webhook",
        "[webhook.NAME]",
        "A program that the server calls when a boot failed, or came this far.",
        "The server sends a POST request with JSON, which it signs. docs/webhooks.md describes the calls.",
        WEBHOOK_EXAMPLE,
    ),
];

const MENU_DETAILS: &str = "\
    Each item has a name: an entry of the boot directory that of its kernel, script or program, such as \
    debian/vmlinuz; the others are local-disk, shell, restart and netboot.xyz. In a list of items, `*` stands for any \
    characters, also for slashes, and `?` for one. A rule can hide items from its machines (`hidden-items`).";
const MENU_EXAMPLE: &str = "\
    [menu]\ntimeout = 30\ndefault-item = \"thin-client.ipxe\"\nhidden-items = [\"netboot.xyz\"]\n\
    protected-items = [\"installers/*\", \"shell\"]\n\
    password-file = \"/etc/proxydhcpd/menu-passwords\"\n";
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
hidden-items = ["shell"]

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

const WEBHOOK_EXAMPLE: &str = r#"[webhook.alerts]
url = "https://alerts.example.org/boots"
events = ["verdict", "installed"]
secret-file = "/etc/proxydhcpd/alerts.secret"
ca-file = "/etc/proxydhcpd/ca.pem"
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

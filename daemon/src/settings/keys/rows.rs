//! The keys, in the order of the example file and the manual page.

use super::key::Expected::{ListOf, OneOf, Text};
use super::key::{ConfigKey, Kind};
use crate::settings::raw::machine::{RawMachine, serial};
use crate::settings::raw::menu::menu_text;
use crate::settings::raw::profile::{BUILT_IN_PROFILES, RawBoot, arguments, file, path_or_url, relative};
use crate::settings::raw::rule::{arch, firmware, glob, interface};
use crate::settings::value::{
    absolute_path, address, address4, address6, broadcast_subnet, domain_name, header_name, line, list, mac_pattern,
    machine_uuid, network, non_empty_list, number, one_of, path_or_false, proxy_address, socket_address, text,
    variables,
};
use crate::settings::webhook::{event, url};
use crate::settings::{Enabled, HISTORY_DAYS, HISTORY_SIZES, MAX_TRANSFERS, SandboxMode};
use proxydhcpd_core::plan::policy::LoopGuard;
use proxydhcpd_core::plan::rule::Firmware;
use proxydhcpd_reading::machine_fields::BOOT_MODES;
use std::num::NonZeroU16;

/// The keys, in the order of the example file and the manual page.
pub const KEYS: &[ConfigKey] = &[
    key(
        "",
        "interfaces",
        Kind::Setting {
            expected: "a list of names: [\"eth0\", \"vlan*\"]",
            read: |settings, value| list(value, text).map(|names| settings.interfaces = names),
        },
        "all on which machines can boot",
        "The interfaces to serve.",
        "`*` stands for any characters, `?` for one.",
        "[\"eth0\", \"vlan*\"]",
    ),
    key(
        "",
        "ipv4-interfaces",
        Kind::Setting {
            expected: "a list of names: [\"eth0\", \"vlan*\"]",
            read: |settings, value| list(value, text).map(|names| settings.ipv4_interfaces = Some(names)),
        },
        "all served interfaces",
        "The served interfaces on which machines boot over IPv4.",
        "An empty list turns IPv4 off: the server opens no DHCPv4 port, and turning it on again needs a restart.",
        "[\"eth0\"]",
    ),
    key(
        "",
        "ipv6-interfaces",
        Kind::Setting {
            expected: "a list of names: [\"eth0\", \"vlan*\"]",
            read: |settings, value| list(value, text).map(|names| settings.ipv6_interfaces = Some(names)),
        },
        "all served interfaces",
        "The served interfaces on which machines boot over IPv6.",
        "An empty list turns IPv6 off: the server opens no IPv6 port, and turning it on again needs a restart.",
        "[\"vlan*\"]",
    ),
    key(
        "",
        "address",
        Kind::Setting {
            expected: "an address of this host, or a list of them",
            read: |settings, value| list(value, address).map(|addresses| settings.addresses = addresses),
        },
        "the first address of each interface",
        "The address to announce in replies and URLs.",
        "For interfaces with several addresses, IPv4 or IPv6. An interface with none of the listed addresses is not \
         served.",
        "\"192.0.2.10\"",
    ),
    key(
        "",
        "boot-dir",
        Kind::Path(|settings, path| settings.boot_dir = path),
        "\"/var/lib/proxydhcpd/boot\"",
        "The directory with the files to boot.",
        "The boot menu lists its contents.",
        "\"/srv/boot\"",
    ),
    key(
        "",
        "state-dir",
        Kind::Path(|settings, path| settings.state_dir = path),
        "\"/var/lib/proxydhcpd/state\"",
        "The directory for state that outlives the server.",
        "boot-once/ records the machines that completed their boot-once; boot-once-counts and done-url-key make the \
         tokens of done_url; shared-uuids lists UUIDs seen on more than one machine; duid identifies the server in \
         DHCPv6; history.sqlite has the history of boots. The server writes to no other directory. $STATE_DIRECTORY, \
         which systemd sets, overrides the default.",
        "\"/var/lib/proxydhcpd/state\"",
    ),
    key(
        "",
        "control-socket",
        Kind::Setting {
            expected: "an absolute path in quotes, or false",
            read: |settings, value| path_or_false(value).map(|path| settings.control_socket = path),
        },
        "\"/run/proxydhcpd/control.sock\"",
        "The Unix socket on which commands such as `status` and `watch` ask the running server.",
        "Root, the user of the server and the members of the group proxydhcpd may use it. With false, there is none. \
         $RUNTIME_DIRECTORY, which systemd sets, overrides the directory of the default.",
        "false",
    ),
    key(
        "",
        "sandbox",
        Kind::Choice(&[
            ("on", |settings| settings.sandbox = SandboxMode::On),
            ("log", |settings| settings.sandbox = SandboxMode::Log),
            ("off", |settings| settings.sandbox = SandboxMode::Off),
        ]),
        "\"on\"",
        "Whether the server gives up what it does not need once its ports are open.",
        "\"on\" drops all capabilities but those for ports, and limits the files and the system calls. With \"log\", \
         the kernel logs the system calls that it would refuse. docs/security.md has what the server can still do.",
        "\"log\"",
    ),
    key(
        "",
        "user",
        Kind::Setting {
            expected: "the name of a user of this host",
            read: |settings, value| text(value).map(|name| settings.user = Some(name)),
        },
        "the user who starts the server",
        "The user as whom the server runs once its ports are open.",
        "Only root can change the user. The systemd unit needs no such key.",
        "\"proxydhcpd\"",
    ),
    key(
        "",
        "ignore-case",
        Kind::Boolean(|settings, on| settings.ignore_case = on),
        "false",
        "Ignore case in file names of the boot directory.",
        "Windows requests both \\Boot\\BCD and \\boot\\bcd.",
        "true",
    ),
    key(
        "",
        "template-dir",
        Kind::Path(|settings, path| settings.template_dir = Some(path)),
        "the directory `templates` next to this file",
        "The directory of templates: scripts, and any other text that machines download.",
        "Each file in it is served under its name, rendered for the machine that requests it.",
        "\"/etc/proxydhcpd/templates\"",
    ),
    key(
        "",
        "machine-files",
        Kind::Site {
            expected: "a list of absolute paths: [\"/etc/proxydhcpd/machines\"]",
            read: |site, value, at| site.set_machine_files(value, at),
        },
        "the directory `machines` next to this file",
        "Files with the entries of machines, in addition to this file.",
        MACHINE_FILES_DETAILS,
        "[\"/etc/proxydhcpd/machines\"]",
    ),
    key(
        "",
        "default-profile",
        Kind::Site {
            expected: "the name of a profile",
            read: |site, value, at| text(value).map(|name| site.default_profile = Some((name, at.clone()))),
        },
        "\"menu\"",
        "The profile of machines for which no entry or rule names one.",
        "Built-in profiles are \"menu\" (the menu of the boot directory), \"local-disk\" and \"nothing\".",
        "\"menu\"",
    ),
    key(
        "",
        "unknown-machine-profile",
        Kind::Site {
            expected: "the name of a profile",
            read: |site, value, at| text(value).map(|name| site.unknown_machine_profile = Some((name, at.clone()))),
        },
        "the value of default-profile",
        "The profile of machines that have no entry, if no rule names one.",
        "",
        "\"local-disk\"",
    ),
    key(
        "",
        "shared-macs",
        Kind::Site {
            expected: "a list of MAC addresses, or parts of them: [\"00:e0:4c:68:*\"]",
            read: |site, value, _| list(value, mac_pattern).map(|macs| site.shared_macs = macs),
        },
        "none",
        "MAC addresses of shared adapters, which never identify a machine.",
        "Docking stations and USB adapters have them. Identify the machines that use them by UUID or serial number.",
        "[\"00:e0:4c:68:*\"]",
    ),
    key(
        "",
        "secure-boot-certificates",
        Kind::Setting {
            expected: "a list of absolute paths: [\"/etc/proxydhcpd/site.pem\"]",
            read: |settings, value| list(value, absolute_path).map(|files| settings.secure_boot_certificates = files),
        },
        "none",
        "Your own certificates that machines with Secure Boot trust, besides Microsoft's.",
        "PEM files. `check` reports which loaders the firmware would refuse.",
        "[\"/etc/proxydhcpd/site.pem\"]",
    ),
    key(
        "dhcp",
        "proxy-only",
        Kind::Boolean(|settings, on| settings.proxy_only = on),
        "false",
        "Answer on UDP port 4011 only.",
        "For a host whose own DHCP server uses port 67 and refers machines to this server. Machines of all networks \
         may then send requests to port 4011.",
        "true",
    ),
    key(
        "dhcp",
        "relays",
        Kind::Setting {
            expected: ADDRESSES,
            read: |settings, value| list(value, address).map(|relays| settings.relays = relays),
        },
        "any",
        "The relays to answer.",
        "Requests through any other relay are ignored.",
        "[\"10.1.0.1\", \"10.2.0.1\"]",
    ),
    key(
        "dhcp",
        "relayed-subnets",
        Kind::Setting {
            expected: "a list of IPv4 subnets of at most 30 bits: [\"10.1.0.0/24\"]",
            read: |settings, value| list(value, broadcast_subnet).map(|subnets| settings.relayed_subnets = subnets),
        },
        "those of rules",
        "The subnets behind relays, to wake machines there.",
        "A packet that wakes a machine behind a relay goes to the broadcast address of its subnet, which the server \
         cannot learn from requests. Without this key, it takes the smallest `subnet` of a rule that contains the \
         relay.",
        "[\"10.1.0.0/24\", \"10.2.0.0/23\"]",
    ),
    key(
        "dhcp",
        "ipxe-user-classes",
        Kind::Setting {
            expected: "a list of words: [\"one\", \"two\"]",
            read: |settings, value| list(value, text).map(|words| settings.ipxe_user_classes = words),
        },
        "none",
        "Additional user classes (option 77) that identify iPXE.",
        "For builds of iPXE that send another word than iPXE.",
        "[\"xNBA\"]",
    ),
    key(
        "dhcp",
        "pxe-vendor-classes",
        Kind::Setting {
            expected: "a list of words: [\"one\", \"two\"]",
            read: |settings, value| list(value, text).map(|words| settings.pxe_vendor_classes = words),
        },
        "none",
        "Additional beginnings of the vendor class (option 60) that identify PXE firmware.",
        "For makers whose firmware sends another word than PXEClient.",
        "[\"HW-Client\"]",
    ),
    key(
        "dhcp",
        "max-requests-per-second",
        Kind::Setting {
            expected: "a number above 0 (omit the key for no limit)",
            read: |settings, value| number(value).map(|max| settings.max_requests_per_second = Some(max)),
        },
        "no limit",
        "The maximum number of requests to answer per second on each interface.",
        "Requests from the link itself, through relays, and to port 4011 are counted separately.",
        "1000",
    ),
    key(
        "dhcp",
        "loop-guard",
        Kind::Choice(&[
            ("warn", |settings| settings.loop_guard = LoopGuard::Warn),
            ("stop", |settings| settings.loop_guard = LoopGuard::Stop),
            ("off", |settings| settings.loop_guard = LoopGuard::Off),
        ]),
        "\"warn\"",
        "The reaction to a boot loop: a machine fetches the same first loader three times within two minutes.",
        "\"warn\" logs a warning. \"stop\" also ignores the machine for five minutes.",
        "\"stop\"",
    ),
    key(
        "dhcp6",
        "stateless-ipxe",
        Kind::Boolean(|settings, on| settings.dhcp6.stateless_ipxe = on),
        "false",
        "Answer iPXE in a network whose DHCPv6 server assigns no addresses.",
        STATELESS_DETAILS,
        "true",
    ),
    key(
        "dhcp6",
        "dns-servers",
        Kind::Setting {
            expected: "a list of unicast IPv6 addresses: [\"2001:db8::53\"]",
            read: |settings, value| list(value, address6).map(|servers| settings.dhcp6.dns.dns_servers = servers),
        },
        "none",
        "The DNS servers for such an iPXE.",
        "",
        "[\"2001:db8::53\"]",
    ),
    key(
        "dhcp6",
        "domains",
        Kind::Setting {
            expected: "a list of domain names: [\"example.org\"]",
            read: |settings, value| list(value, domain_name).map(|domains| settings.dhcp6.dns.domains = domains),
        },
        "none",
        "The search domains for such an iPXE.",
        "",
        "[\"example.org\"]",
    ),
    key(
        "http",
        "enabled",
        Kind::Boolean(|settings, on| settings.http.enabled = Enabled::from(on)),
        "true",
        "Run the HTTP server.",
        "Scripts and kernels load much faster over HTTP than over TFTP.",
        "true",
    ),
    key(
        "http",
        "port",
        Kind::Port(|settings, port| settings.http.port = port),
        "8080",
        "The TCP port of the HTTP server.",
        "",
        "80",
    ),
    key(
        "tftp",
        "enabled",
        Kind::Boolean(|settings, on| settings.tftp.enabled = Enabled::from(on)),
        "true",
        "Run the TFTP server.",
        "Without it, firmware can boot only over HTTP.",
        "true",
    ),
    key(
        "tftp",
        "ports",
        Kind::Ports(|settings, ports| settings.tftp.ports = Some(ports)),
        "any",
        "The UDP ports for transfers.",
        "For firewalls. Cannot be combined with single-port. Windows of 64 blocks need 1024 ports or more.",
        "\"50000-51023\"",
    ),
    key(
        "tftp",
        "single-port",
        Kind::Boolean(|settings, on| settings.tftp.single_port = on),
        "false",
        "Use port 69 for transfers, too.",
        "For firewalls and containers. Cannot be combined with ports. Machines behind relays that `relays` does not \
         list load slowly.",
        "false",
    ),
    key(
        "tftp",
        "max-transfers",
        Kind::Integer { range: MAX_TRANSFERS, set: |settings, max| settings.tftp.max_transfers = Some(max) },
        "as many as the limit on open files allows",
        "The maximum number of concurrent transfers.",
        "Machines beyond the limit repeat their requests until another transfer ends.",
        "512",
    ),
    key(
        "syslog",
        "port",
        Kind::Port(|settings, port| settings.syslog_port = Some(port)),
        "none",
        "The UDP port on which the server receives lines of syslog.",
        "iPXE and installers report by it. iPXE sends to port 514 only: with that port, the built-in scripts make iPXE \
         send its console here.",
        "514",
    ),
    key(
        "history",
        "enabled",
        Kind::Boolean(|settings, on| settings.history.enabled = on),
        "true",
        "Keep the history of boots.",
        "history.sqlite in the state directory has every boot of every machine with its steps and its verdict, and \
         the reports of machines. Without it, the server knows only the latest boots, and only until it stops.",
        "false",
    ),
    key(
        "history",
        "days",
        Kind::Integer { range: HISTORY_DAYS, set: |settings, days| settings.history.days = days },
        "30",
        "The number of days for which the history is kept.",
        "",
        "90",
    ),
    key(
        "history",
        "max-size",
        Kind::Integer { range: HISTORY_SIZES, set: |settings, size| settings.history.max_size = size },
        "256",
        "The maximum size of the history, in MiB.",
        "The oldest boots make room. A boot takes 2 to 5 KiB.",
        "1024",
    ),
    key(
        "web",
        "enabled",
        Kind::Boolean(|settings, on| settings.web.enabled = on),
        "true",
        "Show a page on which operators see what the machines boot.",
        "It has its own port, which serves no machine.",
        "false",
    ),
    key(
        "web",
        "listen",
        Kind::Setting {
            expected: "an address with a port, or a list of them: [\"192.0.2.10:8067\"]",
            read: |settings, value| {
                non_empty_list(value, socket_address).map(|listen| settings.web.listen = Some(listen))
            },
        },
        "\"127.0.0.1:8067\"",
        "The addresses and ports at which browsers reach the page.",
        "By default, only browsers on this host reach it, until `proxydhcpd web open` opens it to the served networks.",
        "[\"192.0.2.10:8067\", \"[2001:db8::10]:8067\"]",
    ),
    key(
        "web",
        "names",
        Kind::Setting {
            expected: "a list of domain names: [\"boot.example.org\"]",
            read: |settings, value| list(value, domain_name).map(|names| settings.web.names = names),
        },
        "the name of this host",
        "The names by which browsers may address this host, besides its own name and its addresses.",
        "The server refuses requests under any other name, so that a page of another site cannot use this one.",
        "[\"boot.example.org\"]",
    ),
    key(
        "web",
        "certificate",
        Kind::Path(|settings, path| settings.web.certificate = Some(path)),
        "a certificate that the server makes",
        "The file with the certificate for TLS and its intermediate certificates (PEM).",
        "The server reads it again when it changes. With this key, browsers on this host use TLS, too.",
        "\"/etc/ssl/boot.example.org.pem\"",
    ),
    key(
        "web",
        "key",
        Kind::Path(|settings, path| settings.web.key = Some(path)),
        "the file `certificate`",
        "The file with the private key of the certificate (PEM).",
        "",
        "\"/etc/ssl/private/boot.example.org.pem\"",
    ),
    key(
        "web",
        "plain-http",
        Kind::Boolean(|settings, on| settings.web.plain_http = on),
        "false",
        "Use no TLS.",
        "Every host of the network can then read the password. For a laboratory, or behind a proxy.",
        "true",
    ),
    key(
        "web",
        "trusted-proxy",
        Kind::Setting {
            expected: "an IP address, or a list of them: [\"192.0.2.1\"]",
            read: |settings, value| list(value, proxy_address).map(|proxies| settings.web.trusted_proxies = proxies),
        },
        "none",
        "The proxies that may state the host, the protocol and the client of a request.",
        "They do it with X-Forwarded-Host, X-Forwarded-Proto and X-Forwarded-For. From all others, the server ignores \
         these headers.",
        "[\"192.0.2.1\"]",
    ),
    key(
        "web",
        "proxy-user-header",
        Kind::Setting {
            expected: "the name of a header: \"X-Remote-User\"",
            read: |settings, value| header_name(value).map(|name| settings.web.proxy_user_header = Some(name)),
        },
        "none",
        "The header with the user that a proxy in `trusted-proxy` logged in.",
        "That user may do everything on the page. The proxy must remove this header from what browsers send.",
        "\"X-Remote-User\"",
    ),
    key(
        "web",
        "metrics-without-login",
        Kind::Boolean(|settings, on| settings.web.metrics_without_login = on),
        "false",
        "Let every program that reaches the page read `/metrics` without a login.",
        "The figures show how many machines boot, and no machine. Prefer a token where Prometheus can send one.",
        "true",
    ),
    key(
        "menu",
        "timeout",
        Kind::Setting {
            expected: "a number of seconds, 0 to 65535",
            read: |settings, value| number(value).map(|seconds| settings.menu.timeout = seconds),
        },
        "10",
        "Seconds until the default item starts.",
        "With 0, the menu waits for its user.",
        "30",
    ),
    key(
        "menu",
        "default-item",
        Kind::Setting {
            expected: "the name of an item in quotes",
            read: |settings, value| line(value).map(|item| settings.menu.default_item = item),
        },
        "\"local-disk\"",
        "The item that starts after the timeout.",
        "The local disk starts instead if the menu lacks the item, or if the item needs a password or is an installer, \
         judged by its files and arguments.",
        "\"thin-client.ipxe\"",
    ),
    key(
        "menu",
        "hidden-items",
        Kind::Setting {
            expected: "a list of names: [\"shell\", \"installers/*\"]",
            read: |settings, value| non_empty_list(value, glob).map(|items| settings.menu.hidden_items = items),
        },
        "none",
        "Items that no machine sees.",
        "The local disk is in every menu.",
        "[\"netboot.xyz\"]",
    ),
    key(
        "menu",
        "protected-items",
        Kind::Setting {
            expected: "a list of names: [\"shell\", \"installers/*\"]",
            read: |settings, value| non_empty_list(value, glob).map(|items| settings.menu.protected_items = items),
        },
        "none",
        "Items that need a password.",
        "iPXE asks for a user and a password, and the server sends the script of the item only to users in \
         `password-file`. The password does not pass the network, but the files of the boot directory have no \
         protection: who knows their names can fetch them. Needs the HTTP server.",
        "[\"installers/*\", \"shell\"]",
    ),
    key(
        "menu",
        "password-file",
        Kind::Setting {
            expected: "an absolute path in quotes",
            read: |settings, value| absolute_path(value).map(|path| settings.menu_password_file = Some(path)),
        },
        "none",
        "The file with the users who may start protected items.",
        "`proxydhcpd menu-password USER` prints a line of it; the format is that of Apache's htdigest, with the realm \
         proxydhcpd. The server reads it at its start and at each reload.",
        "\"/etc/proxydhcpd/menu-passwords\"",
    ),
    key(
        "profile",
        "extends",
        Kind::Profile {
            expected: Text("the name of a profile"),
            read: |profile, value, at| text(value).map(|name| profile.extends = Some((name, at.clone()))),
        },
        "none",
        "Another profile, from which this one inherits the keys that it does not set.",
        "The title is not inherited; variables and loaders are merged. A different kind of boot replaces that of the \
         other profile.",
        "\"base\"",
    ),
    key(
        "profile",
        "title",
        Kind::Profile {
            expected: Text(TEXT),
            read: |profile, value, _| line(value).map(|title| profile.title = Some(title)),
        },
        "the name of the profile",
        "The title in menus and logs.",
        "",
        "\"Debian 12 installer\"",
    ),
    key(
        "profile",
        "kernel",
        Kind::Profile {
            expected: Text("a path in the boot directory, or a URL"),
            read: |profile, value, at| {
                file(value).map(|name| profile.add_boot("kernel", at.clone(), RawBoot::Kernel((name, at.clone()))))
            },
        },
        "none",
        "The kernel that iPXE starts.",
        "May contain template expressions, and so may initrd and arguments.",
        "\"debian/linux\"",
    ),
    key(
        "profile",
        "initrd",
        Kind::Profile {
            expected: Text("a path in the boot directory or a URL, or a list of them"),
            read: |profile, value, at| profile.set_initrds(value, at),
        },
        "none",
        "The initrds to load with the kernel.",
        "",
        "[\"debian/initrd.gz\"]",
    ),
    key(
        "profile",
        "arguments",
        Kind::Profile {
            expected: Text(LINE),
            read: |profile, value, at| arguments(value).map(|text| profile.arguments = Some((text, at.clone()))),
        },
        "none",
        "The command line of the kernel.",
        "",
        "\"auto=true priority=critical url={{ base }}preseed.cfg\"",
    ),
    key(
        "profile",
        "script",
        Kind::Profile {
            expected: Text("the name of a file in the template directory, or a URL"),
            read: |profile, value, at| {
                path_or_url(value)
                    .map(|name| profile.add_boot("script", at.clone(), RawBoot::Script((name, at.clone()))))
            },
        },
        "none",
        "The script that iPXE runs: a template.",
        "iPXE opens a URL unchanged. A script of this server loads that of an `https://` URL, and reports an error.",
        "\"rescue.ipxe\"",
    ),
    key(
        "profile",
        "boot",
        Kind::Profile {
            expected: OneOf(|| BUILT_IN_PROFILES.iter().map(|(name, ..)| *name).collect()),
            read: |profile, value, at| profile.add_built_in_boot(value, at),
        },
        "none",
        "A built-in boot.",
        "\"menu\" shows the menu of the boot directory, \"local-disk\" starts the machine's disk, \"nothing\" leaves \
         the machine alone.",
        "\"local-disk\"",
    ),
    key(
        "profile",
        "boot-once-file",
        Kind::Profile {
            expected: Text("the name of a file, as machines request it"),
            read: |profile, value, at| relative(value).map(|name| profile.boot_once_file = Some((name, at.clone()))),
        },
        "the kernel",
        "The file whose complete download completes a boot-once.",
        "",
        "\"debian/initrd.gz\"",
    ),
    key(
        "profile",
        "variables",
        Kind::Profile {
            expected: Text("a table: { name = \"value\" }"),
            read: |profile, value, _| variables(value).map(|variables| profile.variables = variables),
        },
        "none",
        "Variables for templates; they override the site's.",
        "",
        "{ suite = \"bookworm\" }",
    ),
    key(
        "profile",
        "loaders",
        Kind::Table,
        "none",
        "The first programs, by architecture; see [profile.NAME.loaders].",
        "",
        "{ uefi-x64 = \"shimx64.efi\" }",
    ),
    key(
        "profile",
        "menu",
        Kind::Table,
        "none",
        "A menu that the firmware shows; see [profile.NAME.menu].",
        "",
        "{ items = [{ title = \"Debian\", profile = \"debian\" }] }",
    ),
    key(
        "profile.menu",
        "prompt",
        Kind::Menu { expected: MENU_TEXT, read: |menu, value| menu_text(value).map(|prompt| menu.prompt = prompt) },
        "\"Press F8 for the menu\"",
        "The prompt before the menu.",
        "",
        "\"Press F8 for the menu\"",
    ),
    key(
        "profile.menu",
        "timeout",
        Kind::Menu {
            expected: "a number of seconds, 0 to 255",
            read: |menu, value| number(value).map(|seconds| menu.timeout = seconds),
        },
        "10",
        "Seconds until the firmware selects the first item.",
        "0 selects it at once and shows nothing. 255 shows the menu and waits.",
        "10",
    ),
    key(
        "profile.menu",
        "items",
        Kind::Tables,
        "none",
        "The lines of the menu, at most 24.",
        "",
        "[{ title = \"Debian\", profile = \"debian\" }]",
    ),
    key(
        "profile.menu.items",
        "title",
        Kind::MenuItem {
            expected: MENU_TEXT,
            read: |item, value, _| menu_text(value).map(|title| item.title = Some(title)),
        },
        "none",
        "The text of the line.",
        "",
        "\"Debian\"",
    ),
    key(
        "profile.menu.items",
        "profile",
        Kind::MenuItem {
            expected: "the name of a profile",
            read: |item, value, at| text(value).map(|name| item.profile = Some((name, at.clone()))),
        },
        "none",
        "The profile to boot.",
        "",
        "\"debian\"",
    ),
    key(
        "profile.menu.items",
        "server",
        Kind::MenuItem {
            expected: "a unicast IPv4 address in quotes",
            read: |item, value, _| address4(value).map(|server| item.server = Some(server)),
        },
        "none",
        "Another boot server for this item, instead of a profile.",
        "The client sends its request to UDP port 4011 there.",
        "\"192.0.2.99\"",
    ),
    key(
        "profile.menu.items",
        "type",
        Kind::MenuItem {
            expected: "a PXE boot server type, 1 to 65535",
            read: |item, value, at| {
                number::<NonZeroU16>(value).map(|server_type| item.server_type = Some((server_type.get(), at.clone())))
            },
        },
        "32769 and up",
        "The boot server type by which firmware requests the item.",
        "An item with only a type leads to any boot server of this type that answers a broadcast.",
        "1",
    ),
    key(
        "rule",
        "name",
        Kind::Rule { expected: Text(TEXT), read: |rule, value, _| line(value).map(|name| rule.rule.name = name) },
        "\"rule\" and its number",
        "The name in logs and in the output of `explain`.",
        "",
        "\"lab\"",
    ),
    key(
        "rule",
        "mac",
        Kind::Rule {
            expected: Text("a list of MAC addresses, or parts of them: [\"52:54:00:*\"]"),
            read: |rule, value, _| non_empty_list(value, mac_pattern).map(|macs| rule.rule.when.macs = macs),
        },
        ANY,
        "Condition: the MAC address.",
        "",
        "[\"52:54:00:*\"]",
    ),
    key(
        "rule",
        "uuid",
        Kind::Rule {
            expected: Text("a list of UUIDs"),
            read: |rule, value, _| non_empty_list(value, machine_uuid).map(|uuids| rule.rule.when.uuids = uuids),
        },
        ANY,
        "Condition: the machine's UUID, as its firmware prints it.",
        "",
        "[\"11223344-5566-7788-99aa-bbccddeeff00\"]",
    ),
    key(
        "rule",
        "serial",
        Kind::RulePatterns(|when, patterns| when.serials = patterns),
        ANY,
        "Condition: the serial number.",
        "Only iPXE sends it, so it can select a script, but not a loader.",
        "[\"ABC*\"]",
    ),
    key(
        "rule",
        "arch",
        Kind::Rule {
            expected: Text("a list of architectures: [\"uefi-x64\"]"),
            read: |rule, value, _| non_empty_list(value, arch).map(|archs| rule.rule.when.archs = archs),
        },
        ANY,
        "Condition: the architecture.",
        "",
        "[\"uefi-x64\", \"uefi-arm64\"]",
    ),
    key(
        "rule",
        "firmware",
        Kind::Rule {
            expected: ListOf(|| Firmware::all().map(Firmware::id).collect()),
            read: |rule, value, _| non_empty_list(value, firmware).map(|kinds| rule.rule.when.firmware = kinds),
        },
        ANY,
        "Condition: the kind of firmware.",
        "iPXE matches \"ipxe\", and also the kind of firmware on which it runs. The server answers U-Boot only if a \
         rule lists it.",
        "[\"uefi\"]",
    ),
    key(
        "rule",
        "vendor-class",
        Kind::RulePatterns(|when, patterns| when.vendor_classes = patterns),
        ANY,
        "Condition: the vendor class (option 60).",
        "",
        "[\"PXEClient:Arch:00007*\"]",
    ),
    key(
        "rule",
        "user-class",
        Kind::RulePatterns(|when, patterns| when.user_classes = patterns),
        ANY,
        "Condition: the user class (option 77).",
        "",
        "[\"iPXE\"]",
    ),
    key(
        "rule",
        "interface",
        Kind::Rule {
            expected: Text(PATTERNS),
            read: |rule, value, _| non_empty_list(value, interface).map(|names| rule.rule.when.interfaces = names),
        },
        ANY,
        "Condition: the interface of this host that received the request.",
        "",
        "[\"eth*\"]",
    ),
    key(
        "rule",
        "subnet",
        Kind::Rule {
            expected: Text("a list of networks: [\"10.1.0.0/16\", \"2001:db8:12::/48\"]"),
            read: |rule, value, _| non_empty_list(value, network).map(|subnets| rule.rule.when.subnets = subnets),
        },
        ANY,
        "Condition: the machine's network.",
        "",
        "[\"10.1.0.0/16\"]",
    ),
    key(
        "rule",
        "relay",
        Kind::Rule {
            expected: Text(ADDRESSES),
            read: |rule, value, _| non_empty_list(value, address).map(|relays| rule.rule.when.relays = relays),
        },
        ANY,
        "Condition: the relay that forwarded the request.",
        "A DHCPv6 relay matches by the address that it sends from, or by its address on the machine's link.",
        "[\"10.1.0.1\"]",
    ),
    key(
        "rule",
        "circuit-id",
        Kind::RulePatterns(|when, patterns| when.circuit_ids = patterns),
        ANY,
        "Condition: the circuit ID that the relay adds for its port (option 82).",
        "",
        "[\"*:12\"]",
    ),
    key(
        "rule",
        "interface-id",
        Kind::RulePatterns(|when, patterns| when.interface_ids = patterns),
        ANY,
        "Condition: the interface ID that a DHCPv6 relay adds for its port (option 18).",
        "",
        "[\"vlan12\"]",
    ),
    key(
        "rule",
        "known",
        Kind::RuleFlag(|rule, known| rule.when.known = Some(known)),
        ANY,
        "Condition: whether the machine has an entry.",
        "",
        "true",
    ),
    key(
        "rule",
        "profile",
        Kind::Rule {
            expected: Text("the name of a profile"),
            read: |rule, value, at| text(value).map(|name| rule.profile = Some((name, at.clone()))),
        },
        "as if there were no rule",
        "The profile to boot, unless the machine's entry names one.",
        "",
        "\"debian\"",
    ),
    key(
        "rule",
        "deny",
        Kind::RuleFlag(|rule, deny| rule.deny = deny),
        "false",
        "Do not answer the machine, whatever its entry says.",
        "",
        "true",
    ),
    key(
        "rule",
        "hidden-items",
        Kind::Rule {
            expected: Text("a list of names: [\"shell\", \"installers/*\"]"),
            read: |rule, value, _| non_empty_list(value, glob).map(|items| rule.rule.hidden_items = items),
        },
        "none",
        "Items that the menu of the boot directory does not show to the machine.",
        "In addition to `hidden-items` of [menu], which says how items are named.",
        "[\"installers/*\", \"shell\"]",
    ),
    key(
        "rule",
        "as-firmware",
        Kind::RuleFlag(|rule, on| rule.as_firmware = on),
        "false",
        "Treat the client as plain firmware and give it its architecture's loader.",
        "For an iPXE in a network card that the server's iPXE should replace.",
        "true",
    ),
    key(
        "rule",
        "as-raspberry-pi",
        Kind::Rule {
            expected: Text("true or false"),
            read: |rule, value, at| rule.set_dialect("raspberry-pi", value, at),
        },
        "false",
        "Treat the machine as a Raspberry Pi, although its requests do not show that it is one.",
        "For a Compute Module with another maker's MAC address, or one with a custom option 97. A UEFI that runs on a \
         Pi stays a UEFI machine.",
        "true",
    ),
    key(
        "machine",
        "mac",
        Kind::Machine {
            expected: Text("a MAC address, or a list of them: \"52:54:00:12:34:56\""),
            read: RawMachine::set_macs,
        },
        "none",
        "The machine's MAC addresses.",
        "",
        "[\"52:54:00:12:34:56\"]",
    ),
    key(
        "machine",
        "uuid",
        Kind::Machine {
            expected: Text("a UUID: \"11223344-5566-7788-99aa-bbccddeeff00\""),
            read: |machine, value| machine_uuid(value).map(|uuid| machine.uuid = Some(uuid)),
        },
        "none",
        "The machine's UUID, as its firmware prints it.",
        "",
        "\"11223344-5566-7788-99aa-bbccddeeff00\"",
    ),
    key(
        "machine",
        "serial",
        Kind::Machine {
            expected: Text(TEXT),
            read: |machine, value| serial(value).map(|serial| machine.serial = Some(serial)),
        },
        "none",
        "The machine's serial number.",
        "",
        "\"ABC123\"",
    ),
    key(
        "machine",
        "profile",
        Kind::Machine {
            expected: Text("the name of a profile"),
            read: |machine, value| text(value).map(|name| machine.profile = Some((name, value.span()))),
        },
        "that of a rule, or default-profile",
        "The profile to boot.",
        "",
        "\"debian\"",
    ),
    key(
        "machine",
        "boot",
        Kind::Machine {
            expected: OneOf(|| BOOT_MODES.map(|(word, _)| word).to_vec()),
            read: |machine, value| one_of(value, &BOOT_MODES).map(|mode| machine.boot_mode = mode),
        },
        "\"always\"",
        "When the machine boots its profile; otherwise it boots its disk.",
        "\"once\": until it has downloaded the whole boot-once-file of its profile, or its system requests .../done. \
         Without this key, a boot-once that was completed before still counts.",
        "\"once\"",
    ),
    key(
        "machine",
        "variables",
        Kind::Machine { expected: Text("a table: { name = \"value\" }"), read: RawMachine::set_variables },
        "none",
        "Variables for templates; they override all others.",
        "",
        "{ role = \"web\" }",
    ),
    key(
        "webhook",
        "url",
        Kind::Webhook {
            expected: "a URL that begins with http:// or https://, without a user and without `#`",
            read: |webhook, value| url(value).map(|url| webhook.url = Some(url)),
        },
        "none",
        "The URL to call.",
        "Required. The server follows no redirect.",
        "\"https://alerts.example.org/boots\"",
    ),
    key(
        "webhook",
        "events",
        Kind::Webhook {
            expected: "a list of events: [\"verdict\", \"installed\"]",
            read: |webhook, value| non_empty_list(value, event).map(|events| webhook.events = Some(events)),
        },
        "[\"verdict\"]",
        "The events for which the server calls it.",
        "`verdict`: a boot failed. The code of a verdict, such as `kernel-missing`: a boot failed for that reason. A \
         stage (asked, offered, loader, script, kernel, system, installed): a boot reached it.",
        "[\"verdict\", \"installed\"]",
    ),
    key(
        "webhook",
        "secret-file",
        Kind::Webhook {
            expected: "an absolute path in quotes",
            read: |webhook, value| absolute_path(value).map(|file| webhook.secret_file = Some((file, value.span()))),
        },
        "none",
        "The file with the secret that signs the calls.",
        "Required. At least 24 characters, or `whsec_` and base64. Other users may not read it.",
        "\"/etc/proxydhcpd/alerts.secret\"",
    ),
    key(
        "webhook",
        "ca-file",
        Kind::Webhook {
            expected: "an absolute path in quotes",
            read: |webhook, value| absolute_path(value).map(|file| webhook.ca_file = Some((file, value.span()))),
        },
        "those of the system",
        "The certificates of the authorities to trust, in PEM.",
        "They replace those of the system.",
        "\"/etc/proxydhcpd/ca.pem\"",
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
const fn key(
    table: &'static str,
    name: &'static str,
    kind: Kind,
    default: &'static str,
    summary: &'static str,
    details: &'static str,
    example: &'static str,
) -> ConfigKey {
    ConfigKey { table, name, kind, default, summary, details, example }
}

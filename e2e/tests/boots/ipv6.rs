//! IPv6: the addresses come from a DHCPv6 server and from routers that know nothing of booting, what to boot from us.

use anyhow::{Result, ensure};
use proxydhcpd_e2e::WorkDir;
use proxydhcpd_e2e::capture::Capture;
use proxydhcpd_e2e::grub;
use proxydhcpd_e2e::machine::{self, Machine};
use proxydhcpd_e2e::net::{Host, Segment};
use proxydhcpd_e2e::peers;
use proxydhcpd_e2e::process::Process;
use proxydhcpd_e2e::server;
use proxydhcpd_e2e::site::{self, Site};
use std::ffi::OsStr;
use std::fs;

cases![
    x64_of_2022_boots_over_ipv6_on_the_link,
    x64_of_2025_boots_over_ipv6_on_the_link,
    x64_of_2022_boots_over_ipv6_in_a_managed_network,
    x64_of_2025_boots_over_ipv6_in_a_managed_network,
    arm64_of_2025_boots_over_ipv6_in_a_managed_network,
    x64_of_2022_behind_a_relay_boots_over_ipv6_in_a_managed_network,
    x64_of_2025_behind_a_relay_boots_over_ipv6_in_a_managed_network,
    x64_of_2025_boots_over_ipv6_by_tftp_alone,
    ia32_starts_a_program_with_its_script_over_ipv6,
    arm32_starts_a_program_with_its_script_over_ipv6,
    x64_of_2022_boots_over_http_without_any_ipv4,
    x64_of_2025_boots_over_http_without_any_ipv4,
    x64_boots_over_ipv6_beside_a_primary_on_our_own_host_that_keeps_port_547,
    with_both_families_x64_boots_over_the_one_that_its_firmware_tries_first,
    with_both_families_x64_boots_over_ipv6_if_its_firmware_tries_that_first,
    ipxe_in_a_stateless_network_boots_where_the_configuration_says_so,
];

// Many addresses: dnsmasq chooses by the last octets of what the client calls the lease, in which those of EDK2's IPv6
// stack and of its PXE driver may agree. Where both ask before either has taken one, of a few hundred addresses both
// are offered the same.

/// Addresses are leased, and each machine makes one of its own as well: the router says nothing of the DHCPv6 server.
const ON_THE_LINK: &[&str] = &["--dhcp-range=fd77::1:0,fd77::ffff:ffff,64,1h"];
const SLAAC: &[&str] = &["--enable-ra", "--dhcp-range=fd77::,ra-only"];
/// The router says that addresses are leased, so that the firmware's IPv6 stack leases one for itself.
const MANAGED: &[&str] = &["--enable-ra", "--dhcp-range=fd77::1:0,fd77::ffff:ffff,64,1h"];
/// Nothing is leased; the DHCPv6 server tells the rest.
const STATELESS: &[&str] =
    &["--enable-ra", "--dhcp-range=fd77::,ra-stateless,64,1h", "--dhcp-option=option6:dns-server,[fd77::1]"];

fn x64_of_2022_boots_over_ipv6_on_the_link(lab: &WorkDir) -> Result<()> {
    boots(lab, &[ON_THE_LINK, SLAAC], &machine::x64_2022().with_ipv6_first(), Way::Tftp)
}

fn x64_of_2025_boots_over_ipv6_on_the_link(lab: &WorkDir) -> Result<()> {
    boots(lab, &[ON_THE_LINK, SLAAC], &machine::x64_2025().with_ipv6_first(), Way::Tftp)
}

fn x64_of_2022_boots_over_ipv6_in_a_managed_network(lab: &WorkDir) -> Result<()> {
    boots(lab, &[MANAGED], &machine::x64_2022().with_ipv6_first(), Way::Tftp)
}

fn x64_of_2025_boots_over_ipv6_in_a_managed_network(lab: &WorkDir) -> Result<()> {
    boots(lab, &[MANAGED], &machine::x64_2025().with_ipv6_first(), Way::Tftp)
}

fn arm64_of_2025_boots_over_ipv6_in_a_managed_network(lab: &WorkDir) -> Result<()> {
    boots(lab, &[MANAGED], &machine::arm64_2025().with_ipv6_first(), Way::Tftp)
}

/// Where our HTTP server is switched off, the script goes on over TFTP.
fn x64_of_2025_boots_over_ipv6_by_tftp_alone(lab: &WorkDir) -> Result<()> {
    let site = Wire::new(lab, &[MANAGED])?;
    let _server = serve_by(lab, &site, "[http]\nenabled = false\n")?;
    boots_by(Way::Tftp, &site.capture, || site::boot(lab, &site.segment, &machine::x64_2025().with_ipv6_first()))
}

fn ia32_starts_a_program_with_its_script_over_ipv6(lab: &WorkDir) -> Result<()> {
    starts_with_its_script(lab, &machine::ia32_2022().with_ipv6_first(), "i386-efi", "ipxe-ia32.efi")
}

fn arm32_starts_a_program_with_its_script_over_ipv6(lab: &WorkDir) -> Result<()> {
    starts_with_its_script(lab, &machine::arm32_2022().with_ipv6_first(), "arm-efi", "ipxe-arm32.efi")
}

/// The program is a GRUB that could be taken for an iPXE, as there is none: it does not look at what it is given along,
/// and says the token.
fn starts_with_its_script(lab: &WorkDir, machine: &Machine, target: &str, name: &str) -> Result<()> {
    let site = Wire::new(lab, &[MANAGED])?;
    let directory = site::boot_dir(lab, None)?;
    fs::copy(grub::image_printing(lab, target, &format!("{} '<CMDLINE>'", lab.token.word()))?, directory.join(name))?;
    let _server = site::serve(lab, &site.server, directory)?;
    let has_asked = || {
        let asked = site.capture.fields("ipv6 && tftp.opcode == 1", &["tftp.source_file"])?;
        for file in [&format!("with-script/{name}"), name, "autoexec.ipxe"] {
            ensure!(asked.iter().any(|name| name == file), "nobody asked for {file}: {asked:?}");
        }
        Ok(())
    };
    boots_and(|| site::boot(lab, &site.segment, machine), has_asked)
}

fn x64_of_2022_boots_over_http_without_any_ipv4(lab: &WorkDir) -> Result<()> {
    boots(lab, &[MANAGED], &machine::x64_2022().with_http_boot_only(), Way::Http)
}

fn x64_of_2025_boots_over_http_without_any_ipv4(lab: &WorkDir) -> Result<()> {
    boots(lab, &[MANAGED], &machine::x64_2025().with_http_boot_only(), Way::Http)
}

/// By which the firmware is to fetch its loader, over IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Tftp,
    Http,
}

/// A network with DHCPv6 servers and routers, in which nobody has an IPv4 address.
struct Wire {
    segment: Segment,
    server: Host,
    capture: Capture,
    _primaries: Vec<Process>,
}

impl Wire {
    /// With a host for each of these dnsmasqs, the first at fd77::1, and one for ours at fd77::2.
    fn new(lab: &WorkDir, primaries: &[&[&str]]) -> Result<Wire> {
        let segment = Segment::new(lab, "wire")?;
        let capture = Capture::start(lab, &segment, "wire")?;
        let start = |(number, options): (usize, &&[&str])| {
            let host = Host::new(lab, &format!("primary{number}"))?;
            segment.plug(&host, "eth0", &[if number == 0 { "fd77::1/64" } else { "fd77::3/64" }])?;
            peers::dhcp6_server(lab, &host, options)
        };
        let primaries = primaries.iter().enumerate().map(start).collect::<Result<_>>()?;
        let server = Host::new(lab, "server")?;
        segment.plug(&server, "eth0", &["fd77::2/64"])?;
        Ok(Wire { segment, server, capture, _primaries: primaries })
    }
}

/// With no configuration on our side, until our script has run, without any IPv4. An iPXE that was loaded by HTTP finds
/// it beside itself; by TFTP a program of ours brings both.
fn boots(lab: &WorkDir, primaries: &[&[&str]], machine: &Machine, way: Way) -> Result<()> {
    let site = Wire::new(lab, primaries)?;
    let _server = site::serve(lab, &site.server, site::boot_dir(lab, Some(&lab.token.script()))?)?;
    boots_by(way, &site.capture, || site::boot(lab, &site.segment, machine))
}

fn boots_by(way: Way, capture: &Capture, boot: impl Fn() -> Result<()>) -> Result<()> {
    boots_and(boot, || loaded_by(capture, way))
}

/// EDK2 asks once on port 4011 over IPv6, and drops an answer that lies unread for 50 ms (PxeBcUdp6Read). On shared
/// cores an emulated processor may stand still for longer just then; the firmware goes on to HTTP, and is switched on
/// once more.
fn boots_and(boot: impl Fn() -> Result<()>, as_meant: impl Fn() -> Result<()>) -> Result<()> {
    boot()?;
    as_meant().or_else(|_| {
        boot()?;
        as_meant()
    })
}

/// dnsmasq as it is by default: nobody else gets a socket on port 547. By PXE and over HTTP.
fn x64_boots_over_ipv6_beside_a_primary_on_our_own_host_that_keeps_port_547(lab: &WorkDir) -> Result<()> {
    let segment = Segment::new(lab, "wire")?;
    let capture = Capture::start(lab, &segment, "wire")?;
    let host = Host::new(lab, "server")?;
    segment.plug(&host, "eth0", &["fd77::1/64"])?;
    let _primary = peers::dhcp6_server(lab, &host, MANAGED)?;
    let _server = site::serve(lab, &host, site::boot_dir(lab, Some(&lab.token.script()))?)?;
    boots_by(Way::Tftp, &capture, || site::boot(lab, &segment, &machine::x64_2022().with_ipv6_first()))?;
    site::boot(lab, &segment, &machine::x64_2025().with_http_boot_only())
}

/// The loader has gone out by the protocol that was meant, and over IPv6.
fn loaded_by(capture: &Capture, way: Way) -> Result<()> {
    let by_tftp = capture.fields("ipv6 && tftp.opcode == 1", &["tftp.source_file"])?;
    let by_http = capture.fields("ipv6 && http.request.method == GET", &["http.request.uri"])?;
    let loaded =
        |asked: &[String]| asked.iter().any(|name| name.ends_with("snponly.efi") || name.ends_with("ipxe-arm64.efi"));
    let as_meant = match way {
        Way::Tftp => loaded(&by_tftp),
        Way::Http => loaded(&by_http) && !loaded(&by_tftp),
    };
    ensure!(as_meant, "not by {way:?}: TFTP {by_tftp:?}, HTTP {by_http:?}");
    Ok(())
}

fn x64_of_2022_behind_a_relay_boots_over_ipv6_in_a_managed_network(lab: &WorkDir) -> Result<()> {
    boots_behind_a_relay(lab, &machine::x64_2022().with_ipv6_first())
}

fn x64_of_2025_behind_a_relay_boots_over_ipv6_in_a_managed_network(lab: &WorkDir) -> Result<()> {
    boots_behind_a_relay(lab, &machine::x64_2025().with_ipv6_first())
}

/// fd77::/64 holds the DHCPv6 server (::1), ours (::2) and the router (::fe); the machine is in fd78::/64, where only
/// the router is. Its router advertisements say that addresses are leased: the firmware then has two (protocol.md
/// L:c2).
fn boots_behind_a_relay(lab: &WorkDir, machine: &Machine) -> Result<()> {
    let (near, far) = (Segment::new(lab, "near")?, Segment::new(lab, "far")?);
    let captures = [Capture::start(lab, &near, "near")?, Capture::start(lab, &far, "far")?];
    let router = Host::new(lab, "router")?;
    near.plug(&router, "near0", &["fd77::fe/64"])?;
    far.plug(&router, "far0", &["fd78::1/64"])?;
    router.forward()?;
    let (primary, server) = (Host::new(lab, "primary")?, Host::new(lab, "server")?);
    for (host, address) in [(&primary, "fd77::1/64"), (&server, "fd77::2/64")] {
        near.plug(host, "eth0", &[address])?;
        host.route("fd78::/64", "fd77::fe")?;
    }
    let _advertiser = peers::managed_router(lab, &router, "far0", "fd78::/64")?;
    let _primary = peers::dhcp6_server(lab, &primary, &["--dhcp-range=fd78::1:0,fd78::ffff:ffff,64,1h"])?;
    let _relay = peers::relay6(lab, &router, "far0", "near0", &["fd77::1", "fd77::2"])?;
    let _server = site::serve(lab, &server, site::boot_dir(lab, Some(&lab.token.script()))?)?;
    boots_by(Way::Tftp, &captures[1], || site::boot(lab, &far, machine))
}

/// IPv4 comes first in EDK2.
fn with_both_families_x64_boots_over_the_one_that_its_firmware_tries_first(lab: &WorkDir) -> Result<()> {
    let site = both_families(lab)?;
    let _server = site.serve()?;
    site.boot(&machine::x64_2022())?;
    let loaders = site.capture.fields("ip && tftp.opcode == 1", &["tftp.source_file"])?;
    ensure!(loaders.iter().any(|name| name == "snponly.efi"), "not over IPv4: {loaders:?}");
    Ok(())
}

fn with_both_families_x64_boots_over_ipv6_if_its_firmware_tries_that_first(lab: &WorkDir) -> Result<()> {
    let site = both_families(lab)?;
    let _server = site.serve()?;
    let machine = machine::x64_2022().with_ipv6_first();
    boots_by(Way::Tftp, &site.capture, || site.boot(&machine))
}

fn both_families(lab: &WorkDir) -> Result<Site<'_>> {
    Site::with_dhcp_options(lab, &["--dhcp-range=fd77::1:0,fd77::ffff:ffff,64,1h"])
}

/// QEMU's ROM is an iPXE. Its DHCPv6 server would tell it name servers and nothing to boot.
fn ipxe_in_a_stateless_network_boots_where_the_configuration_says_so(lab: &WorkDir) -> Result<()> {
    let site = Wire::new(lab, &[STATELESS])?;
    let _server = serve_by(lab, &site, "[dhcp6]\nstateless-ipxe = true\ndns-servers = [\"fd77::1\"]\n")?;
    site::boot(lab, &site.segment, &machine::bios())?;
    let asked = site.capture.fields("dhcpv6.msgtype == 11", &["ipv6.src"])?;
    ensure!(!asked.is_empty(), "it has not asked over stateless DHCPv6");
    Ok(())
}

/// By these lines of a configuration.
fn serve_by(lab: &WorkDir, site: &Wire, text: &str) -> Result<Process> {
    let directory = site::boot_dir(lab, Some(&lab.token.script()))?;
    let file = site::write_config(lab, &directory, text, &[])?;
    server::start(lab, &site.server, &[OsStr::new("-c"), file.as_os_str()])
}

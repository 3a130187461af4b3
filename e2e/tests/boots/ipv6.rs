//! Tests boots over IPv6. A DHCPv6 server and routers assign the addresses, and send no boot options. This server sends
//! what to boot.

use anyhow::{Result, ensure};
use proxydhcpd_e2e::WorkDir;
use proxydhcpd_e2e::capture::Capture;
use proxydhcpd_e2e::grub;
use proxydhcpd_e2e::machine::{self, Machine};
use proxydhcpd_e2e::peers;
use proxydhcpd_e2e::process::Process;
use proxydhcpd_e2e::server;
use proxydhcpd_e2e::site::{self, Site};
use proxydhcpd_testbed::{Host, Segment};
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
    x64_boots_over_ipv6_with_a_dhcp_server_on_the_same_host_that_binds_port_547_exclusively,
    with_both_families_x64_boots_over_the_family_that_its_firmware_tries_first,
    with_both_families_x64_boots_over_ipv6_if_its_firmware_tries_that_first,
    ipxe_with_stateless_dhcpv6_boots_if_the_configuration_enables_it,
];

// The ranges are large, because dnsmasq derives an address from the last octets of the client's lease identifier.
// EDK2's IPv6 stack and its PXE driver may share these octets. If both request an address before either has accepted
// one, dnsmasq offers both the same address from a range of a few hundred.

/// The server leases addresses. Each machine also configures an address by SLAAC, because the router does not announce
/// DHCPv6.
const ON_THE_LINK: &[&str] = &["--dhcp-range=fd77::1:0,fd77::ffff:ffff,64,1h"];
const SLAAC: &[&str] = &["--enable-ra", "--dhcp-range=fd77::,ra-only"];
/// The router announces DHCPv6, so the firmware's IPv6 stack leases an address, too.
const MANAGED: &[&str] = &["--enable-ra", "--dhcp-range=fd77::1:0,fd77::ffff:ffff,64,1h"];
/// The DHCPv6 server leases no addresses, and sends only other options.
const STATELESS: &[&str] =
    &["--enable-ra", "--dhcp-range=fd77::,ra-stateless,64,1h", "--dhcp-option=option6:dns-server,[fd77::1]"];

fn x64_of_2022_boots_over_ipv6_on_the_link(work: &WorkDir) -> Result<()> {
    boots(work, &[ON_THE_LINK, SLAAC], &machine::x64_2022().with_ipv6_first(), BootProtocol::Tftp)
}

fn x64_of_2025_boots_over_ipv6_on_the_link(work: &WorkDir) -> Result<()> {
    boots(work, &[ON_THE_LINK, SLAAC], &machine::x64_2025().with_ipv6_first(), BootProtocol::Tftp)
}

fn x64_of_2022_boots_over_ipv6_in_a_managed_network(work: &WorkDir) -> Result<()> {
    boots(work, &[MANAGED], &machine::x64_2022().with_ipv6_first(), BootProtocol::Tftp)
}

fn x64_of_2025_boots_over_ipv6_in_a_managed_network(work: &WorkDir) -> Result<()> {
    boots(work, &[MANAGED], &machine::x64_2025().with_ipv6_first(), BootProtocol::Tftp)
}

fn arm64_of_2025_boots_over_ipv6_in_a_managed_network(work: &WorkDir) -> Result<()> {
    boots(work, &[MANAGED], &machine::arm64_2025().with_ipv6_first(), BootProtocol::Tftp)
}

/// This server's HTTP is disabled, so the script uses TFTP.
fn x64_of_2025_boots_over_ipv6_by_tftp_alone(work: &WorkDir) -> Result<()> {
    let site = Ipv6Network::new(work, &[MANAGED])?;
    let _server = serve_by(work, &site, "[http]\nenabled = false\n")?;
    boots_by(BootProtocol::Tftp, &site.capture, || {
        site::boot(work, &site.segment, &machine::x64_2025().with_ipv6_first())
    })
}

fn ia32_starts_a_program_with_its_script_over_ipv6(work: &WorkDir) -> Result<()> {
    starts_with_its_script(work, &machine::ia32_2022().with_ipv6_first(), "i386-efi", "ipxe-ia32.efi")
}

fn arm32_starts_a_program_with_its_script_over_ipv6(work: &WorkDir) -> Result<()> {
    starts_with_its_script(work, &machine::arm32_2022().with_ipv6_first(), "arm-efi", "ipxe-arm32.efi")
}

/// The program is GRUB under the name of an iPXE, because there is no iPXE for these machines. GRUB ignores its command
/// line, and prints the token.
fn starts_with_its_script(work: &WorkDir, machine: &Machine, target: &str, name: &str) -> Result<()> {
    let site = Ipv6Network::new(work, &[MANAGED])?;
    let directory = site::boot_dir(work, None)?;
    fs::copy(grub::image_printing(work, target, &format!("{} '<CMDLINE>'", work.token.word()))?, directory.join(name))?;
    let _server = site::serve(work, &site.server, directory)?;
    let check_requests = || {
        let requests = site.capture.fields("ipv6 && tftp.opcode == 1", &["tftp.source_file"])?;
        for file in [&format!("with-script/{name}"), name, "autoexec.ipxe"] {
            ensure!(requests.iter().any(|name| name == file), "no request for {file}: {requests:?}");
        }
        Ok(())
    };
    boots_and(|| site::boot(work, &site.segment, machine), check_requests)
}

fn x64_of_2022_boots_over_http_without_any_ipv4(work: &WorkDir) -> Result<()> {
    boots(work, &[MANAGED], &machine::x64_2022().with_http_boot_only(), BootProtocol::Http)
}

fn x64_of_2025_boots_over_http_without_any_ipv4(work: &WorkDir) -> Result<()> {
    boots(work, &[MANAGED], &machine::x64_2025().with_http_boot_only(), BootProtocol::Http)
}

/// The protocol by which the firmware must fetch its loader over IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BootProtocol {
    Tftp,
    Http,
}

/// A network with DHCPv6 servers and routers, and without IPv4 addresses.
struct Ipv6Network {
    segment: Segment,
    server: Host,
    capture: Capture,
    _dhcp_servers: Vec<Process>,
}

impl Ipv6Network {
    /// Starts a host for each dnsmasq with these options, the first at fd77::1. The server under test has a host at
    /// fd77::2.
    fn new(work: &WorkDir, dhcp_servers: &[&[&str]]) -> Result<Ipv6Network> {
        let segment = Segment::new();
        let capture = Capture::start(work, &segment, "wire")?;
        let start = |(number, options): (usize, &&[&str])| {
            let host = Host::without_dad();
            segment.plug(&host, "eth0", &[if number == 0 { "fd77::1/64" } else { "fd77::3/64" }]);
            peers::dhcp6_server(work, &host, options)
        };
        let dhcp_servers = dhcp_servers.iter().enumerate().map(start).collect::<Result<_>>()?;
        let server = Host::without_dad();
        segment.plug(&server, "eth0", &["fd77::2/64"]);
        Ok(Ipv6Network { segment, server, capture, _dhcp_servers: dhcp_servers })
    }
}

/// Boots a machine until it has run the script. The server has no configuration, and the network no IPv4. After a boot
/// over HTTP, iPXE finds the script in the directory of its URL. Over TFTP, the wrapper fetches both iPXE and the
/// script.
fn boots(work: &WorkDir, dhcp_servers: &[&[&str]], machine: &Machine, protocol: BootProtocol) -> Result<()> {
    let site = Ipv6Network::new(work, dhcp_servers)?;
    let _server = site::serve(work, &site.server, site::boot_dir(work, Some(&work.token.script()))?)?;
    boots_by(protocol, &site.capture, || site::boot(work, &site.segment, machine))
}

fn boots_by(protocol: BootProtocol, capture: &Capture, boot: impl Fn() -> Result<()>) -> Result<()> {
    boots_and(boot, || loaded_by(capture, protocol))
}

/// EDK2 sends one request to port 4011 over IPv6, and drops a reply that it does not read within 50 ms (PxeBcUdp6Read).
/// On shared cores, an emulated processor may be stopped for longer than that. The firmware then continues with HTTP,
/// so the check fails, and the case boots the machine once more.
fn boots_and(boot: impl Fn() -> Result<()>, check: impl Fn() -> Result<()>) -> Result<()> {
    boot()?;
    check().or_else(|_| {
        boot()?;
        check()
    })
}

/// By default, dnsmasq binds port 547 exclusively. The machine boots by PXE and over HTTP.
fn x64_boots_over_ipv6_with_a_dhcp_server_on_the_same_host_that_binds_port_547_exclusively(
    work: &WorkDir,
) -> Result<()> {
    let segment = Segment::new();
    let capture = Capture::start(work, &segment, "wire")?;
    let host = Host::without_dad();
    segment.plug(&host, "eth0", &["fd77::1/64"]);
    let _dhcp_server = peers::dhcp6_server(work, &host, MANAGED)?;
    let _server = site::serve(work, &host, site::boot_dir(work, Some(&work.token.script()))?)?;
    boots_by(BootProtocol::Tftp, &capture, || site::boot(work, &segment, &machine::x64_2022().with_ipv6_first()))?;
    site::boot(work, &segment, &machine::x64_2025().with_http_boot_only())
}

/// Checks that the server sent the loader by this protocol and over IPv6.
fn loaded_by(capture: &Capture, protocol: BootProtocol) -> Result<()> {
    let by_tftp = capture.fields("ipv6 && tftp.opcode == 1", &["tftp.source_file"])?;
    let by_http = capture.fields("ipv6 && http.request.method == GET", &["http.request.uri"])?;
    let loaded = |requests: &[String]| {
        requests.iter().any(|name| name.ends_with("snponly.efi") || name.ends_with("ipxe-arm64.efi"))
    };
    let is_expected = match protocol {
        BootProtocol::Tftp => loaded(&by_tftp),
        BootProtocol::Http => loaded(&by_http) && !loaded(&by_tftp),
    };
    ensure!(is_expected, "not by {protocol:?}: TFTP {by_tftp:?}, HTTP {by_http:?}");
    Ok(())
}

fn x64_of_2022_behind_a_relay_boots_over_ipv6_in_a_managed_network(work: &WorkDir) -> Result<()> {
    boots_behind_a_relay(work, &machine::x64_2022().with_ipv6_first())
}

fn x64_of_2025_behind_a_relay_boots_over_ipv6_in_a_managed_network(work: &WorkDir) -> Result<()> {
    boots_behind_a_relay(work, &machine::x64_2025().with_ipv6_first())
}

/// fd77::/64 contains the DHCPv6 server (::1), the server under test (::2) and the router (::fe); fd78::/64 contains
/// the machine and the router. The router advertisements announce DHCPv6, so the firmware has two addresses
/// (protocol.md L:c2).
fn boots_behind_a_relay(work: &WorkDir, machine: &Machine) -> Result<()> {
    let (near, far) = (Segment::new(), Segment::new());
    let captures = [Capture::start(work, &near, "near")?, Capture::start(work, &far, "far")?];
    let router = Host::without_dad();
    near.plug(&router, "near0", &["fd77::fe/64"]);
    far.plug(&router, "far0", &["fd78::1/64"]);
    router.forward();
    let (dhcp_host, server) = (Host::without_dad(), Host::without_dad());
    for (host, address) in [(&dhcp_host, "fd77::1/64"), (&server, "fd77::2/64")] {
        near.plug(host, "eth0", &[address]);
        host.run("ip route add fd78::/64 via fd77::fe");
    }
    let _advertiser = peers::managed_router(work, &router, "far0", "fd78::/64")?;
    let _dhcp_server = peers::dhcp6_server(work, &dhcp_host, &["--dhcp-range=fd78::1:0,fd78::ffff:ffff,64,1h"])?;
    let _relay = peers::relay6(work, &router, "far0", "near0", &["fd77::1", "fd77::2"])?;
    let _server = site::serve(work, &server, site::boot_dir(work, Some(&work.token.script()))?)?;
    boots_by(BootProtocol::Tftp, &captures[1], || site::boot(work, &far, machine))
}

/// Without a change of its boot order, EDK2 tries IPv4 first.
fn with_both_families_x64_boots_over_the_family_that_its_firmware_tries_first(work: &WorkDir) -> Result<()> {
    let site = both_families(work)?;
    let _server = site.serve()?;
    site.boot(&machine::x64_2022())?;
    let loaders = site.capture.fields("ip && tftp.opcode == 1", &["tftp.source_file"])?;
    ensure!(loaders.iter().any(|name| name == "snponly.efi"), "not over IPv4: {loaders:?}");
    Ok(())
}

fn with_both_families_x64_boots_over_ipv6_if_its_firmware_tries_that_first(work: &WorkDir) -> Result<()> {
    let site = both_families(work)?;
    let _server = site.serve()?;
    let machine = machine::x64_2022().with_ipv6_first();
    boots_by(BootProtocol::Tftp, &site.capture, || site.boot(&machine))
}

fn both_families(work: &WorkDir) -> Result<Site<'_>> {
    Site::with_dhcp_options(work, &["--dhcp-range=fd77::1:0,fd77::ffff:ffff,64,1h"])
}

/// The ROM of QEMU is an iPXE. The DHCPv6 server sends name servers to iPXE, but no boot file.
fn ipxe_with_stateless_dhcpv6_boots_if_the_configuration_enables_it(work: &WorkDir) -> Result<()> {
    let site = Ipv6Network::new(work, &[STATELESS])?;
    let _server = serve_by(work, &site, "[dhcp6]\nstateless-ipxe = true\ndns-servers = [\"fd77::1\"]\n")?;
    site::boot(work, &site.segment, &machine::bios())?;
    let requests = site.capture.fields("dhcpv6.msgtype == 11", &["ipv6.src"])?;
    ensure!(!requests.is_empty(), "no request over stateless DHCPv6");
    Ok(())
}

/// Starts the server with these lines in its configuration.
fn serve_by(work: &WorkDir, site: &Ipv6Network, text: &str) -> Result<Process> {
    let directory = site::boot_dir(work, Some(&work.token.script()))?;
    let file = site::write_config(work, &directory, text, &[])?;
    server::start(work, &site.server, &[OsStr::new("-c"), file.as_os_str()])
}

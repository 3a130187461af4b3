//! A network for thousands of played machines, of which some fail: a DHCP server, a boot directory for every kind of
//! boot, a relay.

use anyhow::{Context, Result};
use proxydhcpd_player::driver::{self, Run};
use proxydhcpd_player::kinds::{KINDS, Kind, by_name};
use proxydhcpd_player::machine::Machine;
use proxydhcpd_player::network::RelayOptions;
use proxydhcpd_player::play::Timing;
use proxydhcpd_player::report::Report;
use proxydhcpd_testbed::loaders::fake_loader;
use proxydhcpd_testbed::{Host, Process, Segment, peers};
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const DHCP_SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const BOOT_SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
/// The relay of the player. Its machines have addresses in 10.78.0.0/16, which the player's host routes.
const RELAY: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 1);
/// The networks of the addresses that the DHCP server assigns. The servers reach them by routes: with an entry for each
/// address, the kernel's table of neighbours (1024 entries for all namespaces of a host) would be too small.
const MACHINES: [&str; 4] = ["10.77.16.0/20", "10.77.32.0/19", "10.77.64.0/18", "10.77.128.0/17"];
/// The number of machines that boot at the same time.
const AT_ONCE: usize = 200;
/// The boot directory of every case, in the memory of the sandbox.
const BOOT_DIR: &str = "/srv/boot";

/// The rules of the site. ARM machines have a profile without a kernel, and the boot directory has no loader for IA32.
pub const RULES: &str = r#"
default-profile = "debian"
[tftp]
max-transfers = 256
[profile.debian]
title = "Debian 13"
kernel = "linux"
initrd = "initrd"
arguments = "console=ttyS0"
[profile.installer]
extends = "debian"
title = "Debian 13, installer"
arguments = "console=ttyS0 done_url={{ done_url }}"
[profile.rescue]
title = "Rescue system"
kernel = "rescue/linux"
[profile.secure.loaders]
uefi-x64 = "secure/shimx64.efi"
[profile.choice.menu]
timeout = 5
items = [
  { title = "Debian 13", profile = "debian" },
  { title = "Local disk", profile = "local-disk" },
]
[[rule]]
name = "machines that boot their disk"
mac = ["02:50:11:*", "02:50:12:*"]
profile = "local-disk"
[[rule]]
name = "machines with Secure Boot"
mac = ["02:50:13:*"]
profile = "secure"
[[rule]]
name = "machines that ask"
mac = ["02:50:0d:*", "02:50:0e:*"]
profile = "choice"
[[rule]]
name = "machines whose kernel is missing"
mac = ["02:50:04:*"]
profile = "rescue"
"#;

/// The network. The DHCP server ends with this value.
#[derive(Debug)]
pub struct PlayedSite {
    /// The segment of all hosts.
    pub segment: Segment,
    /// The host of the server under test.
    pub server: Host,
    /// The boot directory.
    pub boot: PathBuf,
    player: Host,
    _dhcp_server: Process,
    _dhcp_host: Host,
}

impl PlayedSite {
    /// Creates the network.
    pub fn new() -> Result<PlayedSite> {
        let segment = Segment::new();
        let [dhcp_host, server, player] = [(), (), ()].map(|()| Host::without_dad());
        segment.plug(&dhcp_host, "eth0", &["10.77.0.1/16", "fd77::1/64"]);
        segment.plug(&server, "eth0", &["10.77.0.2/16", "fd77::2/64"]);
        segment.plug(&player, "eth0", &["10.77.0.3/16", "fd77::3/64"]);
        for host in [&dhcp_host, &server] {
            host.run("ip route add 10.78.0.0/16 via 10.77.0.3");
            for network in MACHINES {
                host.run(&format!("ip route add {network} via 10.77.0.3"));
            }
        }
        let options = "--dhcp-range=10.77.16.0,10.77.255.254,255.255.0.0,1h \
             --dhcp-range=10.78.16.0,10.78.255.254,255.255.0.0,1h --dhcp-option=3 --no-ping \
             --dhcp-range=fd77::1:0,fd77::ffff:ffff,64,1h --dhcp-lease-max=60000";
        let dhcp_server = peers::start_dnsmasq(&dhcp_host, 67, options);
        let boot = boot_dir()?;
        Ok(PlayedSite { segment, server, boot, player, _dhcp_server: dhcp_server, _dhcp_host: dhcp_host })
    }

    /// Plays the boots of a run. Those of machines that cannot boot here fail.
    pub fn play(&self, run: &Run) -> Result<Report> {
        self.player.on(|| driver::run(run)).map_err(|failure| anyhow::anyhow!("the player: {failure}"))
    }
}

/// Returns these kinds of boots.
pub fn kinds(names: &[&str]) -> Result<Vec<&'static Kind>> {
    names.iter().map(|name| by_name(name).with_context(|| format!("no kind is named {name}"))).collect()
}

/// Returns all kinds that end within seconds of each other.
pub fn quick_kinds() -> Vec<&'static Kind> {
    KINDS.iter().filter(|kind| kind.ends.len() == 1).collect()
}

/// A run with this number of machines, which take turns among these kinds. Another seed gives other machines.
pub fn run_of(kinds: Vec<&'static Kind>, machines: usize, seed: u64) -> Run {
    Run {
        interface: "eth0".into(),
        kinds,
        machines,
        at_once: AT_ONCE,
        seed,
        relay: Some(RelayOptions { address: RELAY, servers: vec![DHCP_SERVER, BOOT_SERVER] }),
        assigned: None,
        timing: Timing { hurries: true, restart: Duration::from_secs(6), limit: Duration::from_secs(10) },
    }
}

/// The machines of a run.
pub fn machines_of(run: &Run) -> Vec<Machine> {
    driver::machines(&run.kinds, run.seed, run.machines)
}

/// The entries of the first machines of a run, with these names.
pub fn entries(run: &Run, names: &[&str]) -> String {
    let machines = machines_of(run);
    let entry = |(name, machine): (&&str, &Machine)| format!("[machine.{name}]\nmac = \"{}\"\n", machine.mac_text(":"));
    names.iter().zip(&machines).map(entry).collect()
}

/// The boot directory. No case changes it, so the first one fills it for all.
fn boot_dir() -> Result<PathBuf> {
    static FILLED: Mutex<bool> = Mutex::new(false);
    let mut filled = FILLED.lock().unwrap_or_else(PoisonError::into_inner);
    if !*filled {
        // Its name is short, because verdicts on pictures have it.
        Host::current().run("mount --no-mtab -t tmpfs -o mode=0755,size=64m tmpfs /srv");
        fill(Path::new(BOOT_DIR))?;
        *filled = true;
    }
    Ok(PathBuf::from(BOOT_DIR))
}

/// Fills the boot directory: loaders, a system, and the files of the machines that need others.
fn fill(boot: &Path) -> Result<()> {
    let write = |name: &str, octets: &[u8]| -> Result<()> {
        let path = boot.join(name);
        fs::create_dir_all(path.parent().context("a file is in a directory")?)?;
        Ok(fs::write(path, octets)?)
    };
    // The text shows that iPXE takes a command line, so the server wraps it for IPv6.
    let loader = |kind: &str| [&fake_loader(kind)[..], b"<CMDLINE>"].concat();
    write("undionly.kpxe", &loader("bios"))?;
    for (name, kind) in [("ipxe.efi", "x64"), ("ipxe-arm64.efi", "arm64")] {
        write(name, &loader(kind))?;
    }
    for name in ["secure/shimx64.efi", "secure/grubx64.efi"] {
        write(name, &loader("x64"))?;
    }
    write("grub/grub.cfg", b"menuentry system {\n  linux /linux quiet\n  initrd /initrd\n}\n")?;
    write("linux", &[0x4b; 20_000])?;
    write("initrd", &[0x49; 20_000])?;
    for name in ["bootcode.bin", "start.elf", "start4.elf", "fixup.dat", "fixup4.dat", "kernel8.img"] {
        write(name, &[0x50; 5_000])?;
    }
    write("config.txt", b"arm_64bit=1\n")?;
    write("cmdline.txt", b"console=serial0\n")
}

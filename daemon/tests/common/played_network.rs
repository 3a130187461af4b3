//! A network on which the player boots machines: a DHCP server, a server with a boot directory for every kind of boot,
//! and the host of the machines.

use super::server::{PROGRAM, Server};
use proxydhcpd_player::driver::{self, Run};
use proxydhcpd_player::kinds::{KINDS, Kind, by_name};
use proxydhcpd_player::network::RelayOptions;
use proxydhcpd_player::play::Timing;
use proxydhcpd_player::report::Report;
use proxydhcpd_testbed::loaders::fake_loader;
use proxydhcpd_testbed::{Host, Process, Segment, peers};
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

const DHCP_SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
pub const BOOT_SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
/// The relay of the player. Its machines have addresses in 10.78.0.0/16, which the player's host routes.
const RELAY: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 1);

/// The networks of the addresses that the DHCP server assigns. The servers reach them by routes: with an entry for each
/// address, the kernel's table of neighbours (1024 entries for all namespaces of a host) would be too small.
const MACHINES: [&str; 4] = ["10.77.16.0/20", "10.77.32.0/19", "10.77.64.0/18", "10.77.128.0/17"];

/// The length of the loaders and of the kernel, in octets.
const LOADER_LENGTH: usize = 60_000;
const KERNEL_LENGTH: usize = 300_000;

/// The rules of the site: a profile for each kind that needs one.
const SITE: &str = r#"
default-profile = "system"
[tftp]
max-transfers = 256
[profile.system]
kernel = "linux"
initrd = "initrd"
arguments = "console=ttyS0"
[profile.installer]
extends = "system"
arguments = "console=ttyS0 done_url={{ done_url }}"
boot-once-file = "initrd"
[profile.secure.loaders]
uefi-x64 = "secure/shimx64.efi"
[profile.choice.menu]
timeout = 5
items = [
  { title = "The system", profile = "system" },
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
"#;

/// The network. The servers end with this value.
pub struct PlayedNetwork {
    /// The host of the machines.
    pub player: Host,
    /// The server under test.
    pub server: Server,
    /// The length of the server's log before the first boot, in octets.
    log_start: usize,
    /// The host of the server.
    pub host: Host,
    /// The segment that connects the hosts.
    pub segment: Segment,
    _dhcp_server: Process,
    /// The host of the DHCP server.
    pub dhcp_host: Host,
}

impl PlayedNetwork {
    /// Starts the servers, for these machines that install once.
    pub fn start(run: &Run) -> PlayedNetwork {
        PlayedNetwork::start_program(PROGRAM, run, "", &["-v"])
    }

    /// Starts the servers: of the one under test this program, with more lines in its configuration, and these flags.
    pub fn start_program(program: &str, run: &Run, lines: &str, flags: &[&str]) -> PlayedNetwork {
        let segment = Segment::new();
        let [dhcp_host, host, player] = [(), (), ()].map(|()| Host::without_dad());
        segment.plug(&dhcp_host, "eth0", &["10.77.0.1/16", "fd77::1/64"]);
        segment.plug(&host, "eth0", &["10.77.0.2/16", "fd77::2/64"]);
        segment.plug(&player, "eth0", &["10.77.0.3/16", "fd77::3/64"]);
        for server in [&dhcp_host, &host] {
            server.run("ip route add 10.78.0.0/16 via 10.77.0.3");
            for network in MACHINES {
                server.run(&format!("ip route add {network} via 10.77.0.3"));
            }
        }
        let options = "--dhcp-range=10.77.16.0,10.77.255.254,255.255.0.0,1h \
             --dhcp-range=10.78.16.0,10.78.255.254,255.255.0.0,1h --dhcp-option=3 --no-ping \
             --dhcp-range=fd77::1:0,fd77::ffff:ffff,64,1h --dhcp-lease-max=60000";
        let dhcp_server = peers::start_dnsmasq(&dhcp_host, 67, options);
        let directory = tempfile::tempdir().unwrap();
        let config = format!("{SITE}{}{lines}", entries(run));
        let server = Server::start_configured_program(program, &host, directory, &config, flags);
        fill(server.boot.path());
        server.wait_for_line("ready");
        server.signal(nix::sys::signal::Signal::SIGHUP);
        server.wait_for_line("reload");
        let log_start = server.log().len();
        PlayedNetwork { player, server, log_start, host, segment, _dhcp_server: dhcp_server, dhcp_host }
    }

    /// Plays the boots of a run. Returns when all have ended, and the server has had time to log their ends.
    pub fn play(&self, run: &Run) -> Report {
        let report = self.player.on(|| driver::run(run)).unwrap();
        std::thread::sleep(Duration::from_secs(1));
        report
    }

    /// The server's log since the first boot.
    pub fn log_of_boots(&self) -> String {
        self.server.log().split_off(self.log_start)
    }

    /// The warnings and errors that the server has logged since the first boot.
    pub fn warnings(&self) -> Vec<String> {
        let log = self.log_of_boots();
        log.lines().filter(|line| line.contains(" WARN ") || line.contains(" ERROR ")).map(str::to_owned).collect()
    }
}

/// A run with this number of machines, which take turns among all kinds.
pub fn run_of(kinds: &[&'static Kind], machines: usize, at_once: usize) -> Run {
    Run {
        interface: "eth0".into(),
        kinds: kinds.to_vec(),
        machines,
        at_once,
        seed: 7,
        relay: Some(RelayOptions { address: RELAY, servers: vec![DHCP_SERVER, BOOT_SERVER] }),
        assigned: None,
        timing: Timing { hurries: true, restart: Duration::from_secs(6), limit: Duration::from_secs(90) },
    }
}

/// Every kind.
pub fn all_kinds() -> Vec<&'static Kind> {
    KINDS.iter().collect()
}

/// The entries of the machines that install once.
fn entries(run: &Run) -> String {
    let once = by_name("installs-once").unwrap();
    let machines = driver::machines(&run.kinds, run.seed, run.machines);
    let machines = machines.iter().filter(|machine| machine.kind.name == once.name).enumerate();
    let entry = |(number, machine): (usize, &proxydhcpd_player::machine::Machine)| {
        let mac = machine.mac_text(":");
        format!("[machine.once{number}]\nmac = \"{mac}\"\nprofile = \"installer\"\nboot = \"once\"\n")
    };
    machines.map(entry).collect()
}

/// Fills the boot directory: loaders, a system, and the files of the machines that need others.
fn fill(boot: &Path) {
    let write = |name: &str, octets: &[u8]| {
        let path = boot.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, octets).unwrap();
    };
    let loader = |kind: &str| {
        // The text shows that iPXE takes a command line, so the server wraps it for IPv6.
        let mut octets = [&fake_loader(kind)[..], b"<CMDLINE>"].concat();
        octets.resize(LOADER_LENGTH, 0x90);
        octets
    };
    write("undionly.kpxe", &loader("bios"));
    for (name, kind) in [("ipxe.efi", "x64"), ("ipxe-ia32.efi", "ia32"), ("ipxe-arm64.efi", "arm64")] {
        write(name, &loader(kind));
    }
    for name in ["secure/shimx64.efi", "secure/grubx64.efi"] {
        write(name, &loader("x64"));
    }
    write("grub/grub.cfg", b"menuentry system {\n  linux /linux quiet\n  initrd /initrd\n}\n");
    write("linux", &vec![0x4b; KERNEL_LENGTH]);
    write("initrd", &vec![0x49; KERNEL_LENGTH]);
    let pi_files = ["bootcode.bin", "start.elf", "start4.elf", "fixup.dat", "fixup4.dat", "kernel8.img"];
    pi_files.iter().for_each(|name| write(name, &[0x50; 10_000]));
    write("config.txt", b"arm_64bit=1\n");
    write("cmdline.txt", b"console=serial0\n");
}

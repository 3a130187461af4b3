//! The network of the faults: a DHCP server, the server under test, and the host of the player.

use super::common::server::{Server, unprivileged_with};
use proxydhcpd_player::driver::{self, Run};
use proxydhcpd_player::kinds::{Kind, by_name};
use proxydhcpd_player::machine::Machine;
use proxydhcpd_player::play::Timing;
use proxydhcpd_testbed::loaders::fake_loader;
use proxydhcpd_testbed::{Host, Process, Segment, peers, wait_up_to};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// The longest time until a verdict: iPXE has a minute for its script, and a machine half a minute for an address.
const VERDICT_TIMEOUT: Duration = Duration::from_secs(150);

/// The default profile boots a kernel with an initrd.
pub const SITE: &str = "default-profile = \"system\"\n[profile.system]\nkernel = \"linux\"\ninitrd = \"initrd\"\n";

/// The network 10.77.0.0/16: the DHCP server has .1, the server under test .2, the player .3.
pub struct Network {
    pub dhcp_host: Host,
    pub host: Host,
    pub player: Host,
    pub server: Server,
    segment: Segment,
    _dhcp_server: Option<Process>,
}

/// A line of the log about a boot that failed.
#[derive(Clone, Debug)]
pub struct VerdictLine {
    pub code: String,
    pub text: String,
}

impl Network {
    /// Starts a network without a fault, with these lines in the server's configuration.
    pub fn start(site: &str) -> Network {
        Network::with_dhcp_server(site, Some(""))
    }

    /// Starts a network with these further options for the DHCP server; with `None`, there is no DHCP server.
    pub fn with_dhcp_server(site: &str, dhcp_options: Option<&str>) -> Network {
        Network::with_templates(site, dhcp_options, &[])
    }

    /// Starts a network with these templates, each with its name and text.
    pub fn with_templates(site: &str, dhcp_options: Option<&str>, templates: &[(&str, &str)]) -> Network {
        let segment = Segment::new();
        let [dhcp_host, host, player] = [(), (), ()].map(|()| Host::without_dad());
        segment.plug(&dhcp_host, "eth0", &["10.77.0.1/16", "fd77::1/64"]);
        segment.plug(&host, "eth0", &["10.77.0.2/16", "fd77::2/64"]);
        segment.plug(&player, "eth0", &["10.77.0.3/16", "fd77::3/64"]);
        let start = |options| dhcp_server(&dhcp_host, options);
        let dhcp_server = dhcp_options.map(start);
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("templates")).unwrap();
        for (name, text) in templates {
            fs::write(directory.path().join("templates").join(name), text).unwrap();
        }
        let server = Server::start_configured(&host, directory, site);
        fill(server.boot.path());
        server.wait_for_line("ready");
        let network = Network { dhcp_host, host, player, server, segment, _dhcp_server: dhcp_server };
        network.reload();
        network
    }

    /// Starts a network whose server is no superuser, so that the modes of files concern it.
    pub fn start_unprivileged(site: &str) -> Network {
        let network = Network::start(site);
        for directory in [network.server.boot.path(), network.server.directory.path()] {
            fs::set_permissions(directory, Permissions::from_mode(0o755)).unwrap();
        }
        let arguments = unprivileged_with("-all,+net_bind_service,+net_raw");
        let command: Vec<&str> = ["setpriv"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
        let server = network.server.kill_and_restart_by(&command, &network.host);
        server.wait_for_line("ready");
        Network { server, ..network }
    }

    /// Starts the server again, with the configuration as it is now.
    pub fn restart(self) -> Network {
        let server = self.server.kill_and_restart(&self.host);
        server.wait_for_line("ready");
        Network { server, ..self }
    }

    /// Starts the DHCP server, which was missing.
    pub fn start_dhcp_server(&mut self) {
        self._dhcp_server = Some(dhcp_server(&self.dhcp_host, ""));
    }

    /// Makes the server read its configuration and its boot directory again.
    pub fn reload(&self) {
        let before = self.server.log().matches("reloaded").count();
        self.server.signal(nix::sys::signal::Signal::SIGHUP);
        let is_done = || (self.server.log().matches("reloaded").count() > before).then_some(());
        wait_up_to(Duration::from_secs(20), "the reload", is_done);
    }

    /// Plays the boot of a machine of this kind, and returns whether it reached its end. The seed distinguishes
    /// machines of one kind.
    pub fn boots(&self, kind: &str, seed: u64) -> bool {
        self.play(vec![by_name(kind).unwrap()], 1, seed) == 1
    }

    /// Plays boots at the same time, and returns how many reached their end.
    pub fn play(&self, kinds: Vec<&'static Kind>, machines: usize, seed: u64) -> usize {
        let timing = Timing { hurries: true, restart: Duration::from_secs(1), limit: Duration::from_secs(100) };
        let run = Run {
            interface: "eth0".into(),
            kinds,
            machines,
            at_once: machines,
            seed,
            relay: None,
            assigned: None,
            timing,
        };
        let report = self.player.on(|| driver::run(&run)).unwrap();
        report.boots.iter().filter(|boot| boot.outcome.is_ok()).count()
    }

    /// Plays the boot of a machine on another thread, and calls `meanwhile`. Returns whether the boot reached its end.
    pub fn boots_while(&self, kind: &str, seed: u64, meanwhile: impl FnOnce()) -> bool {
        thread::scope(|scope| {
            let boot = scope.spawn(|| self.boots(kind, seed));
            meanwhile();
            boot.join().unwrap()
        })
    }

    /// Makes the switch of the segment drop the packets that this rule matches. No host notices it.
    pub fn switch_drops(&self, rule: &str) {
        self.segment.switch().run(&format!(
            "nft add table bridge fault\n\
             nft add chain bridge fault forwarded {{ type filter hook forward priority 0 ; }}\n\
             nft add rule bridge fault forwarded {rule} drop"
        ));
    }

    /// Makes the switch forward everything again.
    pub fn switch_forwards(&self) {
        self.segment.switch().run("nft delete table bridge fault");
    }

    /// The code of the verdict about the last boot of this machine, in its story.
    pub fn verdict_in_story(&self, mac: &str) -> Option<String> {
        let output = self.server.client(&["story", "-c", "CONFIG", mac, "--last", "--json"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let story: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        Some(story["boots"][0]["verdict"]["code"].as_str()?.to_owned())
    }

    /// Adds a rule to the server's firewall, in this hook.
    pub fn firewall(&self, hook: &str, rule: &str) {
        self.host.run("nft add table inet fault");
        self.host.run(&format!("nft add chain inet fault {hook} {{ type filter hook {hook} priority 0 ; }}"));
        self.host.run(&format!("nft add rule inet fault {hook} {rule}"));
    }

    /// Removes the firewall.
    pub fn open_firewall(&self) {
        self.host.run("nft delete table inet fault");
    }

    /// The lines with a verdict.
    pub fn verdicts(&self) -> Vec<VerdictLine> {
        verdicts(&self.server.log())
    }

    /// Waits for the verdict, and checks that it is the only one, about this machine, and that its line has these
    /// parts. Returns the line.
    pub fn ends_in(&self, code: &str, parts: &[&str]) -> String {
        let found = || self.verdicts().into_iter().next();
        let verdict = wait_up_to(VERDICT_TIMEOUT, &format!("the verdict {code}"), found);
        let line = &verdict.text;
        assert_eq!(verdict.code, code, "{line}");
        parts.iter().for_each(|part| assert!(line.contains(part), "no {part:?} in {line}"));
        assert!(line.contains(" WARN "), "{line}");
        verdict.text
    }

    /// Checks that a machine of this kind boots after the remedy, and that the log has no further verdict a while
    /// later.
    pub fn boots_again(&self, kind: &str, seed: u64) {
        let before = self.verdicts().len();
        assert!(self.boots(kind, seed), "{}", self.server.log());
        thread::sleep(Duration::from_secs(35));
        assert_eq!(self.verdicts().len(), before, "{:#?}", self.verdicts());
    }
}

/// The lines with a verdict in a log.
pub fn verdicts(log: &str) -> Vec<VerdictLine> {
    let line = |line: &str| {
        let (_, rest) = line.split_once("VERDICT=")?;
        let code = rest.split_whitespace().next()?.trim_matches('"').to_owned();
        Some(VerdictLine { code, text: line.to_owned() })
    };
    log.lines().filter_map(line).collect()
}

/// The MAC address of the first machine of this kind with this seed.
pub fn mac(kind: &str, seed: u64) -> String {
    mac_of(kind, seed, 1)
}

/// The MAC address of a machine of this kind with this seed, by its number.
pub fn mac_of(kind: &str, seed: u64, number: u16) -> String {
    Machine::new(by_name(kind).unwrap(), seed, number).mac_text(":")
}

fn dhcp_server(host: &Host, options: &str) -> Process {
    let ranges = "--dhcp-range=10.77.16.0,10.77.255.254,255.255.0.0,1h --dhcp-option=3 --no-ping \
                  --dhcp-range=fd77::1:0,fd77::ffff:ffff,64,1h";
    peers::start_dnsmasq(host, 67, &format!("{ranges} {options}"))
}

/// Fills the boot directory: loaders and a system.
fn fill(boot: &Path) {
    let loader = |kind: &str| {
        let mut octets = fake_loader(kind);
        octets.resize(60_000, 0x90);
        octets
    };
    for (name, kind) in [("undionly.kpxe", "bios"), ("ipxe.efi", "x64"), ("ipxe-arm64.efi", "arm64")] {
        fs::write(boot.join(name), loader(kind)).unwrap();
    }
    fs::write(boot.join("linux"), vec![0x4b; 1_200_000]).unwrap();
    fs::write(boot.join("initrd"), vec![0x49; 300_000]).unwrap();
}

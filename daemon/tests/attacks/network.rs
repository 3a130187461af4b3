//! The network under attack: one link with the server, the attacker, and the host of the honest machines.

use crate::attacker::Addresses;
use crate::common::server::{Server, measured_program};
use crate::table::Setting;
use proxydhcpd_testbed::raw::{CLIENT_MAC, SERVER_MAC, format_mac};
use proxydhcpd_testbed::{Host, Segment};
use std::fs::{self, File};
use std::net::Ipv4Addr;

pub const ADDRESSES: Addresses =
    Addresses { server: Ipv4Addr::new(10, 90, 0, 2), attacker: Ipv4Addr::new(10, 90, 0, 4), absent: [10, 90, 200] };

/// The addresses of the honest machines: their player assigns them.
pub const FIRST_MACHINE: Ipv4Addr = Ipv4Addr::new(10, 90, 16, 0);
pub const LAST_MACHINE: Ipv4Addr = Ipv4Addr::new(10, 90, 31, 255);

/// The file that the attacker requests, which is larger than all buffers.
const LARGE: u64 = 64 << 20;
/// The length of the kernel and the initrd that the honest machines boot.
const KERNEL: usize = 300_000;

const SITE: &str = "
default-profile = \"system\"
[profile.system]
kernel = \"linux\"
initrd = \"initrd\"
";

/// The network. The server ends with this value.
pub struct Network {
    pub server: Server,
    pub attacker: Host,
    pub machines: Host,
    host: Host,
    _segment: Segment,
}

/// The octets that the server has received and sent so far, with the headers of Ethernet.
#[derive(Clone, Copy)]
pub struct Octets {
    received: u64,
    sent: u64,
}

impl Network {
    /// Starts a server.
    pub fn start(setting: Setting) -> Network {
        let segment = Segment::new();
        let [host, attacker, machines] = [(), (), ()].map(|()| Host::without_dad());
        segment.plug(&host, "eth0", &["10.90.0.2/16", "fe80::90:2/64"]);
        segment.plug(&machines, "eth0", &["10.90.0.3/16"]);
        segment.plug(&attacker, "eth0", &["10.90.0.4/16"]);
        host.run(&format!("ip link set eth0 address {}", format_mac(SERVER_MAC)));
        attacker.run(&format!("ip link set eth0 address {}", format_mac(CLIENT_MAC)));
        host.run("ip route add 10.90.16.0/20 via 10.90.0.3\nip route add 198.18.0.0/15 via 10.90.0.4");
        let tftp = match setting {
            Setting::Default => "",
            Setting::SinglePort => "[tftp]\nsingle-port = true\n",
        };
        let (directory, config) = (tempfile::tempdir().unwrap(), format!("{SITE}{tftp}"));
        let server = Server::start_configured_program(&measured_program(), &host, directory, &config, &[]);
        let at = |name: &str| server.boot.path().join(name);
        File::create(at("big.bin")).unwrap().set_len(LARGE).unwrap();
        for (name, octet) in [("linux", 0x4b), ("initrd", 0x49)] {
            fs::write(at(name), vec![octet; KERNEL]).unwrap();
        }
        server.wait_for_line("ready");
        Network { server, attacker, machines, host, _segment: segment }
    }

    /// Returns the octets that the server has received and sent so far.
    pub fn octets(&self) -> Octets {
        // Of the host of this thread; /sys shows that of the process.
        let table = self.host.on(|| fs::read_to_string("/proc/thread-self/net/dev")).unwrap();
        let row = table.lines().find_map(|line| line.trim().strip_prefix("eth0:")).unwrap();
        let numbers: Vec<u64> = row.split_whitespace().map(|number| number.parse().unwrap()).collect();
        Octets { received: numbers[0], sent: numbers[8] }
    }
}

impl Octets {
    /// The octets that the server has sent since `before`, for each that it has received.
    pub fn factor_since(self, before: Octets) -> f64 {
        (self.sent - before.sent) as f64 / (self.received - before.received).max(1) as f64
    }
}

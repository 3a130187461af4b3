//! The settings of the server, and the keys that set them: the table of keys, and the reader of TOML tables by that
//! table.

pub mod architecture;
pub mod keys;
pub mod location;
pub mod port_range;
pub mod raw;
pub mod table_reader;
pub mod value;
pub mod webhook;

use proxydhcpd_core::link::{Link, Network};
use proxydhcpd_core::plan::menu::MenuSettings;
use proxydhcpd_core::plan::policy::{LoopGuard, StatelessOptions};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use webhook::WebhookConfig;

/// The default of `boot-dir`. The directory may be missing; the server then offers no files.
pub const DEFAULT_BOOT_DIR: &str = "/var/lib/proxydhcpd/boot";

/// The default of `state-dir` without a service manager: the `StateDirectory=` of the systemd unit.
const DEFAULT_STATE_DIR: &str = "/var/lib/proxydhcpd/state";

/// Returns `$STATE_DIRECTORY`, which a service manager sets (systemd.exec(5)), or else [`DEFAULT_STATE_DIR`]. Under the
/// systemd unit, both are the same directory.
fn default_state_dir() -> PathBuf {
    let from_env = std::env::var_os("STATE_DIRECTORY").map(PathBuf::from).filter(|directory| directory.is_absolute());
    from_env.unwrap_or_else(|| PathBuf::from(DEFAULT_STATE_DIR))
}

/// The default of `control-socket` without a service manager: in the `RuntimeDirectory=` of the systemd unit.
const DEFAULT_CONTROL_SOCKET: &str = "/run/proxydhcpd/control.sock";

/// Returns `control.sock` in `$RUNTIME_DIRECTORY`, which a service manager sets (systemd.exec(5)), or else
/// [`DEFAULT_CONTROL_SOCKET`]. Under the systemd unit, both are the same path.
pub fn default_control_socket() -> PathBuf {
    let from_env = std::env::var_os("RUNTIME_DIRECTORY").map(PathBuf::from).filter(|directory| directory.is_absolute());
    from_env.map_or_else(|| PathBuf::from(DEFAULT_CONTROL_SOCKET), |directory| directory.join("control.sock"))
}

/// The name of the group whose members may use the control socket.
pub const CONTROL_GROUP: &str = "proxydhcpd";

/// How the server runs. The plan decides what machines boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether to answer on UDP port 4011 only, because a DHCP server on this host uses port 67.
    pub proxy_only: bool,
    /// The names of the interfaces to serve, with `*` and `?`. Empty: every interface on which machines can boot.
    pub interfaces: Vec<String>,
    /// The names of the interfaces in `interfaces` to serve over IPv4. `None`: all of them.
    pub ipv4_interfaces: Option<Vec<String>>,
    /// The names of the interfaces in `interfaces` to serve over IPv6. `None`: all of them.
    pub ipv6_interfaces: Option<Vec<String>>,
    /// The addresses to announce. Without an address of a family, the server announces the first address of that family
    /// on each interface.
    pub addresses: Vec<IpAddr>,
    /// The directory with the files to boot, absolute.
    pub boot_dir: PathBuf,
    /// The directory for boot-once state, shared UUIDs and the DUID, absolute.
    pub state_dir: PathBuf,
    /// The Unix socket on which commands ask the running server, absolute. `None`: there is no such socket.
    pub control_socket: Option<PathBuf>,
    /// Whether the process confines itself once its ports are open.
    pub sandbox: SandboxMode,
    /// The name of the user as whom the server runs once its ports are open. `None`: the user who started it.
    pub user: Option<String>,
    /// The directory of templates. `None`: `templates` next to the configuration file, if it exists.
    pub template_dir: Option<PathBuf>,
    /// Machine files, and directories of machine files. `None`: `machines` next to the configuration file, if it
    /// exists.
    pub machine_files: Option<Vec<PathBuf>>,
    /// Whether to find files of the boot directory whose names differ from the requested name only in case.
    pub ignore_case: bool,
    /// The HTTP server.
    pub http: HttpConfig,
    /// The TFTP server.
    pub tftp: TftpConfig,
    /// The UDP port on which the server receives lines of syslog. `None`: it receives none.
    pub syslog_port: Option<u16>,
    /// The history of boots.
    pub history: HistoryConfig,
    /// The page for operators.
    pub web: WebConfig,
    /// The menu of the boot directory.
    pub menu: MenuSettings,
    /// The file with the users who may start protected items of that menu, absolute.
    pub menu_password_file: Option<PathBuf>,
    /// The maximum number of requests to answer each second on one interface. `None`: no limit.
    pub max_requests_per_second: Option<NonZeroU32>,
    /// The reaction to a boot loop.
    pub loop_guard: LoopGuard,
    /// The addresses of the relays to answer. Empty: all relays.
    pub relays: Vec<IpAddr>,
    /// The webhooks.
    pub webhooks: Vec<WebhookConfig>,
    /// The subnets behind relays.
    pub relayed_subnets: Vec<Network>,
    /// The settings that apply only to DHCPv6.
    pub dhcp6: Dhcp6Config,
    /// User classes (option 77) that identify iPXE, in addition to the usual ones.
    pub ipxe_user_classes: Vec<String>,
    /// Prefixes of the vendor class (option 60) that identify PXE firmware, in addition to `PXEClient`.
    pub pxe_vendor_classes: Vec<String>,
    /// Certificate files (PEM) that the machines trust for Secure Boot in addition to Microsoft's certificates. `check`
    /// uses them.
    pub secure_boot_certificates: Vec<PathBuf>,
}

impl Settings {
    /// Whether any interface is served over IPv4. Otherwise, the server opens no DHCPv4 port.
    pub fn serves_ipv4(&self) -> bool {
        self.ipv4_interfaces.as_ref().is_none_or(|names| !names.is_empty())
    }

    /// Whether any interface is served over IPv6. Otherwise, the server opens no IPv6 socket.
    pub fn serves_ipv6(&self) -> bool {
        self.ipv6_interfaces.as_ref().is_none_or(|names| !names.is_empty())
    }
}

/// Whether the server confines its process once its ports are open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SandboxMode {
    /// It does, as far as the kernel can.
    #[default]
    On,
    /// The kernel only logs the system calls that the sandbox would refuse, and all files stay open to the server.
    Log,
    /// It does not.
    Off,
}

/// The settings of `[dhcp6]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dhcp6Config {
    /// Whether to answer iPXE in stateless networks, instead of the DHCPv6 server of such a network.
    pub stateless_ipxe: bool,
    /// The DNS servers and search domains to send to iPXE in a stateless network.
    pub dns: StatelessOptions,
}

/// The settings of `[http]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// Whether the HTTP server runs.
    pub enabled: Enabled,
    /// The TCP port on which the HTTP server listens.
    pub port: u16,
}

/// The settings of `[tftp]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TftpConfig {
    /// Whether the TFTP server runs.
    pub enabled: Enabled,
    /// The UDP ports that transfers use. `None`: any.
    pub ports: Option<RangeInclusive<u16>>,
    /// Whether transfers use port 69, too.
    pub single_port: bool,
    /// The maximum number of concurrent transfers. No limit by default, because thousands of machines may boot
    /// together.
    pub max_transfers: Option<u32>,
}

/// The settings of `[history]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryConfig {
    /// Whether the server keeps the history of boots.
    pub enabled: bool,
    /// How long it keeps a boot, in days.
    pub days: u32,
    /// The maximum size of the file, in MiB.
    pub max_size: u32,
}

impl Default for HistoryConfig {
    fn default() -> Self {
        HistoryConfig { enabled: true, days: 30, max_size: 256 }
    }
}

/// The settings of `[web]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebConfig {
    /// Whether there is a page for operators.
    pub enabled: bool,
    /// The TCP addresses at which browsers reach it. `None`: on this host, and on the served networks if it is open to
    /// them.
    pub listen: Option<Vec<SocketAddr>>,
    /// The names by which browsers may address this host, in addition to its own name.
    pub names: Vec<String>,
    /// The file with the certificates for TLS (PEM), absolute. `None`: the server makes one when it needs it.
    pub certificate: Option<PathBuf>,
    /// The file with the private key of the certificate (PEM), absolute. `None`: it is in the same file.
    pub key: Option<PathBuf>,
    /// Whether browsers on other hosts use plain HTTP.
    pub plain_http: bool,
    /// The proxies whose statements about a request are true.
    pub trusted_proxies: Vec<IpAddr>,
    /// The header in which such a proxy states the user that it logged in.
    pub proxy_user_header: Option<String>,
    /// Whether the command line opens the page to the served networks.
    pub open: bool,
    /// Whether the metrics need no login.
    pub metrics_without_login: bool,
}

impl Default for WebConfig {
    fn default() -> Self {
        WebConfig {
            enabled: true,
            listen: None,
            names: Vec::new(),
            certificate: None,
            key: None,
            plain_http: false,
            trusted_proxies: Vec::new(),
            proxy_user_header: None,
            open: false,
            metrics_without_login: false,
        }
    }
}

/// The default port of the page for operators.
pub const WEB_PORT: u16 = 8067;

/// The valid numbers of days for which the history is kept.
pub const HISTORY_DAYS: RangeInclusive<u32> = 1..=3650;

/// The valid sizes of the history, in MiB.
pub const HISTORY_SIZES: RangeInclusive<u32> = 1..=65_536;

/// The valid numbers of concurrent transfers. The maximum: as many transfers as a process can have open files, by the
/// default of `fs.nr_open` on Linux.
pub const MAX_TRANSFERS: RangeInclusive<u32> = 1..=1 << 20;

/// Whether the HTTP or TFTP server runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Enabled {
    /// The HTTP or TFTP server does not run.
    No,
    /// The HTTP or TFTP server runs.
    #[default]
    Yes,
    /// The HTTP or TFTP server runs if this host has this address (`tftpd` of an old proxy.ini) and no other program
    /// serves there.
    IfLocal(Ipv4Addr),
}

impl Enabled {
    /// Whether the HTTP or TFTP server runs on a host with these links.
    pub fn is_on(self, links: &[Link]) -> bool {
        match self {
            Self::No => false,
            Self::Yes => true,
            Self::IfLocal(address) => links.iter().any(|link| link.owns(address)),
        }
    }
}

impl From<bool> for Enabled {
    fn from(on: bool) -> Self {
        if on { Self::Yes } else { Self::No }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            proxy_only: false,
            interfaces: Vec::new(),
            ipv4_interfaces: None,
            ipv6_interfaces: None,
            addresses: Vec::new(),
            template_dir: None,
            machine_files: None,
            boot_dir: PathBuf::from(DEFAULT_BOOT_DIR),
            state_dir: default_state_dir(),
            control_socket: Some(default_control_socket()),
            sandbox: SandboxMode::default(),
            user: None,
            ignore_case: false,
            http: HttpConfig { enabled: Enabled::Yes, port: 8080 },
            tftp: TftpConfig::default(),
            syslog_port: None,
            history: HistoryConfig::default(),
            web: WebConfig::default(),
            menu: MenuSettings::default(),
            menu_password_file: None,
            max_requests_per_second: None,
            loop_guard: LoopGuard::default(),
            relays: Vec::new(),
            relayed_subnets: Vec::new(),
            webhooks: Vec::new(),
            dhcp6: Dhcp6Config::default(),
            ipxe_user_classes: Vec::new(),
            pxe_vendor_classes: Vec::new(),
            secure_boot_certificates: Vec::new(),
        }
    }
}

//! The boots of one machine, from its power-on to its operating system: the exchanges in their order.

use crate::boot_server::{self, BootServerClient};
use crate::dhcp4::{BootOffer, Dhcp4Client, Lease4};
use crate::dhcp6::{BootServer6Client, Dhcp6Client, Lease6, Sender6};
use crate::dialect4::{self, Dialect4};
use crate::failure::Failure;
use crate::fetch::{Fetched, by_http, by_tftp};
use crate::http::HttpDialect;
use crate::kinds::{End, Firmware, Loader, Mishap};
use crate::machine::Machine;
use crate::network::{Network, Port};
use crate::report::{BootResult, Stage};
use crate::script::{Action, Interpreter};
use crate::systems;
use crate::tftp::{self, Purpose, TftpClient, TftpDialect};
use crate::url::Url;
use proxydhcpd_core::wire::pxe::BootItem;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// The name of the parameter of a kernel whose value the operating system fetches when it has finished.
const DONE_PARAMETER: &str = "done_url=";

/// The waits and limits of a run.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Whether clients end a wait as soon as they have all that they wait for. No server depends on such a wait.
    pub hurries: bool,
    /// The time from the end of a boot, or from a power cut, until the firmware sends again.
    pub restart: Duration,
    /// The limit of one boot.
    pub limit: Duration,
}

/// Plays the boots of a machine, one after the other.
pub async fn play(network: &Network, timing: Timing, machine: Machine) -> Vec<BootResult> {
    let ends = machine.kind.ends;
    let mut player = Player {
        network,
        timing,
        start: network.now(),
        stages: Vec::new(),
        octets: 0,
        addresses: Vec::new(),
        dead_port: None,
        machine,
    };
    let mut results = Vec::new();
    for (number, end) in ends.iter().enumerate() {
        if number > 0 {
            sleep(timing.restart).await;
        }
        (player.start, player.octets, player.dead_port) = (network.now(), 0, None);
        let real = timeout(timing.limit, player.boot(*end)).await.unwrap_or(Err(Failure::TimeLimit));
        let outcome = match real {
            Ok(real) if real != *end => Err(Failure::Ended(end.name(), real.name())),
            other => other,
        };
        let failed = outcome.is_err();
        results.push(BootResult {
            kind: player.machine.kind.name,
            mac: player.machine.mac,
            boot: number + 1,
            outcome,
            began: player.start,
            stages: std::mem::take(&mut player.stages),
            duration: network.now().saturating_sub(player.start),
            octets: player.octets,
        });
        if failed {
            break;
        }
    }
    player.addresses.iter().for_each(|address| network.remove_address(*address));
    results
}

/// A machine that boots.
struct Player<'n> {
    network: &'n Network,
    timing: Timing,
    machine: Machine,
    /// When the current boot began.
    start: Duration,
    stages: Vec<(Stage, Duration)>,
    octets: u64,
    /// The addresses that the machine has or had.
    addresses: Vec<IpAddr>,
    /// The port of a transfer that a power cut ended. A machine without power reports no closed port, so the socket
    /// stays open until it boots again.
    dead_port: Option<Port>,
}

impl Player<'_> {
    async fn boot(&mut self, end: End) -> Result<End, Failure> {
        match self.machine.kind.firmware {
            Firmware::BiosRom => self.pxe(&dialect4::BIOS_ROM, &tftp::BIOS_ROM, end).await,
            Firmware::UefiPxe => self.pxe(&dialect4::EDK2_PXE, &tftp::EDK2, end).await,
            Firmware::UefiPxe6 => self.pxe6().await,
            Firmware::UefiHttp => self.http().await,
            Firmware::UefiHttp6 => self.http6().await,
            Firmware::IpxeCard => self.ipxe(None).await,
            Firmware::RaspberryPi3 => self.raspberry_pi(&dialect4::RASPBERRY_PI_3).await,
            Firmware::RaspberryPi4 => self.raspberry_pi(&dialect4::RASPBERRY_PI_4).await,
        }
    }

    /// PXE over IPv4.
    async fn pxe(&mut self, dialect: &'static Dialect4, files: &'static TftpDialect, end: End) -> Result<End, Failure> {
        let xid = self.machine.transaction_id();
        let lease = self.discover(dialect, xid, self.machine.kind.mishap).await?;
        let offer = self.boot_file(dialect, &lease).await?;
        self.mark(Stage::Offered);
        let server = SocketAddr::from((offer.next_server, tftp::PORT));
        let address = lease.address.into();
        self.tftp(address, files, Purpose::Probe, server, &offer.file).await?.required()?;
        if end == End::PowerCut {
            let mut port = Port::Udp(self.network.bind(address, 0).await?);
            let mut client = TftpClient::new(files, Purpose::CutShort, server, &offer.file, self.network.now());
            self.network.run(&mut client, &mut port).await?;
            self.dead_port = Some(port);
            return Ok(End::PowerCut);
        }
        let repeats = self.machine.kind.mishap == Mishap::RepeatedRead;
        let purpose = if repeats { Purpose::RepeatedRead } else { Purpose::Read };
        self.tftp(address, files, purpose, server, &offer.file).await?.required()?;
        self.mark(Stage::Loaded);
        if starts_disk(&offer.file) {
            return Ok(End::LocalDisk);
        }
        match self.machine.kind.loader {
            Loader::ShimGrub => self.shim_and_grub(lease.address, server, &offer.file).await,
            _ if self.machine.kind.arch == 0 => self.ipxe(None).await,
            _ => {
                // iPXE for UEFI looks for a script next to itself, before it has an address.
                let script = format!("{}autoexec.ipxe", directory(&offer.file));
                let url = format!("tftp://{}/{script}", offer.next_server);
                let found = self.tftp(address, &tftp::IPXE, Purpose::Read, server, &script).await?;
                self.ipxe(found.content.map(|content| (url, content))).await
            }
        }
    }

    /// The boot file that the firmware chooses: from the offer, or from the boot server on port 4011.
    async fn boot_file(&mut self, dialect: &'static Dialect4, lease: &Lease4) -> Result<BootOffer, Failure> {
        let mut offer = lease.boot.clone().ok_or(Failure::NoBootOffer)?;
        if !offer.is_direct() && offer.menu().is_empty() {
            offer = self.boot_server(dialect, lease.address, &offer, None, None).await?;
        }
        if !offer.menu().is_empty() && !offer.is_direct() {
            let number = self.machine.kind.menu_item.unwrap_or(0);
            let server_type = *offer.menu().get(number).ok_or(Failure::NoMenuItem(number))?;
            let item = BootItem { server_type, layer: 0 };
            offer = self.boot_server(dialect, lease.address, &offer, Some(item), None).await?;
        } else if let Some(number) = self.machine.kind.menu_item {
            return Err(Failure::NoMenuItem(number));
        }
        if offer.file.is_empty() { Err(Failure::NoFile) } else { Ok(offer) }
    }

    /// The request to port 4011. iPXE uses the transaction ID of its DISCOVER again, other firmware a new one.
    async fn boot_server(
        &mut self,
        dialect: &'static Dialect4,
        address: Ipv4Addr,
        offer: &BootOffer,
        item: Option<BootItem>,
        xid: Option<u32>,
    ) -> Result<BootOffer, Failure> {
        let server = if offer.next_server.is_unspecified() { offer.server } else { offer.next_server };
        let xid = xid.unwrap_or_else(|| self.machine.transaction_id());
        let mut port = Port::Udp(self.network.bind(address.into(), dialect.boot_port).await?);
        let (now, http) = (self.network.now(), self.has_http());
        let mut client = BootServerClient::new(&self.machine, dialect, xid, http, address, server, item, now);
        self.network.run(&mut client, &mut port).await
    }

    /// PXE over IPv6.
    async fn pxe6(&mut self) -> Result<End, Failure> {
        let firmware = Sender6::Firmware("PXEClient");
        let xid = self.machine.transaction_id();
        let lease = self.solicit(firmware, xid).await?;
        let offer = lease.boot.ok_or(Failure::NoBootOffer)?;
        let mut port = Port::Udp(self.network.bind(self.machine.link_local().into(), boot_server::PORT).await?);
        let mut client = BootServer6Client::new(&self.machine, firmware, xid, &offer.server, self.network.now());
        let text = self.network.run(&mut client, &mut port).await?.ok_or(Failure::NoFile)?;
        drop(port);
        self.mark(Stage::Offered);
        let url = Url::parse(&text)?;
        let (address, name) = (IpAddr::from(lease.address), url.file_name());
        let files = &tftp::EDK2_IPV6;
        self.tftp(address, files, Purpose::Probe, url.server, &name).await?.required()?;
        self.tftp(address, files, Purpose::Read, url.server, &name).await?.required()?;
        // The server's wrapper loads iPXE, and the script for it, from the directory above.
        let plain = name.replacen("with-script/", "", 1);
        if plain != name {
            self.tftp(address, files, Purpose::Read, url.server, &plain).await?.required()?;
        }
        let script = format!("{}autoexec.ipxe", directory(&plain));
        let content = self.tftp(address, files, Purpose::Read, url.server, &script).await?.required()?;
        self.mark(Stage::Loaded);
        self.ipxe6(&format!("tftp://{}/{script}", url.authority), content).await
    }

    /// UEFI HTTP boot over IPv4.
    async fn http(&mut self) -> Result<End, Failure> {
        let xid = self.machine.transaction_id();
        let lease = self.discover(&dialect4::EDK2_HTTP, xid, self.machine.kind.mishap).await?;
        let offer = lease.boot.ok_or(Failure::NoBootOffer)?;
        self.mark(Stage::Offered);
        let script = self.http_loader(lease.address.into(), &offer.file).await?;
        self.ipxe(script).await
    }

    /// UEFI HTTP boot over IPv6.
    async fn http6(&mut self) -> Result<End, Failure> {
        let xid = self.machine.transaction_id();
        let lease = self.solicit(Sender6::Firmware("HTTPClient"), xid).await?;
        let url = lease.boot.and_then(|offer| offer.url).ok_or(Failure::NoBootOffer)?;
        self.mark(Stage::Offered);
        let (url, content) = self.http_loader(lease.address.into(), &url).await?.ok_or(Failure::NoFile)?;
        self.ipxe6(&url, content).await
    }

    /// Loads a loader by HTTP, and the script that iPXE finds next to itself, if there is one.
    async fn http_loader(&mut self, address: IpAddr, url: &str) -> Result<Option<(String, Vec<u8>)>, Failure> {
        self.web(address, HttpDialect::Uefi, "HEAD", url).await?.required()?;
        self.web(address, HttpDialect::Uefi, "GET", url).await?.required()?;
        self.mark(Stage::Loaded);
        let script = Url::join(url, "autoexec.ipxe");
        let found = self.web(address, HttpDialect::Ipxe, "GET", &script).await?;
        Ok(found.content.map(|content| (script, content)))
    }

    /// iPXE over IPv4: its own DHCP, then the script that it was loaded with, or that of the boot server.
    async fn ipxe(&mut self, script: Option<(String, Vec<u8>)>) -> Result<End, Failure> {
        let xid = self.machine.transaction_id();
        let is_first = self.machine.kind.firmware == Firmware::IpxeCard;
        let mishap = if is_first { self.machine.kind.mishap } else { Mishap::None };
        let lease = self.discover(&dialect4::IPXE, xid, mishap).await?;
        self.mark(Stage::IpxeAddress);
        if let Some((url, content)) = script {
            return self.run_script(lease.address.into(), &url, content).await;
        }
        let mut offer = lease.boot.ok_or(Failure::NoBootOffer)?;
        if offer.file.is_empty() || offer.next_server.is_unspecified() {
            offer = self.boot_server(&dialect4::IPXE, lease.address, &offer, None, Some(xid)).await?;
        }
        let url = match offer.file.contains("://") {
            true => offer.file,
            false => format!("tftp://{}/{}", offer.next_server, offer.file),
        };
        let content = self.image(lease.address.into(), &url).await?.required()?;
        self.run_script(lease.address.into(), &url, content).await
    }

    /// iPXE over IPv6, with the script that it was loaded with.
    async fn ipxe6(&mut self, url: &str, script: Vec<u8>) -> Result<End, Failure> {
        let xid = self.machine.transaction_id();
        let lease = self.solicit(Sender6::Ipxe, xid).await?;
        self.mark(Stage::IpxeAddress);
        self.run_script(lease.address.into(), url, script).await
    }

    /// Runs a script and those that it starts, to the end of the boot.
    async fn run_script(&mut self, address: IpAddr, url: &str, content: Vec<u8>) -> Result<End, Failure> {
        self.mark(Stage::Script);
        let mut script = Interpreter::new(self.settings(address));
        if !script.start(url, &content) {
            return Err(Failure::Script(url.to_owned(), "it is no script of iPXE".to_owned()));
        }
        let mut fetched = None;
        loop {
            match fetched.take().unwrap_or_else(|| script.next_action()) {
                Action::Fetch(url) => {
                    // A file that is missing is no failure yet: the script may try another.
                    let content = self.image(address, &url).await.ok().and_then(|file| file.content);
                    fetched = script.fetched(content.as_deref());
                }
                Action::Sleep(seconds) => sleep(Duration::from_secs(seconds.min(60))).await,
                Action::Boot(command_line) => return self.system(address.is_ipv6(), &command_line).await,
                Action::LocalDisk | Action::Exit(None) => return Ok(End::LocalDisk),
                Action::Exit(Some((url, line))) => return Err(Failure::Script(url, line)),
            }
        }
    }

    /// iPXE's settings, as scripts expand them.
    fn settings(&self, address: IpAddr) -> [(&'static str, String); 7] {
        let (platform, architecture) = match self.machine.kind.arch {
            0 => ("pcbios", "i386"),
            6 => ("efi", "i386"),
            11 => ("efi", "arm64"),
            _ => ("efi", "x86_64"),
        };
        [
            ("netX/mac:hexhyp", self.machine.mac_text("-")),
            ("netX/mac", self.machine.mac_text(":")),
            ("netX/ip", address.to_string()),
            ("uuid", self.machine.uuid_text()),
            ("platform", platform.to_owned()),
            ("buildarch", architecture.to_owned()),
            ("version", "1.21.1".to_owned()),
        ]
    }

    /// shim, its second stage, and GRUB with its configuration, from the server that sent shim.
    async fn shim_and_grub(&mut self, address: Ipv4Addr, server: SocketAddr, name: &str) -> Result<End, Failure> {
        for (name, is_needed) in systems::shim(directory(name)) {
            let file = self.tftp(address.into(), &tftp::SHIM, Purpose::Read, server, &name).await?;
            if is_needed {
                file.required()?;
            }
        }
        let mut configuration = Vec::new();
        for (name, is_needed) in systems::grub(&self.machine, address.octets()) {
            let file = self.tftp(address.into(), &tftp::GRUB, Purpose::Read, server, &name).await?;
            if is_needed {
                configuration = file.required()?;
            }
        }
        self.mark(Stage::Script);
        let (kernel, initrds) = systems::grub_kernel(&String::from_utf8_lossy(&configuration));
        let (kernel, command_line) = kernel.ok_or(Failure::NoFile)?;
        for name in [kernel].iter().chain(&initrds) {
            self.tftp(address.into(), &tftp::GRUB, Purpose::Read, server, name).await?.required()?;
        }
        self.system(false, &command_line).await
    }

    /// A Raspberry Pi, which takes its server from `siaddr` and knows the names of its files.
    async fn raspberry_pi(&mut self, dialect: &'static Dialect4) -> Result<End, Failure> {
        let xid = self.machine.transaction_id();
        let lease = self.discover(dialect, xid, self.machine.kind.mishap).await?;
        let offer = lease.boot.ok_or(Failure::NoBootOffer)?;
        self.mark(Stage::Offered);
        let server = SocketAddr::from((offer.next_server, tftp::PORT));
        let files = match self.machine.kind.firmware {
            Firmware::RaspberryPi3 => systems::raspberry_pi_3(&self.machine),
            _ => systems::raspberry_pi_4(&self.machine),
        };
        for (name, is_needed) in files {
            let file = self.tftp(lease.address.into(), &tftp::RASPBERRY_PI, Purpose::Read, server, &name).await?;
            if is_needed {
                file.required()?;
            }
        }
        self.system(false, "").await
    }

    /// The operating system: its address, and its `done_url` if the command line names one.
    async fn system(&mut self, is_ipv6: bool, command_line: &str) -> Result<End, Failure> {
        self.mark(Stage::Kernel);
        let xid = self.machine.transaction_id();
        let address = match is_ipv6 {
            true => self.solicit(Sender6::System, xid).await?.address.into(),
            false => self.discover(&dialect4::SYSTEM, xid, Mishap::None).await?.address.into(),
        };
        let done_url = command_line.split_whitespace().find_map(|word| word.strip_prefix(DONE_PARAMETER));
        if let Some(url) = done_url.filter(|url| !url.is_empty()) {
            self.web(address, HttpDialect::System, "GET", url).await?.required()?;
        }
        self.mark(Stage::System);
        Ok(End::System)
    }

    /// DHCP over IPv4, and the address on the interface.
    async fn discover(&mut self, dialect: &'static Dialect4, xid: u32, mishap: Mishap) -> Result<Lease4, Failure> {
        let mut port = self.network.dhcp_port(self.machine.mac, self.machine.kind.relayed);
        let (now, http) = (self.network.now(), self.has_http());
        let mut client = Dhcp4Client::new(&self.machine, dialect, xid, http, mishap, self.timing.hurries, now);
        let lease = self.network.run(&mut client, &mut port).await?;
        self.use_address(lease.address.into()).await;
        Ok(lease)
    }

    /// DHCP over IPv6, from the link-local address, and the address on the interface.
    async fn solicit(&mut self, sender: Sender6, xid: u32) -> Result<Lease6, Failure> {
        let link_local = self.machine.link_local().into();
        self.use_address(link_local).await;
        let mut port = Port::Udp(self.network.bind(link_local, 546).await?);
        let mut client = Dhcp6Client::new(&self.machine, sender, xid, self.timing.hurries, self.network.now());
        let lease = self.network.run(&mut client, &mut port).await?;
        self.use_address(lease.address.into()).await;
        Ok(lease)
    }

    async fn use_address(&mut self, address: IpAddr) {
        if !self.addresses.contains(&address) {
            self.addresses.push(address);
            self.network.add_address(address).await;
        }
    }

    async fn tftp(
        &mut self,
        address: IpAddr,
        dialect: &'static TftpDialect,
        purpose: Purpose,
        server: SocketAddr,
        name: &str,
    ) -> Result<Fetched, Failure> {
        let file = by_tftp(self.network, address, dialect, purpose, server, name).await?;
        self.octets += file.length;
        Ok(file)
    }

    async fn web(&mut self, from: IpAddr, dialect: HttpDialect, method: &str, url: &str) -> Result<Fetched, Failure> {
        let file = by_http(self.network, from, dialect, method, url).await?;
        self.octets += file.length;
        Ok(file)
    }

    /// A file for iPXE. An iPXE without HTTP cannot fetch by it.
    async fn image(&mut self, address: IpAddr, text: &str) -> Result<Fetched, Failure> {
        let url = Url::parse(text)?;
        match url.is_http {
            true if !self.has_http() => Err(Failure::Url(text.to_owned())),
            true => self.web(address, HttpDialect::Ipxe, "GET", text).await,
            false => self.tftp(address, &tftp::IPXE, Purpose::Read, url.server, &url.file_name()).await,
        }
    }

    fn has_http(&self) -> bool {
        self.machine.kind.loader != Loader::Ipxe { http: false }
    }

    fn mark(&mut self, stage: Stage) {
        self.stages.push((stage, self.network.now().saturating_sub(self.start)));
    }
}

/// Whether this name or URL is that of the server's program that starts a disk.
fn starts_disk(name: &str) -> bool {
    name.contains("local-disk/")
}

/// The directory of a file name, with its slash; empty for a name at the top.
fn directory(name: &str) -> &str {
    name.rfind('/').and_then(|at| name.get(..=at)).unwrap_or_default()
}

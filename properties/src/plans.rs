//! The plans of the properties about packets and requests.

use proxydhcpd_core::arch::{ARCHITECTURES, Arch};
use proxydhcpd_core::client::dialect::Dialect;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::inventory::{BootMode, Inventory, Machine};
use proxydhcpd_core::plan::offer::{Ipv6Services, Loader, TftpServer};
use proxydhcpd_core::plan::pattern::Glob;
use proxydhcpd_core::plan::policy::{LoopGuard, StatelessOptions};
use proxydhcpd_core::plan::profile::{BootTarget, FirmwareMenu, FirmwareMenuItem, ItemTarget, Linux, Profile};
use proxydhcpd_core::plan::rule::{Conditions, Firmware, Rule};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

/// The DUID of the server.
pub const DUID: [u8; 10] = [0, 3, 0, 1, 2, 0, 0, 0, 0, 0x10];
/// The MAC address of the boot-once machine.
const MAC: [u8; 6] = [2, 0, 0, 0, 1, 7];

/// The only relay that the limited plan accepts.
pub const RELAY: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
/// The requests per second that the limited plan answers on the link.
pub const LINK_RATE: u32 = 3;

/// Returns a plan: with only loaders, as at a first start; with every kind of profile, several rules and a machine; or
/// that with all limits that an operator can set.
pub fn plan(choice: u8) -> &'static Plan {
    static PLANS: LazyLock<[Plan; 3]> = LazyLock::new(|| [bare(), configured(), limited()]);
    &PLANS[usize::from(choice) % PLANS.len()]
}

/// Whether this is the plan with all limits.
pub fn is_limited(plan: &Plan) -> bool {
    !plan.policy.relays.is_empty()
}

fn limited() -> Plan {
    configured().with_policy(|policy| {
        policy.relays = vec![RELAY.into()];
        policy.rate_limit = Some(LINK_RATE);
    })
}

fn bare() -> Plan {
    let loader = |code| (Arch(code), Loader { name: format!("{code}.efi"), path: Some(format!("/{code}.efi")) });
    Plan::default().with_policy(|policy| policy.http_clients = true).with_offer(|offer| {
        offer.tftp = Some(TftpServer::Local);
        offer.http = Some(8080);
        offer.boot_server = true;
        offer.loaders = ARCHITECTURES.iter().map(|row| loader(row.code)).collect();
        offer.dialects = Dialect::all().collect();
        offer.dhcp6 = Ipv6Services { duid: DUID.into(), boot_server: true, tftp: true, ..Ipv6Services::default() };
    })
}

fn configured() -> Plan {
    let linux =
        Linux { kernel: "debian/linux".into(), initrds: vec!["debian/initrd.gz".into()], arguments: "a".into() };
    let shim = Loader { name: "grub/shimx64.efi".into(), path: Some("/shimx64.efi".into()) };
    let item = |server_type, target| FirmwareMenuItem { server_type, title: "an item".into(), target };
    let items = [
        ItemTarget::Profile(Some("linux".into())),
        ItemTarget::Profile(None),
        ItemTarget::Server([192, 0, 2, 5].into()),
        ItemTarget::Broadcast,
    ];
    let items = (0x8001..).zip(items).map(|(server_type, target)| item(server_type, target)).collect();
    let boots = [
        ("linux", BootTarget::Linux(linux)),
        ("script", BootTarget::Script("a.ipxe".into())),
        ("loader", BootTarget::Loader),
        ("menu", BootTarget::Menu(FirmwareMenu { prompt: "F8".into(), timeout: 10, items })),
        ("disk", BootTarget::LocalDisk),
        ("nothing", BootTarget::Nothing),
    ];
    let profile = |(name, boots): (&str, _)| {
        let loaders = [(Arch::X64, shim.clone())].into();
        Profile { name: name.into(), boots, loaders, ..Profile::default() }
    };
    let glob = |text: &str| vec![Glob(text.into())];
    let rule = |when, profile: &str| Rule { when, profile: Some(profile.into()), ..Rule::default() };
    let rules = vec![
        rule(Conditions { circuit_ids: glob("*eth?/1*"), ..Conditions::default() }, "script"),
        rule(Conditions { interface_ids: glob("*eth?/1*"), ..Conditions::default() }, "script"),
        rule(Conditions { vendor_classes: glob("U-Boot*"), ..Conditions::default() }, "loader"),
        rule(Conditions { user_classes: glob("*a*b?"), ..Conditions::default() }, "menu"),
        rule(Conditions { firmware: vec![Firmware::Ipxe], serials: glob("1*"), ..Conditions::default() }, "disk"),
        Rule { as_firmware: true, ..rule(Conditions { archs: vec![Arch::BIOS], ..Conditions::default() }, "linux") },
        rule(Conditions { archs: vec![Arch(16)], known: Some(false), ..Conditions::default() }, "nothing"),
    ];
    let machine =
        Machine { name: "web1", macs: &[MAC], profile: Some("linux"), boot_mode: BootMode::Once, ..Machine::default() };
    let stateless = StatelessOptions { dns_servers: vec![Ipv6Addr::LOCALHOST], domains: vec!["lab.example".into()] };
    let plan = bare()
        .with_policy(|policy| {
            policy.profiles = boots.map(profile).to_vec().into();
            policy.rules = rules;
            policy.default_profile = Some("menu".into());
            policy.loop_guard = LoopGuard::Stop;
            policy.vendor_classes = vec!["HW-Client".into()];
            policy.stateless_dhcp6 = Some(stateless);
        })
        .with_offer(|offer| {
            offer.local_disk = vec![Arch::X64];
            offer.templates = ["a.ipxe".into(), "sub/preseed.cfg".into()].into();
        });
    Plan { inventory: Inventory::new(&[machine], &[]), ..plan }
}

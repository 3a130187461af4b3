//! Tests that the server with an imported configuration sends every machine the same as the original server. The tests
//! send the same vectors to a real dnsmasq with the original configuration. Needs root.

#[path = "../common/mod.rs"]
mod common;
mod corpus;
mod machine;
mod program;
mod servers;

use machine::{BootResult, Vector, all_vectors, boot_result, vectors};
use proxydhcpd::cli::import::SERVER_INFO;
use proxydhcpd::config::flags::Flags;
use proxydhcpd::config::load_from_dir;
use proxydhcpd::net::port_owner::{Transport, bound_sockets};
use proxydhcpd_core::answer::{Replies, answer};
use proxydhcpd_core::arrival::{Arrival, Port};
use proxydhcpd_core::link::{Link, Network4};
use proxydhcpd_core::observations::Observations;
use proxydhcpd_core::plan::Plan;
use proxydhcpd_core::plan::offer::{Loader, Offer, TftpServer};
use proxydhcpd_core::plan::policy::Policy;
use proxydhcpd_import::{HostInfo, import};
use proxydhcpd_reading::diagnostic::Source;
use proxydhcpd_testbed::raw::{self, RawSocket};
use proxydhcpd_testbed::{Host, Process, wait_for};
use std::net::Ipv4Addr;
use std::path::Path;

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// The first lines of every configuration: the networks of the vectors. dnsmasq assigns no leases, and serves no DNS.
const NETWORKS: &str = "port=0\ndhcp-range=192.0.2.0,proxy\ndhcp-range=198.51.100.0,proxy,255.255.255.0\n";
const UNSUPPORTED: &str = "# No equivalent here";

/// The PXE lines of dnsmasq's example file and of its manual, in groups.
const SETUPS: &[(&str, &str)] = &[
    (
        "example: a menu",
        "pxe-prompt=\"Press F8 for menu.\", 60\npxe-service=x86PC, \"Boot from local disk\"\n\
         pxe-service=x86PC, \"Install Linux\", pxelinux\npxe-service=x86PC, \"Install Linux\", pxelinux, 1.2.3.4\n\
         pxe-service=x86PC, \"Install windows from RIS server\", 1\n\
         pxe-service=x86PC, \"Install windows from RIS server\", 2, 1.2.3.4\nenable-tftp\ntftp-root=/var/ftpd\n\
         dhcp-option=vendor:PXEClient,1,0.0.0.0\n",
    ),
    (
        "example: iPXE in two steps, and a file for a tag",
        "pxe-prompt=\"What system shall I netboot?\"\ndhcp-boot=undionly.kpxe\n\
         dhcp-match=set:ipxe,175 # iPXE sends a 175 option.\ndhcp-boot=tag:ipxe,http://boot.ipxe.org/demo/boot.php\n\
         dhcp-boot=tag:red,pxelinux.red-net\ndhcp-vendorclass=set:red,Linux\ndhcp-userclass=set:red,accounts\n\
         dhcp-mac=set:red,00:60:8C:*:*:*\n",
    ),
    ("example: another TFTP server", "pxe-prompt=\"boot\",0\ndhcp-boot=pxelinux,server.name,192.168.1.100\n"),
    ("a server name that cannot be resolved without DNS", "pxe-prompt=\"boot\",0\ndhcp-boot=pxelinux,,localhost\n"),
    (
        "example and manual: file transfer and logging",
        "pxe-prompt=\"Press F8 for menu.\", 60\npxe-service=x86PC, \"Install Linux\", pxelinux\nenable-tftp\n\
         tftp-root=/var/ftpd\ntftp-no-fail\ntftp-secure\ntftp-no-blocksize\ntftp-lowercase\ntftp-max=100\n\
         tftp-port-range=20000,20100\ntftp-single-port\ndhcp-no-override\nlog-dhcp\nquiet-tftp\nquiet-dhcp\n\
         dhcp-broadcast\ndhcp-host=02:00:00:00:01:07,192.0.2.60,45m\n",
    ),
    (
        "example: the name with its directory",
        "pxe-prompt=\"boot\",0\ndhcp-boot=/var/ftpd/pxelinux.0,boothost,192.168.0.3\n",
    ),
    (
        "example: architectures",
        "pxe-prompt=\"boot\",0\ndhcp-match=set:peecees, option:client-arch, 0 #x86-32\n\
         dhcp-match=set:itanics, option:client-arch, 2 #IA64\ndhcp-match=set:hammers, option:client-arch, 6 #x86-64\n\
         dhcp-match=set:mactels, option:client-arch, 7 #EFI x86-64\ndhcp-match=set:mactels, option:client-arch, 9\n\
         dhcp-boot=tag:peecees,pxelinux.0\ndhcp-boot=tag:hammers,bootia32.efi\ndhcp-boot=tag:mactels,bootx64.efi\n",
    ),
    (
        "manual: services by architecture",
        "pxe-service=x86PC,\"PXELINUX\",pxelinux\npxe-service=X86-64_EFI,\"UEFI\",shimx64.efi\n\
         pxe-service=BC_EFI,\"UEFI\",shimx64.efi\npxe-service=IA32_EFI,\"UEFI\",bootia32\n\
         pxe-service=ARM64_EFI,\"UEFI\",grub/arm64.efi,192.0.2.77\nenable-tftp\ntftp-root=/srv/test\n",
    ),
    (
        "documented: iPXE by architecture",
        "enable-tftp\ntftp-root=/srv/test\ndhcp-match=set:ipxe,175\ndhcp-match=set:efi64,option:client-arch,7\n\
         dhcp-match=set:efi64,option:client-arch,9\ndhcp-match=set:arm64,option:client-arch,11\n\
         tag-if=set:firmware,tag:!ipxe\ntag-if=set:efi,tag:efi64\n\
         pxe-service=tag:firmware,x86PC,\"iPXE\",undionly.kpxe\npxe-service=tag:firmware,X86-64_EFI,\"iPXE\",ipxe.efi\n\
         pxe-service=tag:firmware,BC_EFI,\"iPXE\",ipxe.efi\ndhcp-boot=tag:firmware,tag:arm64,ipxe-arm64.efi\n\
         dhcp-boot=tag:ipxe,boot.ipxe\n",
    ),
    (
        "documented: by user class and vendor class",
        "dhcp-userclass=set:ipxe,iPXE\ndhcp-vendorclass=BIOS,PXEClient:Arch:00000\n\
         dhcp-vendorclass=UEFI,PXEClient:Arch:00007\ndhcp-vendorclass=UEFI,PXEClient:Arch:00009\n\
         pxe-prompt=\"boot\",0\n\
         dhcp-boot=net:BIOS,undionly.kpxe\ndhcp-boot=net:UEFI,ipxe.efi\n\
         dhcp-boot=tag:ipxe,http://192.0.2.10/menu.ipxe\n",
    ),
    (
        "manual: firmware with a vendor class of its manufacturer",
        "dhcp-pxe-vendor=PXEClient,HW-Client\npxe-service=x86PC,\"PXELINUX\",pxelinux\npxe-service=7,\"UEFI\",x.efi\n",
    ),
    (
        "machines: two groups, and unknown machines",
        "pxe-prompt=\"boot\",0\ndhcp-host=02:00:00:00:01:07,set:lab\ndhcp-host=02:00:00:00:01:*,set:others\n\
         dhcp-boot=tag:lab,lab.0\ndhcp-boot=tag:others,others.0\ndhcp-boot=tag:!known,unknown.0\n",
    ),
];

#[test]
fn an_imported_file_gives_the_same_as_dnsmasq() {
    let network = raw::network();
    let mut all = 0;
    for (name, setup) in SETUPS {
        let compared = compare(&network, name, &format!("{NETWORKS}{setup}"));
        assert!(compared > 2, "{name}: dnsmasq answered {compared} vectors only");
        all += compared;
    }
    assert!(all > 100, "dnsmasq answered {all} vectors only");
}

/// The test imports the example file of the package one line at a time.
#[test]
fn every_boot_line_of_dnsmasqs_example_is_imported() {
    const BOOTS: [&str; 8] =
        ["dhcp-boot", "dhcp-match", "dhcp-userclass", "dhcp-vendorclass", "dhcp-mac", "pxe-", "enable-tftp", "tftp-"];
    let example = std::fs::read_to_string("/usr/share/doc/dnsmasq-base/examples/dnsmasq.conf.example")
        .expect("installed by e2e/setup");
    let directory = tempfile::tempdir().unwrap();
    let hosts = directory.path().join("hosts");
    std::fs::write(&hosts, "192.0.2.77 tftp_server_name\n").unwrap();
    // The configuration has no `port=0`, because dnsmasq's DNS server resolves the names.
    let context_lines = format!(
        "{}enable-tftp\ntftp-root=/var/ftpd\naddn-hosts={}\npxe-prompt=\"F8\",0\ndhcp-boot=any.0\n",
        NETWORKS.replace("port=0\n", ""),
        hosts.display()
    );
    let network = raw::network();
    let (mut lines, mut all) = (0, 0);
    let about_booting = |line: &&str| BOOTS.iter().any(|key| line.starts_with(key));
    for line in example.lines().filter_map(|line| line.strip_prefix('#')).filter(about_booting) {
        all += compare(&network, line, &format!("{context_lines}{line}\n"));
        lines += 1;
    }
    assert!(lines >= 25, "{lines} lines only");
    assert!(all > 10 * lines, "dnsmasq answered {all} vectors only");
}

/// Sends every vector to dnsmasq and to the server with the imported configuration. Returns the number of vectors that
/// dnsmasq answered.
fn compare((server, client): &(Host, Host), name: &str, text: &str) -> usize {
    let imported = imported(text);
    assert!(!imported.contains(UNSUPPORTED), "{name}:\n{imported}");
    let plan = plan(&imported);
    let directory = tempfile::tempdir().unwrap();
    let _dnsmasq = server.on(|| dnsmasq(directory.path(), text));
    let wire = client.on(RawSocket::open);
    let (mut compared, mut count) = (0, 0);
    for vector in vectors() {
        count += 1;
        let proxydhcpd_result = boot_result(&vector, &mut |request| proxydhcpd_reply(&plan, request));
        let mut xid = 0x5eed_0000 + count * 256;
        let dnsmasq_result = boot_result(&vector, &mut |request| {
            xid += 1;
            dnsmasq_reply(&wire, request, xid)
        });
        let Some(dnsmasq_result) = dnsmasq_result else { continue };
        let message = format!("{name}: {}\n{imported}", vector.name);
        match &dnsmasq_result {
            BootResult::Menu(..) if vector.is_ipxe() => {
                assert!(
                    matches!(&proxydhcpd_result, Some(BootResult::File(url, _)) if url.contains("/machine/")),
                    "{message}{proxydhcpd_result:?}"
                );
            }
            _ => assert_eq!(proxydhcpd_result, Some(dnsmasq_result), "{message}"),
        }
        compared += 1;
    }
    compared
}

/// The configuration assigns leases, because as a proxy dnsmasq does not answer UEFI HTTP boot.
#[test]
fn uefi_http_boot_gets_the_same_program_as_before() {
    let text = "dhcp-range=192.0.2.50,192.0.2.60\ndhcp-match=set:http,60,HTTPClient\n\
                dhcp-boot=tag:http,http://192.0.2.9/x.efi\ndhcp-boot=b.0\n";
    let plan = plan(&imported(text));
    let vector = all_vectors().find(|vector| vector.name == "http-x64-discover").unwrap();
    let reply = proxydhcpd_reply(&plan, &vector).unwrap();
    let url = b"http://192.0.2.9/x.efi";
    assert!(reply.windows(url.len()).any(|part| part == url), "{}", hex::encode(reply));
}

#[test]
fn an_imported_proxy_ini_gives_the_same_as_before() {
    const PROXY: &str = "[proxy]\nlisten_address = 192.0.2.10\ntftpd = 192.0.2.99\nfilename = pxelinux.0\n\
                         filename_efi32 = bootia32.efi\nfilename_efi64 = bootx64.efi\n";
    for more in [
        "",
        "[ipxe]\nenabled = true\n",
        "[ipxe]\nenabled = true\nchainload_url = http://192.0.2.50/menu?x=1\narm64_bootstrap = a/arm64.efi\n",
        "[ipxe]\nenabled = yes\nefi_bootstrap = x.efi\n",
    ] {
        let text = format!("{PROXY}{more}");
        let source = Source::new("proxy.ini", text.clone().into_bytes()).unwrap();
        let imported = import(&source, None, &this_host()).unwrap();
        let new = plan(&imported);
        let (legacy, _) = proxydhcpd_reading::legacy::read(&source).unwrap();
        let mut old =
            Plan { offer: Offer { boot_server: true, http: Some(8080), ..Offer::default() }.into(), ..Plan::default() };
        legacy.boot.apply(&mut old);
        for vector in vectors() {
            let [before, now] =
                [&old, &new].map(|plan| boot_result(&vector, &mut |request| proxydhcpd_reply(plan, request)));
            assert_eq!(now, before, "{}\n{imported}", vector.name);
        }
    }
}

/// A host without networks, on which this server will run.
fn this_host() -> HostInfo {
    HostInfo::new(SERVER_INFO)
}

fn imported(text: &str) -> String {
    let source = Source::new("dnsmasq.conf", text.as_bytes().to_vec()).unwrap();
    import(&source, None, &this_host()).unwrap_or_else(|errors| panic!("{}", errors[0]))
}

#[test]
fn an_unusable_boot_file_does_not_prevent_the_server_from_starting() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("undionly.kpxe"), proxydhcpd_testbed::loaders::fake_loader("bios")).unwrap();
    std::fs::write(directory.path().join("ipxe.efi"), proxydhcpd_testbed::loaders::fake_loader("x64")).unwrap();
    let root = directory.path().display();
    let output = imported(&format!(
        "enable-tftp\ntftp-root={root},eth0\npxe-service=x86PC,\"x\",undionly.kpxe\npxe-service=IA32_EFI,\"x\",\
         ipxe.efi\n\
         pxe-service=PC98,\"x\",undionly.kpxe\ndhcp-match=set:arm,option:client-arch,11\ndhcp-boot=tag:arm,arm64.efi\n"
    ));
    for line in [
        &format!("boot-dir = \"{root}\""),
        "bios = \"undionly.kpxe\"",
        "# uefi-arm64 = \"arm64.efi\"",
        "#     ipxe.efi cannot be offered for x86 UEFI: it is an EFI program for x64 UEFI. Add the file, and \
             import again",
        "#     no known machine with this architecture still boots over the network",
    ] {
        assert!(output.lines().any(|output_line| output_line == line), "no line {line:?} in\n{output}");
    }
    assert!(!output.contains("uefi-ia32"), "{output}");
}

/// Returns the plan that the server builds from this configuration, without a check of the files.
fn plan(text: &str) -> Plan {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("proxydhcpd.toml");
    std::fs::write(&file, text).unwrap();
    let flags = Flags { config: Some(file), ..Flags::default() };
    let loaded = load_from_dir(&flags, directory.path()).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let (unresolved, vendor_classes) = (loaded.plan, loaded.settings.pxe_vendor_classes);
    let loader = |name: String| Loader { name, path: None };
    let profiles = unresolved.profiles.into_iter().map(|unresolved| {
        let mut profile = unresolved.profile;
        profile.loaders = unresolved.loaders.into_iter().map(|(arch, (name, _))| (arch, loader(name))).collect();
        profile.default_loader = unresolved.default_loader.map(|(name, _)| loader(name));
        profile
    });
    Plan {
        policy: Policy {
            http_clients: true,
            vendor_classes,
            profiles: profiles.collect::<Vec<_>>().into(),
            rules: unresolved.rules,
            default_profile: unresolved.default_profile,
            unknown_machine_profile: unresolved.unknown_machine_profile,
            ..Policy::default()
        }
        .into(),
        offer: Offer { tftp: Some(TftpServer::Local), http: Some(8080), boot_server: true, ..Offer::default() }.into(),
        inventory: unresolved.machine_files.machines,
    }
}

fn proxydhcpd_reply(plan: &Plan, request: &Vector) -> Option<Vec<u8>> {
    let ipv4 = vec![Network4 { address: SERVER, prefix: 24 }];
    let links = [Link { index: 2, name: "eth0".into(), mtu: 1500, ipv4, ipv6: Vec::new() }];
    let port = if request.to.port() == 67 { Port::Dhcp } else { Port::BootServer };
    let (from, to) = (request.from.into(), (*request.to.ip()).into());
    let arrival =
        Arrival { datagram: &request.octets, port, from, to, links: &links, link: 0, via_other_link: false, now: 0 };
    let mut replies = Replies::default();
    answer(plan, &mut Observations::new(1), &arrival, &mut replies);
    replies.iter().next().map(|(octets, _)| octets.to_vec())
}

/// Returns the reply of dnsmasq, or `None` if dnsmasq ignores the request. The reply to a second request, which dnsmasq
/// always answers, shows without a timeout that no other reply follows.
fn dnsmasq_reply(wire: &RawSocket, request: &Vector, xid: u32) -> Option<Vec<u8>> {
    let probe = match (request.to.port(), request.to.ip().is_broadcast()) {
        (67, true) => "bios-no-machine-id-discover",
        (67, false) => "relayed-x64-discover-option-82",
        _ => "ovmf-x64-request-4011",
    };
    let mut probe = vectors().into_iter().find(|vector| vector.name == probe).unwrap();
    probe.octets[4..8].copy_from_slice(&xid.to_be_bytes());
    wire.send(&request.from, &request.to, &request.octets);
    wire.send(&probe.from, &probe.to, &probe.octets);
    let replies = wire.receive_until(|payload| payload[4..8] == xid.to_be_bytes());
    replies.into_iter().next().map(|reply| reply.payload)
}

fn dnsmasq(directory: &Path, text: &str) -> Process {
    let file = directory.join("dnsmasq.conf");
    std::fs::write(&file, format!("{text}tftp-no-fail\n")).unwrap();
    let lease = directory.join("leases");
    let running = Process::start(&format!(
        "dnsmasq --keep-in-foreground --user=root --pid-file= --log-facility=/dev/null --dhcp-leasefile={} \
         --conf-file={}",
        lease.display(),
        file.display()
    ));
    wait_for("dnsmasq", || {
        let open = |port| bound_sockets(Transport::Udp, port).is_ok_and(|sockets| !sockets.is_empty());
        (open(67) && open(4011)).then_some(())
    });
    running
}

#[test]
fn the_commands_in_the_migration_pages_work() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let pages = [
        ("migrating-from-dnsmasq.md", "dnsmasq.conf", "port=0\npxe-service=x86PC,\"PXE\",pxelinux,192.0.2.5\n"),
        (
            "migrating-from-other-servers.md",
            "dhcpd.conf",
            "subnet 192.0.2.0 netmask 255.255.255.0 { next-server 192.0.2.5; filename \"pxelinux.0\"; }\n",
        ),
        (
            "migrating-from-python.md",
            "proxy.ini",
            "[proxy]\nlisten_address=0.0.0.0\ntftpd=192.0.2.5\nfilename=pxelinux.0\n",
        ),
    ];
    for (page, file, text) in pages {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(file), text).unwrap();
        std::fs::create_dir_all(directory.path().join("tftp/pxelinux.cfg")).unwrap();
        std::fs::write(directory.path().join("tftp/pxelinux.cfg/default"), "DEFAULT a\nLABEL a\nKERNEL linux\n")
            .unwrap();
        std::fs::write(directory.path().join("interfaces.csv"), "device,nic\nweb1,52:54:00:00:00:01\n").unwrap();
        let page = std::fs::read_to_string(docs.join(page)).unwrap();
        let commands: Vec<&str> = page
            .lines()
            .filter(|line| ["proxydhcpd import ", "proxydhcpd check "].iter().any(|word| line.starts_with(word)))
            .collect();
        assert_eq!(commands.len(), if page.contains("pxelinux.cfg") { 4 } else { 2 });
        for command in commands {
            let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_proxydhcpd"));
            let output = program.args(command.split(' ').skip(1)).current_dir(directory.path()).output().unwrap();
            assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

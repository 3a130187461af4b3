//! Executes README and the pages: writes the files that they show and runs their commands, on a host with the address
//! 192.0.2.10. `elsewhere` lists the blocks that other tests run. Needs root.

mod blocks;
#[path = "../common/mod.rs"]
mod common;
mod elsewhere;
mod reader_host;
mod site;

use blocks::Block;
use common::server::PROGRAM;
use reader_host::ReaderHost;
use std::fs;
use std::process::Command;

/// The directory with a page for each verdict.
const VERDICTS: &str = "verdicts/";

/// A text in a block of commands, and the action that the test takes before it runs this block.
type Action = (&'static str, fn(&mut ReaderHost));

/// Declares a test for each page that a reader follows.
macro_rules! followed {
    ($($test:ident: $page:literal, $actions:expr;)*) => {
        /// The pages whose blocks these tests run.
        const FOLLOWED: &[&str] = &[$($page),*];
        $(
            #[test]
            fn $test() {
                follow($page, $actions);
            }
        )*
    };
}

followed! {
    readme: "README", &[];
    contributing: "CONTRIBUTING", &[];
    from_the_python_daemon: "migrating-from-python", &[("import proxy.ini", site::write_proxy_ini)];
    from_dnsmasq: "migrating-from-dnsmasq", &[("import dnsmasq.conf", site::write_dnsmasq_conf)];
    from_other_servers: "migrating-from-other-servers", &[("import dhcpd.conf", site::write_other_servers)];
    a_boot_step_by_step: "booting", &[];
    the_first_machine: "first-machine", &[("rearm", site::install_web1)];
    one_profile_per_room: "rooms", &[];
    relays: "relays", &[];
    ipv6: "ipv6", &[];
    raspberry_pi: "raspberry-pi", &[];
    a_windows_loader: "windows", &[];
    secure_boot: "secure-boot", &[("curl ", ReaderHost::start_server)];
    the_configuration: "configuration", &[];
    templates: "templates", &[
        ("render preseed.cfg", site::write_templates),
        ("$REPORT_URL", site::learn_report_url),
    ];
    changes_while_the_server_runs: "machines", &[
        ("boot web1 rescue --once  ", site::run),
        ("--relay 10.1.0.1 --cancel", site::order_relayed),
    ];
    operation: "operation", &[("proxydhcpd status", site::run), ("useradd ", site::make_users)];
    monitoring: "monitoring", &[("/readyz", ReaderHost::start_server)];
    access_to_the_page: "web", &[("web open", ReaderHost::start_server), ("$TOKEN", site::make_token)];
    webhooks: "webhooks", &[];
    doctor_and_probe: "doctor", &[("doctor", ReaderHost::start_server), ("doctor", site::add_eth1)];
    why_did_it_not_boot: "why-did-it-not-boot", &[("proxydhcpd story", site::run)];
    replay: "replay", &[("tcpdump", site::keep_asking)];
    upgrades: "upgrades", &[("./proxydhcpd check", ReaderHost::unpack_new_version)];
}

/// Does what a page says, from its first block to its last.
fn follow(page: &str, actions: &[Action]) {
    let file = if page.chars().all(char::is_uppercase) { format!("{page}.md") } else { format!("docs/{page}.md") };
    let mut reader = ReaderHost::new();
    let (mut ran, mut taken) = (0, 0);
    for block in blocks::of_page(&file).iter().filter(|block| !elsewhere::has_row(block)) {
        let Block { line, text, .. } = block;
        match block.language.as_str() {
            "text" => continue,
            "toml" => {
                reader.write(text);
                continue;
            }
            "sh" => {
                for (_, act) in actions.iter().filter(|(part, _)| text.contains(part)) {
                    act(&mut reader);
                    taken += 1;
                }
                let (succeeded, output) = reader.run(text);
                assert!(succeeded, "{file}:{line}:\n{text}\n{output}");
            }
            "ini" => reader.check_ini(block),
            "ipxe" => reader.check_script(text),
            "promql" => reader.check_query(text),
            other => panic!("{file}:{line}: a block in {other:?}"),
        }
        ran += 1;
    }
    assert!(ran > 0, "{page}: nothing to run");
    assert_eq!(taken, actions.len(), "{page}");
}

#[test]
fn the_commands_of_each_verdict_page() {
    let reader = ReaderHost::new();
    let blocks = blocks::all().into_iter().filter(|block| block.page.starts_with("docs/verdicts/"));
    let blocks: Vec<Block> = blocks.filter(|block| block.language != "text").collect();
    assert!(blocks.len() > 30, "{} blocks", blocks.len());
    for Block { page, line, language, text, .. } in &blocks {
        assert_eq!(language, "sh", "{page}:{line}");
        let (succeeded, output) = reader.run(text);
        assert!(succeeded, "{page}:{line}: {output}");
    }
}

/// On the reference page, docs/configuration.md, each example is a separate file.
#[test]
fn every_example_of_the_configuration_is_valid_alone() {
    let blocks = blocks::of_page("docs/configuration.md");
    let examples: Vec<&String> =
        blocks.iter().filter(|block| block.language == "toml").map(|block| &block.text).collect();
    assert!(examples.len() >= 4, "{} examples", examples.len());
    for example in examples {
        let mut reader = ReaderHost::new();
        // The page assumes that these files exist.
        for system in ["debian", "bookworm", "trixie"] {
            reader.run_well(&format!("mkdir lib/boot/{system} && cp installer/* lib/boot/{system}"));
        }
        reader.run_well("mkdir etc/templates srv && touch srv/README && echo '#!ipxe' > etc/templates/rescue.ipxe");
        reader.run_well("cp lib/boot/snponly.efi lib/boot/bootmgfw.efi");
        reader.run_well("mkdir lib/boot/installers && cp etc/templates/rescue.ipxe lib/boot/installers/debian.ipxe");
        reader.run_well("cp etc/templates/rescue.ipxe lib/boot/thin-client.ipxe");
        reader.run_well("(umask 077; proxydhcpd menu-password teacher > etc/menu-passwords)");
        reader.write(&example.replace("/srv/mirror/debian", &reader.path("srv").display().to_string()));
        let output = reader.run_well("proxydhcpd check");
        for text in ["warning", "there is no"] {
            assert!(!output.contains(text), "{example}\n{output}");
        }
    }
}

/// The script in docs/installing.md, with stand-ins for the functions of procd, which OpenWrt has.
#[test]
fn the_init_script_for_openwrt_starts_the_server() {
    let blocks = blocks::of_page("docs/installing.md");
    let script = &blocks.iter().find(|block| block.text.contains("rc.common")).expect("the script").text;
    let reader = ReaderHost::new();
    let stick = reader.path("stick").display().to_string();
    fs::create_dir_all(reader.path("stick/boot")).unwrap();
    let script = script.replace("/mnt/usb", &stick).replace("/usr/sbin/proxydhcpd", PROGRAM);
    let procd = "procd_open_instance() { :; }\nprocd_close_instance() { :; }\n\
                 procd_set_param() {\ncase $1 in\ncommand) shift; command=\"$*\" ;;\nrespawn|stderr) ;;\n*) exit 3 ;;\n\
                 esac\n}\n";
    let start = "start_service\ntimeout --signal=INT 3 $command\n[ $? = 124 ]\n";
    let mut shell = Command::new("dash");
    shell.args(["-c", &format!("{procd}{script}{start}")]).env("RUNTIME_DIRECTORY", reader.directory.path());
    let output = reader.host.on(|| shell.output().unwrap());
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && log.contains("ready"), "{log}");
}

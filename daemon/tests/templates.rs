//! Tests templates over HTTP and TFTP on the loopback interface, and the templates of the documentation.

use proxydhcpd::boot_once::{BootOnceState, EventReceiver};
use proxydhcpd::config;
use proxydhcpd::config::flags::Flags;
use proxydhcpd::edits::Edits;
use proxydhcpd::events::Events;
use proxydhcpd::serve::{http, tftp};
use proxydhcpd::settings::TftpConfig;
use proxydhcpd::site::{OpenPorts, Site};
use proxydhcpd::state::State;
use proxydhcpd_core::answer::{Replies, answer};
use proxydhcpd_core::arrival::{Arrival, Port};
use proxydhcpd_core::event::{Event, EventMachine, Service, Substitute, What};
use proxydhcpd_core::link::{Link, Network4};
use proxydhcpd_core::wire::dhcp4::{Header, MIN_LENGTH, MessageType, Writer, code};
use proxydhcpd_reading::diagnostic::Diagnostic;
use std::fs;
use std::io::{PipeWriter, Write, pipe};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

const MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const PRESEED: &str = "hostname {{ machine.name }}\nsuite {{ suite }} over {{ request.protocol }}\n{{ base }}\n";

#[test]
fn a_known_machine_is_sent_its_preseed_by_its_url_over_http_and_tftp() {
    let served = Served::new(&[("preseed.cfg", PRESEED)]);
    let http = format!("http://127.0.0.1:{}/machine/name=web1/preseed.cfg", served.http);
    let text = curl(&[&http]);
    let base = format!("http://127.0.0.1:{}/machine/name=web1/", served.http);
    assert_eq!(text, format!("hostname web1\nsuite bookworm over http\n{base}\n"));
    let head = curl(&["--head", &http]);
    assert!(head.contains(&format!("Content-Length: {}\r\n", text.len())), "{head}");

    let tftp = format!("tftp://127.0.0.1:{}/machine/name=web1/preseed.cfg", served.tftp);
    let expected = "hostname web1\nsuite bookworm over tftp\ntftp://127.0.0.1/machine/name=web1/\n";
    assert_eq!(curl(&[&tftp]), expected);
}

#[test]
fn a_request_without_identity_is_recognised_by_the_address_in_an_overheard_dhcp_request() {
    let served = Served::new(&[
        ("preseed.cfg", PRESEED),
        ("arch.txt", "{{ request.firmware }} {{ request.features | join(' ') }}"),
    ]);
    let http = |name: &str| format!("http://127.0.0.1:{}/{name}", served.http);
    let tftp = format!("tftp://127.0.0.1:{}/preseed.cfg", served.tftp);
    assert_eq!(status(&http("preseed.cfg")), "500", "no DHCP request was overheard");
    served.overhear_request(Ipv4Addr::LOCALHOST);
    assert!(curl(&[&http("preseed.cfg")]).starts_with("hostname web1\n"));
    assert!(curl(&[&tftp]).starts_with("hostname web1\n"));
    assert_eq!(curl(&[&http("arch.txt")]), "uefi http menu");
    // A request from another address is from another machine.
    assert_eq!(
        curl(&[
            "--interface",
            "127.0.0.2",
            "--output",
            "/dev/null",
            "--write-out",
            "%{http_code}",
            &http("preseed.cfg")
        ]),
        "500"
    );
}

#[test]
fn a_template_that_fails_is_an_error_and_a_script_shows_it_at_the_console() {
    let served = Served::new(&[("broken.cfg", "\n{{ machine.colour }}"), ("broken.ipxe", "#!ipxe\necho {{ gone }}\n")]);
    let url = |name: &str| format!("http://127.0.0.1:{}/machine/name=web1/{name}", served.http);
    for _ in 0..3 {
        let response = curl(&["--write-out", "%{http_code}", &url("broken.cfg")]);
        assert_eq!(
            response,
            "This template cannot be rendered for this machine; the log of proxydhcpd shows the error.\n500"
        );
    }
    let tftp = format!("tftp://127.0.0.1:{}/machine/name=web1/broken.cfg", served.tftp);
    let output = Command::new("curl").args(["--silent", "--max-time", "20", &tftp]).output().unwrap();
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");

    let script = curl(&[&url("broken.ipxe")]);
    assert!(script.starts_with("#!ipxe\n") && script.ends_with("exit 1\n"), "{script}");
    assert!(script.contains("echo broken.ipxe, line 2\necho gone is not defined\n"), "{script}");
    let sums = served.state.events.sums();
    assert!(sums.contains("file:template-failed 5"), "{sums}");
}

#[test]
fn a_failure_is_logged_once_a_minute_with_template_line_and_machine() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let writer = Log(Arc::clone(&log));
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    tracing::subscriber::with_default(subscriber, || {
        let events = Events::default();
        for (seconds, line) in [(0, 1), (1, 1), (2, 2), (59, 1), (61, 1), (62, 1)] {
            let error = format!("/templates/a.cfg: line {line} is wrong");
            let what = What::TemplateFailed { template: "a.cfg", error: &error, substitute: Substitute::Nothing };
            let machine = EventMachine { entry: Some("web1"), ..EventMachine::default() };
            let service = Service::Http;
            events.record(&Event { at: seconds * 1000, link: None, machine, service, ticket: None, what });
        }
    });
    let log = String::from_utf8(log.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = log
        .lines()
        .filter_map(|line| line.split_once("cannot render a template for "))
        .map(|(_, message)| message)
        .collect();
    let message = |line: &str| format!("web1: /templates/a.cfg: line {line} is wrong");
    let begins = |(line, number): (&&str, &str)| line.starts_with(&message(number));
    assert!(lines.len() == 3 && lines.iter().zip(["1", "2", "1"]).all(begins), "{log}");
}

/// An error of the configuration appears in `check`, and a reload with such an error keeps the previous site.
#[test]
fn every_template_that_cannot_be_compiled_is_an_error_of_the_configuration() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir_all(directory.path().join("templates/sub")).unwrap();
    fs::write(directory.path().join("templates/sub/broken.cfg"), "fine\n{% if %}\n").unwrap();
    let config = directory.path().join("proxydhcpd.toml");
    let profiles = "[profile.one]\nkernel = '{{ x'\ninitrd = ['a', 'b{{']\narguments = 'quiet {{ base'\n\
                    [profile.two]\nscript = 'sub/brokn.cfg'\n\
                    [profile.three]\nkernel = \"a\\u0020{{\"\narguments = \"\"\"\n  quiet {{\n  splash\"\"\"\n\
                    [profile.four]\nextends = 'one'\nkernel = 'linux'\ninitrd = 'http://x/a b'\narguments = 'x'\n";
    fs::write(&config, format!("boot-dir = {:?}\n{profiles}", directory.path())).unwrap();
    let mut loaded = config::load(&Flags { config: Some(config), ..Flags::default() }).unwrap();
    let open = OpenPorts { tftp: true, http: Some(8080), boot_server: true, ..OpenPorts::default() };
    let errors = Site::build(&mut loaded, open).unwrap_err().0;
    let errors: Vec<String> = errors.iter().map(Diagnostic::one_line).collect();
    for expected in [
        "templates/sub/broken.cfg:2:7: ",
        "proxydhcpd.toml:3:14: ",
        "proxydhcpd.toml:4:18: ",
        "proxydhcpd.toml:5:23: ",
        "did you mean `sub/broken.cfg`?",
        // If the value in the file has an escape or several lines, the location is that of the whole value.
        "proxydhcpd.toml:9:10: ",
        "proxydhcpd.toml:10:13: ",
        "proxydhcpd.toml:16:10: \"http://x/a b\" is no URL",
    ] {
        assert!(errors.iter().any(|error| error.contains(expected)), "{expected} in {errors:#?}");
    }
}

/// Renders every example of docs/templates.md for the machine that the page describes.
#[test]
fn the_templates_of_the_documentation_are_rendered() {
    let examples = Examples::read();
    let files: Vec<(&str, &str)> = examples.files.iter().map(|(name, text)| (&name[..], &text[..])).collect();
    let served = Served::with(&files, &examples.settings);
    let get = |name: &str| curl(&["--fail", &format!("http://127.0.0.1:{}/machine/name=web1/{name}", served.http)]);
    served.overhear_request(Ipv4Addr::LOCALHOST);
    let done = format!("http://127.0.0.1:{}/machine/name=web1/done", served.http);

    let preseed = get("preseed.cfg");
    for line in [
        "d-i netcfg/get_hostname string web1",
        "d-i mirror/suite string bookworm",
        "d-i passwd/root-password-crypted password $6$salt$hash",
        "d-i partman-efi/non_efi_system boolean true",
        "d-i pkgsel/include string openssh-server nginx certbot",
        &format!(
            "d-i preseed/early_command string wget -q -O /dev/null --post-data=\"the installer runs\" {}",
            done.replace("/done", "/report")
        ),
        &format!("d-i preseed/late_command string wget -q -O /dev/null {done}"),
    ] {
        assert!(preseed.lines().any(|known| known == line), "{line} in {preseed}");
    }
    let kickstart = get("kickstart.cfg");
    let network = "network --bootproto=dhcp --device=52:54:00:12:34:56 --hostname=web1.example.org\n";
    assert!(kickstart.contains(network) && kickstart.contains("@core\nnginx\ncertbot\n%end\n"), "{kickstart}");
    assert_eq!(get("cloud/meta-data"), "instance-id: \"52:54:00:12:34:56\"\nlocal-hostname: \"web1\"\n");
    let cloud = get("cloud/user-data");
    assert!(cloud.starts_with("#cloud-config\nfqdn: \"web1.example.org\"\n"), "{cloud}");
    assert!(cloud.contains(&format!("runcmd:\n  - [\"curl\", \"-s\", \"{done}\"]\n")), "{cloud}");
    let ignition: serde_json::Value = serde_json::from_str(&get("config.ign")).unwrap();
    assert_eq!(ignition["storage"]["files"][0]["contents"]["source"], "data:,web1");
    assert_eq!(ignition["passwd"]["users"][0]["sshAuthorizedKeys"][0], "ssh-ed25519 AAAA admin");
    assert!(get("autounattend.xml").contains("<ComputerName>WEB1</ComputerName>"));
    let rescue = get("rescue.ipxe");
    assert!(rescue.contains("echo Rescue system for web1\n") && rescue.contains(" ip=${net0/ip}\n"), "{rescue}");
    let menu = get("menu.ipxe");
    assert!(menu.contains(&format!("url=http://127.0.0.1:{}/machine/name=web1/preseed.cfg ||", served.http)), "{menu}");
    let report = done.replace("/done", "/report");
    let autoinstall = get("cloud/autoinstall");
    assert!(autoinstall.contains(&format!("\"endpoint\": \"{report}\"")), "{autoinstall}");
    let phone_home = get("cloud/phone-home");
    assert!(phone_home.contains(&format!("\"url\": \"{report}/phone-home\"")), "{phone_home}");
    assert_eq!(get("cloud/vendor-data"), "#cloud-config\n");
    assert_eq!(examples.files.len(), 10);
}

/// A site with these templates, which the server serves over HTTP and TFTP.
struct Served {
    http: u16,
    tftp: u16,
    state: Arc<State>,
    _directory: tempfile::TempDir,
    stop: Option<(oneshot::Sender<()>, PipeWriter)>,
    threads: Vec<JoinHandle<()>>,
}

impl Served {
    fn new(templates: &[(&str, &str)]) -> Served {
        let settings = "variables = { suite = 'trixie' }\n[profile.debian]\nkernel = 'linux'\n\
                        variables = { suite = 'bookworm' }\n[machine.web1]\nmac = '52:54:00:12:34:56'\n\
                        profile = 'debian'\nvariables = { role = 'web' }";
        Served::with(templates, &toml::from_str(settings).unwrap())
    }

    fn with(templates: &[(&str, &str)], settings: &toml::Table) -> Served {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in templates {
            let path = directory.path().join("templates").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        fs::create_dir(directory.path().join("boot")).unwrap();
        let lo = Link {
            index: nix::net::if_::if_nametoindex("lo").unwrap(),
            name: "lo".into(),
            mtu: 1500,
            ipv4: vec![Network4 { address: Ipv4Addr::LOCALHOST, prefix: 8 }],
            ipv6: Vec::new(),
        };
        let state = Arc::new(State::new(
            site(directory.path(), settings),
            vec![lo.clone()],
            BootOnceState::new(directory.path(), EventReceiver::default()).unwrap(),
            Edits::default(),
            Events::default(),
        ));
        let (stop_http, stopped) = oneshot::channel();
        let listeners = http::bind(0, true).unwrap();
        let http = listeners[0].local_addr().unwrap().port();
        let shared = Arc::clone(&state);
        let pages = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let open = move |request: &proxydhcpd_core::request::FileRequest<'_>| shared.open(request);
            let stop = async { drop(stopped.await) };
            let handler = http::FileHandler::new(open, (), ());
            runtime.block_on(http::serve(listeners, http::HttpSettings::default(), handler, |_| {}, stop)).unwrap();
        });
        let any = Ipv4Addr::UNSPECIFIED;
        let settings = TftpConfig::default();
        let sockets = tftp::bind(any.into(), 0, &settings).unwrap();
        let tftp = sockets.port().unwrap();
        let listeners = Arc::new(tftp::TftpListeners::new(1024).unwrap());
        listeners.add(sockets).unwrap();
        let (stopped, stop_tftp) = pipe().unwrap();
        let shared = Arc::clone(&state);
        let transfers = std::thread::spawn(move || {
            let link = move |index, _| (index == lo.index).then(|| lo.clone());
            tftp::run(listeners, &settings, link, |request| shared.open(request), |_| true, |_| {}, stopped).unwrap();
        });
        let (stop, threads) = (Some((stop_http, stop_tftp)), vec![pages, transfers]);
        Served { http, tftp, state, _directory: directory, stop, threads }
    }

    /// Makes the server overhear a broadcast DHCP request of `web1` for this address. The client is an iPXE on x64
    /// UEFI.
    fn overhear_request(&self, address: Ipv4Addr) {
        let mut header = Header { xid: 1, ..Header::default() };
        header.chaddr[..6].copy_from_slice(&MAC);
        let mut datagram = Vec::new();
        let mut packet = Writer::new(&header, &mut datagram);
        packet.option(code::MESSAGE_TYPE, &[MessageType::Request.into()]);
        packet.option(code::REQUESTED_ADDRESS, &address.octets());
        packet.option(code::VENDOR_CLASS, b"PXEClient:Arch:00007:UNDI:003010");
        packet.option(code::ARCHITECTURE, &[0, 7]);
        packet.option(code::IPXE, &[0xeb, 3, 1, 21, 1, 0x13, 1, 1, 0x27, 1, 1]);
        packet.finish(MIN_LENGTH);
        let (site, links) = (self.state.site(), self.state.links.load());
        let arrival = Arrival {
            datagram: &datagram,
            from: "0.0.0.0:68".parse().unwrap(),
            to: Ipv4Addr::BROADCAST.into(),
            port: Port::Dhcp,
            links: &links,
            link: 0,
            via_other_link: false,
            now: 0,
        };
        answer(&site.plan, &mut self.state.observations(), &arrival, &mut Replies::default());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop = None;
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}

/// Builds the site of these settings. Its directories are next to the configuration.
fn site(directory: &Path, settings: &toml::Table) -> Site {
    let mut settings = settings.clone();
    settings.insert("boot-dir".into(), directory.join("boot").display().to_string().into());
    let file = directory.join("proxydhcpd.toml");
    fs::write(&file, settings.to_string()).unwrap();
    let mut loaded = config::load(&Flags { config: Some(file), ..Flags::default() }).unwrap();
    Site::build(&mut loaded, OpenPorts { tftp: true, http: Some(8080), boot_server: true, ..OpenPorts::default() })
        .unwrap()
}

/// The settings and the templates that docs/templates.md shows.
struct Examples {
    settings: toml::Table,
    files: Vec<(String, String)>,
}

impl Examples {
    fn read() -> Examples {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/templates.md");
        let page = fs::read_to_string(page).unwrap();
        let blocks = page.split("\n```").skip(1).step_by(2).filter_map(|block| block.split_once('\n'));
        let mut examples = Examples { settings: toml::Table::new(), files: Vec::new() };
        for (kind, text) in blocks {
            match kind.split_once(' ') {
                Some(("jinja", name)) => examples.files.push((name.into(), format!("{text}\n"))),
                _ if kind == "toml" => examples.settings = toml::from_str(text).unwrap(),
                _ => {}
            }
        }
        examples
    }
}

#[derive(Clone)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(octets)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn status(url: &str) -> String {
    curl(&["--output", "/dev/null", "--write-out", "%{http_code}", url])
}

fn curl(arguments: &[&str]) -> String {
    let output = Command::new("curl").args(["--silent", "--show-error", "--max-time", "20"]).args(arguments).output();
    let output = output.expect("curl is missing: run e2e/setup");
    assert!(output.status.success(), "curl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

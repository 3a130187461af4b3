//! Tests `render` on the command line. Needs root.

mod common;

use proxydhcpd_testbed::Host;
use std::process::{Command, Output};

/// Three machines: the profile of the first starts a kernel, that of the second a script, and that of the third needs
/// an undefined name.
const SETTINGS: &str = r#"
[profile.debian]
kernel = "debian/linux"
arguments = "url={{ base }}preseed.cfg"

[profile.rescue]
script = "rescue.ipxe"

[profile.suite]
kernel = "linux"
arguments = "suite={{ suite }}"

[machine.web1]
mac = "52:54:00:12:34:56"
profile = "debian"
variables = { role = "web" }

[machine.rescued]
mac = "52:54:00:12:34:57"
profile = "rescue"

[machine.incomplete]
mac = "52:54:00:12:34:58"
profile = "suite"
"#;

fn render(arguments: &[&str]) -> Output {
    run("render", arguments)
}

fn run(verb: &str, arguments: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("proxydhcpd.toml");
    std::fs::write(&config, format!("boot-dir = {:?}\n{SETTINGS}", directory.path())).unwrap();
    std::fs::create_dir(directory.path().join("templates")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join("templates").join(name), text).unwrap();
    write(
        "preseed.cfg",
        "{{ machine.name }} {{ machine.mac }} {{ role }} {{ request.firmware }} {{ request.address }}\n",
    );
    write("rescue.ipxe", "#!ipxe\necho for {{ machine.mac }}\n");
    let mut command = Command::new(env!("CARGO_BIN_EXE_proxydhcpd"));
    command.args([verb, "-c"]).arg(&config);
    if !arguments.contains(&"--server") {
        command.args(["--server", "192.0.2.10/24"]);
    }
    command.args(arguments);
    command.output().unwrap()
}

/// Runs `render`, and returns its output. There must be no messages.
fn rendered(arguments: &[&str]) -> String {
    let output = render(arguments);
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && messages.is_empty(), "{arguments:?}: {messages}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_machine_is_named_by_name_or_by_address() {
    let kernel = "url=http://192.0.2.10:8080/machine/name=web1/preseed.cfg || goto failed\n";
    for machine in [["--machine", "web1"], ["--mac", "5254.0012.3456"]] {
        assert!(rendered(&machine).contains(kernel), "{machine:?}");
    }
    let preseed = rendered(&["preseed.cfg", "--machine", "web1", "--address", "192.0.2.50"]);
    assert_eq!(preseed, "web1 52:54:00:12:34:56 web uefi 192.0.2.50\n");
    let bios = rendered(&["preseed.cfg", "--machine", "web1", "--client", "ipxe-bios"]);
    assert!(bios.contains(" web bios 192.0.2."), "{bios}");
}

#[test]
fn over_ipv6_it_is_the_same_and_address_families_are_not_mixed() {
    let at = ["--server", "2001:db8::10/64", "--machine", "web1"];
    let kernel = "url=http://[2001:db8::10]:8080/machine/name=web1/preseed.cfg || goto failed\n";
    assert!(rendered(&[&at[..], &["--address", "2001:db8::50"]].concat()).contains(kernel));
    let preseed = rendered(&[&["preseed.cfg"][..], &at, &["--address", "2001:db8::50"]].concat());
    assert_eq!(preseed, "web1 52:54:00:12:34:56 web uefi 2001:db8::50\n");
    let mixed = render(&["--machine", "web1", "--address", "2001:db8::50"]);
    assert_eq!(mixed.status.code(), Some(2));
    let message = String::from_utf8(mixed.stderr).unwrap();
    assert_eq!(message, "error: --address and --server are of different address families\n");
}

/// On a host in two networks, `render` shows the server's address in the network of the machine.
#[test]
fn the_servers_address_is_the_one_in_the_machines_network() {
    let (host, far) = (Host::new(), Host::new());
    for (name, networks) in [
        ("eth0", ["192.0.2.10/24", "2001:db8::10/64", "fe80::10/64"]),
        ("eth1", ["198.51.100.10/24", "2001:db8:1::10/64", "fe80::10/64"]),
    ] {
        host.cable(name, &far, name);
        networks.iter().for_each(|network| host.run(&format!("ip address add {network} dev {name} nodad")));
    }
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("proxydhcpd.toml");
    std::fs::write(&config, format!("boot-dir = {:?}\n", directory.path())).unwrap();
    for (address, expected) in
        [("198.51.100.50", "198.51.100.10"), ("192.0.2.50", "192.0.2.10"), ("2001:db8:1::50", "[2001:db8:1::10]")]
    {
        let mut command = Command::new(env!("CARGO_BIN_EXE_proxydhcpd"));
        command.args(["render", "-c"]).arg(&config).args(["--mac", "02:00:00:00:00:01", "--address", address]);
        let output = host.on(|| command.output().unwrap());
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.contains(&format!("http://{expected}:8080/")), "{address}: {script}");
    }
}

#[test]
fn explain_shows_the_result_of_render() {
    let explained = |arguments: &[&str]| {
        let output = run("explain", &[&["--client", "ipxe-uefi-x64"], arguments].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let has =
        |output: &str, line: &str| assert!(output.lines().any(|known| known.trim() == line), "no {line:?} in {output}");
    let web1 = explained(&["--machine", "web1"]);
    has(&web1, "kernel: debian/linux");
    has(&web1, "arguments: url=http://192.0.2.10:8080/machine/name=web1/preseed.cfg");
    let rescued = explained(&["--machine", "rescued"]);
    has(&rescued, "template: rescue.ipxe, rendered for profile rescue");
    has(&rescued, "echo for 52:54:00:12:34:57");
    // `explain` shows a failure in the same way as `render`.
    let incomplete = explained(&["--machine", "incomplete"]);
    let cannot = incomplete.lines().find(|line| line.trim().starts_with("cannot be rendered: ")).unwrap_or_default();
    assert!(cannot.contains("proxydhcpd.toml:12:23: suite is not defined"), "{incomplete}");
    has(&incomplete, "arguments: suite={{ suite }}");
}

#[test]
fn another_profile_can_be_tried_on_a_machine() {
    assert_eq!(rendered(&["rescue", "--machine", "web1"]), "#!ipxe\necho for 52:54:00:12:34:56\n");
    assert!(rendered(&["menu", "--machine", "web1"]).contains("\nmenu proxydhcpd "));
}

#[test]
fn a_failing_template_exits_with_status_1_and_its_location() {
    let output = render(&["preseed.cfg", "--mac", "02:00:00:00:00:01"]);
    let messages = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && output.stdout.is_empty(), "{messages}");
    for part in ["machine.name is not defined", "/templates/preseed.cfg:1:4", "no entry in the configuration"] {
        assert!(messages.contains(part), "{messages}");
    }
}

#[test]
fn a_menu_with_a_failing_entry_is_rendered_as_the_server_does() {
    let boot = tempfile::tempdir().unwrap();
    let mut kernel = vec![0; 1024];
    kernel[0x202..0x208].copy_from_slice(b"HdrS\x0f\x02");
    for (directory, arguments) in [("a", "quiet {{ bogus }}"), ("b", "quiet")] {
        std::fs::create_dir(boot.path().join(directory)).unwrap();
        for (name, content) in [("linux", &kernel[..]), ("initrd", b""), ("cmdline", arguments.as_bytes())] {
            std::fs::write(boot.path().join(directory).join(name), content).unwrap();
        }
    }
    let output = render(&["--client", "ipxe-bios", "-b", boot.path().to_str().unwrap()]);
    let (script, messages) = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).into();
    assert!(output.status.success(), "{messages}");
    assert!(messages.contains("bogus is not defined") && messages.contains("/a/cmdline:1:"), "{messages}");
    for part in ["a${sp}${sp}(does not boot as it is)\n", "item entry1 ${sp}${sp} b\n"] {
        assert!(script.contains(part), "{script}");
    }
}

#[test]
fn an_example_machine_is_announced() {
    let output = render(&["--client", "ipxe-bios"]);
    let script = String::from_utf8(output.stdout).unwrap();
    assert!(script.contains("sanboot --no-describe --drive 0x80"), "{script}");
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("for an example machine"));
}

#[test]
fn an_unknown_name_exits_with_status_2() {
    for (arguments, expected) in
        [(&["preseed.cgf"][..], "did you mean `preseed.cfg`?"), (&["--machine", "web2"], "did you mean `web1`?")]
    {
        let output = render(arguments);
        let messages = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.code() == Some(2) && output.stdout.is_empty() && messages.contains(expected),
            "{messages}"
        );
    }
}

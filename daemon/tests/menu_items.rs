//! Items of the boot menu that are hidden, that need a password, or that may not start by themselves: the server's
//! binary in network namespaces, with curl as the client. Needs root.

mod common;

use common::boot_once::TestSite;
use common::server::{PROGRAM, Server};
use proxydhcpd_testbed::wait_for;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

const MACHINE: &str = "http://192.0.2.10:8080/machine/mac=52-54-00-12-34-56/platform=efi/arch=x86_64";

/// A site whose boot directory has an installer and a tool, with these settings; `PASSWORDS` is the password file.
fn start(settings: &str) -> (TestSite, Server) {
    let directory = tempfile::tempdir().unwrap();
    let passwords = directory.path().join("passwords");
    fs::write(&passwords, format!("# who may install\n{}", line_for("teacher", "open sesame"))).unwrap();
    fs::set_permissions(&passwords, fs::Permissions::from_mode(0o600)).unwrap();
    let settings = settings.replace("PASSWORDS", &passwords.display().to_string());
    let (site, mut server) = TestSite::with_config(directory, &settings);
    for name in ["install.ipxe", "tool.ipxe"] {
        fs::write(server.boot.path().join(name), format!("#!ipxe\necho this is {name}\n")).unwrap();
    }
    server = server.kill_and_restart(&site.host);
    server.wait_for_line("ready");
    (site, server)
}

/// The line that the command prints.
fn line_for(user: &str, password: &str) -> String {
    let mut command = Command::new(PROGRAM);
    command.args(["menu-password", user]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{password}").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// The status and the body of a response.
fn get(site: &TestSite, url: &str, arguments: &[&str]) -> (String, String) {
    let arguments = [&["--write-out", "\n%{http_code}"], arguments].concat();
    let text = String::from_utf8(site.fetch(url, &arguments)).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.to_owned(), body.to_owned())
}

const PROTECTED: &str = "[menu]\nprotected-items = [\"install*\", \"shell\"]\npassword-file = \"PASSWORDS\"\n";

#[test]
fn a_protected_item_is_sent_only_to_a_user_with_the_password() {
    let (site, server) = start(PROTECTED);
    let (_, menu) = get(&site, &format!("{MACHINE}/menu.ipxe"), &[]);
    assert!(menu.contains("/menu-item/install.ipxe ") && menu.contains("tool.ipxe"), "{menu}");
    assert!(!menu.contains("8080/install.ipxe") && !menu.contains("\nshell ||"), "{menu}");

    let item = format!("{MACHINE}/menu-item/install.ipxe");
    assert_eq!(get(&site, &item, &[]), ("401".into(), "Unauthorized\n".into()));
    let basic = ["--basic", "--user", "teacher:open sesame"];
    assert_eq!(get(&site, &item, &basic).0, "401", "the password itself is never accepted");
    for user in ["teacher:wrong", "pupil:open sesame", "teacher:"] {
        assert_eq!(get(&site, &item, &["--digest", "--user", user]).0, "401", "{user}");
    }
    let (status, script) = get(&site, &item, &["--digest", "--user", "teacher:open sesame"]);
    assert!(status == "200" && script.contains("chain --autofree http://192.0.2.10:8080/install.ipxe"), "{script}");
    wait_for("the line in the log", || {
        server.log().contains("192.0.2.107: teacher logged in at the menu and starts install.ipxe").then_some(())
    });
    assert!(server.log().contains("wrong user or password at the menu for install.ipxe"), "{}", server.log());
    // Other spellings of the name lead to the same item, or to none.
    for item in ["menu-item//install.ipxe", "%6denu-item/install.ipxe", "x=y/menu-item/./install.ipxe"] {
        assert_eq!(get(&site, &format!("{MACHINE}/{item}"), &["--path-as-is"]).0, "401", "{item}");
    }
    assert_eq!(get(&site, &format!("{MACHINE}/menu-item/INSTALL.IPXE"), &[]).0, "401");
    assert_eq!(get(&site, &format!("{MACHINE}/menu-item/tool.ipxe"), &[]).0, "200");
    let tftp = format!("{}/menu-item/install.ipxe", MACHINE.replace("http://192.0.2.10:8080", "tftp://192.0.2.10"));
    let fetched = site.machine.on(|| Command::new("curl").args(["--silent", &tftp]).output().unwrap());
    assert!(!fetched.status.success() && fetched.stdout.is_empty());
}

#[test]
fn a_machine_that_guesses_has_to_wait_and_no_other_suffers() {
    let (site, server) = start(PROTECTED);
    let item = format!("{MACHINE}/menu-item/shell");
    let guesses: Vec<_> = (0..6).map(|_| get(&site, &item, &["--digest", "--user", "teacher:guess"]).0).collect();
    assert_eq!(guesses, ["401", "401", "401", "401", "401", "429"]);
    let user = ["--digest", "--user", "teacher:open sesame"];
    assert_eq!(get(&site, &item, &user).0, "429");
    wait_for("the warning", || server.log().contains("it has to wait").then_some(()));
    site.machine.run("ip address add 192.0.2.108/24 dev eth0");
    assert_eq!(get(&site, &item, &[&user[..], &["--interface", "192.0.2.108"]].concat()).0, "200");
}

#[test]
fn a_rule_hides_items_from_its_machines() {
    let (site, server) = start(
        "[menu]\nhidden-items = [\"netboot.xyz\"]\n[[rule]]\nname = \"room\"\nmac = \"52:54:00:12:34:*\"\n\
         hidden-items = [\"install*\", \"shell\"]\n[[rule]]\n\
         mac = \"52:54:00:aa:*\"\nhidden-items = [\"instal.ipxe\"]\n",
    );
    let items = |mac: &str| {
        let (_, menu) = get(&site, &format!("{}/menu.ipxe", MACHINE.replace("52-54-00-12-34-56", mac)), &[]);
        ["item entry0", "item entry1", "item disk", "item shell", "item netbootxyz"].map(|item| menu.contains(item))
    };
    assert_eq!(items("52-54-00-12-34-56"), [false, true, true, false, false]);
    assert_eq!(items("52-54-00-99-34-56"), [true, true, true, true, false]);
    assert_eq!(get(&site, &format!("{MACHINE}/menu-item/install.ipxe"), &[]).0, "404");
    let warning = "`hidden-items` of rule 2: no item of the menu matches `instal.ipxe` (did you mean `install.ipxe`?)";
    assert!(server.log().contains(warning), "{}", server.log());
}

#[test]
fn an_installer_is_never_the_default() {
    let (site, server) = start("[menu]\ndefault-item = \"install.ipxe\"\ntimeout = 7\n");
    let choice = || get(&site, &format!("{MACHINE}/menu.ipxe"), &[]).1;
    assert!(choice().contains("choose --default disk --timeout 7000 "), "{}", choice());
    assert!(server.log().contains("`default-item` of [menu] cannot be `install.ipxe`: it is an installer"));

    let (site, _server) = start("[menu]\ndefault-item = \"tool.ipxe\"\ntimeout = 0\n");
    let (_, menu) = get(&site, &format!("{MACHINE}/menu.ipxe"), &[]);
    assert!(menu.contains("choose --default entry1 chosen "), "{menu}");
}

#[test]
fn a_menu_of_the_firmware_waits_before_an_installer() {
    let profiles = "default-profile = \"ask\"\n[profile.new]\nkernel = \"linux\"\n\
                    arguments = \"auto=true priority=critical\"\n\
                    [profile.ask.menu]\ntimeout = 5\nitems = [{ title = \"Install\", profile = \"new\" }, \
                    { title = \"Disk\", profile = \"local-disk\" }]\n";
    let (site, server) = start(profiles);
    let (_, menu) = get(&site, &format!("{MACHINE}/menu.ipxe"), &[]);
    assert!(menu.contains("\nchoose chosen || goto menu"), "{menu}");
    assert!(server.log().contains("the menu waits for its user: its first item, Install, is an installer"));
    let (site, _server) = start(&profiles.replace("auto=true", "quiet"));
    let (_, menu) = get(&site, &format!("{MACHINE}/menu.ipxe"), &[]);
    assert!(menu.contains("--timeout 5000 "), "{menu}");
}

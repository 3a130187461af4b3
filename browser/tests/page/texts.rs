//! Texts of machines, files and addresses that try to become a part of a page.

use anyhow::{Context, Result, ensure};
use proxydhcpd_browser::board::{ADDRESS, Board, OPEN};
use proxydhcpd_browser::browser::Browser;
use proxydhcpd_e2e::WorkDir;
use proxydhcpd_e2e::site::{self, Site};
use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

cases![markup_in_texts_is_shown_as_text];

/// Elements that would run a script if a page contained them, with quotes that would end an attribute.
const MARKUP: &str = "\"'><img src=x onerror=alert(1)><script>alert(2)</script>";
/// The same as a part of an address.
const ENCODED: &str = "%22'%3E%3Cimg%20src=x%20onerror=alert(1)%3E%3Cscript%3Ealert(2)%3C%2Fscript%3E";
/// The machine of the packet.
const MACHINE: &str = "02:00:00:00:01:07";
/// The elements that the page would contain if a text had become a part of it.
const INJECTED: &str = "document.querySelectorAll('img[src=x], script:not([src]), [onerror]').length";

fn markup_in_texts_is_shown_as_text(work: &WorkDir) -> Result<()> {
    let site = Site::new(work)?;
    let boot = site::boot_dir(work, None)?;
    // A slash cannot be in the name of a file.
    let file = "<img src=x onerror=alert(3)>";
    fs::create_dir(boot.join(file))?;
    fs::copy(boot.join("snponly.efi"), boot.join(format!("{file}.efi")))?;
    for name in ["linux", "initrd"] {
        fs::write(boot.join(file).join(name), "x")?;
    }
    let title = MARKUP.replace('"', "\\\"");
    let lines = format!(
        "syslog.port = 5514\n[profile.debian]\ntitle = \"{title}\"\nkernel = \"linux\"\n\
         [machine.web1]\nmac = \"{MACHINE}\"\nprofile = \"debian\"\n{OPEN}"
    );
    let board = Board::start(work, &site.segment, &site.server, &boot, &lines)?;
    let browser = Browser::start(work, &board.desk, "browser")?;
    board.log_in(&browser)?;
    let refused = board.command(&["machine", "add", MARKUP, "--mac", "52:54:00:00:00:01"]);
    ensure!(refused.is_err(), "an entry has markup as its name");

    // The log lists what happens while it is open.
    board.open(&browser, "/log?level=debug")?;
    browser.wait_for("document.querySelector('[data-live]').innerText.includes('live')")?;
    board.desk.on(send_texts)?;
    browser.wait_for("document.body.innerText.includes('onerror=alert(1)')")?;
    assert_harmless(&browser, "/log")?;

    board.open(&browser, &format!("/machines/{MACHINE}"))?;
    let text = format!("document.body.textContent.includes({MARKUP:?})");
    browser.wait_for(&text).context("the texts of the machine are not on its page")?;
    browser.call("document.querySelectorAll('details').forEach((part) => { part.open = true; });", &[])?;
    assert_harmless(&browser, "the page of the machine")?;
    let explain = format!("/machines/{MACHINE}/explain");
    for path in ["/", "/?failed=true", "/network", "/menu", "/machines/web1", &explain] {
        board.open(&browser, path)?;
        assert_harmless(&browser, path)?;
    }
    // The screen of the machine shows no `<` of a name.
    board.open(&browser, "/menu?profile=menu")?;
    browser.wait_for("document.body.textContent.includes('?img src=x onerror=alert(3)?')")?;
    assert_harmless(&browser, "the menu of the boot directory")?;
    browser.check_console()?;
    for path in [
        format!("/machines/{ENCODED}"),
        format!("/menu?machine={ENCODED}&firmware={ENCODED}&profile={ENCODED}"),
        format!("/?offset={ENCODED}&notice={ENCODED}"),
        format!("/login?next={ENCODED}"),
        format!("/start/{ENCODED}"),
        format!("/{ENCODED}"),
    ] {
        board.open(&browser, &path)?;
        assert_harmless(&browser, &path)?;
    }
    browser.check_console_has_only(&["404", "410", "400", "422", "/favicon.ico"])
}

/// A dialog would have let the command fail.
fn assert_harmless(browser: &Browser<'_>, what: &str) -> Result<()> {
    let injected = browser.eval(INJECTED)?;
    ensure!(injected == 0, "{what} contains {injected} elements of a text");
    Ok(())
}

/// A host name (option 12), a class (77), a domain (15), file names over TFTP and HTTP, a user agent, a report and a
/// line of syslog, all with markup.
fn send_texts() -> Result<()> {
    let socket = UdpSocket::bind("10.77.0.4:4011")?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    socket.send_to(&request()?, (ADDRESS, 4011))?;
    let _ = socket.recv(&mut [0; 1500]);
    let read_request = [b"\0\x01", format!("{MARKUP}.efi").as_bytes(), b"\0octet\0"].concat();
    socket.send_to(&read_request, (ADDRESS, 69))?;
    let _ = socket.recv(&mut [0; 1500]);
    socket.send_to(format!("<14>installer: {MARKUP}").as_bytes(), (ADDRESS, 5514))?;
    let machine = MACHINE.replace(':', "-");
    for path in [format!("/{ENCODED}.cfg"), format!("/machine/mac={machine}/errno=/failed/kernel/{ENCODED}")] {
        let mut http = TcpStream::connect((ADDRESS, 8080))?;
        write!(http, "GET {path} HTTP/1.0\r\nUser-Agent: {MARKUP}\r\n\r\n")?;
        http.read_to_end(&mut Vec::new())?;
    }
    Ok(())
}

/// A request of an x64 UEFI machine to port 4011, from the desk.
fn request() -> Result<Vec<u8>> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/testdata/vectors/ovmf-x64-request-4011.json");
    let vector: Value = serde_json::from_slice(&fs::read(file)?)?;
    let hex = vector["hex"].as_str().context("no packet")?;
    let octet = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16);
    let mut request = (0..hex.len()).step_by(2).map(octet).collect::<Result<Vec<u8>, _>>()?;
    // Its address (ciaddr, RFC 2131 2).
    request[12..16].copy_from_slice(&[10, 77, 0, 4]);
    ensure!(request.pop() == Some(255), "the packet does not end with its last option");
    for option in [12, 77, 15] {
        request.extend([option, MARKUP.len() as u8]);
        request.extend(MARKUP.as_bytes());
    }
    request.push(255);
    Ok(request)
}

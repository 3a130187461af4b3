//! The server with its page, and the desk at which the browser is.

use crate::browser::Browser;
use anyhow::{Context, Result, ensure};
use proxydhcpd_e2e::WorkDir;
use proxydhcpd_e2e::process::Process;
use proxydhcpd_e2e::terminal::read_text;
use proxydhcpd_e2e::{server, site};
use proxydhcpd_testbed::{Host, Segment};
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// The address of the server in every network of these tests, and the port of its page.
pub const ADDRESS: &str = "10.77.0.2";
/// The origin of the page. The server has made the certificate itself.
pub const ORIGIN: &str = "https://10.77.0.2:8067";
/// The origin of the page of a server with [`PLAIN`].
pub const PLAIN_ORIGIN: &str = "http://10.77.0.2:8067";
/// The lines that open the page to the network.
pub const OPEN: &str = "[web]\nlisten = [\"10.77.0.2:8067\"]\n";
/// The lines that open it by plain HTTP.
pub const PLAIN: &str = "[web]\nlisten = [\"10.77.0.2:8067\"]\nplain-http = true\n";
/// The password that [`Board::log_in`] sets.
pub const PASSWORD: &str = "correct horse battery";

const START_TIMEOUT: Duration = Duration::from_secs(20);

/// A running server with its page.
#[derive(Debug)]
pub struct Board<'a> {
    work: &'a WorkDir,
    /// The host of the server.
    pub host: &'a Host,
    /// The host of the browser.
    pub desk: Host,
    /// The server.
    pub process: Process,
    origin: &'static str,
}

impl<'a> Board<'a> {
    /// Starts the server on `host` with these lines in its configuration, among them [`OPEN`] or [`PLAIN`], and plugs
    /// the desk into the segment. The desk has 10.77.0.4.
    pub fn start(work: &'a WorkDir, segment: &Segment, host: &'a Host, boot: &Path, lines: &str) -> Result<Board<'a>> {
        let desk = Host::without_dad();
        segment.plug(&desk, "eth0", &["10.77.0.4/24"]);
        let file = site::write_config(work, boot, lines, &[])?;
        let process = start_server(work, host, &file)?;
        let origin = if lines.contains(PLAIN) { PLAIN_ORIGIN } else { ORIGIN };
        Ok(Board { work, host, desk, process, origin })
    }

    /// The address of a path of the page.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// The path of the latest link in the log, which is valid once.
    pub fn link(&self) -> Result<String> {
        let log = self.log()?;
        let (_, link) = log.rsplit_once("/start/").context("no link in the log")?;
        Ok(format!("/start/{}", &link[..64]))
    }

    /// Sets the password by the link, as a newcomer does. The browser shows the board then.
    pub fn log_in(&self, browser: &Browser<'_>) -> Result<()> {
        browser.open(&self.url(&self.link()?))?;
        browser.wait_for("document.querySelector('#again') !== null")?;
        browser.type_into("#password", PASSWORD)?;
        browser.type_into("#again", PASSWORD)?;
        browser.click("form button")?;
        browser.wait_for("location.pathname === '/' && document.readyState === 'complete'")
    }

    /// Opens a path of the page.
    pub fn open(&self, browser: &Browser<'_>, path: &str) -> Result<()> {
        browser.open(&self.url(path))
    }

    /// Runs a command that asks the server, and returns its output.
    pub fn command(&self, arguments: &[&str]) -> Result<String> {
        let file = self.config();
        let all: Vec<&OsStr> = arguments.iter().map(OsStr::new).chain(["-c".as_ref(), file.as_os_str()]).collect();
        server::ask(self.work, self.host, &all)
    }

    /// Sets another password, as an administrator does on the host.
    pub fn set_password(&self, password: &str) -> Result<()> {
        let mut command = server::client(self.work, self.host)?;
        command.args(["web", "password", "-c"]).arg(self.config()).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn()?;
        child.stdin.take().context("no input")?.write_all(format!("{password}\n").as_bytes())?;
        ensure!(child.wait()?.success(), "the password is not set");
        Ok(())
    }

    /// The log of the server.
    pub fn log(&self) -> Result<String> {
        read_text(&self.work.file("proxydhcpd.log"))
    }

    fn config(&self) -> PathBuf {
        self.work.file("configuration/proxydhcpd.toml")
    }
}

fn start_server(work: &WorkDir, host: &Host, file: &Path) -> Result<Process> {
    let mut process = server::start(work, host, &["-v".as_ref(), "-c".as_ref(), file.as_os_str()])?;
    process.wait_for("this link opens it once", START_TIMEOUT)?;
    Ok(process)
}

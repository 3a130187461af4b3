//! A browser without a screen, at a host of the test network.

use crate::command::{ReadConsole, ToChromium};
use anyhow::{Context, Result, bail, ensure};
use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use proxydhcpd_e2e::WorkDir;
use proxydhcpd_e2e::process::Process;
use proxydhcpd_testbed::Host;
use serde_json::{Value, json};
use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

/// The timeout for everything that a page does by itself. A test that reaches it has failed, also on a busy host.
pub const TIMEOUT: Duration = Duration::from_secs(30);
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// The port of chromedriver, on the loopback interface of the host of the browser.
const DRIVER: u16 = 9515;
/// The programs that `e2e/setup` installs.
const BROWSER_PROGRAM: &str = "/usr/bin/chromium";
const DRIVER_PROGRAM: &str = "/usr/bin/chromedriver";

/// A key (WebDriver 17.4.2).
#[derive(Clone, Copy, Debug)]
pub enum Key {
    /// To the next element.
    Tab,
    /// Follow a link, or press a button.
    Enter,
    /// Leave the search.
    Escape,
    /// The arrow up.
    Up,
    /// The arrow down.
    Down,
    /// Any other.
    Char(char),
}

/// The differences from a browser as it is installed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Whether the profile forbids scripts.
    pub without_script: bool,
    /// More arguments of the command line.
    pub arguments: &'a [&'a str],
}

/// A running browser with one window and an empty profile. Dropping it ends the browser and removes its profile.
#[derive(Debug)]
pub struct Browser<'a> {
    host: &'a Host,
    client: Client,
    runtime: Runtime,
    programs: Programs,
}

/// The driver with its browser, and the profile.
#[derive(Debug)]
struct Programs {
    driver: Option<Process>,
    profile: PathBuf,
}

/// Checks that the browser is installed.
pub fn installed() -> Result<()> {
    for program in [BROWSER_PROGRAM, DRIVER_PROGRAM] {
        ensure!(Path::new(program).is_file(), "{program} is missing: run e2e/setup");
    }
    Ok(())
}

impl<'a> Browser<'a> {
    /// Starts a browser on this host. Its driver logs to `NAME.log` in the directory of the case.
    pub fn start(work: &WorkDir, host: &'a Host, name: &str) -> Result<Browser<'a>> {
        Browser::with_options(work, host, name, Options::default())
    }

    /// Starts a browser that differs in these options.
    pub fn with_options(work: &WorkDir, host: &'a Host, name: &str, options: Options<'_>) -> Result<Browser<'a>> {
        let profile = work.socket(name);
        fs::create_dir(&profile).with_context(|| profile.display().to_string())?;
        let mut programs = Programs { driver: Some(start_driver(work, host, name, &profile)?), profile };
        programs.driver.as_mut().unwrap().wait_for("started successfully", START_TIMEOUT)?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let address = format!("http://127.0.0.1:{DRIVER}");
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities(&programs.profile, options));
        let client = host.on(|| runtime.block_on(builder.connect(&address))).context("the browser does not start")?;
        Ok(Browser { host, client, runtime, programs })
    }

    /// Opens an address, and returns when the page and its script have loaded.
    pub fn open(&self, url: &str) -> Result<()> {
        self.run(self.client.goto(url)).with_context(|| url.to_owned())
    }

    /// Evaluates an expression in the page.
    pub fn eval(&self, expression: &str) -> Result<Value> {
        self.call(&format!("return ({expression});"), &[])
    }

    /// Runs the body of a function in the page, with these arguments.
    pub fn call(&self, body: &str, arguments: &[Value]) -> Result<Value> {
        self.run(self.client.execute(body, arguments.to_vec())).with_context(|| body.to_owned())
    }

    /// Evaluates an expression that is a text.
    pub fn text(&self, expression: &str) -> Result<String> {
        let value = self.eval(expression)?;
        Ok(value.as_str().with_context(|| format!("{expression} is {value}"))?.to_owned())
    }

    /// Waits until an expression is true.
    pub fn wait_for(&self, expression: &str) -> Result<()> {
        self.wait_up_to(TIMEOUT, expression)
    }

    /// Waits until an expression is true, at most for this time.
    pub fn wait_up_to(&self, timeout: Duration, expression: &str) -> Result<()> {
        let start = Instant::now();
        loop {
            // The page may be replaced by another one while it is asked.
            let value = self.eval(expression);
            if value.as_ref().is_ok_and(|value| *value == Value::Bool(true)) {
                return Ok(());
            }
            if start.elapsed() > timeout {
                let page = self.text("document.body.innerText").unwrap_or_default();
                bail!("timeout: {expression} is {value:?}; the page shows:\n{page}");
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Clicks on the element of this selector, as a mouse does.
    pub fn click(&self, selector: &str) -> Result<()> {
        let find = async { self.client.find(Locator::Css(selector)).await?.click().await };
        self.run(find).with_context(|| selector.to_owned())
    }

    /// Clicks on the first link, button or summary whose text begins so, as soon as the page has it.
    pub fn click_on(&self, text: &str) -> Result<()> {
        let path = format!("//*[self::a or self::button or self::summary][starts-with(normalize-space(), \"{text}\")]");
        let find = async {
            let wait = self.client.wait().at_most(TIMEOUT);
            wait.for_element(Locator::XPath(&path)).await?.click().await
        };
        self.run(find).with_context(|| format!("{text:?} on {:?}", self.path()))
    }

    /// Types a text into the element of this selector.
    pub fn type_into(&self, selector: &str, text: &str) -> Result<()> {
        let find = async { self.client.find(Locator::Css(selector)).await?.send_keys(text).await };
        self.run(find).with_context(|| selector.to_owned())
    }

    /// Presses a key, and releases it.
    pub fn press(&self, key: Key) -> Result<()> {
        let value = match key {
            Key::Tab => '\u{e004}',
            Key::Enter => '\u{e007}',
            Key::Escape => '\u{e00c}',
            Key::Up => '\u{e013}',
            Key::Down => '\u{e015}',
            Key::Char(value) => value,
        };
        let keys = KeyActions::new("keyboard".to_owned()).then(KeyAction::Down { value }).then(KeyAction::Up { value });
        self.run(self.client.perform_actions(keys))
    }

    /// Sends a command of the DevTools protocol to the browser.
    pub fn devtools(&self, command: &'static str, parameters: Value) -> Result<Value> {
        self.run(self.client.issue_cmd(ToChromium { command, parameters })).context(command)
    }

    /// Returns the warnings and errors of the console since the last call.
    pub fn console(&self) -> Result<Vec<String>> {
        let entries = self.run(self.client.issue_cmd(ReadConsole))?;
        let entries = entries.as_array().context("the log is no list")?.iter();
        let serious = entries.filter(|entry| ["WARNING", "SEVERE"].map(Value::from).contains(&entry["level"]));
        Ok(serious.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect())
    }

    /// Checks that the console has entries since the last look at it, and that each contains one of these texts.
    pub fn check_console_has_only(&self, texts: &[&str]) -> Result<()> {
        let console = self.console()?;
        let is_expected = |entry: &String| texts.iter().any(|text| entry.contains(text));
        ensure!(!console.is_empty() && console.iter().all(is_expected), "the console has {console:#?}");
        Ok(())
    }

    /// Checks that the console has neither warnings nor errors since the last look at it.
    pub fn check_console(&self) -> Result<()> {
        let console = self.console()?;
        ensure!(console.is_empty(), "the console has {console:#?}");
        Ok(())
    }

    /// Returns a picture of the window, as PNG.
    pub fn picture(&self) -> Result<Vec<u8>> {
        self.run(self.client.screenshot())
    }

    /// The path and the query of the page.
    pub fn path(&self) -> Result<String> {
        self.text("location.pathname + location.search")
    }

    /// Opens another tab, and turns to it.
    pub fn open_tab(&self) -> Result<()> {
        let turn = async {
            let tab = self.client.new_window(true).await?;
            self.client.switch_to_window(tab.handle).await
        };
        self.run(turn)
    }

    /// The processes of the browser: of its driver, and all below it.
    pub fn processes(&self) -> Vec<u32> {
        self.programs.driver.as_ref().map(Process::tree).unwrap_or_default()
    }

    fn run<T>(&self, command: impl Future<Output = Result<T, fantoccini::error::CmdError>>) -> Result<T> {
        Ok(self.host.on(|| self.runtime.block_on(command))?)
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        // The processes below the driver write to the profile until they have ended.
        let processes = self.driver.as_ref().map(Process::tree).unwrap_or_default();
        drop(self.driver.take());
        let end = Instant::now() + TIMEOUT;
        while processes.iter().any(|process| is_running(*process)) && Instant::now() < end {
            thread::sleep(Duration::from_millis(5));
        }
        // If this fails, the rest is in the sandbox's memory.
        let _ = fs::remove_dir_all(&self.profile);
    }
}

/// Whether the process runs. A process that has ended without notice of its parent has no descriptors.
pub fn is_running(process: u32) -> bool {
    fs::read_dir(format!("/proc/{process}/fd")).is_ok_and(|mut descriptors| descriptors.next().is_some())
}

/// Starts chromedriver. All files of the browser are in the directory of the profile.
fn start_driver(work: &WorkDir, host: &Host, name: &str, profile: &Path) -> Result<Process> {
    let mut command = Process::command(DRIVER_PROGRAM);
    command.arg(format!("--port={DRIVER}")).env("TZ", "UTC").env("LANG", "C.UTF-8");
    for variable in ["HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"] {
        command.env(variable, profile);
    }
    Process::start(work, host, name, &mut command)
}

fn capabilities(profile: &Path, options: Options<'_>) -> serde_json::Map<String, Value> {
    let data = format!("--user-data-dir={}", profile.join("profile").display());
    let mut arguments = vec![
        "--headless",
        // The tests run as root, for whom chromium has no sandbox.
        "--no-sandbox",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--no-default-browser-check",
        "--disable-breakpad",
        // /dev/shm of a container may be small.
        "--disable-dev-shm-usage",
        "--disable-gpu",
        // A phone has no scroll bars that take room.
        "--hide-scrollbars",
        "--lang=en-GB",
        "--window-size=1280,900",
        &data,
    ];
    arguments.extend(options.arguments);
    let blocked = 2;
    let scripts = if options.without_script { blocked } else { 1 };
    let capabilities = json!({
        "browserName": "chrome",
        // The server has made its certificate itself.
        "acceptInsecureCerts": true,
        // A dialog lets the next command fail.
        "unhandledPromptBehavior": "ignore",
        "timeouts": { "pageLoad": 60_000, "script": 60_000 },
        "goog:loggingPrefs": { "browser": "ALL" },
        "goog:chromeOptions": {
            "binary": BROWSER_PROGRAM,
            "args": arguments,
            "prefs": {
                "profile.default_content_setting_values.javascript": scripts,
                "credentials_enable_service": false,
                "profile.password_manager_leak_detection": false,
            },
        },
    });
    match capabilities {
        Value::Object(capabilities) => capabilities,
        _ => serde_json::Map::new(),
    }
}

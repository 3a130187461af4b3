//! Pictures of each screen, in both themes and at both widths, and what is wrong with each.

use anyhow::{Context, Result, ensure};
use proxydhcpd_browser::board::{Board, OPEN};
use proxydhcpd_browser::browser::Browser;
use proxydhcpd_browser::faults;
use proxydhcpd_browser::played_site::{self, PlayedSite, RULES};
use proxydhcpd_browser::screen::{self, Theme, WIDTHS};
use proxydhcpd_e2e::WorkDir;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs};

cases![every_screen_is_sound_with_3000_machines, every_screen_is_sound_empty_and_with_3_machines,];

/// The pictures that the documentation shows, each with its name in `docs/pictures`.
const CHOSEN: [(&str, &str); 4] = [
    ("3-board-light-1280.png", "board.png"),
    ("3-board-dark-390.png", "board-phone.png"),
    ("3-machine-uefi-arm64-dark-390.png", "machine-phone.png"),
    ("3-menu-dark-1280.png", "menu.png"),
];

/// The time in which a page appears, on a busy host.
const RESPONSIVE: Duration = Duration::from_secs(5);

/// The server judges a boot at the latest 45 s after its last step, and a machine that repeats itself later.
const JUDGED: Duration = Duration::from_secs(120);

fn every_screen_is_sound_empty_and_with_3_machines(work: &WorkDir) -> Result<()> {
    let run = played_site::run_of(played_site::kinds(&["uefi-x64", "uefi-arm64", "raspberry-pi-4"])?, 3, 7);
    let site = PlayedSite::new()?;
    let lines = format!("{RULES}{OPEN}{}", played_site::entries(&run, &["web1", "ampere1", "pi-lobby"]));
    let board = Board::start(work, &site.segment, &site.server, &site.boot, &lines)?;
    let browser = Browser::start(work, &board.desk, "browser")?;
    let mut gallery = Gallery { board: &board, browser: &browser, found: Vec::new() };
    gallery.show("start-setup", &board.link()?)?;
    gallery.show("start-login-without-password", "/login")?;
    gallery.show("start-expired", "/start/0")?;
    board.log_in(&browser)?;
    gallery.show("empty-board", "/")?;
    gallery.show("empty-network", "/network")?;
    gallery.show("empty-log", "/log")?;

    site.play(&run)?;
    wait_for_verdicts(&board, &browser, 1)?;
    gallery.show("3-board", "/")?;
    for machine in played_site::machines_of(&run) {
        gallery.show(&format!("3-machine-{}", machine.kind.name), &format!("/machines/{}", machine.mac_text(":")))?;
    }
    gallery.show("3-explain", "/machines/web1/explain")?;
    gallery.show("3-menu", "/menu?machine=web1&profile=menu")?;
    gallery.show("3-script", "/menu?machine=web1")?;
    gallery.show("3-network", "/network")?;
    gallery.show("3-log", "/log?level=debug")?;
    gallery.show("3-unknown-machine", "/machines/52:54:00:00:00:99")?;
    // The console has the status of the page that says it.
    browser.console()?;
    gallery.end()
}

/// The board is open while they boot.
fn every_screen_is_sound_with_3000_machines(work: &WorkDir) -> Result<()> {
    let every_kind = played_site::run_of(played_site::quick_kinds(), 200, 7);
    let cheap_kinds = played_site::kinds(&["uefi-disk", "ipxe-card-bios", "bios", "uefi-http"])?;
    let crowd = played_site::run_of(cheap_kinds, 2800, 8);
    let site = PlayedSite::new()?;
    let lines =
        format!("{RULES}{OPEN}{}", played_site::entries(&every_kind, &["web1", "web2", "web3", "rack4-node17"]));
    let board = Board::start(work, &site.segment, &site.server, &site.boot, &lines)?;
    let browser = Browser::start(work, &board.desk, "browser")?;
    board.log_in(&browser)?;
    let mut boots = 0;
    for run in [&every_kind, &crowd] {
        boots += site.play(run)?.boots.len();
        work.log_progress(&format!("{boots} machines have booted"));
    }
    // A machine whose address the server did not overhear counts twice.
    browser.wait_for(
        "fetch('/api/v1/machines?limit=1').then((response) => response.json()).then(({ total }) => \
         total >= 3000 && Number(document.querySelector('[data-total]').textContent) === total)",
    )?;
    let start = Instant::now();
    board.open(&browser, "/?failed=true")?;
    let elapsed = start.elapsed();
    ensure!(elapsed < RESPONSIVE, "after 3000 boots, the page needs {elapsed:?} for a click");
    work.log_progress("the board shows them");
    wait_for_verdicts(&board, &browser, 16)?;

    let mut gallery = Gallery { board: &board, browser: &browser, found: Vec::new() };
    for (name, path) in [
        ("3000-board", "/"),
        ("3000-failed", "/?failed=true"),
        ("3000-later", "/?offset=2900"),
        ("3000-filtered", "/?relay=10.78.0.1&profile=debian"),
        ("3000-menu", "/menu"),
        ("3000-machine", "/machines/rack4-node17"),
        ("3000-network", "/network"),
        ("3000-log", "/log"),
    ] {
        gallery.show(name, path)?;
    }
    gallery.end()
}

/// Waits until so many machines have a verdict, and shows the board with them.
fn wait_for_verdicts(board: &Board<'_>, browser: &Browser<'_>, least: usize) -> Result<()> {
    board.open(browser, "/?failed=true")?;
    browser.wait_up_to(JUDGED, &format!("document.querySelectorAll('[data-machine] [data-code]').length >= {least}"))
}

/// The screens that a case shows, and what it found.
struct Gallery<'a> {
    board: &'a Board<'a>,
    browser: &'a Browser<'a>,
    found: Vec<String>,
}

impl Gallery<'_> {
    /// Opens a path in both themes and at both widths, takes a picture of each, and checks each.
    fn show(&mut self, name: &str, path: &str) -> Result<()> {
        for theme in Theme::ALL {
            screen::prefer(self.browser, theme, theme == Theme::Dark)?;
            for width in WIDTHS {
                screen::resize(self.browser, width, 700)?;
                self.board.open(self.browser, path)?;
                let picture = screen::picture(self.browser, width)?;
                let name = format!("{name}-{}-{width}", theme.name());
                let file = format!("{name}.png");
                if let Some((_, chosen)) = CHOSEN.iter().find(|(shown, _)| *shown == file && updates()) {
                    fs::write(root().join("docs/pictures").join(chosen), &picture)?;
                }
                fs::write(directory()?.join(file), picture)?;
                self.found.extend(faults::check(self.browser, &name).err().map(|error| error.to_string()));
            }
        }
        Ok(())
    }

    fn end(self) -> Result<()> {
        ensure!(self.found.is_empty(), "{}", self.found.join("\n"));
        self.browser.check_console()
    }
}

/// Whether the pictures of the documentation are written anew.
fn updates() -> bool {
    env::var_os("UPDATE").is_some()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The directory of the pictures, `target/pictures`.
fn directory() -> Result<PathBuf> {
    let directory = root().join("target/pictures");
    fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
    Ok(directory)
}

//! The page in a browser that runs no script.

use anyhow::{Result, ensure};
use proxydhcpd_browser::board::{Board, OPEN, PASSWORD};
use proxydhcpd_browser::browser::{Browser, Options};
use proxydhcpd_browser::played_site::{self, PlayedSite, RULES};
use proxydhcpd_e2e::WorkDir;

cases![every_screen_and_form_works_without_script];

fn every_screen_and_form_works_without_script(work: &WorkDir) -> Result<()> {
    let run = played_site::run_of(played_site::kinds(&["uefi-x64", "uefi-relayed", "uefi-x64-ipv6"])?, 3, 7);
    let site = PlayedSite::new()?;
    let lines = format!("{RULES}{OPEN}{}", played_site::entries(&run, &["web1"]));
    let board = Board::start(work, &site.segment, &site.server, &site.boot, &lines)?;
    let options = Options { without_script: true, ..Options::default() };
    let browser = Browser::with_options(work, &board.desk, "browser", options)?;
    board.log_in(&browser)?;
    let shows = |text: &str| browser.wait_for(&format!("document.body.innerText.includes({text:?})"));
    shows("Switch on a machine that boots over the network")?;
    site.play(&run)?;

    board.open(&browser, "/")?;
    ensure!(browser.eval("document.querySelector('[data-live]').hidden")? == true, "a script ran");
    for machine in played_site::machines_of(&run) {
        let mac = machine.mac_text(":");
        shows(&mac)?;
        board.open(&browser, &format!("/machines/{mac}"))?;
        shows("What happened")?;
        board.open(&browser, "/")?;
    }
    browser.click_on("web1")?;
    browser.wait_for("location.pathname.startsWith('/machines/')")?;
    browser.click_on("Order the boot")?;
    shows("boots debian once, and then its disk")?;
    browser.click_on("Cancel this order")?;
    shows("is cancelled")?;
    browser.click_on("Undo")?;
    shows("Undone.")?;
    shows("debian, once")?;
    browser.click_on("Cancel this order")?;
    shows("is cancelled")?;
    for (link, text) in [("Menu", "The script behind it"), ("Network", "10.77.0.2"), ("Log", "everything")] {
        browser.click_on(link)?;
        shows(text)?;
    }
    browser.click_on("Board")?;
    browser.click("input[name=failed]")?;
    browser.click_on("Filter")?;
    browser.wait_for("location.search.includes('failed=true')")?;
    shows("No machine matches.")?;
    browser.click_on("Log out")?;
    browser.type_into("#password", PASSWORD)?;
    browser.click_on("Log in")?;
    browser.wait_for("location.pathname === '/'")?;
    browser.check_console()
}

//! The page without a mouse.

use anyhow::{Context, Result, bail, ensure};
use proxydhcpd_browser::board::{Board, OPEN};
use proxydhcpd_browser::browser::{Browser, Key};
use proxydhcpd_browser::played_site::{self, PlayedSite, RULES};
use proxydhcpd_e2e::WorkDir;

cases![a_boot_is_ordered_and_undone_by_keys_alone];

/// The most stops of the focus on a page of these tests.
const MAX_STOPS: usize = 80;

/// Returns the fault of the focus; an empty text if a person sees where it is.
const FOCUS: &str = "\
const element = document.activeElement;
if (!element || element === document.body || element === document.documentElement) return 'nothing has the focus';
const style = getComputedStyle(element);
const hasOutline = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
if (!hasOutline && style.boxShadow === 'none') return `${element.outerHTML} shows no focus`;
const box = element.getBoundingClientRect();
const isInView = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
if (!isInView || box.width < 1) return `${element.outerHTML} has the focus out of sight`;
const x = Math.min(Math.max(box.left + box.width / 2, 1), innerWidth - 1);
const y = Math.min(Math.max(box.top + box.height / 2, 1), innerHeight - 1);
const top = document.elementFromPoint(x, y);
const isCovered = top && !element.contains(top) && !top.contains(element);
return isCovered ? `${element.outerHTML} has the focus under ${top.outerHTML}` : '';";

fn a_boot_is_ordered_and_undone_by_keys_alone(work: &WorkDir) -> Result<()> {
    let run = played_site::run_of(played_site::kinds(&["uefi-x64", "raspberry-pi-4", "bios"])?, 3, 7);
    let site = PlayedSite::new()?;
    let lines = format!("{RULES}{OPEN}{}", played_site::entries(&run, &["web1", "web2", "web3"]));
    let board = Board::start(work, &site.segment, &site.server, &site.boot, &lines)?;
    let browser = Browser::start(work, &board.desk, "browser")?;
    board.log_in(&browser)?;
    site.play(&run)?;
    board.open(&browser, "/")?;
    browser.wait_for("document.querySelectorAll('[data-machine]').length === 3")?;

    browser.press(Key::Tab)?;
    ensure!(focused(&browser)? == "Skip to the content", "the first stop is {:?}", focused(&browser)?);
    browser.press(Key::Enter)?;
    browser.wait_for("location.hash === '#content'")?;
    browser.press(Key::Char('/'))?;
    browser.wait_for("document.activeElement.type === 'search'")?;
    for letter in "web1".chars() {
        browser.press(Key::Char(letter))?;
    }
    let shown = "[...document.querySelectorAll('[data-machine]')].filter((row) => row.checkVisibility()).length";
    browser.wait_for(&format!("{shown} === 1"))?;
    browser.press(Key::Down)?;
    ensure!(focused(&browser)? == "web1", "the arrow leads to {:?}", focused(&browser)?);
    browser.press(Key::Enter)?;
    browser.wait_for("location.pathname.startsWith('/machines/')")?;
    tab_to(&browser, "Order the boot")?;
    browser.press(Key::Enter)?;
    browser.wait_for("document.querySelector('[data-notice]').innerText.includes('once')")?;
    tab_to(&browser, "Undo")?;
    browser.press(Key::Enter)?;
    browser.wait_for("document.querySelector('[data-notice]').innerText.includes('Undone')")?;
    ensure!(browser.eval("document.querySelectorAll('form[action$=\"/cancel\"]').length")? == 0, "the order remains");

    // The focus stays on a row that is replaced, because its machine boots again.
    board.open(&browser, "/")?;
    tab_to(&browser, "web3")?;
    browser.call("window.row = document.activeElement.closest('[data-machine]');", &[])?;
    site.play(&run)?;
    browser.wait_for("!window.row.isConnected")?;
    let machine = "document.activeElement.closest('[data-machine]')?.dataset.machine === window.row.dataset.machine";
    browser.wait_for(machine).context("the focus is lost after an update")?;
    check_focus(&browser)?;
    for path in ["/", "/menu", "/network", "/log", "/machines/web1", "/machines/web1/explain"] {
        board.open(&browser, path)?;
        round(&browser).with_context(|| path.to_owned())?;
    }
    browser.check_console()
}

/// Tabs until the element with this text has the focus.
fn tab_to(browser: &Browser<'_>, text: &str) -> Result<()> {
    let mut stops = Vec::new();
    for _ in 0..MAX_STOPS {
        browser.press(Key::Tab)?;
        check_focus(browser)?;
        stops.push(focused(browser)?);
        if stops.last().is_some_and(|stop| stop == text) {
            return Ok(());
        }
    }
    bail!("no stop is {text:?}: {stops:?}")
}

/// Tabs through the whole page: every stop is seen, and none keeps the focus.
fn round(browser: &Browser<'_>) -> Result<()> {
    let controls = "a[href], button:enabled, input:not([type=hidden]), select, textarea, summary, [tabindex=\"0\"]";
    // The arrows move the focus inside a group of radio buttons.
    let count = "return [...document.querySelectorAll(arguments[0])]
        .filter((each) => each.checkVisibility() && !each.matches('[type=radio]:not(:checked)')).length;";
    let count = browser.call(count, &[controls.into()])?;
    for stop in 0..count.as_u64().context("no number")? {
        browser.press(Key::Tab)?;
        check_focus(browser).with_context(|| format!("stop {stop} of {count}"))?;
    }
    browser.press(Key::Tab)?;
    let is_over =
        browser.eval("document.activeElement === document.body || document.activeElement.matches('.skip')")?;
    ensure!(is_over == true, "after {count} stops, {:?} has the focus", focused(browser)?);
    Ok(())
}

fn check_focus(browser: &Browser<'_>) -> Result<()> {
    let fault = browser.call(FOCUS, &[])?;
    ensure!(fault == "", "{fault}");
    Ok(())
}

fn focused(browser: &Browser<'_>) -> Result<String> {
    browser.text("document.activeElement.innerText?.trim() ?? ''")
}

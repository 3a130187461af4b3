//! Machines with real firmware, seen and directed from the page.

use anyhow::{Context, Result, ensure};
use proxydhcpd_browser::board::{Board, OPEN};
use proxydhcpd_browser::browser::{Browser, TIMEOUT};
use proxydhcpd_e2e::WorkDir;
use proxydhcpd_e2e::disk::Disk;
use proxydhcpd_e2e::machine::{self, BOOT_TIMEOUT, DiskOrder};
use proxydhcpd_e2e::site::{self, Site};
use proxydhcpd_e2e::token::random_hex;
use proxydhcpd_testbed::cache;
use std::collections::BTreeSet;
use std::fs;

cases![the_lights_of_a_machine_turn_while_it_boots, a_click_lets_a_machine_boot_once];

const MAC: &str = "52:54:00:12:34:56";

/// The kernel is missing, so the boot ends in a sentence.
const GONE: &str = "default-profile = \"gone\"\n[profile.gone]\ntitle = \"Gone\"\nkernel = \"gone/linux\"\n";

/// Notes the states of the lights whenever they change.
const NOTE_LIGHTS: &str = "\
window.isSamePage = true;
window.noted = [];
setInterval(() => {
  const lights = [...document.querySelectorAll('[data-machine] [data-light]')];
  const states = lights.map((light) => `${light.dataset.light} ${light.dataset.state}`).join(', ');
  if (states && states !== window.noted.at(-1)) window.noted.push(states);
}, 10);";

fn the_lights_of_a_machine_turn_while_it_boots(work: &WorkDir) -> Result<()> {
    let site = Site::new(work)?;
    let boot = site::boot_dir(work, None)?;
    let board = Board::start(work, &site.segment, &site.server, &boot, &format!("{GONE}{OPEN}"))?;
    let browser = Browser::start(work, &board.desk, "browser")?;
    board.log_in(&browser)?;
    let mut machine = machine::x64_2022().with_mac(MAC).power_on(work, &site.segment, "machine")?;
    browser.wait_up_to(BOOT_TIMEOUT, "document.querySelector('[data-machine]') !== null")?;
    browser.call(NOTE_LIGHTS, &[])?;
    machine.wait_for("Gone did not start", BOOT_TIMEOUT)?;
    work.log_progress("the machine has failed");
    // Its firmware would boot again, and the row would show that.
    drop(machine);
    browser.wait_up_to(BOOT_TIMEOUT, "document.querySelector('[data-machine] [data-code]') !== null")?;

    ensure!(browser.eval("window.isSamePage")? == true, "the page was loaded again");
    let noted = browser.eval("window.noted")?;
    let noted: Vec<&str> = noted.as_array().context("no list")?.iter().filter_map(|states| states.as_str()).collect();
    let done = |states: &&str| -> BTreeSet<String> {
        let lights = states.split(", ").filter_map(|light| light.strip_suffix(" done"));
        lights.map(str::to_owned).collect()
    };
    let steps: Vec<BTreeSet<String>> = noted.iter().map(done).collect();
    // Another boot of the firmware would have its own lights.
    let boots = steps.chunk_by(|one, next| one.is_subset(next));
    let turns = boots.map(|boot| boot.iter().map(BTreeSet::len).collect::<BTreeSet<_>>().len()).max();
    ensure!(turns >= Some(3), "the lights did not turn one after the other: {noted:#?}");
    let last = noted.last().context("no light")?;
    let expected = "asked done, offered done, loader done, script done, kernel failed";
    ensure!(last.starts_with(expected), "the lights show {last}");
    let sentence = browser.text("document.querySelector('[data-machine] [data-code]').innerText")?;
    ensure!(sentence.contains("gone/linux") && sentence.contains("put the file there"), "the sentence is {sentence}");
    browser.wait_for("document.querySelector('[data-failed]').innerText === '1 failed'")?;
    browser.check_console()
}

fn a_click_lets_a_machine_boot_once(work: &WorkDir) -> Result<()> {
    let site = Site::new(work)?;
    let boot = site::boot_dir(work, None)?;
    fs::create_dir(boot.join("debian"))?;
    fs::copy(cache::path("2022/linux"), boot.join("debian/linux"))?;
    let lines = format!(
        "[profile.debian]\nkernel = \"debian/linux\"\narguments = \"console=ttyS0 no_timer_check\"\n\
         [machine.web1]\nmac = \"{MAC}\"\nprofile = \"local-disk\"\n{OPEN}"
    );
    let board = Board::start(work, &site.segment, &site.server, &boot, &lines)?;
    let browser = Browser::start(work, &board.desk, "browser")?;
    board.log_in(&browser)?;
    board.open(&browser, "/machines/web1")?;
    browser.click_on("Boot debian once")?;
    browser.wait_for("document.querySelector('[data-notice]').innerText.includes('boots debian once')")?;

    let word = format!("disk-{}", random_hex()?);
    let machine = machine::bios().with_mac(MAC).with_memory(1024);
    let machine = machine.with_disk(Disk::bios_printing(work, &word)?, DiskOrder::Last);
    let mut first = machine.power_on(work, &site.segment, "first")?;
    first.wait_for("Linux version", BOOT_TIMEOUT)?;
    work.log_progress("the kernel runs");
    drop(first);
    browser.wait_up_to(TIMEOUT, "document.querySelector('#next').innerText.includes('has completed')")?;
    let mut second = machine.power_on(work, &site.segment, "second")?;
    second.wait_for(&word, BOOT_TIMEOUT)?;
    let serial = fs::read_to_string(work.file("second.serial.log"))?;
    ensure!(!serial.contains("Linux version"), "the second boot started the kernel, too");
    browser.check_console()
}

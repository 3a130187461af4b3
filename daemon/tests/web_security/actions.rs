//! The forms of the page, without its script, and foreign links that try to put words into it.

use crate::common::server::vector;
use crate::page::{OPEN, Page, Reply};
use proxydhcpd_testbed::wait_for;
use std::net::UdpSocket;
use std::time::Duration;

/// The address in the vector of a request to port 4011.
const MACHINE: &str = "02:00:00:00:01:07";
const SITE: &str = "\
default-profile = \"debian\"
http.port = 8080
[profile.debian]
title = \"Debian\"
kernel = \"undionly.kpxe\"
[machine.written]
mac = \"02:00:00:00:01:99\"
";

/// A server that has seen the machine, and the header with the cookie of a session.
fn seen() -> (Page, String) {
    let page = Page::start(&format!("{SITE}{OPEN}"));
    let cookie = page.log_in();
    let socket = page.machine.on(|| UdpSocket::bind("192.0.2.107:4011").unwrap());
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket.send_to(&vector("ovmf-x64-request-4011"), "192.0.2.10:4011").unwrap();
    socket.recv(&mut [0; 1500]).unwrap();
    wait_for("the machine on the board", || page.get("/", &cookie).body.contains(MACHINE).then_some(()));
    (page, cookie)
}

/// The page to which a form leads.
fn follow(page: &Page, cookie: &str, reply: &Reply) -> String {
    assert_eq!(reply.status, 303, "{reply:?}");
    let target = reply.header("location").unwrap().split('#').next().unwrap().to_owned();
    page.get(&target, cookie).body
}

/// The address of the form that undoes what the page says it did.
fn undo_of(shown: &str) -> String {
    let (_, rest) = shown.split_once("action=\"/undo/").unwrap_or_else(|| panic!("no undo: {shown}"));
    format!("/undo/{}", &rest[..64])
}

#[test]
fn a_boot_is_ordered_by_one_form_of_the_board_and_undone_by_another() {
    let (page, cookie) = seen();
    let board = page.get("/", &cookie).body;
    assert!(board.contains("Boot debian once"), "{board}");
    let order = format!("/api/v1/machines/{MACHINE}/boot");
    let form = "profile=debian&once=on&back=%2F%3Fsearch%3D02";
    let reply = page.post_form(&format!("/machines/{MACHINE}/boot"), &cookie, form);
    assert!(reply.header("location").unwrap().starts_with("/?search=02&notice="), "{reply:?}");
    let shown = follow(&page, &cookie, &reply);
    assert!(shown.contains("boots <code>debian</code> once, and then its disk."), "{shown}");
    assert!(page.get(&order, &cookie).body.contains("\"once\":true"));
    let undo = undo_of(&shown);
    let shown = follow(&page, &cookie, &page.post_form(&undo, &cookie, "back=%2F"));
    assert!(shown.contains("Undone."), "{shown}");
    assert_eq!(page.get(&order, &cookie).status, 404);
    let again = follow(&page, &cookie, &page.post_form(&undo, &cookie, "back=%2F"));
    assert!(again.contains("can no longer be undone"), "{again}");
}

#[test]
fn many_machines_change_only_after_a_page_that_says_what_will_happen() {
    let (page, cookie) = seen();
    let order = format!("/api/v1/machines/{MACHINE}/boot");
    let form =
        format!("which=ticked&machine={MACHINE}&machine=02:00:00:00:01:ZZ&profile=debian&action=boot-once&back=%2F");
    let confirmation = page.post_form("/many", &cookie, &form).body;
    assert!(confirmation.contains("Boot Debian once on 1 machine?"), "{confirmation}");
    assert!(confirmation.contains("1 is left out"), "{confirmation}");
    assert_eq!(page.get(&order, &cookie).status, 404);
    let form = format!("machines={MACHINE}&profile=debian&action=boot-once&back=%2F");
    let shown = follow(&page, &cookie, &page.post_form("/many/do", &cookie, &form));
    assert!(shown.contains("1 machine boots <code>debian</code> once, and then the disk."), "{shown}");
    assert!(page.get(&order, &cookie).body.contains("debian"));
    follow(&page, &cookie, &page.post_form(&undo_of(&shown), &cookie, "back=%2F"));
    assert_eq!(page.get(&order, &cookie).status, 404);
    let all = page.post_form("/many", &cookie, "which=all&search=02:00&profile=debian&action=boot-once&back=%2F").body;
    assert!(all.contains("on 1 machine?"), "{all}");
    let none = page.post_form("/many", &cookie, "which=ticked&action=wake&back=%2F");
    assert_eq!(none.status, 422);
    let unchosen = page.post_form("/many", &cookie, "which=all&profile=&action=boot-once&back=%2F");
    assert!(unchosen.status == 422 && unchosen.body.contains("o profile is chosen"), "{unchosen:?}");
}

#[test]
fn an_entry_is_made_from_a_machine_that_was_seen_and_that_of_a_person_is_only_shown() {
    let (page, cookie) = seen();
    let made = page.post_form(&format!("/machines/{MACHINE}/entry"), &cookie, "name=web7&profile=debian&boot=once");
    let shown = follow(&page, &cookie, &made);
    assert!(shown.contains("<h1>web7</h1>") && shown.contains("The server keeps this entry"), "{shown}");
    follow(&page, &cookie, &page.post_form(&undo_of(&shown), &cookie, "back=%2F"));
    assert_eq!(page.get("/api/v1/machines/web7/entry", &cookie).status, 404);
    let written = page.get("/machines/written", &cookie).body;
    assert!(written.contains("Written in a file:") && written.contains("proxydhcpd.toml:"), "{written}");
    assert!(!written.contains("Save the entry"), "{written}");
    let refused = page.post_form("/machines/written/entry", &cookie, "name=written&profile=debian");
    assert_eq!(refused.status, 409, "{refused:?}");
}

#[test]
fn the_packets_of_a_boot_are_shown_as_trees() {
    let (page, cookie) = seen();
    let shown = page.get(&format!("/machines/{MACHINE}"), &cookie).body;
    for text in [
        "<strong>REQUEST</strong> from the machine",
        "<strong>ACK</strong> from this server",
        "option 60 (vendor class)",
    ] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    assert!(!shown.contains("Show earlier boots"), "this is its first boot: {shown}");
    let explained = page.get(&format!("/machines/{MACHINE}/explain"), &cookie).body;
    assert!(explained.contains("REQUEST on port 4011") && explained.contains("debian"), "{explained}");
}

#[test]
fn the_menu_is_shown_as_a_machine_sees_it() {
    let (page, cookie) = seen();
    let shown = page.get("/menu?firmware=uefi-arm64&profile=menu", &cookie).body;
    assert!(shown.contains("Boot from the local disk") && shown.contains("starts by itself"), "{shown}");
    let data: serde_json::Value = serde_json::from_str(&page.get("/api/v1/menu?profile=menu", &cookie).body).unwrap();
    assert_eq!(data["menu"]["default"], "disk");
    assert!(data["script"].as_str().unwrap().starts_with("#!ipxe"));
    assert_eq!(page.get("/menu?firmware=toaster", &cookie).status, 422);
    assert_eq!(page.get("/menu?machine=unknown", &cookie).status, 404);
}

#[test]
fn no_link_puts_words_into_the_page_or_leads_away_from_it() {
    let (page, cookie) = seen();
    let shown = page.get("/?notice=You+were+hacked", &cookie).body;
    assert!(!shown.contains("hacked") && !shown.contains("data-notice"), "{shown}");
    for back in ["https%3A%2F%2Fexample.org", "%2F%2Fexample.org", "javascript%3Aalert(1)"] {
        let form = format!("profile=debian&once=on&back={back}");
        let reply = page.post_form(&format!("/machines/{MACHINE}/boot"), &cookie, &form);
        assert!(reply.header("location").unwrap().starts_with("/?notice="), "{reply:?}");
    }
    let foreign = page.request(
        "POST",
        &format!("/machines/{MACHINE}/cancel"),
        &format!("{cookie}Sec-Fetch-Site: cross-site\r\n"),
        "",
    );
    assert_eq!(foreign.status, 403);
    let script = "%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    for target in [
        "/?search=",
        "/?subnet=",
        "/?verdict=",
        "/menu?machine=",
        "/menu?profile=",
        "/log?find=",
        "/machines/x/explain?client=",
    ] {
        let body = page.get(&format!("{target}{script}"), &cookie).body;
        assert!(!body.contains("<script>alert"), "{target}: {body}");
    }
}

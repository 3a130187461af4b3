//! Tests the command line of the player, without a network.

use proxydhcpd_player::kinds::KINDS;
use std::process::{Command, Output};

fn player(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_proxydhcpd-player")).args(arguments).output().unwrap()
}

#[test]
fn the_list_shows_every_kind_with_its_reason() {
    let output = player(&["--list"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(KINDS.iter().all(|kind| text.contains(kind.name) && text.contains(kind.why_good)), "{text}");
}

#[test]
fn an_unknown_kind_and_an_unknown_interface_end_with_2_and_a_reason() {
    for (arguments, reason) in [
        (&["--kind", "toaster"][..], "no kind has the name toaster; --list shows them"),
        (&["--interface", "nothing0"], "no interface on nothing0"),
    ] {
        let output = player(arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(reason), "{text}");
    }
}

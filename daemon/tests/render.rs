//! `render` as people call it.

use std::process::{Command, Output};

fn render(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("proxydhcpd.toml");
    std::fs::write(&config, format!("boot-dir = {:?}\n", folder.path())).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_proxydhcpd"));
    command.args(["render", "-c"]).arg(&config).args(["--server", "192.0.2.10/24"]).args(arguments);
    command.output().unwrap()
}

#[test]
fn the_script_of_a_machine_goes_to_standard_output_and_nothing_else_does() {
    let output = render(&["--mac", "52-54-00-12-34-56"]);
    let script = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(script.starts_with("#!ipxe\n") && script.contains("at 192.0.2.10\n"), "{script}");
}

#[test]
fn an_example_machine_is_said_to_be_one() {
    let output = render(&["--client", "ipxe-bios"]);
    assert!(String::from_utf8(output.stdout).unwrap().contains("sanboot --no-describe --drive 0x80"));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("for an example machine"));
}

#[test]
fn a_name_that_is_not_there_ends_with_status_2() {
    for (arguments, said) in [
        (&["preseed.cfg"][..], "there is no profile or template preseed.cfg"),
        (&["--machine", "web1"], "there is no machine web1"),
    ] {
        let output = render(arguments);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && output.stdout.is_empty() && told.contains(said), "{told}");
    }
}

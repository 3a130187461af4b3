//! Tests the exit statuses and the output of the real binary.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_proxydhcpd")).args(arguments).output().expect("the binary runs");
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn file(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_version_is_one_line() {
    for flag in ["-V", "--version"] {
        let (status, stdout, _) = run(&[flag]);
        assert_eq!((status, stdout.as_str()), (Some(0), concat!("proxydhcpd ", env!("CARGO_PKG_VERSION"), "\n")));
    }
}

#[test]
fn help_has_examples() {
    for arguments in [&["--help"][..], &["-h"], &["check", "--help"], &["explain", "-h"]] {
        let (status, stdout, _) = run(arguments);
        assert_eq!(status, Some(0));
        assert!(stdout.contains("Examples:\n"), "{arguments:?}: {stdout}");
        assert!(!stdout.contains("--detached") && !stdout.contains('\x1b'), "{stdout}");
    }
}

#[test]
fn invalid_usage_exits_with_2() {
    for arguments in
        [&["--nonsense"][..], &["nonsense"], &["-c"], &["explain", "--client", "uefi-z80"], &["-d", "check"]]
    {
        let (status, stdout, stderr) = run(arguments);
        assert_eq!((status, stdout.as_str()), (Some(2), ""), "{arguments:?}: {stderr}");
    }
    assert!(run(&["explain", "--client", "uefi-x46"]).2.contains("did you mean `uefi-x64`?"));
}

#[test]
fn commands_refuse_arguments_that_contradict_the_flags_before_them() {
    for (arguments, message) in [
        (&["check", "a.ini", "-c", "b.ini"][..], "the file to check is specified twice"),
        (&["-c", "b.ini", "check", "a.ini"], "the file to check is specified twice"),
        (&["-d", "check"], "--daemon works only with `serve`"),
        (&["-d", "rearm"], "--daemon works only with `serve`"),
    ] {
        let (status, _, stderr) = run(arguments);
        assert_eq!(status, Some(2), "{arguments:?}");
        assert!(stderr.contains(message) && stderr.contains("Usage: proxydhcpd [OPTIONS] [COMMAND]"), "{stderr}");
    }
}

#[test]
fn a_missing_file_exits_with_2_in_the_background_too() {
    for arguments in [
        &["-c", "/nonexistent/proxy.ini"][..],
        &["-d", "-c", "/nonexistent/proxy.ini"],
        &["check", "/nonexistent/proxy.ini"],
    ] {
        let (status, _, stderr) = run(arguments);
        assert_eq!(status, Some(2), "{arguments:?}");
        assert!(stderr.contains("/nonexistent/proxy.ini"), "{stderr}");
    }
}

#[test]
fn an_unknown_key_exits_with_2_and_prints_file_line_and_a_suggestion() {
    let directory = tempfile::tempdir().unwrap();
    let proxy_ini = file(directory.path(), "proxy.ini", "[proxy]\nlisten_adress = 192.0.2.1\n");
    for arguments in [&["-c", &proxy_ini][..], &["check", &proxy_ini], &["-d", "-c", &proxy_ini]] {
        let (status, _, stderr) = run(arguments);
        assert_eq!(status, Some(2), "{arguments:?}");
        assert!(
            stderr.contains(&format!("{proxy_ini}:2:1")) && stderr.contains("did you mean `listen_address`?"),
            "{stderr}"
        );
        assert!(!stderr.contains('\x1b'), "color in a pipe");
    }
}

#[test]
fn check_prints_json() {
    let directory = tempfile::tempdir().unwrap();
    let toml = file(directory.path(), "new.toml", "[http]\nprot = 80\n");
    let (status, stdout, stderr) = run(&["check", "--json", &toml]);
    assert_eq!((status, stderr.as_str()), (Some(2), ""));
    let json: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let diagnostic = &json["diagnostics"][0];
    assert_eq!(
        (diagnostic["severity"].as_str(), diagnostic["line"].as_u64(), diagnostic["column"].as_u64()),
        (Some("error"), Some(2), Some(1))
    );
}

#[test]
fn color_always_colors_a_pipe() {
    let (_, _, stderr) = run(&["--color", "always", "-c", "/nonexistent/proxy.ini"]);
    assert!(stderr.contains("\x1b["), "{stderr}");
}

#[test]
fn bash_completes_commands_flags_and_values() {
    let (status, script, _) = run(&["completions", "bash"]);
    assert_eq!(status, Some(0));
    let directory = tempfile::tempdir().unwrap();
    let file = file(directory.path(), "proxydhcpd", &script);
    let complete = |words: &[&str]| {
        let last = words.len() - 1;
        let previous = words[last - 1];
        // bash calls the function of the completion with the command, the word and the word before it.
        let function = "$(complete -p proxydhcpd | sed 's/.*-F \\([^ ]*\\).*/\\1/')";
        let line = format!(
            "source {file}; COMP_WORDS=({}); COMP_CWORD={last}; \
             {function} proxydhcpd '{}' '{previous}'; echo \"${{COMPREPLY[@]}}\"",
            words.join(" "),
            words[last]
        );
        let output = Command::new("bash").args(["--norc", "-c", &line]).output().expect("bash runs");
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    assert_eq!(complete(&["proxydhcpd", "wat"]), "watch\n");
    assert_eq!(complete(&["proxydhcpd", "watch", "--mach"]), "--machine\n");
    assert_eq!(complete(&["proxydhcpd", "completions", "zs"]), "zsh\n");
    assert_eq!(complete(&["proxydhcpd", "explain", "--client", "ipxe-arm6"]), "ipxe-arm64\n");
    // A value that is no file. Outside of a completion, bash complains about `compopt` in the lines after it.
    let name = &file[..file.len() - 2];
    assert_eq!(complete(&["proxydhcpd", "story", "--earlier", name]).lines().next(), Some(name));
}

/// A program such as `head` has read enough: that is no error. A full disk is one.
#[test]
fn a_closed_pipe_and_a_full_disk_cause_no_panic() {
    let keys = |output: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_proxydhcpd"));
        command.args(["check", "--keys"]).stdout(output).output().unwrap()
    };
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let closed = keys(writer.into());
    assert_eq!((closed.status.code(), String::from_utf8_lossy(&closed.stderr)), (Some(0), "".into()));
    let full = keys(fs::OpenOptions::new().write(true).open("/dev/full").unwrap().into());
    let error = "error: cannot write to standard output: No space left on device (os error 28)\n";
    assert_eq!((full.status.code(), String::from_utf8_lossy(&full.stderr)), (Some(1), error.into()));
}

#[test]
fn completions_exist_for_zsh_and_fish() {
    for (shell, parts) in [("zsh", ["#compdef proxydhcpd", "watch"]), ("fish", ["complete -c proxydhcpd", "watch"])] {
        let (status, script, _) = run(&["completions", shell]);
        assert_eq!(status, Some(0));
        assert!(parts.iter().all(|part| script.contains(part)), "{shell}: {script}");
    }
    assert_eq!(run(&["completions", "tcsh"]).0, Some(2));
}

//! Runs programs of the host, such as `nft`, and returns their output.

use std::io::{self, Write};
use std::process::{Command, Output, Stdio};

/// The standard output of a program.
///
/// # Errors
/// The program does not exist, or fails; the error then contains its message.
pub fn output_of(program: &str, arguments: &[&str]) -> io::Result<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    finish(program, output)
}

/// Runs a program with this text as its standard input.
///
/// # Errors
/// The program does not exist, or fails.
pub fn input_to(program: &str, arguments: &[&str], text: &str) -> io::Result<()> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| named(program, error))?;
    if let Some(mut input) = child.stdin.take() {
        // A program that ends before it has read everything reports why.
        input.write_all(text.as_bytes()).ok();
    }
    finish(program, child.wait_with_output()).map(drop)
}

fn finish(program: &str, output: io::Result<Output>) -> io::Result<String> {
    let output = output.map_err(|error| named(program, error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let message = String::from_utf8_lossy(&output.stderr);
    let first = message.lines().next().unwrap_or("it failed without a message");
    Err(io::Error::other(format!("{program}: {first}")))
}

fn named(program: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{program}: {error}"))
}

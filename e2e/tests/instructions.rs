//! Counts the instructions of answers, of a block over TFTP and of a request over HTTP under callgrind, and compares
//! them with those in `instructions.txt`. Their number hardly depends on the host, other than their time.
//!
//! Another compiler makes other instructions. Of a compiler without figures in the file, the test compares the ratio of
//! each figure to the reference, which is work that never changes (`bench/instructions/src/reference.rs`).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How much a figure may differ from that in the file. The figures of two runs differ by less than 1 %.
const TOLERANCE: f64 = 0.03;
/// How much its ratio to the reference may differ. Two versions of a compiler optimise different work differently.
const RATIO_TOLERANCE: f64 = 0.2;
const REFERENCE: &str = "reference";

/// Figures by the name of the work.
type Figures = BTreeMap<String, f64>;

#[test]
fn no_work_needs_more_instructions_than_recorded() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/instructions.txt");
    let mut recorded = parse(&std::fs::read_to_string(&file).unwrap());
    let (compiler, counted) = (compiler(), count_all());
    if std::env::var_os("UPDATE").is_some() {
        recorded.insert(compiler, counted);
        std::fs::write(&file, format(&recorded)).unwrap();
        return;
    }
    let differences = match recorded.get(&compiler) {
        Some(figures) => differences(&counted, figures, TOLERANCE),
        None => {
            let (other, figures) = recorded.last_key_value().expect("figures of any compiler; UPDATE=1 writes them");
            println!("{} has no figures of {compiler}: comparing the ratios with those of {other}", file.display());
            differences(&ratios(&counted), &ratios(figures), RATIO_TOLERANCE)
        }
    };
    assert!(
        differences.is_empty(),
        "the number of instructions differs from {}:\n{differences}If that is intended, or better, write the new \
         figures with: UPDATE=1 cargo test --locked --package proxydhcpd-e2e --test instructions",
        file.display()
    );
}

/// The figures that differ by more than this part, a line each.
fn differences(counted: &Figures, recorded: &Figures, tolerance: f64) -> String {
    let mut lines = String::new();
    for (name, count) in counted {
        let Some(before) = recorded.get(name) else {
            writeln!(lines, "  {name}: {count:.4}, not recorded yet").unwrap();
            continue;
        };
        let change = count / before - 1.0;
        if change.abs() > tolerance {
            let word = if change > 0.0 { "more" } else { "fewer" };
            writeln!(lines, "  {name}: {:.1} % {word} ({before:.4} before, {count:.4} now)", change.abs() * 100.0)
                .unwrap();
        }
    }
    lines
}

fn ratios(figures: &Figures) -> Figures {
    figures.iter().map(|(name, count)| (name.clone(), count / figures[REFERENCE])).collect()
}

/// The version of the compiler and its target, by which the file has its figures.
fn compiler() -> String {
    let output = Command::new("rustc").arg("-V").output().expect("rustc");
    format!("{}, {}", String::from_utf8(output.stdout).unwrap().trim(), std::env::consts::ARCH)
}

/// The instructions for each piece of work, by its name.
fn count_all() -> Figures {
    let program = program();
    let names = Command::new(&program).output().unwrap_or_else(|error| panic!("{}: {error}", program.display())).stdout;
    String::from_utf8(names).unwrap().lines().map(|name| (name.to_owned(), count(&program, name))).collect()
}

/// Runs a piece of work under callgrind.
fn count(program: &Path, name: &str) -> f64 {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=proxydhcpd_measured"]);
    let output = command.arg(program).arg(name).output().expect("valgrind; e2e/setup installs it");
    let (times, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let collected = log.lines().find_map(|line| line.split_once("Collected : ")).map(|(_, count)| count.trim());
    match (collected.and_then(|count| count.parse::<f64>().ok()), times.trim().parse::<f64>().ok()) {
        (Some(count), Some(times)) if count > 0.0 => count / times,
        _ => panic!("{name} under callgrind: {times}{log}"),
    }
}

/// The program with the work, next to the server's binary.
fn program() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/local/proxydhcpd");
    let server = std::env::var_os("PROXYDHCPD").map_or(built, PathBuf::from);
    server.with_file_name("proxydhcpd-instructions")
}

/// Reads the file: a line for each compiler, followed by its figures, which are indented.
fn parse(text: &str) -> BTreeMap<String, Figures> {
    let mut all: BTreeMap<String, Figures> = BTreeMap::new();
    let mut compiler = String::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        match line.strip_prefix(' ').and_then(|figure| figure.trim().split_once(' ')) {
            Some((name, count)) => {
                all.entry(compiler.clone()).or_default().insert(name.to_owned(), count.trim().parse().unwrap());
            }
            None => line.clone_into(&mut compiler),
        }
    }
    all
}

fn format(all: &BTreeMap<String, Figures>) -> String {
    let mut text =
        String::from("# Instructions of one piece of work each, by compiler. `instructions.rs` compares them.\n");
    for (compiler, figures) in all {
        writeln!(text, "\n{compiler}").unwrap();
        figures.iter().for_each(|(name, count)| writeln!(text, "    {name:24} {count:.0}").unwrap());
    }
    text
}

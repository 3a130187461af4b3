//! Every property holds for its seeds and for the inputs that were kept, and has a fuzz target.

use libtest_mimic::{Arguments, Failed, Trial};
use proxydhcpd_properties::{Property, all, corpus};
use std::fs;
use std::panic::catch_unwind;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let holds = |property: &'static Property| Trial::test(property.name, move || holds(property));
    let mut trials: Vec<Trial> = all().map(holds).collect();
    trials.push(Trial::test("every_property_has_a_fuzz_target_a_planted_fault_and_its_line_on_the_page", || {
        all().try_for_each(has_files)
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn holds(property: &Property) -> Result<(), Failed> {
    let (seeds, kept) = ((property.seeds)(), corpus::kept(property.name));
    assert!(!seeds.is_empty(), "no seeds");
    for (kind, inputs) in [("seed", seeds), ("kept input", kept)] {
        for (number, input) in (1..).zip(inputs) {
            if catch_unwind(|| (property.check)(&input)).is_err() {
                return Err(format!("{kind} {number}: {}", hex::encode(&input)).into());
            }
        }
    }
    Ok(())
}

fn has_files(property: &Property) -> Result<(), Failed> {
    let name = property.name;
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let target = fs::read_to_string(fuzz.join(format!("fuzz_targets/{name}.rs")))?;
    assert!(target.contains(&format!("target!({name});")), "{target}");
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml"))?;
    assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name} is missing in fuzz/Cargo.toml");
    let planted = fuzz.join(format!("planted/{name}.patch"));
    let is_patch = planted.metadata().is_ok_and(|metadata| metadata.len() > 0);
    assert!(is_patch, "{} is missing: a fault that breaks the property", planted.display());
    let page = fs::read_to_string(fuzz.join("../docs/fuzzing.md"))?;
    assert!(page.contains(&format!("`{name}`")), "docs/fuzzing.md does not name {name}");
    Ok(())
}

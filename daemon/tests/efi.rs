//! Tests the UEFI programs, which are committed as binaries.

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn each_committed_program_equals_the_build_of_its_source() {
    let efi = Path::new(env!("CARGO_MANIFEST_DIR")).join("efi");
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new(efi.join("build")).arg(directory.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = |directory: &Path| {
        let mut names: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(directory.path()), names(&efi.join("built")));
    for name in names(directory.path()) {
        let [built, committed] =
            [directory.path(), &efi.join("built")].map(|directory| fs::read(directory.join(&name)).unwrap());
        assert!(built == committed, "{} is older than its source: run daemon/efi/build", name.display());
    }
}

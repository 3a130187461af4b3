//! Our programs for UEFI, which lie in the repository built.

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn each_program_is_what_its_source_makes() {
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
        let [made, kept] =
            [directory.path(), &efi.join("built")].map(|directory| fs::read(directory.join(&name)).unwrap());
        assert!(made == kept, "{} is older than its source: run daemon/efi/build", name.display());
    }
}

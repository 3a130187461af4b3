//! Our programs for UEFI, which lie in the repository built.

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn each_program_is_what_its_source_makes() {
    let efi = Path::new(env!("CARGO_MANIFEST_DIR")).join("efi");
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(efi.join("build")).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = |folder: &Path| {
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(folder.path()), names(&efi.join("built")));
    for name in names(folder.path()) {
        let [made, kept] = [folder.path(), &efi.join("built")].map(|folder| fs::read(folder.join(&name)).unwrap());
        assert!(made == kept, "{} is older than its source: run daemon/efi/build", name.display());
    }
}

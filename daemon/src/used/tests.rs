use super::*;

fn settled(used: &Used) -> Look {
    used.settle(Duration::from_secs(10));
    used.look()
}

fn marked(machines: &[&str]) -> Look {
    Look { marked: machines.iter().map(|machine| machine.to_string()).collect(), ..Look::default() }
}

fn removed(machines: &[&str]) -> Look {
    Look { removed: machines.iter().map(|machine| machine.to_string()).collect(), ..Look::default() }
}

#[test]
fn a_mark_is_there_for_who_reads_next_until_it_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let used = Used::below(dir.path()).unwrap();
    assert_eq!(used.look(), Look::default(), "no folder, no marks");
    used.mark("web1", "debian/linux", 1);
    assert_eq!(settled(&used), Look::default(), "who marked it knows");
    let text = fs::read_to_string(dir.path().join("used-up/web1")).unwrap();
    assert!(text.contains("\ndebian/linux\n") && text.contains("proxydhcpd rearm web1"), "{text}");
    assert_eq!(token::armings(dir.path()).unwrap(), [("web1".to_owned(), 1)].into());

    assert_eq!(Used::below(dir.path()).unwrap().look(), marked(&["web1"]), "after a restart");
    let folder = folder::below(dir.path());
    assert!(folder::forget(&folder, "web1").unwrap());
    assert!(!folder::forget(&folder, "web1").unwrap());
    assert_eq!(used.look(), removed(&["web1"]));
    assert_eq!(used.look(), Look::default());
    fs::write(folder.join("web2"), "").unwrap();
    assert_eq!(used.look(), marked(&["web2"]));
}

#[test]
fn a_folder_that_vanishes_or_is_replaced_takes_no_mark_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let used = Used::below(dir.path()).unwrap();
    used.mark("web1", "debian/linux", 1);
    used.mark("web2", "debian/linux", 1);
    assert_eq!(settled(&used), Look::default());
    let folder = folder::below(dir.path());
    fs::rename(&folder, dir.path().join("aside")).unwrap();
    assert_eq!(used.look(), Look::default());
    assert_eq!(settled(&used), Look::default());
    assert_eq!(folder::marks(&folder).unwrap().len(), 2, "written again");

    fs::rename(&folder, dir.path().join("aside too")).unwrap();
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("web2"), "").unwrap();
    assert_eq!(used.look(), Look::default());
    assert_eq!(settled(&used), Look::default());
    assert_eq!(folder::marks(&folder).unwrap().len(), 2);
    fs::remove_file(folder.join("web2")).unwrap();
    assert_eq!(used.look(), removed(&["web2"]), "one mark, of a folder that is there");
}

#[test]
fn a_folder_that_cannot_be_read_is_no_news() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder::below(dir.path());
    // Root may read whatever has the wrong mode, but follows no link that leads to itself.
    std::os::unix::fs::symlink("used-up", &folder).unwrap();
    let used = Used::below(dir.path()).unwrap();
    assert_eq!(used.look(), Look { unknown: true, ..Look::default() }, "at a start");
    fs::remove_file(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("web1"), "").unwrap();
    assert_eq!(used.look(), marked(&["web1"]));

    fs::rename(&folder, dir.path().join("aside")).unwrap();
    std::os::unix::fs::symlink("used-up", &folder).unwrap();
    assert_eq!(used.look(), Look::default());
    fs::remove_file(&folder).unwrap();
    fs::rename(dir.path().join("aside"), &folder).unwrap();
    assert_eq!(used.look(), Look::default());
    fs::remove_file(folder.join("web1")).unwrap();
    assert_eq!(used.look(), removed(&["web1"]));
}

#[test]
fn a_mark_that_cannot_be_written_holds_and_is_written_later() {
    let dir = tempfile::tempdir().unwrap();
    let folder = folder::below(dir.path());
    fs::write(&folder, "in the way").unwrap();
    let used = Used::below(dir.path()).unwrap();
    used.mark("web1", "debian/linux", 1);
    used.mark("web2", "debian/linux", 1);
    let unknown = Look { unknown: true, ..Look::default() };
    assert_eq!(settled(&used), unknown, "a file in its place");
    used.forget(&["web2".to_owned()]);

    fs::remove_file(&folder).unwrap();
    std::os::unix::fs::symlink(dir.path().join("gone"), &folder).unwrap();
    assert_eq!(settled(&used), unknown, "a link to what is gone");
    fs::create_dir(dir.path().join("gone")).unwrap();
    used.try_again();
    assert_eq!(settled(&used), Look::default());
    assert_eq!(folder::marks(&folder).unwrap(), ["web1".to_owned()].into(), "without another mark");
}

#[test]
fn the_key_stays_and_what_cannot_be_kept_is_there_until_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let token = |state_dir: &Path| {
        let used = Used::below(state_dir).unwrap();
        assert_eq!(used.token("web1", 0), None);
        used.prepare();
        used.token("web1", 0).unwrap()
    };
    assert_eq!(token(dir.path()), token(dir.path()));
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert_ne!(token(&file), token(&file));
}

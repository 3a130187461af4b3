use super::*;

fn settled(used: &BootOnceState) -> CompletionChanges {
    used.flush(Duration::from_secs(10));
    used.refresh()
}

fn marked(machines: &[&str]) -> CompletionChanges {
    CompletionChanges { completed: machines.iter().map(|machine| machine.to_string()).collect(), ..CompletionChanges::default() }
}

fn removed(machines: &[&str]) -> CompletionChanges {
    CompletionChanges { reset: machines.iter().map(|machine| machine.to_string()).collect(), ..CompletionChanges::default() }
}

#[test]
fn a_mark_is_there_for_who_reads_next_until_it_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let used = BootOnceState::new(dir.path()).unwrap();
    assert_eq!(used.refresh(), CompletionChanges::default(), "no directory, no marks");
    used.complete("web1", "debian/linux", 1);
    assert_eq!(settled(&used), CompletionChanges::default(), "who marked it knows");
    let text = fs::read_to_string(dir.path().join("used-up/web1")).unwrap();
    assert!(text.contains("\ndebian/linux\n") && text.contains("proxydhcpd rearm web1"), "{text}");
    assert_eq!(token::read_counts(dir.path()).unwrap(), [("web1".to_owned(), 1)].into());

    assert_eq!(BootOnceState::new(dir.path()).unwrap().refresh(), marked(&["web1"]), "after a restart");
    let directory = completions::path_in(dir.path());
    assert!(completions::remove(&directory, "web1").unwrap());
    assert!(!completions::remove(&directory, "web1").unwrap());
    assert_eq!(used.refresh(), removed(&["web1"]));
    assert_eq!(used.refresh(), CompletionChanges::default());
    fs::write(directory.join("web2"), "").unwrap();
    assert_eq!(used.refresh(), marked(&["web2"]));
}

#[test]
fn a_directory_that_vanishes_or_is_replaced_takes_no_mark_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let used = BootOnceState::new(dir.path()).unwrap();
    used.complete("web1", "debian/linux", 1);
    used.complete("web2", "debian/linux", 1);
    assert_eq!(settled(&used), CompletionChanges::default());
    let directory = completions::path_in(dir.path());
    fs::rename(&directory, dir.path().join("aside")).unwrap();
    assert_eq!(used.refresh(), CompletionChanges::default());
    assert_eq!(settled(&used), CompletionChanges::default());
    assert_eq!(completions::list(&directory).unwrap().len(), 2, "written again");

    fs::rename(&directory, dir.path().join("aside too")).unwrap();
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("web2"), "").unwrap();
    assert_eq!(used.refresh(), CompletionChanges::default());
    assert_eq!(settled(&used), CompletionChanges::default());
    assert_eq!(completions::list(&directory).unwrap().len(), 2);
    fs::remove_file(directory.join("web2")).unwrap();
    assert_eq!(used.refresh(), removed(&["web2"]), "one mark, of a directory that is there");
}

#[test]
fn a_directory_that_cannot_be_read_is_no_news() {
    let dir = tempfile::tempdir().unwrap();
    let directory = completions::path_in(dir.path());
    // Root may read whatever has the wrong mode, but follows no link that leads to itself.
    std::os::unix::fs::symlink("used-up", &directory).unwrap();
    let used = BootOnceState::new(dir.path()).unwrap();
    assert_eq!(used.refresh(), CompletionChanges { is_unknown: true, ..CompletionChanges::default() }, "at a start");
    fs::remove_file(&directory).unwrap();
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("web1"), "").unwrap();
    assert_eq!(used.refresh(), marked(&["web1"]));

    fs::rename(&directory, dir.path().join("aside")).unwrap();
    std::os::unix::fs::symlink("used-up", &directory).unwrap();
    assert_eq!(used.refresh(), CompletionChanges::default());
    fs::remove_file(&directory).unwrap();
    fs::rename(dir.path().join("aside"), &directory).unwrap();
    assert_eq!(used.refresh(), CompletionChanges::default());
    fs::remove_file(directory.join("web1")).unwrap();
    assert_eq!(used.refresh(), removed(&["web1"]));
}

#[test]
fn a_mark_that_cannot_be_written_holds_and_is_written_later() {
    let dir = tempfile::tempdir().unwrap();
    let directory = completions::path_in(dir.path());
    fs::write(&directory, "in the way").unwrap();
    let used = BootOnceState::new(dir.path()).unwrap();
    used.complete("web1", "debian/linux", 1);
    used.complete("web2", "debian/linux", 1);
    let unknown = CompletionChanges { is_unknown: true, ..CompletionChanges::default() };
    assert_eq!(settled(&used), unknown, "a file in its place");
    used.reset(&["web2".to_owned()]);

    fs::remove_file(&directory).unwrap();
    std::os::unix::fs::symlink(dir.path().join("gone"), &directory).unwrap();
    assert_eq!(settled(&used), unknown, "a link to what is gone");
    fs::create_dir(dir.path().join("gone")).unwrap();
    used.retry_writes();
    assert_eq!(settled(&used), CompletionChanges::default());
    assert_eq!(completions::list(&directory).unwrap(), ["web1".to_owned()].into(), "without another mark");
}

/// A link that somebody left there would have the server write elsewhere, and a named pipe would have it wait.
#[test]
fn what_lies_in_the_place_of_a_temporary_file_neither_leads_elsewhere_nor_stalls() {
    let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let other = elsewhere.path().join("precious");
    let directory = completions::path_in(dir.path());
    fs::create_dir(&directory).unwrap();
    let key = token::TokenKey::generate().unwrap();
    let temporary = [".done-key", ".armings", ".duid", "used-up/.web1", "used-up/.probe"];
    for leave in [
        (|place, other| std::os::unix::fs::symlink(other, place).unwrap()) as fn(&Path, &Path),
        |place, _| nix::unistd::mkfifo(place, nix::sys::stat::Mode::S_IRWXU).unwrap(),
        |place, _| fs::write(place, "half of it").unwrap(),
    ] {
        fs::write(&other, "precious").unwrap();
        temporary.iter().for_each(|name| leave(&dir.path().join(name), &other));
        key.save(dir.path()).unwrap();
        token::write_counts(dir.path(), &[("web1".to_owned(), 1)].into()).unwrap();
        crate::duid::save(dir.path(), &[0, 3, 0, 1]);
        completions::write(&directory, "web1", "debian/linux").unwrap();
        BootOnceState::new(dir.path()).unwrap().prepare();
        for name in temporary {
            assert!(dir.path().join(name).symlink_metadata().is_err(), "{name} is left");
        }
        for name in ["done-key", "armings", "duid", "used-up/web1"] {
            let file = dir.path().join(name);
            assert!(fs::symlink_metadata(&file).unwrap().is_file() && fs::metadata(&file).unwrap().len() > 0, "{name}");
            fs::remove_file(file).unwrap();
        }
        assert_eq!(fs::read_to_string(&other).unwrap(), "precious");
    }
}

#[test]
fn a_file_in_the_place_of_the_directory_of_state_is_no_directory_without_marks() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    fs::write(&state, "in the way").unwrap();
    let used = BootOnceState::new(&state).unwrap();
    assert_eq!(used.refresh(), CompletionChanges { is_unknown: true, ..CompletionChanges::default() });
    assert!(token::read_counts(&state).is_err());
    fs::remove_file(&state).unwrap();
    assert_eq!(used.refresh(), CompletionChanges::default());
    used.complete("web1", "debian/linux", 1);
    assert_eq!(settled(&used), CompletionChanges::default());
    fs::rename(&state, dir.path().join("aside")).unwrap();
    fs::write(&state, "in the way").unwrap();
    assert_eq!(used.refresh(), CompletionChanges::default(), "no news");
    fs::remove_file(&state).unwrap();
    fs::rename(dir.path().join("aside"), &state).unwrap();
    fs::remove_file(state.join("used-up/web1")).unwrap();
    assert_eq!(used.refresh(), removed(&["web1"]), "it was known all the time");
}

#[test]
fn the_key_stays_and_what_cannot_be_kept_is_there_until_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let token = |state_dir: &Path| {
        let used = BootOnceState::new(state_dir).unwrap();
        assert_eq!(used.token("web1", 0), None);
        used.prepare();
        used.token("web1", 0).unwrap()
    };
    assert_eq!(token(dir.path()), token(dir.path()));
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert_ne!(token(&file), token(&file));
}

#[test]
fn a_mark_says_which_machine_it_is_of() {
    use proxydhcpd_core::plan::machines::Machine;
    let dir = tempfile::tempdir().unwrap();
    let (macs, uuid, serial) = ([[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]], Some([0x42; 16]), Some("ABC 1"));
    let machine = Machine { name: "web1", macs: &macs, uuid, serial, ..Machine::default() };
    completions::write(dir.path(), "web1", &format!("linux\n{}", completions::format_identities(&machine))).unwrap();
    let known = completions::read_identities(dir.path(), "web1").unwrap().unwrap();
    assert_eq!(known, completions::StoredIdentities { macs: macs.to_vec(), uuid, serial: serial.map(str::to_owned) });
    completions::write(dir.path(), "web1", "linux").unwrap();
    assert_eq!(completions::read_identities(dir.path(), "web1").unwrap(), None, "as of before");
    for wrong in ["identities 2", "identities 1\nmac 1", "identities 1\nuuid x", "identities 1\nodd"] {
        fs::write(dir.path().join("web1"), format!("\n\n{wrong}\n")).unwrap();
        assert!(completions::read_identities(dir.path(), "web1").is_err(), "{wrong}");
    }
}

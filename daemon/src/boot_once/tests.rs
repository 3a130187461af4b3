use super::*;

fn refresh_when_idle(boot_once: &BootOnceState) -> CompletionChanges {
    boot_once.flush(Duration::from_secs(10));
    boot_once.refresh()
}

fn completed(machines: &[&str]) -> CompletionChanges {
    CompletionChanges {
        completed: machines.iter().map(|machine| machine.to_string()).collect(),
        ..CompletionChanges::default()
    }
}

fn reset(machines: &[&str]) -> CompletionChanges {
    CompletionChanges {
        reset: machines.iter().map(|machine| machine.to_string()).collect(),
        ..CompletionChanges::default()
    }
}

#[test]
fn a_completion_exists_after_a_restart_until_it_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let boot_once = BootOnceState::new(dir.path(), EventReceiver::default()).unwrap();
    assert_eq!(boot_once.refresh(), CompletionChanges::default(), "no directory, no completions");
    boot_once.complete("web1", "debian/linux", 1);
    assert_eq!(refresh_when_idle(&boot_once), CompletionChanges::default(), "a write by the server is no change");
    let text = fs::read_to_string(dir.path().join("boot-once/web1")).unwrap();
    assert!(text.contains("\ndebian/linux\n") && text.contains("proxydhcpd rearm web1"), "{text}");
    assert_eq!(token::read_counts(dir.path()).unwrap(), [("web1".to_owned(), 1)].into());

    assert_eq!(
        BootOnceState::new(dir.path(), EventReceiver::default()).unwrap().refresh(),
        completed(&["web1"]),
        "after a restart"
    );
    let directory = completions::path_in(dir.path());
    assert!(completions::remove(&directory, "web1").unwrap());
    assert!(!completions::remove(&directory, "web1").unwrap());
    assert_eq!(boot_once.refresh(), reset(&["web1"]));
    assert_eq!(boot_once.refresh(), CompletionChanges::default());
    fs::write(directory.join("web2"), "").unwrap();
    assert_eq!(boot_once.refresh(), completed(&["web2"]));
}

#[test]
fn files_under_their_old_names_are_renamed_and_new_ones_are_never_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::create_dir(path("used-up")).unwrap();
    fs::write(path("used-up/web1"), "").unwrap();
    fs::write(path("armings"), "old").unwrap();
    fs::write(path("boot-once-counts"), "new").unwrap();
    assert_eq!(BootOnceState::new(dir.path(), EventReceiver::default()).unwrap().refresh(), completed(&["web1"]));
    assert!(!path("used-up").exists() && path("boot-once/web1").exists());
    assert_eq!(fs::read_to_string(path("boot-once-counts")).unwrap(), "new");
}

#[test]
fn no_completion_is_lost_with_a_directory_that_vanishes_or_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let boot_once = BootOnceState::new(dir.path(), EventReceiver::default()).unwrap();
    boot_once.complete("web1", "debian/linux", 1);
    boot_once.complete("web2", "debian/linux", 1);
    assert_eq!(refresh_when_idle(&boot_once), CompletionChanges::default());
    let directory = completions::path_in(dir.path());
    fs::rename(&directory, dir.path().join("aside")).unwrap();
    assert_eq!(boot_once.refresh(), CompletionChanges::default());
    assert_eq!(refresh_when_idle(&boot_once), CompletionChanges::default());
    assert_eq!(completions::list(&directory).unwrap().len(), 2, "written again");

    fs::rename(&directory, dir.path().join("aside too")).unwrap();
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("web2"), "").unwrap();
    assert_eq!(boot_once.refresh(), CompletionChanges::default());
    assert_eq!(refresh_when_idle(&boot_once), CompletionChanges::default());
    assert_eq!(completions::list(&directory).unwrap().len(), 2);
    fs::remove_file(directory.join("web2")).unwrap();
    assert_eq!(boot_once.refresh(), reset(&["web2"]), "one completion, of a directory that exists");
}

#[test]
fn an_unreadable_directory_is_no_change() {
    let dir = tempfile::tempdir().unwrap();
    let directory = completions::path_in(dir.path());
    // The directory must be unreadable even for root: root can read any mode, but cannot follow a link to itself.
    std::os::unix::fs::symlink("boot-once", &directory).unwrap();
    let boot_once = BootOnceState::new(dir.path(), EventReceiver::default()).unwrap();
    assert_eq!(
        boot_once.refresh(),
        CompletionChanges { is_unknown: true, ..CompletionChanges::default() },
        "at a start"
    );
    fs::remove_file(&directory).unwrap();
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("web1"), "").unwrap();
    assert_eq!(boot_once.refresh(), completed(&["web1"]));

    fs::rename(&directory, dir.path().join("aside")).unwrap();
    std::os::unix::fs::symlink("boot-once", &directory).unwrap();
    assert_eq!(boot_once.refresh(), CompletionChanges::default());
    fs::remove_file(&directory).unwrap();
    fs::rename(dir.path().join("aside"), &directory).unwrap();
    assert_eq!(boot_once.refresh(), CompletionChanges::default());
    fs::remove_file(directory.join("web1")).unwrap();
    assert_eq!(boot_once.refresh(), reset(&["web1"]));
}

#[test]
fn a_completion_counts_if_its_write_fails_and_is_written_later() {
    let dir = tempfile::tempdir().unwrap();
    let directory = completions::path_in(dir.path());
    fs::write(&directory, "in the way").unwrap();
    let boot_once = BootOnceState::new(dir.path(), EventReceiver::default()).unwrap();
    boot_once.complete("web1", "debian/linux", 1);
    boot_once.complete("web2", "debian/linux", 1);
    let unknown = CompletionChanges { is_unknown: true, ..CompletionChanges::default() };
    assert_eq!(refresh_when_idle(&boot_once), unknown, "a file instead of the directory");
    boot_once.reset(&["web2".to_owned()]);

    fs::remove_file(&directory).unwrap();
    std::os::unix::fs::symlink(dir.path().join("gone"), &directory).unwrap();
    assert_eq!(refresh_when_idle(&boot_once), unknown, "a dangling link");
    fs::create_dir(dir.path().join("gone")).unwrap();
    boot_once.retry_writes();
    assert_eq!(refresh_when_idle(&boot_once), CompletionChanges::default());
    assert_eq!(completions::list(&directory).unwrap(), ["web1".to_owned()].into(), "without another completion");
}

/// If the server opened such a file, it would write to the target of the symbolic link, or wait for a reader of the
/// named pipe.
#[test]
fn a_link_or_a_pipe_with_the_name_of_a_temporary_file_is_replaced() {
    let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let other = elsewhere.path().join("precious");
    let directory = completions::path_in(dir.path());
    fs::create_dir(&directory).unwrap();
    let key = token::TokenKey::generate().unwrap();
    let temporary = [".done-url-key", ".boot-once-counts", ".duid", "boot-once/.web1", "boot-once/.probe"];
    for create in [
        (|path, other| std::os::unix::fs::symlink(other, path).unwrap()) as fn(&Path, &Path),
        |path, _| nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap(),
        |path, _| fs::write(path, "half of it").unwrap(),
    ] {
        fs::write(&other, "precious").unwrap();
        temporary.iter().for_each(|name| create(&dir.path().join(name), &other));
        key.save(dir.path()).unwrap();
        token::write_counts(dir.path(), &[("web1".to_owned(), 1)].into()).unwrap();
        crate::duid::save(dir.path(), &[0, 3, 0, 1]).unwrap();
        completions::write(&directory, "web1", "debian/linux").unwrap();
        BootOnceState::new(dir.path(), EventReceiver::default()).unwrap().prepare();
        for name in temporary {
            assert!(dir.path().join(name).symlink_metadata().is_err(), "{name} is left");
        }
        for name in ["done-url-key", "boot-once-counts", "duid", "boot-once/web1"] {
            let file = dir.path().join(name);
            assert!(fs::symlink_metadata(&file).unwrap().is_file() && fs::metadata(&file).unwrap().len() > 0, "{name}");
            fs::remove_file(file).unwrap();
        }
        assert_eq!(fs::read_to_string(&other).unwrap(), "precious");
    }
}

#[test]
fn a_file_instead_of_the_state_directory_makes_the_completions_unknown() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    fs::write(&state, "in the way").unwrap();
    let boot_once = BootOnceState::new(&state, EventReceiver::default()).unwrap();
    assert_eq!(boot_once.refresh(), CompletionChanges { is_unknown: true, ..CompletionChanges::default() });
    assert!(token::read_counts(&state).is_err());
    fs::remove_file(&state).unwrap();
    assert_eq!(boot_once.refresh(), CompletionChanges::default());
    boot_once.complete("web1", "debian/linux", 1);
    assert_eq!(refresh_when_idle(&boot_once), CompletionChanges::default());
    fs::rename(&state, dir.path().join("aside")).unwrap();
    fs::write(&state, "in the way").unwrap();
    assert_eq!(boot_once.refresh(), CompletionChanges::default(), "no change");
    fs::remove_file(&state).unwrap();
    fs::rename(dir.path().join("aside"), &state).unwrap();
    fs::remove_file(state.join("boot-once/web1")).unwrap();
    assert_eq!(boot_once.refresh(), reset(&["web1"]), "it was known all the time");
}

#[test]
fn the_key_outlasts_a_restart_if_it_can_be_stored() {
    let dir = tempfile::tempdir().unwrap();
    let token = |state_dir: &Path| {
        let boot_once = BootOnceState::new(state_dir, EventReceiver::default()).unwrap();
        assert_eq!(boot_once.token("web1", 0), None);
        boot_once.prepare();
        boot_once.token("web1", 0).unwrap()
    };
    assert_eq!(token(dir.path()), token(dir.path()));
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert_ne!(token(&file), token(&file));
}

#[test]
fn a_completion_contains_the_identities_of_its_machine() {
    use proxydhcpd_core::file_ticket::CompletedMachine;
    let dir = tempfile::tempdir().unwrap();
    let macs = vec![[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]];
    let (uuid, serial) = (Some([0x42; 16]), Some("ABC 1".to_owned()));
    let machine = CompletedMachine { name: "web1".to_owned(), macs, uuid, serial, generation: 0 };
    completions::write(dir.path(), "web1", &format!("linux\n{}", completions::format_identities(&machine))).unwrap();
    let identities = completions::read_identities(dir.path(), "web1").unwrap().unwrap();
    let CompletedMachine { macs, uuid, serial, .. } = machine;
    assert_eq!(identities, completions::StoredIdentities { macs, uuid, serial });
    completions::write(dir.path(), "web1", "linux").unwrap();
    assert_eq!(completions::read_identities(dir.path(), "web1").unwrap(), None, "none");
    for invalid in ["identities 2", "identities 1\nmac 1", "identities 1\nuuid x", "identities 1\nodd"] {
        fs::write(dir.path().join("web1"), format!("\n\n{invalid}\n")).unwrap();
        assert!(completions::read_identities(dir.path(), "web1").is_err(), "{invalid}");
    }
}

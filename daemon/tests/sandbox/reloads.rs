//! A reload does in the sandbox what it does without one, or the server logs that a restart is needed.

use super::common::loaders::boot_dir;
use super::common::server::{Server, one_network, request_loader, request_loader_as};
use super::{directory_with_file, fetch, in_mounts_of};
use nix::sys::signal::Signal;
use proxydhcpd_testbed::{Host, wait_for, wait_up_to};
use std::fs::{self, Permissions};
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// A server, its network, and the machine.
struct Running {
    server: Server,
    machine: Host,
    _host: Host,
}

/// Starts a server whose boot directory, `boot`, is in the directory of its configuration.
fn start(directory: TempDir, boot: &Path, lines: &str) -> Running {
    let (host, machine) = one_network();
    let server = Server::start_configured(&host, directory, lines);
    let from = format!("boot-dir = {:?}", server.boot.path());
    server.wait_for_line("ready");
    let running = Running { server, machine, _host: host };
    if boot != running.server.boot.path() {
        running.server.edit_config(&from, &format!("boot-dir = {boot:?}"));
        running.reload();
    }
    running
}

impl Running {
    /// Reloads, and waits until that has succeeded.
    fn reload(&self) {
        let before = self.reloads();
        self.server.signal(Signal::SIGHUP);
        wait_up_to(Duration::from_secs(30), "a reload", || {
            assert!(!self.server.log().contains("reload failed"), "{}", self.server.log());
            (self.reloads() > before).then_some(())
        });
    }

    fn reloads(&self) -> usize {
        self.server.log().matches("INFO  reloaded").count()
    }

    /// Reloads, and waits until the server refuses that with a line that has these words.
    fn refuse_reload(&self, words: &str) {
        self.server.signal(Signal::SIGHUP);
        wait_up_to(Duration::from_secs(30), words, || self.server.log().contains(words).then_some(()));
        self.server.wait_for_line("reload failed: the server keeps the previous configuration");
    }

    fn fetches(&self, name: &str, content: &str) {
        wait_up_to(Duration::from_secs(15), name, || (fetch(&self.machine, name)? == content).then_some(()));
    }
}

#[test]
fn a_boot_directory_that_replaces_another_one_is_served() {
    let directory = tempfile::tempdir().unwrap();
    let (boot, new) = (directory.path().join("boot"), directory.path().join("new"));
    directory_with_file(&boot, "old.txt");
    let running = start(directory, &boot, "");
    running.fetches("old.txt", &boot.display().to_string());
    directory_with_file(&new, "new.txt");
    fs::rename(&boot, boot.with_file_name("previous")).unwrap();
    fs::rename(&new, &boot).unwrap();
    running.fetches("new.txt", &new.display().to_string());
    assert_eq!(fetch(&running.machine, "old.txt"), None);
}

#[test]
fn a_new_boot_directory_a_new_template_directory_and_new_machine_files_are_read() {
    let elsewhere = tempfile::tempdir_in("/var/tmp").unwrap();
    let at = |name: &str| elsewhere.path().join(name);
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(at("none")).unwrap();
    let running = start(directory, &at("none"), "");
    directory_with_file(&at("boot"), "file.txt");
    directory_with_file(&at("templates"), "template.txt");
    fs::create_dir(at("machines")).unwrap();
    fs::write(at("machines/all.csv"), "name,mac,profile\nweb1,02:00:00:00:00:07,nothing\n").unwrap();
    running.server.edit_config(
        &format!("boot-dir = {:?}", at("none")),
        &format!(
            "boot-dir = {:?}\ntemplate-dir = {:?}\nmachine-files = [{:?}]",
            at("boot"),
            at("templates"),
            at("machines")
        ),
    );
    running.reload();
    running.fetches("file.txt", &at("boot").display().to_string());
    running.fetches("template.txt", &at("templates").display().to_string());
    running.server.wait_for_line("1 machine in 1 file");
}

#[test]
fn a_file_system_that_is_mounted_later_is_served() {
    let directory = tempfile::tempdir().unwrap();
    let boot = directory.path().join("boot");
    directory_with_file(&boot.join("iso"), "below.txt");
    let running = start(directory, &boot, "");
    let iso = boot.join("iso");
    in_mounts_of(&running.server, &format!("mount -t tmpfs none {0}; echo -n iso >{0}/mounted.txt", iso.display()));
    running.fetches("iso/mounted.txt", "iso");
    // The boot directory itself, too, because the directory that contains it stays the same.
    in_mounts_of(&running.server, &format!("mount -t tmpfs none {0}; echo -n all >{0}/top.txt", boot.display()));
    running.fetches("top.txt", "all");
}

#[test]
fn a_file_system_on_a_directory_at_the_top_needs_a_restart() {
    let running = start(tempfile::tempdir().unwrap(), Path::new("/mnt"), "");
    in_mounts_of(&running.server, "mount -t tmpfs none /mnt; echo -n mnt >/mnt/file.txt");
    running.refuse_reload(
        "a change of `boot-dir` to /mnt, which the sandbox of the running server does not let it read, needs a restart",
    );
}

#[test]
fn a_loader_that_is_installed_later_is_offered() {
    let running = start(tempfile::tempdir().unwrap(), Path::new("/var/tmp"), "");
    assert_eq!(request_loader(&running.machine), None);
    let loaders = boot_dir();
    // The test hides the installed loaders, so this is an empty directory in memory.
    in_mounts_of(&running.server, &format!("cp {}/ipxe.efi /usr/lib/ipxe/", loaders.path().display()));
    running.reload();
    assert_eq!(wait_for("a reply", || request_loader(&running.machine)), "ipxe.efi");
}

#[test]
fn a_directory_in_a_home_directory_is_served_if_the_server_starts_with_it_and_otherwise_needs_a_restart() {
    let home = tempfile::tempdir_in("/home").unwrap();
    let (old, other) = (home.path().join("pxe/boot"), home.path().join("other"));
    directory_with_file(&old, "file.txt");
    directory_with_file(&other, "file.txt");
    let (host, machine) = one_network();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("proxydhcpd.toml");
    fs::write(&file, format!("boot-dir = {old:?}\n")).unwrap();
    let server = Server::start(&host, &["-v", "-c", file.to_str().unwrap()]);
    server.wait_for_line("ready");
    let running = Running { server, machine, _host: host };
    running.fetches("file.txt", &old.display().to_string());
    fs::rename(&old, old.with_file_name("previous")).unwrap();
    fs::rename(&other, &old).unwrap();
    running.fetches("file.txt", &other.display().to_string());

    directory_with_file(&other, "file.txt");
    fs::write(&file, format!("boot-dir = {other:?}\n")).unwrap();
    running.refuse_reload(&format!("a change of `boot-dir` to {}, which the sandbox", other.display()));
    // The server keeps the previous boot directory, with a file of the same content.
    fs::write(old.join("file.txt"), "kept").unwrap();
    running.fetches("file.txt", "kept");
}

#[test]
fn the_first_webhook_needs_a_restart() {
    let running = start(tempfile::tempdir().unwrap(), Path::new("/var/tmp"), "");
    let secret = running.server.directory.path().join("secret");
    fs::write(&secret, "an example of a secret for tests\n").unwrap();
    fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
    let webhook =
        format!("[webhook.all]\nurl = \"http://192.0.2.107/\"\nevents = \"verdict\"\nsecret-file = {secret:?}\n");
    running.server.edit_config("", &webhook);
    running.refuse_reload("a change of [webhook.NAME] from none needs a restart");
}

#[test]
fn the_sandbox_and_the_user_change_only_with_a_restart() {
    let running = start(tempfile::tempdir().unwrap(), Path::new("/var/tmp"), "sandbox = \"on\"\n");
    running.server.edit_config("sandbox = \"on\"", "sandbox = \"off\"");
    running.refuse_reload("a change of `sandbox` needs a restart");
    running.server.edit_config("sandbox = \"off\"", "user = \"daemon\"");
    running.refuse_reload("a change of `user` needs a restart");
}

#[test]
fn a_port_below_1024_that_becomes_free_is_opened() {
    let (host, machine) = one_network();
    let busy = host.on(|| UdpSocket::bind("0.0.0.0:69").unwrap());
    let server = Server::start_configured(&host, tempfile::tempdir().unwrap(), "");
    server.wait_for_line("ready");
    drop(busy);
    wait_up_to(Duration::from_secs(40), "port 69", || server.log().contains("UDP port 69 is open now").then_some(()));
    assert_eq!(wait_for("a reply", || request_loader_as(&machine, [2, 0, 0, 0, 0, 1])), "ipxe.efi");
}

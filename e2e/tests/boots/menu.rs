//! Tests the entries of the boot directory's menu. The test chooses them on the console.

use anyhow::Result;
use proxydhcpd_e2e::WorkDir;
use proxydhcpd_e2e::grub;
use proxydhcpd_e2e::machine::{self, BOOT_TIMEOUT, Machine};
use proxydhcpd_e2e::running_machine::RunningMachine;
use proxydhcpd_e2e::site::{self, Site};
use proxydhcpd_testbed::cache;
use std::fs;

cases![
    a_bios_machine_starts_a_kernel_with_its_initrd_from_the_menu,
    x64_with_an_ipxe_of_2019_starts_a_kernel_with_its_initrd_from_the_menu,
    x64_of_2025_starts_a_kernel_with_its_initrd_from_the_menu,
    x64_of_2025_starts_a_uefi_program_from_the_menu,
    the_shell_of_the_menu_leads_back_to_it,
    a_protected_item_starts_with_the_password_on_an_ipxe_of_2019,
    a_protected_item_starts_with_the_password_on_an_ipxe_of_2025,
];

fn a_bios_machine_starts_a_kernel_with_its_initrd_from_the_menu(work: &WorkDir) -> Result<()> {
    starts_a_kernel(work, machine::bios(), "2025/snponly.efi")
}

fn x64_with_an_ipxe_of_2019_starts_a_kernel_with_its_initrd_from_the_menu(work: &WorkDir) -> Result<()> {
    starts_a_kernel(work, machine::x64_2022(), "2022/snponly.efi")
}

fn x64_of_2025_starts_a_kernel_with_its_initrd_from_the_menu(work: &WorkDir) -> Result<()> {
    starts_a_kernel(work, machine::x64_2025(), "2025/snponly.efi")
}

/// The word is the name of a program in the initrd. If the command line names the program and the initrd contains it,
/// the kernel prints that it runs the program. Without `no_timer_check`, the kernel panics if the host does not run the
/// emulator while the kernel counts the ticks of its timer.
fn starts_a_kernel(work: &WorkDir, machine: Machine, ipxe: &str) -> Result<()> {
    let directory = site::boot_dir(work, None)?;
    fs::copy(cache::path(ipxe), directory.join("snponly.efi"))?;
    let word = work.token.word();
    let linux = directory.join("debian");
    fs::create_dir(&linux)?;
    fs::copy(cache::path("2022/linux"), linux.join("linux"))?;
    fs::write(linux.join("initrd"), initrd(&word))?;
    fs::write(
        linux.join("cmdline"),
        format!("# Print on the serial port\nconsole=ttyS0 no_timer_check\nrdinit=/{word}\n"),
    )?;

    let site = Site::new(work)?;
    let _server = site::serve(work, &site.server, directory)?;
    let mut machine = machine.with_memory(1024).with_screen().power_on(work, &site.segment, "machine")?;
    choose_the_entry_above_the_disk(&mut machine, "debian")?;
    machine.wait_for(&format!("Run /{word} as init process"), BOOT_TIMEOUT)
}

fn x64_of_2025_starts_a_uefi_program_from_the_menu(work: &WorkDir) -> Result<()> {
    let directory = site::boot_dir(work, None)?;
    fs::copy(grub::image_printing(work, "x86_64-efi", &work.token.word())?, directory.join("memtest.efi"))?;
    let site = Site::new(work)?;
    let _server = site::serve(work, &site.server, directory)?;
    let mut machine = machine::x64_2025().with_screen().power_on(work, &site.segment, "machine")?;
    choose_the_entry_above_the_disk(&mut machine, "memtest")?;
    machine.wait_for(&work.token.word(), BOOT_TIMEOUT)
}

fn the_shell_of_the_menu_leads_back_to_it(work: &WorkDir) -> Result<()> {
    let site = Site::new(work)?;
    let _server = site::serve(work, &site.server, site::boot_dir(work, None)?)?;
    let mut machine = machine::bios().with_screen().power_on(work, &site.segment, "machine")?;
    machine.wait_for("netboot.xyz", BOOT_TIMEOUT)?;
    for key in ["down", "ret"] {
        machine.press(key)?;
    }
    machine.wait_for("iPXE>", BOOT_TIMEOUT)?;
    for key in ["e", "x", "i", "t", "ret"] {
        machine.press(key)?;
    }
    machine.wait_for("netboot.xyz", BOOT_TIMEOUT)
}

fn a_protected_item_starts_with_the_password_on_an_ipxe_of_2019(work: &WorkDir) -> Result<()> {
    starts_a_protected_item(work, machine::x64_2022(), "2022/snponly.efi")
}

fn a_protected_item_starts_with_the_password_on_an_ipxe_of_2025(work: &WorkDir) -> Result<()> {
    starts_a_protected_item(work, machine::x64_2025(), "2025/snponly.efi")
}

/// The user types a wrong password first, and then the right one; iPXE keeps the name. It answers the server's
/// challenge with a digest.
fn starts_a_protected_item(work: &WorkDir, machine: Machine, ipxe: &str) -> Result<()> {
    let directory = site::boot_dir(work, None)?;
    fs::copy(cache::path(ipxe), directory.join("snponly.efi"))?;
    fs::write(directory.join("tools.ipxe"), format!("#!ipxe\necho {}\nshell\n", work.token.word()))?;
    let passwords = work.new_directory("users")?.join("passwords");
    // printf 'ann:proxydhcpd:red' | md5sum
    fs::write(&passwords, "ann:proxydhcpd:6f62716285567d7021365bdd054ddab1\n")?;
    let settings = format!("[menu]\nprotected-items = [\"tools.ipxe\"]\npassword-file = \"{}\"\n", passwords.display());
    let config = site::write_config(work, &directory, &settings, &[])?;
    let site = Site::new(work)?;
    let _server = site.serve_with_config(&config)?;
    let mut machine = machine.with_screen().power_on(work, &site.segment, "machine")?;
    for (turn, user, password, expected) in [(1, "ann", "blue", "did not accept"), (2, "", "red", &*work.token.word())]
    {
        machine.wait_for_times("netboot.xyz", turn, BOOT_TIMEOUT)?;
        choose_the_entry_above_the_disk(&mut machine, "(password)")?;
        machine.wait_for_times("Password", turn, BOOT_TIMEOUT)?;
        let line = |text: &str| text.chars().map(String::from).chain(["ret".into()]).collect::<Vec<_>>();
        for key in [line(user), line(password)].concat() {
            machine.press(&key)?;
        }
        machine.wait_for(expected, BOOT_TIMEOUT)?;
        machine.press("ret")?;
    }
    Ok(())
}

fn choose_the_entry_above_the_disk(machine: &mut RunningMachine, title: &str) -> Result<()> {
    machine.wait_for(title, BOOT_TIMEOUT)?;
    machine.wait_for("netboot.xyz", BOOT_TIMEOUT)?;
    for key in ["up", "ret"] {
        machine.press(key)?;
    }
    Ok(())
}

/// Returns an archive with one program, in cpio's `newc` format (Linux's
/// Documentation/driver-api/early-userspace/buffer-format.rst).
fn initrd(program: &str) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, mode) in [(program, 0o100_755), ("TRAILER!!!", 0)] {
        let content = if mode == 0 { "" } else { "#!/nothing" };
        // The fields are inode, mode, user, group, links, time, size, four device numbers, length of the name, and no
        // checksum.
        let fields = [1, mode, 0, 0, 1, 0, content.len(), 0, 0, 0, 0, name.len() + 1, 0];
        archive.extend_from_slice(b"070701");
        fields.iter().for_each(|field| archive.extend_from_slice(format!("{field:08x}").as_bytes()));
        for part in [format!("{name}\0"), content.to_owned()] {
            archive.extend_from_slice(part.as_bytes());
            archive.resize(archive.len().next_multiple_of(4), 0);
        }
    }
    archive
}

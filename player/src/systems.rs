//! The files that a Raspberry Pi, shim and GRUB request, in their order. Most are optional: their absence is normal.

use crate::machine::Machine;

/// A file, by its name, and whether the boot needs it.
pub type Request = (String, bool);

/// The files of a Raspberry Pi 3: the boot ROM requests `bootcode.bin`, which requests the rest.
pub fn raspberry_pi_3(machine: &Machine) -> Vec<Request> {
    const ROM: [(&str, bool); 2] = [("bootcode.bin", true), ("bootsig.bin", false)];
    let serial = format!("{:08x}", machine.pi_serial_number());
    let mut requests: Vec<Request> = ROM.map(|(name, needed)| (name.to_owned(), needed)).into();
    requests.push((format!("{serial}/start.elf"), false));
    requests.extend(top_level(
        &["autoboot.txt", "recovery.elf", "dt-blob.bin", "bootcfg.txt", "recovery7.img", "kernel7.img"],
        &["start.elf", "config.txt", "fixup.dat", "cmdline.txt", "kernel8.img"],
    ));
    requests
}

/// The files of a Raspberry Pi 4, whose bootloader is in its flash memory.
pub fn raspberry_pi_4(machine: &Machine) -> Vec<Request> {
    let serial = format!("{:08x}", machine.pi_serial_number());
    let mut requests: Vec<Request> = ["start4.elf", "start.elf"].map(|name| (format!("{serial}/{name}"), false)).into();
    requests.extend(top_level(
        &[
            "pieeprom.sig",
            "recover4.elf",
            "recovery.elf",
            "dt-blob.bin",
            "bootcfg.txt",
            "bcm2711-rpi-4-b.dtb",
            "overlays/overlay_map.dtb",
            "armstub8-gic.bin",
            "kernel7l.img",
        ],
        &["config.txt", "start4.elf", "fixup4.dat", "cmdline.txt", "kernel8.img"],
    ));
    requests
}

fn top_level(optional: &[&str], needed: &[&str]) -> Vec<Request> {
    let with = |names: &[&str], is_needed: bool| -> Vec<Request> {
        names.iter().map(|name| ((*name).to_owned(), is_needed)).collect()
    };
    [with(optional, false), with(needed, true)].concat()
}

/// The files that shim 16 requests next to itself, before its second stage and including it.
pub fn shim(directory: &str) -> Vec<Request> {
    const OPTIONAL: [&str; 3] = ["revocations_sku.efi", "revocations_sbat.efi", "shim_certificate_0.efi"];
    let mut requests: Vec<Request> = OPTIONAL.map(|name| (format!("{directory}{name}"), false)).into();
    requests.push((format!("{directory}grubx64.efi"), true));
    requests
}

/// The files that GRUB 2.12 requests before it reads its configuration: lists of modules, and configurations for this
/// machine (`net_config` in its normal module).
pub fn grub(machine: &Machine, address: [u8; 4]) -> Vec<Request> {
    const LISTS: [&str; 4] = ["command", "fs", "crypto", "terminal"];
    let mut requests: Vec<Request> = LISTS.map(|name| (format!("/grub/x86_64-efi/{name}.lst"), false)).into();
    requests.push((format!("/grub/grub.cfg-{}", machine.uuid_text()), false));
    requests.push((format!("/grub/grub.cfg-01-{}", machine.mac_text("-")), false));
    let hex: String = address.iter().map(|octet| format!("{octet:02X}")).collect();
    for length in (1..=hex.len()).rev() {
        requests.push((format!("/grub/grub.cfg-{}", hex.get(..length).unwrap_or_default()), false));
    }
    requests.push(("/grub/grub.cfg".to_owned(), true));
    requests
}

/// The kernel with its command line, and the initrds, that a configuration of GRUB names first.
pub fn grub_kernel(configuration: &str) -> (Option<(String, String)>, Vec<String>) {
    let (mut kernel, mut initrds) = (None, Vec::new());
    for line in configuration.lines() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("linux"), Some(name)) if kernel.is_none() => {
                kernel = Some((name.to_owned(), words.collect::<Vec<_>>().join(" ")));
            }
            (Some("initrd"), Some(name)) if initrds.is_empty() => {
                initrds = [name].into_iter().chain(words).map(str::to_owned).collect();
            }
            _ => {}
        }
    }
    (kernel, initrds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::by_name;

    #[test]
    fn grub_looks_for_the_configuration_of_the_machine_before_the_common_one() {
        let machine = Machine::new(by_name("secure-boot").unwrap(), 1, 1);
        let names: Vec<String> = grub(&machine, [10, 77, 0, 113]).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names[5], "/grub/grub.cfg-01-02-50-13-01-00-01");
        assert_eq!(names[6], "/grub/grub.cfg-0A4D0071");
        assert_eq!(names.last().unwrap(), "/grub/grub.cfg");
    }

    #[test]
    fn the_first_kernel_of_a_configuration_is_booted() {
        let text = "set timeout=0\nmenuentry a {\n  linux /linux quiet\n  initrd /initrd\n}\n";
        let (kernel, initrds) = grub_kernel(text);
        assert_eq!((kernel, initrds), (Some(("/linux".into(), "quiet".into())), vec!["/initrd".to_owned()]));
    }
}

//! The machines: emulators with real firmware that boots from the network.

use crate::cache;
use crate::disk::Disk;
use crate::net::Segment;
use crate::process::Process;
use crate::running_machine::RunningMachine;
use crate::work_dir::WorkDir;
use anyhow::Result;
use std::fs;
use std::process::Command;
use std::time::Duration;

/// The timeout of a boot. Everything is emulated (KVM cannot run firmware everywhere): the slowest machine takes 15 s
/// on two idle cores, and more than a minute on shared ones.
pub const BOOT_TIMEOUT: Duration = Duration::from_secs(180);

/// A machine that is switched off.
#[derive(Clone, Debug)]
pub struct Machine {
    emulator: &'static str,
    /// Board, processor, memory.
    arguments: &'static [&'static str],
    /// Files of the cache for the firmware's flash: code and variables. `None`: the emulator's BIOS.
    flash: Option<[&'static str; 2]>,
    /// The network card, without its connection.
    card: &'static str,
    disk: Option<(Disk, DiskOrder)>,
    screen: bool,
    /// The address families over which the firmware offers no PXE: `IPv4`, `IPv6`.
    without_pxe: &'static [&'static str],
    /// The MAC address of its card; by default the segment chooses one.
    mac: Option<&'static str>,
    uuid: Option<&'static str>,
    /// In MiB, instead of the board's default.
    memory: Option<u32>,
}

/// Whether the firmware tries the disk before the network card or after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskOrder {
    /// The disk, then the network.
    First,
    /// The network, then the disk.
    Last,
}

/// BIOS, with an iPXE ROM on the network card. Without graphics its console is the serial port.
pub fn bios() -> Machine {
    let arguments = &["-machine", "pc,graphics=off", "-m", "256"];
    Machine {
        emulator: "qemu-system-x86_64",
        arguments,
        flash: None,
        card: "virtio-net-pci",
        disk: None,
        screen: false,
        without_pxe: &[],
        mac: None,
        uuid: None,
        memory: None,
    }
}

/// x64 UEFI, edk2 2022.11.
pub fn x64_2022() -> Machine {
    uefi("qemu-system-x86_64", &["-machine", "q35", "-m", "512"], ["2022/OVMF_CODE_4M.fd", "2022/OVMF_VARS_4M.fd"])
}

/// x64 UEFI, edk2 2025.02. Since 2024 EDK2's network stack requires random numbers (RDRAND); without them it silently
/// offers no network boot.
pub fn x64_2025() -> Machine {
    uefi(
        "qemu-system-x86_64",
        &["-machine", "q35", "-m", "512", "-cpu", "max"],
        ["2025/OVMF_CODE_4M.fd", "2025/OVMF_VARS_4M.fd"],
    )
}

/// ARM 64 UEFI, edk2 2022.11.
pub fn arm64_2022() -> Machine {
    uefi(
        "qemu-system-aarch64",
        &["-machine", "virt", "-cpu", "max", "-m", "1024"],
        ["2022/AAVMF_CODE.fd", "2022/AAVMF_VARS.fd"],
    )
}

/// ARM 64 UEFI, edk2 2025.02.
pub fn arm64_2025() -> Machine {
    uefi(
        "qemu-system-aarch64",
        &["-machine", "virt", "-cpu", "max", "-m", "1024"],
        ["2025/AAVMF_CODE.no-secboot.fd", "2025/AAVMF_VARS.fd"],
    )
}

/// 32-bit x86 UEFI, which small tablets and some Atom boards have.
pub fn ia32_2022() -> Machine {
    uefi(
        "qemu-system-i386",
        &["-machine", "q35,smm=on", "-global", SECURE_FLASH, "-m", "512"],
        ["2022/OVMF32_CODE_4M.secboot.fd", "2022/OVMF32_VARS_4M.fd"],
    )
}

/// ARM 32 UEFI, edk2 2022.11.
pub fn arm32_2022() -> Machine {
    uefi(
        "qemu-system-arm",
        &["-machine", "virt", "-cpu", "cortex-a15", "-m", "512"],
        ["2022/AAVMF32_CODE.fd", "2022/AAVMF32_VARS.fd"],
    )
}

/// The signatures that a firmware with Secure Boot trusts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustedKeys {
    /// Microsoft's, as a new machine does.
    Microsoft,
    /// Those of Debian's example key (see [`crate::sign`]), which stands for a site's key.
    Site,
}

/// x64 UEFI with Secure Boot, edk2 2022.11. It trusts Microsoft's signatures.
pub fn x64_2022_with_secure_boot() -> Machine {
    uefi("qemu-system-x86_64", SECURE_X64, ["2022/OVMF_CODE_4M.secboot.fd", "2022/OVMF_VARS_4M.ms.fd"])
}

/// x64 UEFI with Secure Boot, edk2 2025.02.
pub fn x64_2025_with_secure_boot(trusts: TrustedKeys) -> Machine {
    let variables = match trusts {
        TrustedKeys::Microsoft => "2025/OVMF_VARS_4M.ms.fd",
        TrustedKeys::Site => "2025/OVMF_VARS_4M.snakeoil.fd",
    };
    uefi("qemu-system-x86_64", SECURE_X64, ["2025/OVMF_CODE_4M.secboot.fd", variables])
}

/// Firmware that was built for Secure Boot stores its variables where only system management mode can write.
const SECURE_FLASH: &str = "driver=cfi.pflash01,property=secure,value=on";
const SECURE_X64: &[&str] = &["-machine", "q35,smm=on", "-global", SECURE_FLASH, "-m", "1024", "-cpu", "max"];

/// RISC-V UEFI with an iPXE on disk: the firmware's network stack does not start, because it has no random numbers.
pub fn riscv64_ipxe(work: &WorkDir) -> Result<Machine> {
    let machine = uefi(
        "qemu-system-riscv64",
        &["-machine", "virt,acpi=off", "-cpu", "max", "-m", "1024"],
        ["2025/RISCV_VIRT_CODE.fd", "2025/RISCV_VIRT_VARS.fd"],
    );
    let disk = Disk::with_ipxe(work, "BOOTRISCV64.EFI", "2025/ipxe-riscv64.efi")?;
    Ok(machine.with_disk(disk, DiskOrder::First))
}

/// LoongArch UEFI with an iPXE on disk, for the same reason.
pub fn loongarch64_ipxe(work: &WorkDir) -> Result<Machine> {
    let machine = uefi(
        "qemu-system-loongarch64",
        &["-machine", "virt", "-cpu", "la464", "-m", "1024"],
        ["2025/QEMU_EFI.fd", "2025/QEMU_VARS.fd"],
    );
    let disk = Disk::with_ipxe(work, "BOOTLOONGARCH64.EFI", "2025/ipxe-loong64.efi")?;
    Ok(machine.with_disk(disk, DiskOrder::First))
}

/// A machine with UEFI. Its network card has no QEMU ROM, whose iPXE would boot instead of the firmware.
fn uefi(emulator: &'static str, arguments: &'static [&'static str], flash: [&'static str; 2]) -> Machine {
    Machine {
        emulator,
        arguments,
        flash: Some(flash),
        card: "virtio-net-pci,romfile=",
        disk: None,
        screen: false,
        without_pxe: &[],
        mac: None,
        uuid: None,
        memory: None,
    }
}

impl Machine {
    /// With this disk.
    pub fn with_disk(self, disk: Disk, order: DiskOrder) -> Machine {
        Machine { disk: Some((disk, order)), ..self }
    }

    /// With a graphics card, for [`crate::running_machine::RunningMachine::screenshot`].
    pub fn with_screen(self) -> Machine {
        Machine { screen: true, ..self }
    }

    /// With UEFI HTTP boot as the only network boot (edk2 OvmfPkg/Library/PxeBcPcdProducerLib).
    pub fn with_http_boot_only(self) -> Machine {
        Machine { without_pxe: &["IPv4", "IPv6"], ..self }
    }

    /// With PXE over IPv6 as the first boot entry.
    pub fn with_ipv6_first(self) -> Machine {
        Machine { without_pxe: &["IPv4"], ..self }
    }

    /// With this MAC address.
    pub fn with_mac(self, mac: &'static str) -> Machine {
        Machine { mac: Some(mac), ..self }
    }

    /// With this UUID in its firmware (SMBIOS).
    pub fn with_uuid(self, uuid: &'static str) -> Machine {
        Machine { uuid: Some(uuid), ..self }
    }

    /// With this much memory, in MiB.
    pub fn with_memory(self, memory: u32) -> Machine {
        Machine { memory: Some(memory), ..self }
    }

    /// Switches it on, connected to `segment`. Its console is `NAME.serial.log` in the case's directory.
    pub fn power_on(&self, work: &WorkDir, segment: &Segment, name: &str) -> Result<RunningMachine> {
        let serial = work.file(&format!("{name}.serial.log"));
        // The output of an earlier run of this machine must not count.
        let _ = fs::remove_file(&serial);
        let monitor = work.socket(name);
        let (tap, default_mac) = segment.tap()?;
        let address = self.mac.unwrap_or(&default_mac);

        let mut qemu = Command::new(self.emulator);
        qemu.args(self.arguments).args(["-accel", "tcg", "-nodefaults", "-display", "none", "-no-reboot"]);
        qemu.arg("-serial").arg(format!("file:{}", serial.display()));
        qemu.arg("-monitor").arg(format!("unix:{},server=on,wait=off", monitor.display()));
        qemu.args(["-device", "virtio-rng-pci"]);
        if let Some(uuid) = self.uuid {
            qemu.args(["-uuid", uuid]);
        }
        if let Some(memory) = self.memory {
            qemu.args(["-m", &memory.to_string()]);
        }
        if self.screen {
            qemu.args(["-device", "VGA"]);
        }
        for family in self.without_pxe {
            qemu.arg("-fw_cfg").arg(format!("name=opt/org.tianocore/{family}PXESupport,string=n"));
        }
        if let Some([code, variables]) = self.flash {
            qemu.arg("-drive").arg(flash(0, code, "readonly=on")?);
            qemu.arg("-drive").arg(flash(1, variables, "snapshot=on")?);
        }
        qemu.arg("-netdev").arg(format!("tap,id=net,ifname={tap},script=no,downscript=no"));
        qemu.arg("-device").arg(format!("{},netdev=net,mac={address},bootindex=1", self.card));
        if let Some((disk, order)) = &self.disk {
            qemu.arg("-drive").arg(format!("if=none,id=disk,format=raw,file={}", disk.file));
            let index = if *order == DiskOrder::First { 0 } else { 2 };
            qemu.arg("-device").arg(format!("virtio-blk-pci,drive=disk,bootindex={index}"));
        }
        let process = Process::start(work, &segment.namespace, &format!("{name}.qemu"), &qemu)?;
        Ok(RunningMachine { process, serial, monitor })
    }
}

/// A flash unit. The firmware's writes to its variables go to a copy that QEMU discards.
fn flash(unit: u8, file: &str, mode: &str) -> Result<String> {
    Ok(format!("if=pflash,unit={unit},format=raw,{mode},file={}", cache::path(file)?.display()))
}

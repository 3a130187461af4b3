//! The machines: what each emulator is told so that real firmware boots from the network.

use crate::cache;
use crate::disk::Disk;
use crate::work_dir::WorkDir;
use crate::net::Segment;
use crate::process::Process;
use crate::running_machine::RunningMachine;
use anyhow::Result;
use std::fs;
use std::process::Command;
use std::time::Duration;

/// Everything is emulated (KVM cannot run firmware everywhere): the slowest takes 15 s on two idle cores, and a minute
/// and more when they are shared.
pub const BOOT_TIMEOUT: Duration = Duration::from_secs(180);

/// A machine that is switched off.
#[derive(Clone, Debug)]
pub struct Machine {
    emulator: &'static str,
    /// Board, processor, memory.
    arguments: &'static [&'static str],
    /// Files of the cache for the firmware's flash, code and variables; none for the emulator's own BIOS.
    flash: Option<[&'static str; 2]>,
    /// What the network card is told beside its connection.
    card: &'static str,
    disk: Option<(Disk, DiskOrder)>,
    screen: bool,
    /// The families over which the firmware offers no PXE: `IPv4`, `IPv6`.
    without_pxe: &'static [&'static str],
    /// The address of its card; otherwise the segment gives it one.
    mac: Option<&'static str>,
    uuid: Option<&'static str>,
    /// In MiB, in place of what the board has by itself.
    memory: Option<u32>,
}

/// Whether the firmware tries the disk before the network card or after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskOrder {
    First,
    Last,
}

/// BIOS with an iPXE ROM on the card. Without graphics its console is the serial port.
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

pub fn x64_2022() -> Machine {
    uefi("qemu-system-x86_64", &["-machine", "q35", "-m", "512"], ["2022/OVMF_CODE_4M.fd", "2022/OVMF_VARS_4M.fd"])
}

/// Since 2024 EDK2's network stack wants random numbers (RDRAND), and without them silently offers no network boot.
pub fn x64_2025() -> Machine {
    uefi(
        "qemu-system-x86_64",
        &["-machine", "q35", "-m", "512", "-cpu", "max"],
        ["2025/OVMF_CODE_4M.fd", "2025/OVMF_VARS_4M.fd"],
    )
}

pub fn arm64_2022() -> Machine {
    uefi(
        "qemu-system-aarch64",
        &["-machine", "virt", "-cpu", "max", "-m", "1024"],
        ["2022/AAVMF_CODE.fd", "2022/AAVMF_VARS.fd"],
    )
}

pub fn arm64_2025() -> Machine {
    uefi(
        "qemu-system-aarch64",
        &["-machine", "virt", "-cpu", "max", "-m", "1024"],
        ["2025/AAVMF_CODE.no-secboot.fd", "2025/AAVMF_VARS.fd"],
    )
}

/// x86 UEFI of 32 bits, which small tablets and some Atom boards have.
pub fn ia32_2022() -> Machine {
    uefi(
        "qemu-system-i386",
        &["-machine", "q35,smm=on", "-global", SECURE_FLASH, "-m", "512"],
        ["2022/OVMF32_CODE_4M.secboot.fd", "2022/OVMF32_VARS_4M.fd"],
    )
}

pub fn arm32_2022() -> Machine {
    uefi(
        "qemu-system-arm",
        &["-machine", "virt", "-cpu", "cortex-a15", "-m", "512"],
        ["2022/AAVMF32_CODE.fd", "2022/AAVMF32_VARS.fd"],
    )
}

/// Which programs a firmware with Secure Boot trusts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustedKeys {
    /// What Microsoft has signed, as a machine from the shop.
    Microsoft,
    /// What Debian's example key has signed (see [`crate::sign`]), in place of a site's own.
    Site,
}

/// It trusts what Microsoft has signed.
pub fn x64_2022_with_secure_boot() -> Machine {
    uefi("qemu-system-x86_64", SECURE_X64, ["2022/OVMF_CODE_4M.secboot.fd", "2022/OVMF_VARS_4M.ms.fd"])
}

pub fn x64_2025_with_secure_boot(trusts: TrustedKeys) -> Machine {
    let variables = match trusts {
        TrustedKeys::Microsoft => "2025/OVMF_VARS_4M.ms.fd",
        TrustedKeys::Site => "2025/OVMF_VARS_4M.snakeoil.fd",
    };
    uefi("qemu-system-x86_64", SECURE_X64, ["2025/OVMF_CODE_4M.secboot.fd", variables])
}

/// Firmware built for Secure Boot keeps its variables where only system management mode can write.
const SECURE_FLASH: &str = "driver=cfi.pflash01,property=secure,value=on";
const SECURE_X64: &[&str] = &["-machine", "q35,smm=on", "-global", SECURE_FLASH, "-m", "1024", "-cpu", "max"];

/// Its firmware's own network stack does not come up (no random numbers): iPXE from a disk asks instead.
pub fn riscv64_ipxe(lab: &WorkDir) -> Result<Machine> {
    let machine = uefi(
        "qemu-system-riscv64",
        &["-machine", "virt,acpi=off", "-cpu", "max", "-m", "1024"],
        ["2025/RISCV_VIRT_CODE.fd", "2025/RISCV_VIRT_VARS.fd"],
    );
    let disk = Disk::with_ipxe(lab, "BOOTRISCV64.EFI", "2025/ipxe-riscv64.efi")?;
    Ok(machine.with_disk(disk, DiskOrder::First))
}

/// As RISC-V.
pub fn loongarch64_ipxe(lab: &WorkDir) -> Result<Machine> {
    let machine = uefi(
        "qemu-system-loongarch64",
        &["-machine", "virt", "-cpu", "la464", "-m", "1024"],
        ["2025/QEMU_EFI.fd", "2025/QEMU_VARS.fd"],
    );
    let disk = Disk::with_ipxe(lab, "BOOTLOONGARCH64.EFI", "2025/ipxe-loong64.efi")?;
    Ok(machine.with_disk(disk, DiskOrder::First))
}

/// Its card comes without QEMU's ROM, whose iPXE would otherwise answer in the firmware's place.
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
    pub fn with_disk(self, disk: Disk, order: DiskOrder) -> Machine {
        Machine { disk: Some((disk, order)), ..self }
    }

    /// With a graphics card, for [`Running::screenshot`].
    pub fn with_screen(self) -> Machine {
        Machine { screen: true, ..self }
    }

    /// Of the ways over the network only UEFI HTTP boot is left (edk2 OvmfPkg/Library/PxeBcPcdProducerLib).
    pub fn with_http_boot_only(self) -> Machine {
        Machine { without_pxe: &["IPv4", "IPv6"], ..self }
    }

    /// PXE over IPv6 is what the firmware tries first.
    pub fn with_ipv6_first(self) -> Machine {
        Machine { without_pxe: &["IPv4"], ..self }
    }

    /// Whose card has this address.
    pub fn with_mac(self, mac: &'static str) -> Machine {
        Machine { mac: Some(mac), ..self }
    }

    /// Whose firmware says that it is this one (SMBIOS).
    pub fn with_uuid(self, uuid: &'static str) -> Machine {
        Machine { uuid: Some(uuid), ..self }
    }

    pub fn with_memory(self, memory: u32) -> Machine {
        Machine { memory: Some(memory), ..self }
    }

    /// Switches it on, connected to `segment`. Its console is `NAME.serial.log` in the case's directory.
    pub fn power_on(&self, lab: &WorkDir, segment: &Segment, name: &str) -> Result<RunningMachine> {
        let serial = lab.file(&format!("{name}.serial.log"));
        // What it showed when it was on before is not to be taken for this time.
        let _ = fs::remove_file(&serial);
        let monitor = lab.socket(name);
        let (tap, given) = segment.tap()?;
        let address = self.mac.unwrap_or(&given);

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
        let process = Process::start(lab, &segment.namespace, &format!("{name}.qemu"), &qemu)?;
        Ok(RunningMachine { process, serial, monitor })
    }
}

/// A flash unit. What the firmware writes to its variables goes to a copy that QEMU throws away.
fn flash(unit: u8, file: &str, mode: &str) -> Result<String> {
    Ok(format!("if=pflash,unit={unit},format=raw,{mode},file={}", cache::path(file)?.display()))
}

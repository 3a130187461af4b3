//! The machines of the tests: emulators with real firmware that boots from the network.

use crate::disk::Disk;
use crate::process::Process;
use crate::running_machine::RunningMachine;
use crate::work_dir::WorkDir;
use anyhow::Result;
use proxydhcpd_testbed::Segment;
use proxydhcpd_testbed::cache;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The timeout of a boot. Everything is emulated, because KVM cannot run firmware everywhere. The slowest machine needs
/// 15 s on two idle cores, and more than a minute on shared cores.
pub const BOOT_TIMEOUT: Duration = Duration::from_secs(180);

/// A machine that is switched off.
#[derive(Clone, Debug)]
pub struct Machine {
    emulator: &'static str,
    /// The arguments for board, processor and memory.
    arguments: &'static [&'static str],
    /// The files in the cache for the firmware's flash: code and variables. `None` selects the emulator's BIOS.
    flash: Option<[&'static str; 2]>,
    /// The firmware's variables, instead of those in the cache.
    variables: Option<PathBuf>,
    /// The model of the network card, without the connection.
    card: &'static str,
    disk: Option<(Disk, DiskOrder)>,
    screen: bool,
    /// The address families over which the firmware offers no PXE: `IPv4`, `IPv6`.
    without_pxe: &'static [&'static str],
    /// The MAC address of the network card. By default, the segment chooses an address.
    mac: Option<&'static str>,
    uuid: Option<&'static str>,
    /// The memory in MiB, if it is not the board's default.
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

/// A BIOS machine with an iPXE ROM on the network card. It has no graphics, so the serial port is its console.
pub fn bios() -> Machine {
    let arguments = &["-machine", "pc,graphics=off", "-m", "256"];
    Machine {
        emulator: "qemu-system-x86_64",
        arguments,
        flash: None,
        variables: None,
        card: "virtio-net-pci",
        disk: None,
        screen: false,
        without_pxe: &[],
        mac: None,
        uuid: None,
        memory: None,
    }
}

/// An x64 UEFI machine with edk2 2022.11.
pub fn x64_2022() -> Machine {
    uefi("qemu-system-x86_64", &["-machine", "q35", "-m", "512"], ["2022/OVMF_CODE_4M.fd", "2022/OVMF_VARS_4M.fd"])
}

/// An x64 UEFI machine with edk2 2025.02. Since 2024, EDK2's network stack requires random numbers (RDRAND). Without
/// them, EDK2 silently offers no network boot.
pub fn x64_2025() -> Machine {
    uefi(
        "qemu-system-x86_64",
        &["-machine", "q35", "-m", "512", "-cpu", "max"],
        ["2025/OVMF_CODE_4M.fd", "2025/OVMF_VARS_4M.fd"],
    )
}

/// An ARM 64 UEFI machine with edk2 2022.11.
pub fn arm64_2022() -> Machine {
    uefi(
        "qemu-system-aarch64",
        &["-machine", "virt", "-cpu", "max", "-m", "1024"],
        ["2022/AAVMF_CODE.fd", "2022/AAVMF_VARS.fd"],
    )
}

/// An ARM 64 UEFI machine with edk2 2025.02.
pub fn arm64_2025() -> Machine {
    uefi(
        "qemu-system-aarch64",
        &["-machine", "virt", "-cpu", "max", "-m", "1024"],
        ["2025/AAVMF_CODE.no-secboot.fd", "2025/AAVMF_VARS.fd"],
    )
}

/// A 32-bit x86 UEFI machine. Small tablets and some Atom boards have this firmware.
pub fn ia32_2022() -> Machine {
    uefi(
        "qemu-system-i386",
        &["-machine", "q35,smm=on", "-global", SECURE_FLASH, "-m", "512"],
        ["2022/OVMF32_CODE_4M.secboot.fd", "2022/OVMF32_VARS_4M.fd"],
    )
}

/// An ARM 32 UEFI machine with edk2 2022.11.
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
    /// Microsoft's signatures, which a new machine trusts.
    Microsoft,
    /// Signatures by Debian's example key (see [`crate::sign`]), which the tests use as a site's key.
    Site,
}

/// An x64 UEFI machine with edk2 2022.11 and Secure Boot. It trusts Microsoft's signatures.
pub fn x64_2022_with_secure_boot() -> Machine {
    uefi("qemu-system-x86_64", SECURE_X64, ["2022/OVMF_CODE_4M.secboot.fd", "2022/OVMF_VARS_4M.ms.fd"])
}

/// An x64 UEFI machine with Secure Boot and edk2 2025.02, which trusts these signatures.
pub fn x64_2025_with_secure_boot(trusts: TrustedKeys) -> Machine {
    let variables = match trusts {
        TrustedKeys::Microsoft => "2025/OVMF_VARS_4M.ms.fd",
        TrustedKeys::Site => "2025/OVMF_VARS_4M.snakeoil.fd",
    };
    uefi("qemu-system-x86_64", SECURE_X64, ["2025/OVMF_CODE_4M.secboot.fd", variables])
}

/// Firmware that was built for Secure Boot stores its variables in flash that only system management mode can write.
const SECURE_FLASH: &str = "driver=cfi.pflash01,property=secure,value=on";
const SECURE_X64: &[&str] = &["-machine", "q35,smm=on", "-global", SECURE_FLASH, "-m", "1024", "-cpu", "max"];

/// A RISC-V UEFI machine with an iPXE on its disk. The firmware's network stack does not start, because it has no
/// random numbers.
pub fn riscv64_ipxe(work: &WorkDir) -> Result<Machine> {
    let machine = uefi(
        "qemu-system-riscv64",
        &["-machine", "virt,acpi=off", "-cpu", "max", "-m", "1024"],
        ["2025/RISCV_VIRT_CODE.fd", "2025/RISCV_VIRT_VARS.fd"],
    );
    let disk = Disk::with_ipxe(work, "BOOTRISCV64.EFI", "2025/ipxe-riscv64.efi")?;
    Ok(machine.with_disk(disk, DiskOrder::First))
}

/// A LoongArch UEFI machine with an iPXE on its disk, because this firmware has no random numbers either.
pub fn loongarch64_ipxe(work: &WorkDir) -> Result<Machine> {
    let machine = uefi(
        "qemu-system-loongarch64",
        &["-machine", "virt", "-cpu", "la464", "-m", "1024"],
        ["2025/QEMU_EFI.fd", "2025/QEMU_VARS.fd"],
    );
    let disk = Disk::with_ipxe(work, "BOOTLOONGARCH64.EFI", "2025/ipxe-loong64.efi")?;
    Ok(machine.with_disk(disk, DiskOrder::First))
}

/// A UEFI machine. Its network card has no ROM of QEMU, because the iPXE in that ROM would boot instead of the
/// firmware.
fn uefi(emulator: &'static str, arguments: &'static [&'static str], flash: [&'static str; 2]) -> Machine {
    Machine {
        emulator,
        arguments,
        flash: Some(flash),
        variables: None,
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
    /// Adds this disk to the machine.
    pub fn with_disk(self, disk: Disk, order: DiskOrder) -> Machine {
        Machine { disk: Some((disk, order)), ..self }
    }

    /// Adds a graphics card, for [`crate::running_machine::RunningMachine::screenshot`].
    pub fn with_screen(self) -> Machine {
        Machine { screen: true, ..self }
    }

    /// Disables PXE, so that UEFI HTTP boot is the only network boot (edk2 OvmfPkg/Library/PxeBcPcdProducerLib).
    pub fn with_http_boot_only(self) -> Machine {
        Machine { without_pxe: &["IPv4", "IPv6"], ..self }
    }

    /// Disables PXE over IPv4, so that PXE over IPv6 is the first boot entry.
    pub fn with_ipv6_first(self) -> Machine {
        Machine { without_pxe: &["IPv4"], ..self }
    }

    /// Sets the MAC address of the network card.
    pub fn with_mac(self, mac: &'static str) -> Machine {
        Machine { mac: Some(mac), ..self }
    }

    /// Sets the UUID that the firmware reports (SMBIOS).
    pub fn with_uuid(self, uuid: &'static str) -> Machine {
        Machine { uuid: Some(uuid), ..self }
    }

    /// Replaces the firmware's variables by those of this file.
    pub fn with_variables(self, file: PathBuf) -> Machine {
        Machine { variables: Some(file), ..self }
    }

    /// Sets the memory, in MiB.
    pub fn with_memory(self, memory: u32) -> Machine {
        Machine { memory: Some(memory), ..self }
    }

    /// Switches the machine on, connected to `segment`. The output of its console goes to `NAME.serial.log` in the
    /// case's directory.
    pub fn power_on(&self, work: &WorkDir, segment: &Segment, name: &str) -> Result<RunningMachine> {
        let serial = work.file(&format!("{name}.serial.log"));
        // The file may contain the output of an earlier run of this machine, which must not count.
        let _ = fs::remove_file(&serial);
        let monitor = work.socket(name);
        let (tap, default_mac) = segment.tap();
        let address = self.mac.unwrap_or(&default_mac);

        let mut qemu = Process::command(self.emulator);
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
            let variables = self.variables.clone().unwrap_or_else(|| cache::path(variables));
            qemu.arg("-drive").arg(flash(0, &cache::path(code), "readonly=on"));
            qemu.arg("-drive").arg(flash(1, &variables, "snapshot=on"));
        }
        qemu.arg("-netdev").arg(format!("tap,id=net,ifname={tap},script=no,downscript=no"));
        qemu.arg("-device").arg(format!("{},netdev=net,mac={address},bootindex=1", self.card));
        if let Some((disk, order)) = &self.disk {
            qemu.arg("-drive").arg(format!("if=none,id=disk,format=raw,file={}", disk.file));
            let index = if *order == DiskOrder::First { 0 } else { 2 };
            qemu.arg("-device").arg(format!("virtio-blk-pci,drive=disk,bootindex={index}"));
        }
        let process = Process::start(work, segment.switch(), &format!("{name}.qemu"), &mut qemu)?;
        Ok(RunningMachine { process, serial, monitor })
    }
}

/// Returns the `-drive` argument for a flash unit. With `snapshot=on` as `mode`, QEMU discards what the firmware writes
/// to its variables.
fn flash(unit: u8, file: &Path, mode: &str) -> String {
    format!("if=pflash,unit={unit},format=raw,{mode},file={}", file.display())
}

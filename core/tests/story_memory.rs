//! Measures the memory of the stories of ten thousand machines with sixteen boots each.

use proxydhcpd_core::arch::Arch;
use proxydhcpd_core::arrival::Port;
use proxydhcpd_core::event::ContentKind;
use proxydhcpd_core::file_ticket::{BootKind, FileRole};
use proxydhcpd_core::identity::{HardwareAddress, MachineKey};
use proxydhcpd_core::story::{
    ClientKind, FileEnd, MAX_BOOTS, MAX_MACHINES, OfferKind, ProgramKind, ShortText, Stories, StoryEvent, StoryFile,
    StoryWhat,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the allocated octets.
struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every method passes its arguments on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size().next_multiple_of(16) + 16, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size().next_multiple_of(16) + 16, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `GlobalAlloc::dealloc`; `place` comes from `alloc` above.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn boot(stories: &mut Stories, hardware: HardwareAddress, at: u64) {
    let mut at = at;
    let mut note = |what| {
        at += 500;
        stories.note(&StoryEvent {
            at,
            key: MachineKey::from_hardware(&hardware),
            hardware: Some(hardware),
            address: None,
            relay: None,
            machine_id: None,
            entry: ShortText::default(),
            link: ShortText::new("eth0"),
            what,
        });
    };
    let client = |program| ClientKind { arch: Arch::X64, program, ..ClientKind::default() };
    let reply = |program, port, offer, file| StoryWhat::Replied {
        client: client(program),
        port,
        file: ShortText::new(file),
        offer,
        profile: ShortText::new("debian"),
    };
    note(reply(ProgramKind::Firmware, Port::Dhcp, OfferKind::Loader, "snponly.efi"));
    note(reply(ProgramKind::Firmware, Port::BootServer, OfferKind::Loader, "snponly.efi"));
    let mut fetch = |name, role, over_http, content, size| {
        let file = StoryFile { name: ShortText::new(name), role, boots: BootKind::Linux, over_http };
        note(StoryWhat::FileOpened { file, size, content, profile: ShortText::default(), notes: None });
        note(StoryWhat::FileEnded { file, octets: size, duration: 100, end: FileEnd::Complete });
    };
    fetch("snponly.efi", FileRole::Loader, false, ContentKind::Program, 300_000);
    fetch("boot.ipxe", FileRole::Other, true, ContentKind::Script, 500);
    fetch("menu.ipxe", FileRole::Other, true, ContentKind::KernelScript, 500);
    fetch("debian/linux", FileRole::Kernel, true, ContentKind::File, 8_000_000);
    fetch("debian/initrd.gz", FileRole::Initrd, true, ContentKind::File, 40_000_000);
    note(StoryWhat::SystemRequest);
}

#[test]
fn the_stories_of_ten_thousand_machines_need_less_than_64_mib() {
    let before = ALLOCATED.load(Ordering::Relaxed);
    let mut stories = Stories::default();
    for round in 0..MAX_BOOTS as u64 {
        for machine in 0..MAX_MACHINES as u32 {
            let [a, b, c, d] = machine.to_be_bytes();
            boot(&mut stories, HardwareAddress::from_mac([2, 0, a, b, c, d]), round * 1_000_000);
        }
    }
    let octets = ALLOCATED.load(Ordering::Relaxed) - before;
    let boots: usize = stories.machines().map(|(_, machine)| machine.boots.len()).sum();
    assert_eq!(boots, MAX_BOOTS * MAX_MACHINES);
    println!("{} octets, {} a boot", octets, octets / boots);
    assert!(octets < 64 << 20, "{octets} octets");
}

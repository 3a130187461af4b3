//! Counts the allocations of answers. The packets are those of the vectors, which real machines sent.

mod common;

use common::links;
use common::vector::{Vector, vectors};
use proxydhcpd_core::answer::{Answer, Replies, answer};
use proxydhcpd_core::arrival::{Arrival, Port};
use proxydhcpd_core::choose::BootMethod;
use proxydhcpd_core::observations::Observations;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt::Write;

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every method passes its arguments on to the system's allocator. The other methods of the trait call these.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `GlobalAlloc::dealloc`; `place` comes from `alloc` above.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// An option in two parts, which the server joins. Boot clients send none.
const SPLIT_OPTION: &str = "rfc3396-split-class-discover";

/// The first packet grows the buffer of the replies. The second one goes to another server, which knows no machine yet,
/// so that it adds one to each of its caches.
#[test]
fn an_answer_allocates_nothing() {
    let (mut replies, mut allocating, mut answered) = (Replies::default(), String::new(), 0);
    for vector in vectors().iter().filter(|vector| !vector.is_from_server()) {
        count(vector, &mut replies);
        let (answer, count) = count(vector, &mut replies);
        answered += usize::from(answer.reply.is_ok());
        // A menu of the firmware has texts of any number. A person chooses from it, so there are few such answers.
        let is_menu = answer.reply.is_ok_and(|response| matches!(response.boot.method, BootMethod::Menu { .. }));
        if count > 0 && !is_menu && vector.name != SPLIT_OPTION {
            writeln!(allocating, "{}: {count}", vector.name).unwrap();
        }
    }
    assert!(allocating.is_empty(), "these packets cause allocations:\n{allocating}");
    assert!(answered > 30, "{answered} vectors have an answer");
}

/// Answers the packet of a vector. Returns the answer, and the number of allocations.
fn count(vector: &Vector, replies: &mut Replies) -> (Answer, usize) {
    let (plan, links, mut observations) = (vector.plan(), links(), Observations::new(1));
    let datagram = hex::decode(&vector.hex).unwrap();
    let arrival = Arrival {
        datagram: &datagram,
        port: if vector.transport.port == 4011 { Port::BootServer } else { Port::Dhcp },
        from: vector.transport.src.parse().unwrap(),
        to: vector.destination(),
        links: &links,
        link: 0,
        via_other_link: false,
        now: 0,
    };
    let before = ALLOCATIONS.get();
    let answer = answer(&plan, &mut observations, &arrival, replies);
    (answer, ALLOCATIONS.get() - before)
}

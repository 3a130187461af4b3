//! Receiving.

use super::{BATCH_SIZE, SockAddr, MAX_DATAGRAM_SIZE, PACKET_INFO4_LEN, PACKET_INFO6_LEN, from_in_addr, message_header, retry_interrupted};
use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// A datagram and the way it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    pub payload: &'a [u8],
    /// A link-local address comes with the index of the interface.
    pub from: SocketAddr,
    /// The destination in its IP header; a broadcast address or a group stays one. Unspecified if the socket was not
    /// asked for packet information.
    pub to: IpAddr,
    /// Index of the interface that it came in by; 0 if unknown.
    pub link: u32,
    /// It was longer than our buffer, and its end is lost.
    pub truncated: bool,
}

/// What a packet socket gives, beginning with the IP header.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    pub octets: &'a [u8],
    /// Its sender has left the checksum to a network card that it never came by: another network namespace or a virtual
    /// machine of this host.
    pub is_checksum_pending: bool,
    /// It was longer than our buffer, and its end is lost.
    pub truncated: bool,
}

/// What is found in a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedDatagram {
    /// Where in the frame.
    pub payload: Range<usize>,
    pub from: SocketAddr,
    pub to: IpAddr,
}

/// Room for what one call receives, used again and again.
pub struct ReceiveBatch {
    payloads: Box<[[u8; MAX_DATAGRAM_SIZE]]>,
    controls: [Control; BATCH_SIZE],
    senders: [Sender; BATCH_SIZE],
    arrived: Vec<Arrival>,
}

impl ReceiveBatch {
    pub fn new() -> Self {
        ReceiveBatch {
            payloads: vec![[0; MAX_DATAGRAM_SIZE]; BATCH_SIZE].into_boxed_slice(),
            controls: [Control([0; CONTROL_OCTETS]); BATCH_SIZE],
            // SAFETY: integers only, for which zero is a value.
            senders: unsafe { zeroed() },
            arrived: Vec::with_capacity(BATCH_SIZE),
        }
    }

    /// Takes the datagrams that are there and says how many; `WouldBlock` if there are none. It does not wait even
    /// where poll(2) has said that something is there: the kernel may find its checksum wrong when it is to be taken.
    pub fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.fill(socket, |slot, octets, header, sender| {
            // SAFETY: integers only, all of them written at least once, by `new`.
            let (from, to, link) = unsafe { sender.udp }.arrival(header);
            Some(Arrival { slot, payload: 0..octets.len(), from, to, link, truncated: truncated(header) })
        })
    }

    /// The same from a packet socket: `read` finds the datagrams in its frames. What it finds nothing in is left out,
    /// so the number may be 0.
    pub fn receive_frames(
        &mut self,
        socket: BorrowedFd<'_>,
        read: impl Fn(Frame<'_>) -> Option<ParsedDatagram>,
    ) -> io::Result<usize> {
        self.fill(socket, |slot, octets, header, sender| {
            let auxiliary = control::<libc::tpacket_auxdata>(header, libc::SOL_PACKET, libc::PACKET_AUXDATA);
            let status = auxiliary.map_or(0, |auxiliary| auxiliary.tp_status);
            let checksum_is_open = status & libc::TP_STATUS_CSUMNOTREADY != 0;
            let truncated = truncated(header);
            let ParsedDatagram { payload, mut from, to } = read(Frame { octets, is_checksum_pending: checksum_is_open, truncated })?;
            // SAFETY: integers only, all of them written at least once, by `new`.
            let link = u32::try_from(unsafe { sender.frame }.sll_ifindex).unwrap_or(0);
            if let SocketAddr::V6(from) = &mut from
                && from.ip().is_unicast_link_local()
            {
                from.set_scope_id(link);
            }
            Some(Arrival { slot, payload, from, to, link, truncated })
        })
    }

    /// What the last call received.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Datagram<'_>> {
        self.arrived.iter().map(|arrival| Datagram {
            payload: &self.payloads[arrival.slot][arrival.payload.clone()],
            from: arrival.from,
            to: arrival.to,
            link: arrival.link,
            truncated: arrival.truncated,
        })
    }

    /// One call for all; `arrive` makes of each message what is kept of it.
    fn fill(
        &mut self,
        socket: BorrowedFd<'_>,
        mut arrive: impl FnMut(usize, &[u8], &libc::msghdr, &Sender) -> Option<Arrival>,
    ) -> io::Result<usize> {
        self.arrived.clear();
        let mut vectors = [const { MaybeUninit::<libc::iovec>::uninit() }; BATCH_SIZE];
        let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; BATCH_SIZE];
        let buffers = self.payloads.iter_mut().zip(self.controls.iter_mut()).zip(self.senders.iter_mut());
        for ((vector, header), ((payload, control), sender)) in vectors.iter_mut().zip(&mut headers).zip(buffers) {
            let vector = vector.write(libc::iovec { iov_base: payload.as_mut_ptr().cast(), iov_len: MAX_DATAGRAM_SIZE });
            let name = (ptr::from_mut(sender), size_of::<Sender>());
            header.write(message_header(name, vector, control.0.as_mut_ptr().cast(), CONTROL_OCTETS));
        }

        let count = retry_interrupted(|| {
            // SAFETY: all BATCH headers are initialised and point to arrays of the stated lengths, which `self` and
            // this stack frame own alone and which outlive the call. A null timeout is allowed.
            unsafe {
                libc::recvmmsg(
                    socket.as_raw_fd(),
                    headers.as_mut_ptr().cast(),
                    BATCH_SIZE as u32,
                    libc::MSG_DONTWAIT as _,
                    ptr::null_mut(),
                )
            }
        })?;
        for (slot, header) in headers.iter().enumerate().take(count) {
            // SAFETY: every header was written above, and the kernel has filled the first `count` of them.
            let header = unsafe { header.assume_init_ref() };
            let octets = &self.payloads[slot][..(header.msg_len as usize).min(MAX_DATAGRAM_SIZE)];
            self.arrived.extend(arrive(slot, octets, &header.msg_hdr, &self.senders[slot]));
        }
        Ok(self.arrived.len())
    }
}

impl Default for ReceiveBatch {
    fn default() -> Self {
        ReceiveBatch::new()
    }
}

impl std::fmt::Debug for ReceiveBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// What there is to know of a received datagram beside its octets, which lie in a slot of the batch.
struct Arrival {
    slot: usize,
    payload: Range<usize>,
    from: SocketAddr,
    to: IpAddr,
    link: u32,
    truncated: bool,
}

impl SockAddr {
    /// Who it names as the sender, and how the datagram came by its control data.
    fn arrival(self, header: &libc::msghdr) -> (SocketAddr, IpAddr, u32) {
        // SAFETY: both begin with the family, and any octets are integers.
        let (v4, v6) = unsafe { (self.v4, self.v6) };
        if i32::from(v4.sin_family) == libc::AF_INET6 {
            let from = SocketAddrV6::new(v6.sin6_addr.s6_addr.into(), u16::from_be(v6.sin6_port), 0, v6.sin6_scope_id);
            let info = control::<libc::in6_pktinfo>(header, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO);
            let (to, link) =
                info.map_or((Ipv6Addr::UNSPECIFIED, 0), |info| (info.ipi6_addr.s6_addr.into(), info.ipi6_ifindex));
            return (from.into(), to.into(), link);
        }
        let from = SocketAddrV4::new(from_in_addr(v4.sin_addr), u16::from_be(v4.sin_port));
        let info = control::<libc::in_pktinfo>(header, libc::IPPROTO_IP, libc::IP_PKTINFO);
        let (to, link) = info.map_or((Ipv4Addr::UNSPECIFIED, 0), |info| {
            (from_in_addr(info.ipi_addr), u32::try_from(info.ipi_ifindex).unwrap_or(0))
        });
        (from.into(), to.into(), link)
    }
}

/// Whom a UDP socket names, and whom a packet socket.
#[derive(Clone, Copy)]
#[repr(C)]
union Sender {
    udp: SockAddr,
    frame: libc::sockaddr_ll,
}

// SAFETY: arithmetic on its argument, nothing is read or written.
const CONTROL_OCTETS: usize = unsafe { libc::CMSG_SPACE(size_of::<libc::tpacket_auxdata>() as u32) } as usize;

/// Control data of one message: one `IP_PKTINFO`, `IPV6_PKTINFO` or `PACKET_AUXDATA`; the last two are the longest.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL_OCTETS]);

const _: () = assert!(align_of::<Control>() >= align_of::<libc::cmsghdr>());
const _: () = assert!(CONTROL_OCTETS >= PACKET_INFO4_LEN && CONTROL_OCTETS >= PACKET_INFO6_LEN);

fn truncated(header: &libc::msghdr) -> bool {
    header.msg_flags & libc::MSG_TRUNC != 0
}

/// # Safety
/// Any octets are a value of it.
unsafe trait Plain: Copy {}
// SAFETY: integers only.
unsafe impl Plain for libc::in_pktinfo {}
// SAFETY: integers only.
unsafe impl Plain for libc::in6_pktinfo {}
// SAFETY: integers only.
unsafe impl Plain for libc::tpacket_auxdata {}

/// The first control message, if it is of this level and kind, and whole.
fn control<T: Plain>(header: &libc::msghdr, level: libc::c_int, kind: libc::c_int) -> Option<T> {
    // SAFETY: the kernel has set msg_control and msg_controllen to control data that it wrote into a `Control`, which
    // is aligned for a cmsghdr; CMSG_FIRSTHDR gives null if there is none.
    let control = unsafe { libc::CMSG_FIRSTHDR(header).as_ref() }?;
    if control.cmsg_level != level || control.cmsg_type != kind {
        return None;
    }
    // SAFETY: arithmetic on its argument, nothing is read or written.
    let whole = unsafe { libc::CMSG_LEN(size_of::<T>() as u32) };
    if (control.cmsg_len as usize) < whole as usize {
        return None;
    }
    // SAFETY: the length above says that a whole T follows the header, and any octets are one; it may lie unaligned.
    Some(unsafe { libc::CMSG_DATA(control).cast::<T>().read_unaligned() })
}

//! Receives batches of datagrams.

use super::message::{
    BATCH_SIZE, MAX_DATAGRAM_SIZE, PACKET_INFO4_LEN, PACKET_INFO6_LEN, SockAddr, from_in_addr, message_header,
    retry_interrupted,
};
use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// A datagram, with its addresses and its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// The UDP payload.
    pub payload: &'a [u8],
    /// The source. The scope of a link-local address is the index of the incoming interface.
    pub from: SocketAddr,
    /// The destination in the IP header, which may be a broadcast address or a multicast group. Unspecified if packet
    /// information is not enabled on the socket.
    pub to: IpAddr,
    /// Index of the incoming interface; 0 if unknown.
    pub link: u32,
    /// Whether it was longer than the buffer, so that its end is lost.
    pub truncated: bool,
}

/// A frame from a packet socket, beginning with the IP header.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// IP header, UDP header and payload.
    pub octets: &'a [u8],
    /// Whether the checksum has not been computed: the sender left it to a network card, and the frame has passed none.
    /// Such a frame comes from another network namespace or from a virtual machine of this host.
    pub is_checksum_pending: bool,
    /// Whether it was longer than the buffer, so that its end is lost.
    pub truncated: bool,
}

/// A datagram that was found in a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedDatagram {
    /// Range of the payload in the frame.
    pub payload: Range<usize>,
    /// Source.
    pub from: SocketAddr,
    /// Destination.
    pub to: IpAddr,
}

/// The buffers for one batch. Each call reuses them.
pub struct ReceiveBatch {
    payloads: Box<[[u8; MAX_DATAGRAM_SIZE]]>,
    controls: [ControlBuffer; BATCH_SIZE],
    senders: [SenderAddress; BATCH_SIZE],
    received: Vec<ReceivedDatagram>,
    is_full: bool,
}

impl ReceiveBatch {
    /// An empty batch.
    pub fn new() -> Self {
        ReceiveBatch {
            payloads: vec![[0; MAX_DATAGRAM_SIZE]; BATCH_SIZE].into_boxed_slice(),
            controls: [ControlBuffer([0; CONTROL_OCTETS]); BATCH_SIZE],
            // SAFETY: the addresses contain only integers, for which zero is a valid value.
            senders: unsafe { zeroed() },
            received: Vec::with_capacity(BATCH_SIZE),
            is_full: false,
        }
    }

    /// Receives the queued datagrams and returns their number, or the error `WouldBlock` if there are none. Never
    /// blocks: even if poll(2) reported the socket as readable, the kernel may verify a checksum only now and drop the
    /// datagram.
    pub fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.fill(socket, |slot, octets, header, sender| {
            // SAFETY: the address contains only integers, and `new` has initialised all of them.
            let (from, to, link) = unsafe { sender.udp }.arrival(header);
            Some(ReceivedDatagram { slot, payload: 0..octets.len(), from, to, link, truncated: truncated(header) })
        })
    }

    /// Receives frames from a packet socket and returns the number of datagrams. `parse` finds the datagram in a frame.
    /// Frames without a datagram are ignored, so that the number may be 0.
    pub fn receive_frames(
        &mut self,
        socket: BorrowedFd<'_>,
        parse: impl Fn(Frame<'_>) -> Option<ParsedDatagram>,
    ) -> io::Result<usize> {
        self.fill(socket, |slot, octets, header, sender| {
            let auxiliary = control::<libc::tpacket_auxdata>(header, libc::SOL_PACKET, libc::PACKET_AUXDATA);
            let status = auxiliary.map_or(0, |auxiliary| auxiliary.tp_status);
            let is_checksum_pending = status & libc::TP_STATUS_CSUMNOTREADY != 0;
            let truncated = truncated(header);
            let ParsedDatagram { payload, mut from, to } = parse(Frame { octets, is_checksum_pending, truncated })?;
            // SAFETY: the address contains only integers, and `new` has initialised all of them.
            let link = u32::try_from(unsafe { sender.frame }.sll_ifindex).unwrap_or(0);
            if let SocketAddr::V6(from) = &mut from
                && from.ip().is_unicast_link_local()
            {
                from.set_scope_id(link);
            }
            Some(ReceivedDatagram { slot, payload, from, to, link, truncated })
        })
    }

    /// Whether the last call filled all buffers, so that the socket may have more datagrams.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// The datagrams that the last call received.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Datagram<'_>> {
        self.received.iter().map(|received| Datagram {
            payload: &self.payloads[received.slot][received.payload.clone()],
            from: received.from,
            to: received.to,
            link: received.link,
            truncated: received.truncated,
        })
    }

    /// Receives a batch with one system call, and converts each message. Returns how many messages were converted.
    fn fill(
        &mut self,
        socket: BorrowedFd<'_>,
        mut convert: impl FnMut(usize, &[u8], &libc::msghdr, &SenderAddress) -> Option<ReceivedDatagram>,
    ) -> io::Result<usize> {
        self.received.clear();
        let mut vectors = [const { MaybeUninit::<libc::iovec>::uninit() }; BATCH_SIZE];
        let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; BATCH_SIZE];
        let buffers = self.payloads.iter_mut().zip(self.controls.iter_mut()).zip(self.senders.iter_mut());
        for ((vector, header), ((payload, control), sender)) in vectors.iter_mut().zip(&mut headers).zip(buffers) {
            let vector =
                vector.write(libc::iovec { iov_base: payload.as_mut_ptr().cast(), iov_len: MAX_DATAGRAM_SIZE });
            let name = (ptr::from_mut(sender), size_of::<SenderAddress>());
            header.write(message_header(name, vector, control.0.as_mut_ptr().cast(), CONTROL_OCTETS));
        }

        let count = retry_interrupted(|| {
            // SAFETY: all `BATCH_SIZE` headers are initialised and point to arrays of the stated lengths, which `self`
            // and this stack frame own alone and which outlive the call. A null timeout is allowed.
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
        self.is_full = count == BATCH_SIZE;
        for (slot, header) in headers.iter().enumerate().take(count) {
            // SAFETY: every header was written above, and the kernel has filled the first `count` of them.
            let header = unsafe { header.assume_init_ref() };
            let octets = &self.payloads[slot][..(header.msg_len as usize).min(MAX_DATAGRAM_SIZE)];
            self.received.extend(convert(slot, octets, &header.msg_hdr, &self.senders[slot]));
        }
        Ok(self.received.len())
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

/// A received datagram. A slot of the batch contains its octets.
struct ReceivedDatagram {
    slot: usize,
    payload: Range<usize>,
    from: SocketAddr,
    to: IpAddr,
    link: u32,
    truncated: bool,
}

impl SockAddr {
    /// The source of a datagram, and its destination and interface, which the control data contains.
    fn arrival(self, header: &libc::msghdr) -> (SocketAddr, IpAddr, u32) {
        // SAFETY: both formats contain only integers, for which any octets are valid, and both begin with the family.
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

/// The source address of a message, in the format of a UDP socket or of a packet socket.
#[derive(Clone, Copy)]
#[repr(C)]
union SenderAddress {
    udp: SockAddr,
    frame: libc::sockaddr_ll,
}

// SAFETY: CMSG_SPACE only calculates with its argument, and accesses no memory.
const CONTROL_OCTETS: usize = unsafe { libc::CMSG_SPACE(size_of::<libc::tpacket_auxdata>() as u32) } as usize;

/// The control data of one message: one `IP_PKTINFO`, `IPV6_PKTINFO` or `PACKET_AUXDATA`. The last two are the longest.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct ControlBuffer([u8; CONTROL_OCTETS]);

const _: () = assert!(align_of::<ControlBuffer>() >= align_of::<libc::cmsghdr>());
const _: () = assert!(CONTROL_OCTETS >= PACKET_INFO4_LEN && CONTROL_OCTETS >= PACKET_INFO6_LEN);

fn truncated(header: &libc::msghdr) -> bool {
    header.msg_flags & libc::MSG_TRUNC != 0
}

/// # Safety
/// Any octets must be a valid value of the type.
unsafe trait Plain: Copy {}
// SAFETY: the type contains only integers.
unsafe impl Plain for libc::in_pktinfo {}
// SAFETY: the type contains only integers.
unsafe impl Plain for libc::in6_pktinfo {}
// SAFETY: the type contains only integers.
unsafe impl Plain for libc::tpacket_auxdata {}

/// The first control message. `None` if it has another level or kind, or is incomplete.
fn control<T: Plain>(header: &libc::msghdr, level: libc::c_int, kind: libc::c_int) -> Option<T> {
    // SAFETY: the kernel has set msg_control and msg_controllen to control data that it wrote into a `ControlBuffer`,
    // which is aligned for a cmsghdr; CMSG_FIRSTHDR returns null if there is none.
    let control = unsafe { libc::CMSG_FIRSTHDR(header).as_ref() }?;
    if control.cmsg_level != level || control.cmsg_type != kind {
        return None;
    }
    // SAFETY: CMSG_LEN only calculates with its argument, and accesses no memory.
    let length = unsafe { libc::CMSG_LEN(size_of::<T>() as u32) };
    if (control.cmsg_len as usize) < length as usize {
        return None;
    }
    // SAFETY: by the length above, a complete T follows the header, and any octets are a T; it may be unaligned.
    Some(unsafe { libc::CMSG_DATA(control).cast::<T>().read_unaligned() })
}

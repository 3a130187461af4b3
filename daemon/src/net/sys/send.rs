//! Sends batches of datagrams.

use super::message::{
    BATCH_SIZE, PACKET_INFO4_LEN, PACKET_INFO6_LEN, SockAddr, message_header, retry_interrupted, sockaddr, to_in_addr,
};
use std::io;
use std::mem::{MaybeUninit, offset_of, size_of, zeroed};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// A queue of datagrams. Each batch reuses its memory, so that the queue allocates only while it grows to its largest
/// length.
#[derive(Debug, Default)]
pub struct SendBatch {
    octets: Vec<u8>,
    messages: Vec<QueuedDatagram>,
}

impl SendBatch {
    /// An empty batch.
    pub fn new() -> Self {
        SendBatch::default()
    }

    /// An empty batch with room for this number of datagrams, of this many octets each.
    pub fn with_capacity(datagrams: usize, octets: usize) -> Self {
        SendBatch { octets: Vec::with_capacity(datagrams * octets), messages: Vec::with_capacity(datagrams) }
    }

    /// Adds a datagram. `from` must be an address of this host, or unspecified, so that the kernel selects one. `link`
    /// selects the outgoing interface, which a broadcast needs because it has no route. `tag` identifies the datagram
    /// if the kernel refuses it.
    pub fn push(&mut self, payload: &[u8], to: SocketAddr, from: IpAddr, link: Option<u32>, tag: usize) {
        self.push_parts([&[], payload], to, from, link, tag);
    }

    /// Adds a datagram of two parts, headers and payload. See [`SendBatch::push`].
    pub fn push_parts(&mut self, parts: [&[u8]; 2], to: SocketAddr, from: IpAddr, link: Option<u32>, tag: usize) {
        let start = self.octets.len();
        parts.iter().for_each(|part| self.octets.extend_from_slice(part));
        self.messages.push(QueuedDatagram { octets: start..self.octets.len(), to, from, link: link.unwrap_or(0), tag });
    }

    /// The number of queued datagrams.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether no datagrams are queued.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Sends all datagrams, empties the batch, and returns how many the kernel accepted. `refused` gets the tag, the
    /// destination and the error of each datagram that the kernel refuses (no route, a removed address, a firewall, a
    /// full buffer). Those after it are sent nevertheless. Never blocks.
    pub fn flush(&mut self, socket: BorrowedFd<'_>, refused: impl FnMut(usize, SocketAddr, io::Error)) -> usize {
        self.flush_to_any(&[socket], refused).0
    }

    /// Sends as [`SendBatch::flush`] does, with several sockets: if the buffer of one is full, the next socket
    /// continues. Returns how many datagrams the kernel accepted, and how many sockets were full. If all sockets are
    /// full, `refused` gets the rest of the batch.
    pub fn flush_to_any(
        &mut self,
        sockets: &[BorrowedFd<'_>],
        mut refused: impl FnMut(usize, SocketAddr, io::Error),
    ) -> (usize, usize) {
        let (mut sent, mut full) = (0, 0);
        let mut rest = &self.messages[..];
        while let Some(first) = rest.first() {
            // The system call stops before a message that fails, and returns an error only if that is the first
            // message. Each iteration sends some messages, drops one, or skips a full socket, so the loop terminates.
            let Some(socket) = sockets.get(full) else {
                rest.iter().for_each(|left| refused(left.tag, left.to, io::Error::from_raw_os_error(libc::EAGAIN)));
                break;
            };
            let done = match send(*socket, &self.octets, &rest[..rest.len().min(BATCH_SIZE)]) {
                Ok(count) if count > 0 => {
                    sent += count;
                    count
                }
                Ok(_) => {
                    refused(first.tag, first.to, io::ErrorKind::WriteZero.into());
                    1
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    full += 1;
                    0
                }
                Err(error) => {
                    refused(first.tag, first.to, error);
                    1
                }
            };
            rest = &rest[done..];
        }
        self.messages.clear();
        self.octets.clear();
        (sent, full)
    }
}

#[derive(Clone, Debug)]
struct QueuedDatagram {
    octets: Range<usize>,
    to: SocketAddr,
    from: IpAddr,
    link: u32,
    tag: usize,
}

/// A control message: a header, and packet information at the offset that `CMSG_DATA` uses.
#[repr(C, align(8))]
struct PacketInfoMessage {
    header: libc::cmsghdr,
    info: PacketInfoData,
}

#[repr(C)]
union PacketInfoData {
    v4: libc::in_pktinfo,
    v6: libc::in6_pktinfo,
}

const _: () = assert!(offset_of!(PacketInfoMessage, info) + size_of::<libc::in_pktinfo>() == PACKET_INFO4_LEN);
const _: () = assert!(offset_of!(PacketInfoMessage, info) + size_of::<libc::in6_pktinfo>() == PACKET_INFO6_LEN);

fn send(socket: BorrowedFd<'_>, octets: &[u8], messages: &[QueuedDatagram]) -> io::Result<usize> {
    let mut addresses = [const { MaybeUninit::<SockAddr>::uninit() }; BATCH_SIZE];
    let mut vectors = [const { MaybeUninit::<libc::iovec>::uninit() }; BATCH_SIZE];
    let mut controls = [const { MaybeUninit::<PacketInfoMessage>::uninit() }; BATCH_SIZE];
    let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; BATCH_SIZE];
    let slots = addresses.iter_mut().zip(&mut vectors).zip(&mut controls).zip(&mut headers);
    let mut count = 0;
    for (out, (((to, vector), control), header)) in messages.iter().zip(slots) {
        let payload = &octets[out.octets.clone()];
        let (name, name_octets) = sockaddr(out.to);
        let to = to.write(name);
        // The kernel only reads the payload; the pointer is mutable because the type is also used to receive.
        let vector = vector.write(libc::iovec { iov_base: payload.as_ptr().cast_mut().cast(), iov_len: payload.len() });
        let (info, info_octets) = packet_info(out);
        let control = control.write(info);
        header.write(message_header((to, name_octets), vector, ptr::from_mut(control).cast(), info_octets));
        count += 1;
    }
    retry_interrupted(|| {
        // SAFETY: the first `count` headers are initialised and point to addresses, vectors and control data of this
        // stack frame and to payloads inside `octets`, all of which outlive the call.
        unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr().cast(), count, libc::MSG_DONTWAIT as _) }
    })
}

/// The control message for a datagram, and its length in octets.
fn packet_info(out: &QueuedDatagram) -> (PacketInfoMessage, usize) {
    // SAFETY: the message contains only integers, for which zero is a valid value. This also zeroes the padding that
    // the types have in some C libraries.
    let mut control: PacketInfoMessage = unsafe { zeroed() };
    let length = match out.from {
        IpAddr::V4(from) => {
            control.header.cmsg_level = libc::IPPROTO_IP;
            control.header.cmsg_type = libc::IP_PKTINFO;
            control.info.v4 = libc::in_pktinfo {
                ipi_ifindex: out.link.cast_signed(),
                ipi_spec_dst: to_in_addr(from),
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            PACKET_INFO4_LEN
        }
        IpAddr::V6(from) => {
            control.header.cmsg_level = libc::IPPROTO_IPV6;
            control.header.cmsg_type = libc::IPV6_PKTINFO;
            control.info.v6 =
                libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: from.octets() }, ipi6_ifindex: out.link };
            PACKET_INFO6_LEN
        }
    };
    control.header.cmsg_len = length as _;
    (control, length)
}

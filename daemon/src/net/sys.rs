//! Many datagrams with one system call, each with the link and the address it came by or leaves by. The only unsafe
//! code of the project.
//!
//! Nothing here keeps a pointer between calls: headers are built on the stack for each call and point into plain
//! arrays, which therefore can be moved and sent between threads. That costs some twenty nanoseconds a call, against
//! some microseconds for the call itself.

use std::io;
use std::mem::{MaybeUninit, offset_of, size_of, zeroed};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// Datagrams that one call takes or gives.
const BATCH: usize = 32;

/// Longest datagram that is taken whole. DHCP over Ethernet stays under 1500; a relay may add to that.
const OCTETS: usize = 4096;

/// A datagram and the way it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    pub payload: &'a [u8],
    pub from: SocketAddrV4,
    /// The destination in its IP header; a broadcast address stays one. Unspecified if the socket was not asked for
    /// packet information.
    pub to: Ipv4Addr,
    /// Index of the interface that it came in by; 0 if unknown.
    pub link: u32,
    /// It was longer than our buffer, and its end is lost.
    pub truncated: bool,
}

/// Room for what one call receives, used again and again.
pub struct Batch {
    payloads: Box<[[u8; OCTETS]]>,
    controls: [Control; BATCH],
    senders: [libc::sockaddr_in; BATCH],
    arrived: [Arrival; BATCH],
    count: usize,
}

/// Datagrams that wait to be sent, used again and again: it allocates only until it has seen its largest content.
#[derive(Debug, Default)]
pub struct SendBatch {
    octets: Vec<u8>,
    messages: Vec<Message>,
}

impl Batch {
    pub fn new() -> Self {
        Batch {
            payloads: vec![[0; OCTETS]; BATCH].into_boxed_slice(),
            controls: [Control([0; CONTROL_OCTETS]); BATCH],
            senders: [sockaddr(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)); BATCH],
            arrived: [Arrival::default(); BATCH],
            count: 0,
        }
    }

    /// Waits for a datagram and takes those that are there by then; says how many.
    ///
    /// `WouldBlock` if nothing came within the receive timeout of the socket, or at all on a non-blocking one.
    pub fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.count = 0;
        let mut vectors = [const { MaybeUninit::<libc::iovec>::uninit() }; BATCH];
        let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; BATCH];
        let buffers = self.payloads.iter_mut().zip(self.controls.iter_mut()).zip(self.senders.iter_mut());
        for ((vector, header), ((payload, control), sender)) in vectors.iter_mut().zip(&mut headers).zip(buffers) {
            let vector = vector.write(libc::iovec { iov_base: payload.as_mut_ptr().cast(), iov_len: OCTETS });
            header.write(message(ptr::from_mut(sender), vector, control.0.as_mut_ptr().cast(), CONTROL_OCTETS));
        }

        let count = retry_interrupted(|| {
            // SAFETY: all BATCH headers are initialised and point to arrays of the stated lengths, which `self` and
            // this stack frame own alone and which outlive the call. A null timeout is allowed.
            unsafe {
                libc::recvmmsg(
                    socket.as_raw_fd(),
                    headers.as_mut_ptr().cast(),
                    BATCH as u32,
                    libc::MSG_WAITFORONE as _,
                    ptr::null_mut(),
                )
            }
        })?;
        for (header, arrival) in headers.iter().zip(&mut self.arrived).take(count) {
            // SAFETY: every header was written above, and the kernel has filled the first `count` of them.
            let header = unsafe { header.assume_init_ref() };
            let (to, link) = packet_info(&header.msg_hdr).map_or((Ipv4Addr::UNSPECIFIED, 0), |info| {
                (address(info.ipi_addr), u32::try_from(info.ipi_ifindex).unwrap_or(0))
            });
            let truncated = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            *arrival = Arrival { length: (header.msg_len as usize).min(OCTETS), to, link, truncated };
        }
        self.count = count;
        Ok(count)
    }

    /// What the last call received.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Datagram<'_>> {
        let arrived = self.arrived[..self.count].iter().zip(self.payloads.iter()).zip(&self.senders);
        arrived.map(|((arrival, payload), sender)| Datagram {
            payload: &payload[..arrival.length],
            from: SocketAddrV4::new(address(sender.sin_addr), u16::from_be(sender.sin_port)),
            to: arrival.to,
            link: arrival.link,
            truncated: arrival.truncated,
        })
    }
}

impl SendBatch {
    pub fn new() -> Self {
        SendBatch::default()
    }

    /// Adds a datagram. `from` must be an address of this machine or unspecified, which leaves the choice to the
    /// kernel; `link` makes it leave by that interface, and a broadcast needs that, for it has no route.
    pub fn push(&mut self, payload: &[u8], to: SocketAddrV4, from: Ipv4Addr, link: Option<u32>) {
        let start = self.octets.len();
        self.octets.extend_from_slice(payload);
        self.messages.push(Message { octets: start..self.octets.len(), to, from, link: link.unwrap_or(0) });
    }

    pub fn len(&self) -> usize {
        self.messages.len()
    }

    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Sends all and empties the batch; says how many the kernel took. One that it refuses (no route, an address that
    /// has gone, a firewall, a full buffer) is reported and left behind, and the next ones are sent.
    pub fn flush(&mut self, socket: BorrowedFd<'_>, mut refused: impl FnMut(SocketAddrV4, io::Error)) -> usize {
        let mut sent = 0;
        let mut rest = &self.messages[..];
        while let Some(first) = rest.first() {
            // The call stops before a message that fails and says so only when that is the first: each turn either
            // sends one or drops one, so this ends.
            let done = match send(socket, &self.octets, &rest[..rest.len().min(BATCH)]) {
                Ok(count) if count > 0 => {
                    sent += count;
                    count
                }
                Ok(_) => {
                    refused(first.to, io::ErrorKind::WriteZero.into());
                    1
                }
                Err(error) => {
                    refused(first.to, error);
                    1
                }
            };
            rest = &rest[done..];
        }
        self.messages.clear();
        self.octets.clear();
        sent
    }
}

impl Default for Batch {
    fn default() -> Self {
        Batch::new()
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// What there is to know of a received datagram beside its octets and its sender.
#[derive(Clone, Copy)]
struct Arrival {
    length: usize,
    to: Ipv4Addr,
    link: u32,
    truncated: bool,
}

impl Default for Arrival {
    fn default() -> Self {
        Arrival { length: 0, to: Ipv4Addr::UNSPECIFIED, link: 0, truncated: false }
    }
}

#[derive(Clone, Debug)]
struct Message {
    octets: Range<usize>,
    to: SocketAddrV4,
    from: Ipv4Addr,
    link: u32,
}

// SAFETY: arithmetic on its argument, nothing is read or written.
const CONTROL_OCTETS: usize = unsafe { libc::CMSG_SPACE(size_of::<libc::in_pktinfo>() as u32) } as usize;

/// Control data of one message: exactly one `IP_PKTINFO`.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL_OCTETS]);

const _: () = assert!(align_of::<Control>() >= align_of::<libc::cmsghdr>());

/// Its layout when we write it: header, then packet information, as `CMSG_DATA` would place it.
#[repr(C, align(8))]
struct PacketInfo {
    header: libc::cmsghdr,
    info: libc::in_pktinfo,
}

// SAFETY: arithmetic on its argument, nothing is read or written.
const PACKET_INFO_LENGTH: usize = unsafe { libc::CMSG_LEN(size_of::<libc::in_pktinfo>() as u32) } as usize;
const _: () = assert!(size_of::<PacketInfo>() == CONTROL_OCTETS);
const _: () = assert!(offset_of!(PacketInfo, info) + size_of::<libc::in_pktinfo>() == PACKET_INFO_LENGTH);

fn send(socket: BorrowedFd<'_>, octets: &[u8], messages: &[Message]) -> io::Result<usize> {
    let mut addresses = [const { MaybeUninit::<libc::sockaddr_in>::uninit() }; BATCH];
    let mut vectors = [const { MaybeUninit::<libc::iovec>::uninit() }; BATCH];
    let mut controls = [const { MaybeUninit::<PacketInfo>::uninit() }; BATCH];
    let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; BATCH];
    let room = addresses.iter_mut().zip(&mut vectors).zip(&mut controls).zip(&mut headers);
    let mut count = 0;
    for (out, (((to, vector), control), header)) in messages.iter().zip(room) {
        let payload = &octets[out.octets.clone()];
        let to = to.write(sockaddr(out.to));
        // The kernel only reads what a sent message points to; the pointer is mutable because receiving shares the type.
        let vector = vector.write(libc::iovec { iov_base: payload.as_ptr().cast_mut().cast(), iov_len: payload.len() });
        let control = control.write(control_out(out));
        header.write(message(to, vector, ptr::from_mut(control).cast(), PACKET_INFO_LENGTH));
        count += 1;
    }
    retry_interrupted(|| {
        // SAFETY: the first `count` headers are initialised and point to addresses, vectors and control data of this
        // stack frame and to payloads inside `octets`, all of which outlive the call.
        unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr().cast(), count, 0) }
    })
}

fn control_out(out: &Message) -> PacketInfo {
    // SAFETY: integers only, for which zero is a value; padding that some libraries have in there is zeroed too.
    let mut control: PacketInfo = unsafe { zeroed() };
    control.header.cmsg_len = PACKET_INFO_LENGTH as _;
    control.header.cmsg_level = libc::IPPROTO_IP;
    control.header.cmsg_type = libc::IP_PKTINFO;
    control.info.ipi_ifindex = out.link.cast_signed();
    control.info.ipi_spec_dst = in_addr(out.from);
    control
}

fn message(
    name: *mut libc::sockaddr_in,
    vector: *mut libc::iovec,
    control: *mut libc::c_void,
    control_octets: usize,
) -> libc::mmsghdr {
    // SAFETY: integers and pointers, for which zero is a value; msghdr has private padding on some libraries, so it
    // cannot be written as a literal.
    let mut message: libc::mmsghdr = unsafe { zeroed() };
    message.msg_hdr.msg_name = name.cast();
    message.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    message.msg_hdr.msg_iov = vector;
    message.msg_hdr.msg_iovlen = 1;
    message.msg_hdr.msg_control = control;
    message.msg_hdr.msg_controllen = control_octets as _;
    message
}

fn packet_info(header: &libc::msghdr) -> Option<libc::in_pktinfo> {
    // SAFETY: the kernel has set msg_control and msg_controllen to control data that it wrote into a `Control`, which
    // is aligned for a cmsghdr; CMSG_FIRSTHDR gives null if there is none.
    let control = unsafe { libc::CMSG_FIRSTHDR(header).as_ref() }?;
    if control.cmsg_level != libc::IPPROTO_IP || control.cmsg_type != libc::IP_PKTINFO {
        return None;
    }
    if (control.cmsg_len as usize) < PACKET_INFO_LENGTH {
        return None;
    }
    // SAFETY: the length above says that a whole in_pktinfo follows the header; it may lie unaligned.
    Some(unsafe { libc::CMSG_DATA(control).cast::<libc::in_pktinfo>().read_unaligned() })
}

/// Runs a system call again when a signal came first: signals are the business of another thread.
fn retry_interrupted(mut call: impl FnMut() -> libc::c_int) -> io::Result<usize> {
    loop {
        if let Ok(count) = usize::try_from(call()) {
            return Ok(count);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

fn sockaddr(address: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: address.port().to_be(),
        sin_addr: in_addr(*address.ip()),
        sin_zero: [0; 8],
    }
}

fn in_addr(address: Ipv4Addr) -> libc::in_addr {
    libc::in_addr { s_addr: u32::from_ne_bytes(address.octets()) }
}

fn address(address: libc::in_addr) -> Ipv4Addr {
    Ipv4Addr::from(address.s_addr.to_ne_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{setsockopt, sockopt};
    use std::net::UdpSocket;
    use std::os::fd::AsFd;
    use std::time::Duration;

    fn socket() -> (UdpSocket, SocketAddrV4) {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        setsockopt(&socket, sockopt::Ipv4PacketInfo, &true).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let port = socket.local_addr().unwrap().port();
        (socket, SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
    }

    #[test]
    fn a_datagram_says_where_it_was_sent_and_what_it_came_by() {
        let (receiver, at) = socket();
        let (sender, _) = socket();
        let mut out = SendBatch::new();
        let lo = nix::net::if_::if_nametoindex("lo").unwrap();
        let second = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 9), at.port());
        out.push(b"one", at, Ipv4Addr::UNSPECIFIED, None);
        out.push(b"second", second, Ipv4Addr::new(127, 0, 0, 5), Some(lo));
        assert_eq!(out.flush(sender.as_fd(), |to, error| panic!("{to}: {error}")), 2);
        assert!(out.is_empty());

        let mut batch = Batch::new();
        assert_eq!(batch.receive(receiver.as_fd()).unwrap(), 2);
        let port = sender.local_addr().unwrap().port();
        let expected = |payload, from, to| Datagram {
            payload,
            from: SocketAddrV4::new(from, port),
            to,
            link: lo,
            truncated: false,
        };
        let got: Vec<_> = batch.iter().collect();
        assert_eq!(got[0], expected(&b"one"[..], Ipv4Addr::LOCALHOST, *at.ip()));
        assert_eq!(got[1], expected(&b"second"[..], Ipv4Addr::new(127, 0, 0, 5), *second.ip()));
    }

    #[test]
    fn more_than_one_batch_arrives_whole_and_in_order() {
        let (receiver, at) = socket();
        let (sender, _) = socket();
        let mut out = SendBatch::new();
        for number in 0..100_u8 {
            out.push(&vec![number; usize::from(number)], at, Ipv4Addr::UNSPECIFIED, None);
        }
        assert_eq!(out.flush(sender.as_fd(), |to, error| panic!("{to}: {error}")), 100);
        let mut batch = Batch::new();
        let mut next = 0..100_u8;
        let mut calls = 0;
        while !next.is_empty() {
            batch.receive(receiver.as_fd()).unwrap();
            calls += 1;
            for datagram in batch.iter() {
                let number = next.next().unwrap();
                assert_eq!(datagram.payload, vec![number; usize::from(number)]);
            }
        }
        assert_eq!(calls, 4);
    }

    #[test]
    fn a_refused_message_does_not_keep_the_others_back() {
        let (receiver, at) = socket();
        let (sender, _) = socket();
        let mut out = SendBatch::new();
        let nowhere = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        out.push(b"first of all", nowhere, Ipv4Addr::UNSPECIFIED, None);
        out.push(b"a", at, Ipv4Addr::UNSPECIFIED, None);
        out.push(&[0; 70_000], at, Ipv4Addr::UNSPECIFIED, None);
        out.push(b"b", at, Ipv4Addr::UNSPECIFIED, None);
        out.push(b"source not ours", at, Ipv4Addr::new(192, 0, 2, 77), None);
        out.push(b"no such link", at, Ipv4Addr::UNSPECIFIED, Some(1_000_000));
        out.push(b"c", at, Ipv4Addr::UNSPECIFIED, None);
        out.push(b"last of all", nowhere, Ipv4Addr::UNSPECIFIED, None);
        let mut refused = Vec::new();
        let sent = out.flush(sender.as_fd(), |to, error| refused.push((to, error.raw_os_error().unwrap())));
        assert_eq!(sent, 3);
        assert_eq!(refused.len(), 5, "{refused:?}");
        assert_eq!(refused[0], (nowhere, libc::EINVAL));
        assert_eq!(refused[1], (at, libc::EMSGSIZE));
        assert_eq!(refused[4], (nowhere, libc::EINVAL));

        let mut batch = Batch::new();
        batch.receive(receiver.as_fd()).unwrap();
        assert_eq!(batch.iter().map(|datagram| datagram.payload).collect::<Vec<_>>(), [b"a", b"b", b"c"]);
    }

    #[test]
    fn what_is_too_long_is_marked_and_the_next_one_is_not() {
        let (receiver, at) = socket();
        let (sender, _) = socket();
        sender.send_to(&[7; OCTETS + 1], at).unwrap();
        sender.send_to(&[8; OCTETS], at).unwrap();
        sender.send_to(&[], at).unwrap();
        let mut batch = Batch::new();
        assert_eq!(batch.receive(receiver.as_fd()).unwrap(), 3);
        let got: Vec<_> = batch.iter().map(|datagram| (datagram.payload.len(), datagram.truncated)).collect();
        assert_eq!(got, [(OCTETS, true), (OCTETS, false), (0, false)]);
    }

    #[test]
    fn silence_ends_with_the_receive_timeout_and_leaves_nothing_of_before() {
        let (receiver, at) = socket();
        let (sender, _) = socket();
        sender.send_to(b"x", at).unwrap();
        let mut batch = Batch::new();
        assert_eq!(batch.receive(receiver.as_fd()).unwrap(), 1);
        receiver.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        assert_eq!(batch.receive(receiver.as_fd()).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(batch.iter().len(), 0);
    }

    #[test]
    fn without_packet_information_the_rest_still_arrives() {
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (sender, _) = socket();
        sender.send_to(b"x", receiver.local_addr().unwrap()).unwrap();
        let mut batch = Batch::new();
        batch.receive(receiver.as_fd()).unwrap();
        let datagram = batch.iter().next().unwrap();
        assert_eq!((datagram.payload, datagram.to, datagram.link), (&b"x"[..], Ipv4Addr::UNSPECIFIED, 0));
    }
}

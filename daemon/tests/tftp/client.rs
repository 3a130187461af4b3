//! A client that sends the packets that a test chooses, and can also fetch a whole file.

use proxydhcpd_core::wire::tftp::{ErrorCode, TftpOptions, TftpPacket, TftpRequest};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

#[derive(Debug)]
pub struct Client {
    pub socket: UdpSocket,
    buffer: Box<[u8; 65536]>,
}

impl Client {
    pub fn new() -> Client {
        Client::bind(([127, 0, 0, 1], 0).into())
    }

    pub fn bind(address: SocketAddr) -> Client {
        let socket = UdpSocket::bind(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.set_broadcast(true).unwrap();
        Client { socket, buffer: Box::new([0; 65536]) }
    }

    pub fn request(&self, server: impl Into<SocketAddr>, name: &str, options: &[(&str, &str)]) {
        self.socket.send_to(&rrq(name, options), server.into()).unwrap();
    }

    pub fn send(&self, to: SocketAddr, packet: TftpPacket<'_>) {
        let mut datagram = Vec::new();
        packet.write(&mut datagram);
        self.socket.send_to(&datagram, to).unwrap();
    }

    pub fn ack(&self, to: SocketAddr, block: u16) {
        self.send(to, TftpPacket::Ack { block });
    }

    pub fn error(&self, to: SocketAddr, code: u16) {
        self.send(to, TftpPacket::Error { code: ErrorCode(code), text: b"" });
    }

    /// Receives the next datagram, and returns its source and its octets.
    pub fn datagram(&mut self) -> (SocketAddr, &[u8]) {
        let (length, from) = self.socket.recv_from(&mut self.buffer[..]).expect("no reply");
        (from, &self.buffer[..length])
    }

    pub fn packet(&mut self) -> (SocketAddr, TftpPacket<'_>) {
        let (from, datagram) = self.datagram();
        (from, TftpPacket::read(datagram).unwrap())
    }

    /// Receives the next datagram, which must be DATA with this block number. Returns the length of the payload.
    pub fn expect_data(&mut self, expected: u16) -> usize {
        match self.packet().1 {
            TftpPacket::Data { block, payload } if block == expected => payload.len(),
            other => panic!("not DATA {expected}: {other:?}"),
        }
    }

    /// Receives the next datagram, which must be an ERROR. Returns the error code.
    pub fn error_code(&mut self) -> u16 {
        match self.packet().1 {
            TftpPacket::Error { code, .. } => code.0,
            other => panic!("no ERROR: {other:?}"),
        }
    }

    pub fn assert_no_packet(&mut self) {
        self.socket.set_nonblocking(true).unwrap();
        let got = self.socket.recv_from(&mut self.buffer[..]);
        assert!(got.is_err(), "unexpected packet: {got:?}");
        self.socket.set_nonblocking(false).unwrap();
    }

    /// Fetches a file. Passes each payload to `take`, with a block number that does not roll over. Returns the size of
    /// the file.
    pub fn fetch(
        &mut self,
        server: SocketAddr,
        name: &str,
        options: &[(&str, &str)],
        mut take: impl FnMut(u64, &[u8]),
    ) -> u64 {
        let (mut blksize, mut window, mut taken, mut unacked, mut size) = (512, 1, 0, 0, 0);
        self.request(server, name, options);
        loop {
            let (length, from) = self.socket.recv_from(&mut self.buffer[..]).expect("the transfer stalls");
            match TftpPacket::read(&self.buffer[..length]).unwrap() {
                TftpPacket::Oack(agreed) => {
                    blksize = option(&agreed, b"blksize").unwrap_or(blksize);
                    window = option(&agreed, b"windowsize").unwrap_or(window);
                    self.ack(from, 0);
                }
                TftpPacket::Data { block, payload } if block == (taken + 1) as u16 => {
                    take(taken, payload);
                    taken += 1;
                    unacked += 1;
                    size += payload.len() as u64;
                    let last = payload.len() < blksize;
                    if last || unacked == window {
                        unacked = 0;
                        self.ack(from, taken as u16);
                    }
                    if last {
                        return size;
                    }
                }
                TftpPacket::Data { .. } => self.ack(from, taken as u16),
                other => panic!("{other:?}"),
            }
        }
    }
}

pub fn rrq(name: &str, options: &[(&str, &str)]) -> Vec<u8> {
    let mut area = Vec::new();
    for (name, value) in options {
        TftpOptions::write(name.as_bytes(), value.as_bytes(), &mut area);
    }
    let options = TftpOptions::read(&area).unwrap();
    let mut datagram = Vec::new();
    TftpPacket::Read(TftpRequest { name: name.as_bytes(), mode: b"octet", options }).write(&mut datagram);
    datagram
}

fn option(options: &TftpOptions<'_>, name_to_find: &[u8]) -> Option<usize> {
    let (_, value) = options.iter().find(|(name, _)| *name == name_to_find)?;
    Some(std::str::from_utf8(value).unwrap().parse().unwrap())
}

//! A TFTP transfer in lockstep. The thread of the server counts.

use proxydhcpd::files::open_loader;
use proxydhcpd::serve::tftp::{TftpListeners, bind, run as serve};
use proxydhcpd::settings::TftpConfig;
use proxydhcpd_core::link::{Link, Network4};
use proxydhcpd_core::request::FileRequest;
use std::io::pipe;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

const BLOCKS: usize = 2000;
const BLOCK: usize = 1408;

/// Fetches a file. Returns the number of its blocks.
pub fn run() -> usize {
    let path = std::env::temp_dir().join(format!("proxydhcpd-instructions-{}", std::process::id()));
    std::fs::write(&path, vec![7; BLOCKS * BLOCK]).expect("a file");
    let settings = TftpConfig::default();
    let sockets = bind(Ipv4Addr::LOCALHOST.into(), 0, &settings).expect("a port");
    let port = sockets.port().expect("a port");
    let listeners = Arc::new(TftpListeners::new(100).expect("epoll"));
    listeners.add(sockets).expect("a listener");
    let (stopped, stop) = pipe().expect("a pipe");
    let file = path.clone();
    let server = thread::spawn(move || {
        crate::measured(|| {
            let open = |_: &FileRequest<'_>| open_loader(&file).into();
            let link = |_, _| Some(loopback());
            let (listeners, stopped) = (Arc::clone(&listeners), stopped.try_clone().expect("a descriptor"));
            serve(listeners, &settings, link, open, |_| true, |_| {}, stopped).expect("a server");
        });
    });
    fetch((Ipv4Addr::LOCALHOST, port).into());
    drop(stop);
    server.join().expect("the server");
    std::fs::remove_file(path).expect("the file");
    BLOCKS
}

fn loopback() -> Link {
    let ipv4 = vec![Network4 { address: Ipv4Addr::LOCALHOST, prefix: 8 }];
    Link { index: 1, name: "lo".into(), mtu: 65536, ipv4, ipv6: Vec::new() }
}

fn fetch(server: SocketAddr) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    socket.send_to(format!("\0\x01file\0octet\0blksize\0{BLOCK}\0").as_bytes(), server).expect("a request");
    let mut packet = [0; BLOCK + 4];
    loop {
        let (length, from) = socket.recv_from(&mut packet).expect("a packet of the server");
        let block = match packet[1] {
            6 => [0, 0],
            3 => [packet[2], packet[3]],
            _ => panic!("{:?}", &packet[..length]),
        };
        socket.send_to(&[0, 4, block[0], block[1]], from).expect("an ACK");
        if packet[1] == 3 && length < packet.len() {
            return;
        }
    }
}

//! Tests with many clients, slow clients, dead clients, and files that change during a transfer.

use crate::{Client, Server, TIMEOUT, curl, truncate};
use proxydhcpd::files::Opened;
use proxydhcpd::serve::http::{DropReason, HttpEvent, HttpSettings};
use proxydhcpd_core::event::Overload;
use socket2::{Domain, Socket, Type};
use std::collections::BTreeSet;
use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// This size exceeds the socket buffers of server and client together.
const LARGE: u64 = 64 << 20;

/// Returns a client that has requested a large file and reads almost nothing of it.
pub fn slow(server: &Server, name: &str) -> Client {
    let mut client = connect_from(Ipv4Addr::LOCALHOST, server);
    let head = client.send(format!("GET /{name} HTTP/1.1\r\nHost: x\r\n\r\n")).head();
    assert_eq!(head.status, 200);
    client
}

/// Connects a client with a small receive buffer from this loopback address.
fn connect_from(address: Ipv4Addr, server: &Server) -> Client {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(8192).unwrap();
    socket.bind(&SocketAddr::from((address, 0)).into()).unwrap();
    socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, server.port)).into()).unwrap();
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    Client { stream: BufReader::with_capacity(256, socket.into()) }
}

#[test]
fn thousands_of_idle_connections_do_not_block_a_transfer() {
    // This process has both ends of each connection, so it needs two descriptors for each.
    let (_, limit) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap();
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, limit, limit).unwrap();
    assert!(limit > 5000, "this test needs 5000 open files, and the limit is {limit}");

    let server = Server::start();
    let octets = server.write_file("initrd", 20_000_000);
    let mut idle: Vec<Client> = (0..2000).map(|_| server.connect()).collect();
    assert_eq!(curl(&[&server.url("initrd")]), octets);
    assert!(server.finished().whole);
    for client in &mut idle {
        assert_eq!(client.get("missing", "").status, 404);
    }
}

#[test]
fn slow_readers_do_not_hold_up_a_fast_one() {
    let server = Server::start();
    let octets = server.write_file("initrd", 20_000_000);
    // With so many clients, each has a buffer smaller than the largest one until the clients disconnect.
    let mut crawling: Vec<Client> = (0..200).map(|_| slow(&server, "initrd")).collect();
    let began = Instant::now();
    assert_eq!(curl(&[&server.url("initrd")]), octets);
    assert!(began.elapsed() < TIMEOUT);
    for client in &mut crawling {
        let mut some = [0; 1000];
        client.stream.read_exact(&mut some).unwrap();
        assert!(some == octets[..1000], "slow readers are served as well");
    }
    let mut last = crawling.pop().unwrap();
    drop(crawling);
    let mut rest = vec![0; octets.len() - 1000];
    last.stream.read_exact(&mut rest).unwrap();
    assert!(rest == octets[1000..]);
}

#[test]
fn a_slow_reader_gets_every_octet() {
    let server = Server::start();
    let octets = server.write_file("initrd", 3_000_000);
    let mut client = slow(&server, "initrd");
    let mut read = vec![0; octets.len()];
    for part in read.chunks_mut(1024) {
        client.stream.read_exact(part).unwrap();
    }
    assert!(read == octets);
    assert!(server.finished().whole);
}

#[test]
fn a_client_that_stops_reading_is_dropped() {
    let server = Server::with(HttpSettings { stall_timeout: Duration::from_secs(1), ..HttpSettings::default() });
    truncate(&server.path("large"), LARGE);
    let _dead = slow(&server, "large");
    let dropped = server.finished();
    assert!(!dropped.whole && dropped.octets < LARGE, "{dropped:?}");
}

#[test]
fn a_client_that_disconnects_early_has_not_fetched_the_file() {
    let server = Server::start();
    truncate(&server.path("large"), LARGE);
    drop(slow(&server, "large"));
    let done = server.finished();
    assert!(done.status == 200 && !done.whole && done.octets < LARGE, "{done:?}");
}

/// The new file has the same size, so only the modification time shows the change.
#[test]
fn a_file_that_is_overwritten_in_place_ends_the_connection_and_never_arrives_mixed() {
    let server = Server::start();
    let old = server.write_file("kernel", 32 << 20);
    let file = std::fs::File::options().write(true).open(server.path("kernel")).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let mut client = server.connect();
    client.send("GET /kernel HTTP/1.1\r\nHost: x\r\n\r\n").head();
    std::fs::write(server.path("kernel"), vec![7; 32 << 20]).unwrap();
    let got = client.rest();
    assert!(got.len() < old.len() && old.starts_with(&got), "{} octets", got.len());
    let HttpEvent::Failed { name, error, .. } = server.event() else { panic!("no event about the change") };
    assert_eq!(name, b"/kernel");
    assert!(error.contains("rename"), "{error}");
    assert!(!server.finished().whole, "it would complete a boot-once");
    assert!(server.connect().get("kernel", "").body == vec![7; 32 << 20], "the next request gets the new one");
}

#[test]
fn a_file_that_is_cut_short_ends_the_connection_and_is_never_padded() {
    let server = Server::start();
    truncate(&server.path("large"), LARGE);
    let mut client = slow(&server, "large");
    truncate(&server.path("large"), 1000);
    let rest = client.rest();
    assert!((rest.len() as u64) < LARGE, "{} octets came", rest.len());
    assert!(matches!(server.event(), HttpEvent::Failed { .. }));
    assert!(!server.finished().whole);
    assert_eq!(server.connect().get("large", "").body.len(), 1000);
}

#[test]
fn a_file_that_is_replaced_by_name_or_deleted_is_sent_as_it_was() {
    let server = Server::start();
    let octets = server.write_file("initrd", 5_000_000);
    let mut client = slow(&server, "initrd");
    server.write_file("new", 6_000_000);
    std::fs::rename(server.path("new"), server.path("initrd")).unwrap();
    std::fs::remove_file(server.path("initrd")).unwrap();
    let mut read = vec![0; octets.len()];
    client.stream.read_exact(&mut read).unwrap();
    assert!(read == octets);
    assert_eq!(client.get("initrd", "").status, 404, "octets after the end of the file");
}

#[test]
fn a_client_that_pipelines_without_reading_is_blocked_and_every_request_is_reported() {
    let server = Server::start();
    server.write_file("x", 4000);
    let mut client = server.connect();
    let stream = client.stream.get_mut();
    stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let requests = format!("GET /x HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "y".repeat(1000)).repeat(100);
    let mut accepted = 0;
    let blocked = loop {
        match stream.write(&requests.as_bytes()[accepted % requests.len()..]) {
            Ok(count) => accepted += count,
            Err(error) => break error,
        }
        assert!(accepted < 64 << 20, "the server buffers requests without limit");
    };
    assert!(matches!(blocked.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{blocked}");

    stream.shutdown(Shutdown::Write).unwrap();
    let replies = client.rest().windows(12).filter(|window| window == b"HTTP/1.1 200").count();
    server.connect().send("?\r\n\r\n").rest();
    let mut finished = 0;
    while let HttpEvent::Finished(done) = server.event() {
        finished += 1;
        assert!(done.whole || finished == replies, "{done:?}");
    }
    assert!(replies > 100 && finished == replies, "{finished} of {replies}");
}

#[test]
fn a_new_client_replaces_the_one_that_was_idle_longest() {
    let server = Server::with(HttpSettings { max_connections: 3, ..HttpSettings::default() });
    server.write_file("x", 1);
    let mut clients: Vec<Client> = (0..3).map(|_| server.connect()).collect();
    // The first client is the last to send a request, so it is no longer the one that was idle longest.
    for client in [1, 2, 0] {
        assert_eq!(clients[client].get("x", "").status, 200);
        server.finished();
    }
    let mut fourth = server.connect();
    assert_eq!(fourth.get("x", "").status, 200);
    assert!(clients[1].rest().is_empty());
    for client in [0, 2] {
        assert_eq!(clients[client].get("x", "").status, 200);
    }
    let evicted = clients[1].stream.get_ref().local_addr().unwrap();
    assert!(
        server
            .events
            .try_iter()
            .any(|event| event == HttpEvent::Dropped { client: evicted, reason: DropReason::EvictedIdle })
    );
}

/// The machines of a site that are switched on together are more than the connections for which there is room.
#[test]
fn a_new_client_waits_until_one_of_the_busy_ones_ends() {
    let server = Server::with(HttpSettings { max_connections: 2, ..HttpSettings::default() });
    let octets = server.write_file("initrd", 12_000_000);
    let request = "GET /initrd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let mut machines = [1, 2, 3, 4].map(|last| connect_from(Ipv4Addr::new(127, 0, 0, last), &server));
    machines.iter_mut().for_each(|machine| drop(machine.send(request)));
    for machine in &mut machines {
        assert_eq!(machine.head().status, 200);
        assert!(machine.rest() == octets);
        assert!(server.finished().whole);
    }
}

#[test]
fn a_new_connection_is_refused_if_all_are_busy_and_its_address_has_its_share() {
    let server = Server::with(HttpSettings { max_connections: 2, ..HttpSettings::default() });
    truncate(&server.path("large"), LARGE);
    let _busy = [slow(&server, "large"), slow(&server, "large")];
    let mut third = server.connect();
    assert!(third.rest().is_empty());
    assert!(matches!(
        server.event(),
        HttpEvent::Dropped { reason: DropReason::Full(Overload { connections: 2, from_address: 2, .. }), .. }
    ));
}

const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// The clients of a boot server have many addresses. If one address has all connections and reads no reply, it is an
/// attacker.
#[test]
fn an_address_above_its_share_loses_connections_to_others_and_gets_no_more() {
    let server = Server::with(HttpSettings { max_connections: 32, ..HttpSettings::default() });
    server.write_file("x", 1);
    truncate(&server.path("large"), LARGE);
    let mut greedy: Vec<Client> = (0..32).map(|_| slow(&server, "large")).collect();
    assert!(server.connect().rest().is_empty(), "a thirty-third of the same address");
    assert!(matches!(
        server.event(),
        HttpEvent::Dropped { reason: DropReason::Full(Overload { from_address: 32, .. }), .. }
    ));

    // The first connection has sent no request, and is older than the grace period for idle connections.
    let mut neighbours: Vec<Client> = Vec::new();
    for _ in 0..2 {
        neighbours.push(connect_from(NEIGHBOUR, &server));
        thread::sleep(Duration::from_millis(100));
    }
    for neighbour in &mut neighbours {
        assert_eq!(neighbour.get("x", "").status, 200);
    }
    let evicted_clients: BTreeSet<SocketAddr> = server
        .events
        .try_iter()
        .filter_map(|event| match event {
            HttpEvent::Dropped { client, reason: DropReason::EvictedSlowest(_) } => Some(client),
            _ => None,
        })
        .collect();
    let greedy_clients: BTreeSet<SocketAddr> =
        greedy.iter().map(|client| client.stream.get_ref().local_addr().unwrap()).collect();
    assert!(evicted_clients.len() == 2 && evicted_clients.is_subset(&greedy_clients), "{evicted_clients:?}");
    let mut still_served = 0;
    for client in &mut greedy {
        let address = client.stream.get_ref().local_addr().unwrap();
        still_served +=
            usize::from(!evicted_clients.contains(&address) && client.stream.read_exact(&mut [0; 1000]).is_ok());
    }
    assert_eq!(still_served, 30);
}

#[test]
fn a_host_with_many_addresses_loses_connections_to_one_without() {
    let server = Server::with(HttpSettings { max_connections: 32, ..HttpSettings::default() });
    server.write_file("x", 1);
    truncate(&server.path("large"), LARGE);
    let ask = |address| {
        let mut client = connect_from(address, &server);
        assert_eq!(client.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n").head().status, 200);
        client
    };
    let _greedy: Vec<Client> = (0..32).map(|number| ask(Ipv4Addr::new(127, 0, 1, number / 2))).collect();
    assert_eq!(connect_from(NEIGHBOUR, &server).get("x", "").status, 200);
}

/// Thirty machines behind one router share one address.
#[test]
fn an_address_may_have_all_connections_below_the_limit() {
    let server = Server::with(HttpSettings { max_connections: 32, ..HttpSettings::default() });
    let octets = server.write_file("initrd", 300_000);
    let mut machines: Vec<Client> = (0..32).map(|_| slow(&server, "initrd")).collect();
    for machine in &mut machines {
        let mut read = vec![0; octets.len()];
        machine.stream.read_exact(&mut read).unwrap();
        assert!(read == octets);
    }
}

#[test]
fn stopping_lets_a_transfer_finish_and_closes_idle_connections() {
    let mut server = Server::start();
    let octets = server.write_file("initrd", 5_000_000);
    let mut idle = server.connect();
    assert_eq!(idle.get("missing", "").status, 404);
    let mut running = slow(&server, "initrd");
    server.stop();
    assert!(idle.rest().is_empty());
    assert!(running.rest() == octets);
    let began = Instant::now();
    server.join();
    assert!(began.elapsed() < Duration::from_secs(1), "no transfer is left");
}

#[test]
fn a_response_while_the_server_stops_has_one_connection_field() {
    let (go, gate) = mpsc::channel();
    let (entered, opening) = mpsc::channel();
    let gate = Mutex::new(gate);
    let mut server = Server::with_open(tempfile::tempdir().unwrap(), HttpSettings::default(), move |_| {
        entered.send(()).unwrap();
        gate.lock().unwrap().recv().unwrap();
        Ok(Opened::text("#!ipxe\n"))
    });
    let mut client = server.connect();
    client.send("GET /boot.ipxe HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n");
    opening.recv_timeout(TIMEOUT).unwrap();
    server.stop();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, server.port)).is_ok() {}
    go.send(()).unwrap();
    let head = client.reply().head;
    assert!(head.matches("Connection: ").count() <= 1 && !head.contains("keep-alive, close"), "{head}");
    assert!(client.rest().is_empty());
}

#[test]
fn stopping_does_not_wait_for_a_stalled_client() {
    let mut server = Server::start();
    truncate(&server.path("large"), LARGE);
    let _stalled = slow(&server, "large");
    let began = Instant::now();
    server.join();
    assert!((Duration::from_millis(1900)..Duration::from_secs(6)).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert!(!server.finished().whole);
}

#[test]
fn a_busy_port_in_one_family_is_an_error() {
    let server = Server::start();
    let error = proxydhcpd::serve::http::bind(server.port, true).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
}

//! What one client address may ask for.
//!
//! A request costs a token; a client that answers gets its token back, for whoever answers has not forged its address.
//! So a Windows loader that reads forty small files in a second is not held up, and requests in a stranger's name make
//! us send that stranger a few packets a second.

use proxydhcpd_core::recent::Bucket;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// So many at once, and then so many a second.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    burst: u32,
    per_second: u32,
}

/// Packets from foreign ports that one transfer answers. Such a packet is a rare accident, and its source may be forged.
pub const FOREIGN: Rate = Rate { burst: 16, per_second: 3 };

/// Transfers at the same time.
const TRANSFERS: u16 = 16;

/// Requests that may stay without an answer: as many at once as there may be transfers, and then 3 a second.
const BURST: u32 = TRANSFERS as u32 * TOKEN;
const TOKENS_A_SECOND: u32 = 3;
const TOKEN: u32 = 1000;

/// Addresses that are remembered: about a megabyte. More cannot have a transfer (see `Transfers::MOST`).
const ADDRESSES: usize = 16_384;

#[derive(Debug, Default)]
pub struct Clients(HashMap<IpAddr, Client>);

#[derive(Debug)]
struct Client {
    transfers: u16,
    /// In thousandths, as of `counted`.
    tokens: u32,
    counted: Duration,
}

impl Rate {
    pub fn full(self, now: Duration) -> Bucket {
        Bucket::full(self.burst, millis(now))
    }

    pub fn take(self, bucket: &mut Bucket, now: Duration) -> bool {
        bucket.take(self.burst, self.per_second, millis(now))
    }
}

fn millis(now: Duration) -> u64 {
    now.as_millis() as u64
}

impl Clients {
    /// Takes a token for a request, if there is one.
    pub fn may_ask(&mut self, address: IpAddr, now: Duration) -> bool {
        if self.0.len() >= ADDRESSES && !self.0.contains_key(&address) {
            let idle = self.0.iter().find(|(_, client)| client.transfers == 0).map(|(&address, _)| address);
            let Some(idle) = idle else { return false };
            self.0.remove(&idle);
        }
        let client = self.0.entry(address).or_insert(Client { transfers: 0, tokens: BURST, counted: now });
        client.refill(now);
        match client.tokens.checked_sub(TOKEN) {
            Some(tokens) => {
                client.tokens = tokens;
                true
            }
            None => false,
        }
    }

    /// Gives the token back: the client has answered, or the request cost next to nothing.
    pub fn give_back(&mut self, address: IpAddr) {
        if let Some(client) = self.0.get_mut(&address) {
            client.tokens = (client.tokens + TOKEN).min(BURST);
        }
    }

    pub fn may_begin(&self, address: IpAddr) -> bool {
        self.0.get(&address).is_none_or(|client| client.transfers < TRANSFERS)
    }

    pub fn began(&mut self, address: IpAddr) {
        if let Some(client) = self.0.get_mut(&address) {
            client.transfers += 1;
        }
    }

    pub fn ended(&mut self, address: IpAddr) {
        if let Some(client) = self.0.get_mut(&address) {
            client.transfers = client.transfers.saturating_sub(1);
        }
    }

    /// Forgets those of whom nothing is held: they would be let in as strangers are.
    pub fn forget_idle(&mut self, now: Duration) {
        self.0.retain(|_, client| {
            client.refill(now);
            client.transfers > 0 || client.tokens < BURST
        });
    }
}

impl Client {
    fn refill(&mut self, now: Duration) {
        // Thousandths of a token a millisecond are tokens a second.
        let elapsed = u32::try_from(now.saturating_sub(self.counted).as_millis()).unwrap_or(u32::MAX);
        self.tokens = self.tokens.saturating_add(elapsed.saturating_mul(TOKENS_A_SECOND)).min(BURST);
        self.counted = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 107));

    fn asked(clients: &mut Clients, millis: u64) -> bool {
        clients.may_ask(CLIENT, Duration::from_millis(millis))
    }

    #[test]
    fn a_client_that_never_answers_gets_a_burst_and_then_three_a_second() {
        let mut clients = Clients::default();
        assert_eq!((0..100).filter(|_| asked(&mut clients, 0)).count(), 16);
        assert_eq!((0..10_000).filter(|&at| asked(&mut clients, at)).count(), 29);
    }

    #[test]
    fn a_client_that_answers_is_not_held_up() {
        let mut clients = Clients::default();
        for _ in 0..1000 {
            assert!(asked(&mut clients, 0));
            clients.give_back(CLIENT);
        }
    }

    #[test]
    fn sixteen_transfers_and_no_more() {
        let mut clients = Clients::default();
        for _ in 0..16 {
            assert!(asked(&mut clients, 0) && clients.may_begin(CLIENT));
            clients.began(CLIENT);
        }
        assert!(!clients.may_begin(CLIENT));
        clients.ended(CLIENT);
        assert!(clients.may_begin(CLIENT));
    }

    #[test]
    fn the_table_is_bounded_and_a_running_transfer_is_never_pushed_out() {
        let mut clients = Clients::default();
        asked(&mut clients, 0);
        clients.began(CLIENT);
        for address in 0..ADDRESSES as u32 + 1000 {
            assert!(clients.may_ask(IpAddr::V4(address.into()), Duration::ZERO));
        }
        assert_eq!(clients.0.len(), ADDRESSES);
        assert_eq!(clients.0[&CLIENT].transfers, 1);
        clients.forget_idle(Duration::from_secs(1));
        assert_eq!(clients.0.len(), 1);
    }
}

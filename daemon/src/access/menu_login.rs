//! The log-in at the menu of a machine: a user of iPXE proves by HTTP Digest that the password of a protected item is
//! known.

use super::attempts::Attempts;
use super::digest::{DigestAnswer, challenge};
use super::secret::{Secret, SecretHash};
use crate::menu_passwords::MenuPasswords;
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long an answer to a challenge counts. iPXE asks its user first, and answers at once.
const NONCE_LIFE: Duration = Duration::from_secs(30);
/// The number of answers that the server remembers. More of them in [`NONCE_LIFE`] are refused.
const MAX_USED: usize = 1024;

/// The challenges, and who has answered them.
#[derive(Debug)]
pub struct MenuLogin {
    secret: Secret,
    started: Instant,
    known: Mutex<Known>,
}

/// The recent answers of clients.
#[derive(Debug, Default)]
struct Known {
    attempts: Attempts,
    /// The nonces that were used, each with the end of its life: who hears an answer cannot repeat it.
    used: BTreeMap<String, Duration>,
}

/// Why a client may not start the item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginRefusal {
    /// It has not answered a challenge yet, or a challenge that is too old. The value is the next challenge.
    Challenged(String),
    /// The user or the password is wrong. The value is the next challenge.
    Wrong(String),
    /// It has tried too often, and has to wait.
    TooOften(Duration),
}

impl MenuLogin {
    /// A new secret for challenges.
    pub fn new() -> io::Result<MenuLogin> {
        Ok(MenuLogin { secret: Secret::new()?, started: Instant::now(), known: Mutex::default() })
    }

    /// The user who sends this request, if the user has proved to be one of `passwords`. `authorization` is the value
    /// of that header, and `target` that of the request line.
    pub fn verify(
        &self,
        passwords: &MenuPasswords,
        client: IpAddr,
        (method, target): (&str, &str),
        authorization: Option<&str>,
    ) -> Result<String, LoginRefusal> {
        let now = self.started.elapsed();
        let Some(answer) = authorization.and_then(DigestAnswer::parse) else {
            return Err(LoginRefusal::Challenged(self.challenge(now, false)));
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.attempts.note(client, self.started + now).map_err(LoginRefusal::TooOften)?;
        let is_right = passwords.hash(&answer.user).is_some_and(|hash| answer.proves(hash, method));
        if !is_right || answer.uri != target {
            return Err(LoginRefusal::Wrong(self.challenge(now, false)));
        }
        known.attempts.succeed(client);
        known.used.retain(|_, end| now < *end);
        match self.end_of(&answer.nonce).filter(|end| now < *end) {
            Some(end) if known.used.len() < MAX_USED && !known.used.contains_key(&answer.nonce) => {
                known.used.insert(answer.nonce, end);
                Ok(answer.user)
            }
            _ => Err(LoginRefusal::Challenged(self.challenge(now, true))),
        }
    }

    fn challenge(&self, now: Duration, is_stale: bool) -> String {
        challenge(&self.nonce(now.as_nanos()), is_stale)
    }

    /// The nonce of this moment: the nanoseconds since the start, and a hash that only this server can make.
    fn nonce(&self, nanoseconds: u128) -> String {
        let hash = SecretHash::of_text(&format!("{}:{nanoseconds:x}", self.secret.as_str()));
        format!("{nanoseconds:x}-{}", hash.to_hex())
    }

    /// When an answer to the challenge with this nonce counts no more. `None`: this server did not make the nonce.
    fn end_of(&self, nonce: &str) -> Option<Duration> {
        let nanoseconds = u128::from_str_radix(nonce.split_once('-')?.0, 16).ok()?;
        let made = Duration::from_nanos(u64::try_from(nanoseconds).ok()?);
        (self.nonce(nanoseconds) == nonce).then_some(made.saturating_add(NONCE_LIFE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::menu_passwords::{line, md5_hex};
    use proxydhcpd_reading::diagnostic::Source;

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 50));
    const REQUEST: (&str, &str) = ("GET", "/machine/mac=1/menu-item/shell");

    fn passwords() -> MenuPasswords {
        let text = line("teacher", "sesame").unwrap();
        MenuPasswords::parse(Source { name: String::new(), text }).0
    }

    fn answer(challenge: &str, password: &str, (method, target): (&str, &str)) -> String {
        let nonce = challenge.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
        let hash = md5_hex(&format!("teacher:proxydhcpd:{password}"));
        let response = md5_hex(&format!("{hash}:{nonce}:00000001:c:auth:{}", md5_hex(&format!("{method}:{target}"))));
        format!(
            "Digest username=\"teacher\", realm=\"proxydhcpd\", nonce=\"{nonce}\", uri=\"{target}\", \
             cnonce=\"c\", nc=00000001, qop=auth, response=\"{response}\""
        )
    }

    fn challenged(login: &MenuLogin) -> String {
        match login.verify(&passwords(), CLIENT, REQUEST, None) {
            Err(LoginRefusal::Challenged(challenge)) => challenge,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_answer_counts_once_and_for_its_request_only() {
        let login = MenuLogin::new().unwrap();
        let verify = |request, authorization: &str| login.verify(&passwords(), CLIENT, request, Some(authorization));
        let right = answer(&challenged(&login), "sesame", REQUEST);
        assert_eq!(verify(REQUEST, &right).as_deref(), Ok("teacher"));
        assert!(matches!(verify(REQUEST, &right), Err(LoginRefusal::Challenged(again)) if again.contains("stale")));
        let other = ("GET", "/machine/mac=1/menu-item/other");
        let right = answer(&challenged(&login), "sesame", REQUEST);
        assert!(matches!(verify(other, &right), Err(LoginRefusal::Wrong(_))));
        let foreign = answer(&MenuLogin::new().unwrap().challenge(Duration::ZERO, false), "sesame", REQUEST);
        assert!(matches!(verify(REQUEST, &foreign), Err(LoginRefusal::Challenged(_))));
        let old = answer(&login.challenge(Duration::ZERO, false), "sesame", REQUEST);
        let later = MenuLogin { started: login.started - NONCE_LIFE, ..login };
        assert!(matches!(later.verify(&passwords(), CLIENT, REQUEST, Some(&old)), Err(LoginRefusal::Challenged(_))));
    }

    #[test]
    fn a_client_that_tries_too_often_waits_even_with_the_right_password() {
        let login = MenuLogin::new().unwrap();
        let verify = |authorization: &str| login.verify(&passwords(), CLIENT, REQUEST, Some(authorization));
        for _ in 0..5 {
            assert!(matches!(verify(&answer(&challenged(&login), "wrong", REQUEST)), Err(LoginRefusal::Wrong(_))));
        }
        assert!(matches!(verify(&answer(&challenged(&login), "sesame", REQUEST)), Err(LoginRefusal::TooOften(_))));
    }
}

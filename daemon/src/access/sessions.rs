//! The sessions of browsers that logged in. They end with the server.

use super::secret::{Secret, SecretHash};
use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

/// A session ends if its browser sends nothing for this time.
pub const SESSION_LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The maximum number of sessions. A new one replaces the one that was used least recently.
const MAX_SESSIONS: usize = 256;

/// The sessions, by the hash of their secret, with the time of their last use.
#[derive(Debug, Default)]
pub struct Sessions(BTreeMap<SecretHash, Instant>);

impl Sessions {
    /// Begins a session, and returns the secret for the browser's cookie.
    pub fn begin(&mut self, now: Instant) -> io::Result<Secret> {
        let secret = Secret::new()?;
        self.0.retain(|_, used| now.duration_since(*used) < SESSION_LIFE);
        if self.0.len() >= MAX_SESSIONS
            && let Some(oldest) = self.0.iter().min_by_key(|(_, used)| **used).map(|(session, _)| *session)
        {
            self.0.remove(&oldest);
        }
        self.0.insert(secret.hash(), now);
        Ok(secret)
    }

    /// Whether this is the secret of a session. If it is, the session lives on.
    pub fn is_valid(&mut self, secret: &str, now: Instant) -> bool {
        let Some(used) = self.0.get_mut(&SecretHash::of_text(secret)) else { return false };
        let is_valid = now.duration_since(*used) < SESSION_LIFE;
        if is_valid {
            *used = now;
        }
        is_valid
    }

    /// Ends a session.
    pub fn end(&mut self, secret: &str) {
        self.0.remove(&SecretHash::of_text(secret));
    }

    /// The number of sessions.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no session.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Ends all sessions: the password has changed.
    pub fn end_all(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_lives_while_it_is_used_and_ends_when_it_is_ended() {
        let (mut sessions, mut now) = (Sessions::default(), Instant::now());
        let secret = sessions.begin(now).unwrap();
        for _ in 0..3 {
            now += SESSION_LIFE / 2;
            assert!(sessions.is_valid(secret.as_str(), now));
        }
        assert!(!sessions.is_valid("another", now));
        assert!(!sessions.is_valid(secret.as_str(), now + SESSION_LIFE));
        sessions.end(secret.as_str());
        assert!(!sessions.is_valid(secret.as_str(), now));
    }

    #[test]
    fn the_least_recently_used_session_makes_room() {
        let (mut sessions, start) = (Sessions::default(), Instant::now());
        let secrets: Vec<Secret> = (0..MAX_SESSIONS)
            .map(|second| sessions.begin(start + Duration::from_secs(second as u64)).unwrap())
            .collect();
        let now = start + Duration::from_secs(1000);
        assert!(sessions.is_valid(secrets[0].as_str(), now));
        sessions.begin(now).unwrap();
        assert!(sessions.is_valid(secrets[0].as_str(), now));
        assert!(!sessions.is_valid(secrets[1].as_str(), now));
    }
}

//! The link that admits a browser without a password: once, and for a short time.

use super::secret::{Secret, SecretHash};
use std::io;
use std::time::{Duration, Instant};

/// How long a link is valid.
pub const LINK_LIFE: Duration = Duration::from_secs(30 * 60);

/// The last link, if it was not used.
#[derive(Debug, Default)]
pub struct SetupLink(Option<(SecretHash, Instant)>);

impl SetupLink {
    /// Makes a new link, and returns its secret. An earlier link is no longer valid.
    pub fn renew(&mut self, now: Instant) -> io::Result<Secret> {
        let secret = Secret::new()?;
        self.0 = Some((secret.hash(), now));
        Ok(secret)
    }

    /// Makes the link invalid: the password has changed.
    pub fn cancel(&mut self) {
        self.0 = None;
    }

    /// Whether the link with this secret can be used. To look at the link does not use it, because programs that
    /// preview links look at them, too.
    pub fn is_valid(&self, secret: &str, now: Instant) -> bool {
        self.0.is_some_and(|(hash, made)| hash == SecretHash::of_text(secret) && now.duration_since(made) < LINK_LIFE)
    }

    /// Uses the link with this secret. Returns whether it was valid.
    pub fn take(&mut self, secret: &str, now: Instant) -> bool {
        let is_valid = self.is_valid(secret, now);
        if is_valid {
            self.0 = None;
        }
        is_valid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_valid_once_for_half_an_hour_and_until_the_next_one() {
        let (mut link, now) = (SetupLink::default(), Instant::now());
        assert!(!link.take("", now));
        let secret = link.renew(now).unwrap();
        assert!(!link.is_valid(secret.as_str(), now + LINK_LIFE));
        assert!(link.is_valid(secret.as_str(), now) && link.is_valid(secret.as_str(), now));
        assert!(!link.take("another", now));
        assert!(link.take(secret.as_str(), now));
        assert!(!link.take(secret.as_str(), now));
        let [first, second] = [link.renew(now).unwrap(), link.renew(now).unwrap()];
        assert!(!link.is_valid(first.as_str(), now) && link.is_valid(second.as_str(), now));
    }
}

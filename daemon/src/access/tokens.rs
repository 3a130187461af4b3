//! The tokens of programs. The state directory has their names and hashes.

use super::scope::Scope;
use super::secret::{Secret, SecretHash};
use crate::events::wall_clock::rfc3339;
use crate::files::replace;
use proxydhcpd_reading::names::check_name;
use proxydhcpd_reading::regular::read_regular;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The file with the tokens, below the state directory.
const FILE: &str = "web-tokens.toml";
/// The maximum size of that file, in octets.
const MAX_SIZE: u64 = 64 * 1024;
/// The maximum number of tokens.
const MAX_TOKENS: usize = 128;

/// The tokens.
#[derive(Clone, Debug)]
pub struct Tokens {
    path: PathBuf,
    tokens: Vec<Token>,
}

/// A token, as the server knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// The name, which no other token has.
    pub name: String,
    /// The scope of its owner.
    pub scope: Scope,
    /// When it was made: RFC 3339, in UTC.
    pub created: String,
    /// The hash of the secret (SHA-256), in hexadecimal digits. The secret has 256 random bits, so that it cannot be
    /// found from its hash.
    hash: String,
}

/// Why a token cannot be added or removed.
#[derive(Debug)]
pub enum TokenError {
    /// The name is invalid. The value is the reason.
    Name(String),
    /// There is a token with this name.
    Exists,
    /// There is no token with this name.
    Unknown,
    /// The server keeps no more.
    TooMany,
    /// The file cannot be written, or the kernel has no random numbers.
    Unwritable(io::Error),
}

/// The content of the file.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenFile {
    #[serde(default)]
    token: Vec<Token>,
}

impl Tokens {
    /// Reads the tokens. No file: there are none.
    pub fn load(state_dir: &Path) -> io::Result<Tokens> {
        let path = state_dir.join(FILE);
        let tokens = match read_regular(&path, MAX_SIZE) {
            Ok(octets) => {
                let file: Result<TokenFile, _> = toml::from_slice(&octets);
                file.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the file contains no tokens"))?.token
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(Tokens { path, tokens })
    }

    /// The tokens, in the order in which they were made.
    pub fn list(&self) -> &[Token] {
        &self.tokens
    }

    /// The token with this secret.
    pub fn find(&self, secret: &str) -> Option<&Token> {
        let hash = SecretHash::of_text(secret).to_hex();
        self.tokens.iter().find(|token| token.hash == hash)
    }

    /// Makes a token, and stores its hash in a file that only the user of the server can read. The server does not
    /// keep the secret.
    pub fn add(&mut self, name: &str, scope: Scope, now: SystemTime) -> Result<(Token, Secret), TokenError> {
        check_name(name).map_err(TokenError::Name)?;
        if self.tokens.iter().any(|token| token.name == name) {
            return Err(TokenError::Exists);
        }
        if self.tokens.len() >= MAX_TOKENS {
            return Err(TokenError::TooMany);
        }
        let secret = Secret::new().map_err(TokenError::Unwritable)?;
        let hash = secret.hash().to_hex();
        let token = Token { name: name.to_owned(), scope, created: rfc3339(now), hash };
        self.store([&self.tokens[..], std::slice::from_ref(&token)].concat())?;
        Ok((token, secret))
    }

    /// Removes a token. Its owner may do nothing from now on.
    pub fn remove(&mut self, name: &str) -> Result<(), TokenError> {
        let others: Vec<Token> = self.tokens.iter().filter(|token| token.name != name).cloned().collect();
        if others.len() == self.tokens.len() {
            return Err(TokenError::Unknown);
        }
        self.store(others)
    }

    fn store(&mut self, tokens: Vec<Token>) -> Result<(), TokenError> {
        let file = TokenFile { token: tokens };
        let text = toml::to_string(&file).map_err(|error| TokenError::Unwritable(io::Error::other(error)))?;
        let write = || {
            self.path.parent().map_or(Ok(()), fs::create_dir_all)?;
            replace(&self.path, text.as_bytes(), 0o600)
        };
        write().map_err(TokenError::Unwritable)?;
        self.tokens = file.token;
        Ok(())
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokenError::Name(reason) => f.write_str(reason),
            TokenError::Exists => f.write_str("a token with this name exists"),
            TokenError::Unknown => f.write_str("there is no token with this name"),
            TokenError::TooMany => write!(f, "the server keeps at most {MAX_TOKENS} tokens"),
            TokenError::Unwritable(error) => write!(f, "the server cannot store the tokens: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::time::UNIX_EPOCH;

    #[test]
    fn tokens_outlive_the_server_and_only_their_hashes_are_stored() {
        let directory = tempfile::tempdir().unwrap();
        let mut tokens = Tokens::load(directory.path()).unwrap();
        let (_, boot) = tokens.add("ansible", Scope::Boot, UNIX_EPOCH).unwrap();
        let (_, read) = tokens.add("grafana", Scope::Read, UNIX_EPOCH).unwrap();
        assert!(matches!(tokens.add("ansible", Scope::Read, UNIX_EPOCH), Err(TokenError::Exists)));
        let mut loaded = Tokens::load(directory.path()).unwrap();
        assert_eq!(loaded.find(boot.as_str()).unwrap().scope, Scope::Boot);
        assert!(loaded.find("").is_none());
        loaded.remove("ansible").unwrap();
        assert!(matches!(loaded.remove("ansible"), Err(TokenError::Unknown)));
        let loaded = Tokens::load(directory.path()).unwrap();
        assert!(loaded.find(boot.as_str()).is_none() && loaded.find(read.as_str()).is_some());
        let file = directory.path().join(FILE);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!fs::read_to_string(&file).unwrap().contains(read.as_str()));
    }

    #[test]
    fn the_number_of_tokens_is_bounded_and_a_damaged_file_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let mut tokens = Tokens::load(directory.path()).unwrap();
        for number in 0..MAX_TOKENS {
            tokens.add(&format!("token{number}"), Scope::Read, UNIX_EPOCH).unwrap();
        }
        assert!(matches!(tokens.add("another", Scope::Read, UNIX_EPOCH), Err(TokenError::TooMany)));
        assert!(matches!(tokens.add("a\nb", Scope::Read, UNIX_EPOCH), Err(TokenError::Name(_))));
        assert!(fs::metadata(directory.path().join(FILE)).unwrap().len() < MAX_SIZE / 2);
        fs::write(directory.path().join(FILE), "secret").unwrap();
        assert!(Tokens::load(directory.path()).is_err());
    }
}

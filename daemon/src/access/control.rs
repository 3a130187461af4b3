//! The values that decide who may use the page, shared by the threads that ask.

use super::attempts::Attempts;
use super::opening::{Opening, OpeningFile};
use super::page::PageListeners;
use super::password::Password;
use super::secret::Secret;
use super::sessions::Sessions;
use super::setup_link::SetupLink;
use super::tokens::Tokens;
use crate::settings::WebConfig;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};

/// How long the thread of the page may take to follow a change.
const FOLLOW_TIME: Duration = Duration::from_secs(2);

/// The users of the page and the API, and where the page is open.
#[derive(Clone, Debug)]
pub struct AccessControl(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: WebConfig,
    state_dir: PathBuf,
    access: Mutex<Access>,
    /// A hash of a password takes memory, and a file is written as a whole, so the server does one at a time.
    working: Semaphore,
    opening_file: OpeningFile,
    /// Whether a command opened the page, with the number of the change.
    opening: watch::Sender<(u64, Option<Opening>)>,
    listeners: watch::Sender<PageListeners>,
}

/// The users of the page.
#[derive(Debug)]
pub struct Access {
    /// The password.
    pub password: Password,
    /// The tokens of programs.
    pub tokens: Tokens,
    /// The sessions of browsers.
    pub sessions: Sessions,
    /// The link that admits a browser without a password.
    pub setup_link: SetupLink,
    /// The recent attempts to log in.
    pub attempts: Attempts,
}

impl Access {
    /// Ends all sessions and the link: the password has changed.
    pub fn end_all(&mut self) {
        self.sessions.end_all();
        self.setup_link.cancel();
    }
}

impl AccessControl {
    /// Reads the files in the state directory.
    pub fn load(config: &WebConfig, state_dir: &Path) -> io::Result<AccessControl> {
        let named = |name: &str| {
            let path = state_dir.join(name);
            move |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        };
        let access = Access {
            password: Password::load(state_dir).map_err(named("web-password"))?,
            tokens: Tokens::load(state_dir).map_err(named("web-tokens.toml"))?,
            sessions: Sessions::default(),
            setup_link: SetupLink::default(),
            attempts: Attempts::default(),
        };
        let opening_file = OpeningFile::new(state_dir);
        let opening = opening_file.load().map_err(named("web-open.toml"))?;
        Ok(AccessControl(Arc::new(Shared {
            config: config.clone(),
            state_dir: state_dir.to_owned(),
            access: Mutex::new(access),
            working: Semaphore::new(1),
            opening_file,
            opening: watch::Sender::new((0, opening)),
            listeners: watch::Sender::default(),
        })))
    }

    /// The settings of the page.
    pub fn config(&self) -> &WebConfig {
        &self.0.config
    }

    /// The state directory.
    pub fn state_dir(&self) -> &Path {
        &self.0.state_dir
    }

    /// Locks what decides who may use the page.
    pub fn lock(&self) -> MutexGuard<'_, Access> {
        self.0.access.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a link that admits a browser without a password, and returns its secret.
    pub fn new_setup_link(&self) -> io::Result<Secret> {
        self.lock().setup_link.renew(Instant::now())
    }

    /// Checks or sets a password in a thread that may work for some time, one at a time.
    pub async fn with_password<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Password) -> T + Send + 'static,
    ) -> Option<T> {
        let _permit = self.0.working.acquire().await.ok()?;
        let mut password = self.lock().password.clone();
        let worked = tokio::task::spawn_blocking(move || (work(&mut password), password)).await;
        let (result, password) = worked.ok()?;
        self.lock().password = password;
        Some(result)
    }

    /// Changes the tokens in a thread that may wait for the disk, one at a time.
    pub async fn with_tokens<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tokens) -> T + Send + 'static,
    ) -> Option<T> {
        let _permit = self.0.working.acquire().await.ok()?;
        let mut tokens = self.lock().tokens.clone();
        let worked = tokio::task::spawn_blocking(move || (work(&mut tokens), tokens)).await;
        let (result, tokens) = worked.ok()?;
        self.lock().tokens = tokens;
        Some(result)
    }

    /// Opens the page to the served networks, or closes it (`None`), and returns where it is then.
    pub async fn change_opening(&self, opening: Option<Opening>) -> io::Result<PageListeners> {
        let _permit = self.0.working.acquire().await.map_err(io::Error::other)?;
        let file = self.0.opening_file.clone();
        tokio::task::spawn_blocking(move || file.store(opening)).await.map_err(io::Error::other)??;
        let mut change = 0;
        self.0.opening.send_modify(|current| {
            change = current.0 + 1;
            *current = (change, opening);
        });
        let mut listeners = self.0.listeners.subscribe();
        let followed = tokio::time::timeout(FOLLOW_TIME, listeners.wait_for(|listeners| listeners.change >= change));
        match followed.await {
            Ok(Ok(listeners)) => Ok(listeners.clone()),
            _ => Err(io::Error::new(io::ErrorKind::TimedOut, "the thread of the page does not respond")),
        }
    }

    /// Whether a command opened the page, and its changes.
    pub fn opening(&self) -> watch::Receiver<(u64, Option<Opening>)> {
        self.0.opening.subscribe()
    }

    /// Where the page is.
    pub fn listeners(&self) -> PageListeners {
        self.0.listeners.borrow().clone()
    }

    /// Publishes where the page is.
    pub fn publish(&self, listeners: PageListeners) {
        self.0.listeners.send_if_modified(|current| {
            let is_changed = *current != listeners;
            *current = listeners;
            is_changed
        });
    }
}

//! The properties of the files that machines load, each found once as long as the file does not change.

use proxydhcpd_core::event::ContentKind;
use proxydhcpd_core::story::{FileNotes, StoryEvent, StoryFile, StoryWhat};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

/// The maximum number of files whose properties are kept.
const MAX_FILES: usize = 128;

/// Finds the properties of files.
pub trait InspectFile: Send + 'static {
    /// The path of a file whose properties matter; `None` for any other file. `profile` is the name of the profile of
    /// the machine that requested it.
    fn path(&self, file: &StoryFile, content: ContentKind, profile: &str) -> Option<PathBuf>;

    /// The properties of the file at this path.
    fn inspect(&self, file: &StoryFile, content: ContentKind, path: &std::path::Path) -> FileNotes;
}

/// The properties of files, by path.
#[derive(Debug)]
pub struct NotesCache<I> {
    inspect: I,
    known: BTreeMap<PathBuf, KnownFile>,
}

/// The properties of a version of a file.
#[derive(Debug)]
struct KnownFile {
    version: (Option<SystemTime>, u64),
    notes: FileNotes,
}

impl<I: InspectFile> NotesCache<I> {
    /// A cache without files.
    pub fn new(inspect: I) -> Self {
        NotesCache { inspect, known: BTreeMap::new() }
    }

    /// Adds the properties of the file to an event.
    pub fn add(&mut self, event: &mut StoryEvent) {
        let StoryWhat::FileOpened { file, content, profile, notes, .. } = &mut event.what else { return };
        let Some(path) = self.inspect.path(file, *content, profile.as_str()) else { return };
        let metadata = path.metadata().ok();
        let version = metadata.map_or((None, 0), |metadata| (metadata.modified().ok(), metadata.len()));
        if self.known.get(&path).is_none_or(|known| known.version != version) {
            if self.known.len() >= MAX_FILES {
                self.known.clear();
            }
            let found = self.inspect.inspect(file, *content, &path);
            self.known.insert(path.clone(), KnownFile { version, notes: found });
        }
        let found = self.known.get(&path).map(|known| &known.notes).filter(|notes| **notes != FileNotes::default());
        *notes = found.cloned().map(Box::new);
    }
}

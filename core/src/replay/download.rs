//! The download of one file by one machine, by either protocol: its beginning, its content if that is a script, and its
//! end.

use super::context::Context;
use super::offered::LOCAL_DISK;
use crate::event::ContentKind;
use crate::fetch::{Fetch, ScriptFailure, fetch, is_done_request, is_first_request};
use crate::file_ticket::{BootKind, FileRole};
use crate::identity::MachineIdentity;
use crate::request::FileRequest;
use crate::story::{FileEnd, ShortText, StoryFile, StoryReport, StoryWhat};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// The maximum length of a script, in octets. Only the content of shorter files is kept.
const MAX_SCRIPT: usize = 64 << 10;

/// The beginning of a script.
const SCRIPT: &[u8] = b"#!ipxe";

/// A download.
#[derive(Debug)]
pub struct Download {
    machine: MachineIdentity,
    /// The requested name without the identity that it may claim.
    name: String,
    file: StoryFile,
    /// The time of the request, in milliseconds.
    requested: u64,
    /// The length of the file, if it is known.
    size: Option<u64>,
    content: Content,
    /// Whether the story has its beginning. The story of a file that may be a script receives it with the content.
    is_noted: bool,
    is_done_request: bool,
}

/// The content of a file from its beginning; `None` if it is too long, or a part of it is missing.
#[derive(Debug)]
struct Content(Option<Vec<u8>>);

impl Download {
    /// A download that the server accepted or refused. `requested` is the time of the request.
    pub fn new(context: &mut Context, request: &FileRequest<'_>, requested: u64) -> Download {
        let decision = fetch(&context.plan, &context.observations, request);
        let (machine, name) = (decision.ticket.machine, decision.ticket.name);
        let is_loader = context.is_loader(&name);
        let is_first = is_loader || is_first_request(request.name, &decision.answer);
        context.observations.note_file_request(&machine, is_first, requested);
        let memory = decision.memory.map(StoryReport::Memory);
        let failure = match decision.answer {
            Ok(Fetch::Failed(ScriptFailure { command, error, file })) => {
                Some(StoryReport::ScriptError { command, error, file: ShortText::new(&file) })
            }
            _ => None,
        };
        for report in [memory, failure].into_iter().flatten() {
            context.note_progress(requested, &machine, StoryWhat::Report(report));
        }
        let file = StoryFile {
            name: ShortText::new(&name),
            role: if is_loader { FileRole::Loader } else { FileRole::Other },
            boots: if name.starts_with(LOCAL_DISK) { BootKind::LocalDisk } else { BootKind::BootDir },
            over_http: request.protocol != crate::request::Protocol::Tftp,
        };
        Download {
            machine,
            name,
            file,
            requested,
            size: None,
            content: Content(Some(Vec::new())),
            is_noted: false,
            is_done_request: is_done_request(request.name),
        }
    }

    /// The machine.
    pub fn machine(&self) -> &MachineIdentity {
        &self.machine
    }

    /// The length of the file, if it is known.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// Sets the length of the file. The story of a long file shows its beginning at once.
    pub fn set_size(&mut self, context: &mut Context, size: u64) {
        self.size = Some(size);
        if size > MAX_SCRIPT as u64 {
            self.content.0 = None;
            self.note_beginning(context);
        }
    }

    /// Adds the next octets of the content. The story shows the beginning of a file that is no script at once, if the
    /// length is known.
    pub fn add(&mut self, context: &mut Context, octets: &[u8]) {
        let Content(Some(content)) = &mut self.content else { return };
        let is_kept = content.len() + octets.len() <= MAX_SCRIPT;
        if is_kept {
            content.extend_from_slice(octets);
        }
        let is_script = content.starts_with(SCRIPT) || SCRIPT.starts_with(content) || self.name.ends_with(".ipxe");
        if !is_kept || !is_script {
            self.content.0 = None;
        }
        if !is_script && self.size.is_some() {
            self.note_beginning(context);
        }
    }

    /// Notes that octets of the content were not captured.
    pub fn add_missing(&mut self, length: usize) {
        if length > 0 {
            self.content.0 = None;
        }
    }

    /// The server refused the file.
    pub fn refused(self, context: &mut Context, label: &'static str) {
        context.note_progress(context.now, &self.machine, StoryWhat::FileRefused { file: self.file, label });
    }

    /// The download ended at this time, after this number of octets.
    pub fn ended(mut self, context: &mut Context, at: u64, octets: u64, end: FileEnd) {
        if end == FileEnd::Complete {
            self.size = self.size.or(Some(octets));
        } else {
            self.content.0 = None;
        }
        self.note_beginning(context);
        let duration = u32::try_from(at.saturating_sub(self.requested)).unwrap_or(u32::MAX);
        // The server detects a boot loop before it records the end of the transfer.
        if end == FileEnd::Complete && self.file.role == FileRole::Loader {
            let looping = context.observations.note_loader(&self.machine, &self.name, at);
            if let Some(cause) = looping {
                context.note_progress(at, &self.machine, StoryWhat::BootLoop(cause));
            }
        }
        if end == FileEnd::Complete && self.is_done_request {
            context.note_progress(at, &self.machine, StoryWhat::Report(StoryReport::Installed));
        }
        context.note_progress(at, &self.machine, StoryWhat::FileEnded { file: self.file, octets, duration, end });
    }

    /// The capture ends before the download does.
    pub fn unfinished(mut self, context: &mut Context) {
        self.content.0 = None;
        self.note_beginning(context);
    }

    fn note_beginning(&mut self, context: &mut Context) {
        if core::mem::replace(&mut self.is_noted, true) {
            return;
        }
        let script = self.content.0.take().filter(|text| text.starts_with(SCRIPT) || self.name.ends_with(".ipxe"));
        let content = match &script {
            _ if self.is_done_request => ContentKind::Done,
            Some(text) if text.starts_with(SCRIPT) => ContentKind::Script,
            _ => ContentKind::File,
        };
        let notes = script.map(|text| Box::new((context.inspect)(&self.name, &text)));
        let size = self.size.unwrap_or_default();
        let what = StoryWhat::FileOpened { file: self.file, size, content, profile: ShortText::default(), notes };
        context.note_progress(self.requested, &self.machine, what);
    }
}

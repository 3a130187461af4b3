//! Templates: text with expressions, rendered for the machine that requests it.
//!
//! All templates in the directory are read and compiled when a site is built. Rendering reads no file, because included
//! templates are compiled too.

mod engine;
mod failure;
mod filters;
mod limited_writer;
mod menu_entries;
mod profile_texts;
mod requests;
mod scope;
mod strict;
mod template_dir;
mod text_locations;
mod unknown_names;

pub use engine::Templates;
pub use failure::Failure;
pub use requests::is_script;
pub use scope::{Scope, TemplateVariables};
pub use text_locations::{TextLocations, text_locations};

#[cfg(test)]
mod tests;

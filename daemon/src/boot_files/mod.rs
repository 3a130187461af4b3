//! The files that machines boot: recognises programs (`image`), kernels, initrds and iPXE scripts by their content, and
//! finds the faults in them. These modules read files at the start, at a reload and in `check`, and hold no state.

pub mod image;

mod compression;
pub mod fault;

pub mod initrd;
pub mod kernel;
pub mod script;

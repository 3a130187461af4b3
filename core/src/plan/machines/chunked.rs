//! A list in chunks that versions of the list share. A clone of the list costs one reference; a change copies one chunk
//! and the list of chunks, unless no other version has them.

use alloc::sync::Arc;
use alloc::vec::Vec;

/// The number of elements in a chunk is two to this power.
const CHUNK_BITS: u32 = 10;
/// The number of elements in a chunk.
const CHUNK_LENGTH: usize = 1 << CHUNK_BITS;

/// The chunks. The type of the chunk decides how it stores its elements.
#[derive(Clone, Debug)]
pub struct Chunked<C>(Arc<Vec<Arc<C>>>);

impl<C: Clone + Default> Chunked<C> {
    /// The chunk of this element, and the element's place in the chunk. Panics if there is no such chunk.
    pub fn at(&self, element: u32) -> (&C, usize) {
        (&self.0[(element >> CHUNK_BITS) as usize], element as usize & (CHUNK_LENGTH - 1))
    }

    /// The same as [`Chunked::at`], for a change. Adds an empty chunk if the element is the first one of a new chunk.
    pub fn at_mut(&mut self, element: u32) -> (&mut C, usize) {
        let chunks = Arc::make_mut(&mut self.0);
        let index = (element >> CHUNK_BITS) as usize;
        if index == chunks.len() {
            chunks.push(Arc::default());
        }
        (Arc::make_mut(&mut chunks[index]), element as usize & (CHUNK_LENGTH - 1))
    }

    /// Changes each chunk.
    pub fn for_each_mut(&mut self, change: impl Fn(&mut C)) {
        Arc::make_mut(&mut self.0).iter_mut().for_each(|chunk| change(Arc::make_mut(chunk)));
    }
}

impl<C> Default for Chunked<C> {
    fn default() -> Self {
        Chunked(Arc::default())
    }
}

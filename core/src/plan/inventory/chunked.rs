//! A list in chunks that versions of the list share. A clone of the list costs one reference; a change copies one chunk
//! and the list of chunks, unless no other version has them. The list of chunks has the address of the elements of each
//! chunk, so access to an element costs little more than in an array.

use alloc::sync::Arc;
use alloc::vec::Vec;

/// The number of elements in a chunk is two to this power.
const CHUNK_BITS: u32 = 10;
/// The number of elements in a chunk.
pub const CHUNK_LENGTH: usize = 1 << CHUNK_BITS;

/// The chunks. The type of the chunk decides how it stores its elements.
#[derive(Debug)]
pub struct Chunked<C: ?Sized>(Arc<Vec<Arc<C>>>);

/// The number of the chunk of this element, and the element's place in the chunk.
pub fn place_of(element: u32) -> (usize, usize) {
    ((element >> CHUNK_BITS) as usize, element as usize & (CHUNK_LENGTH - 1))
}

impl<C: ?Sized> Chunked<C> {
    /// The number of chunks.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The chunk with this number; `None` if there is no such chunk.
    pub fn chunk(&self, number: usize) -> Option<&C> {
        self.0.get(number).map(|chunk| &**chunk)
    }

    /// Replaces a chunk, or adds one at the end.
    pub fn set(&mut self, number: usize, chunk: Arc<C>) {
        let chunks = Arc::make_mut(&mut self.0);
        if number == chunks.len() {
            chunks.push(chunk);
        } else {
            chunks[number] = chunk;
        }
    }
}

impl<T: Clone> Chunked<[T]> {
    /// The element with this number. Panics if there is no such element.
    pub fn get(&self, element: u32) -> &T {
        let (chunk, place) = place_of(element);
        &self.0[chunk][place]
    }

    /// The same as [`Chunked::get`], for a change.
    pub fn get_mut(&mut self, element: u32) -> &mut T {
        let (chunk, place) = place_of(element);
        &mut Arc::make_mut(&mut Arc::make_mut(&mut self.0)[chunk])[place]
    }
}

impl<C: Clone + Default> Chunked<C> {
    /// The chunk of this element, and the element's place in the chunk. Panics if there is no such chunk.
    pub fn at(&self, element: u32) -> (&C, usize) {
        let (chunk, place) = place_of(element);
        (&self.0[chunk], place)
    }

    /// The same as [`Chunked::at`], for a change. Adds an empty chunk if the element is the first one of a new chunk.
    pub fn at_mut(&mut self, element: u32) -> (&mut C, usize) {
        let (chunk, place) = place_of(element);
        let chunks = Arc::make_mut(&mut self.0);
        if chunk == chunks.len() {
            chunks.push(Arc::default());
        }
        (Arc::make_mut(&mut chunks[chunk]), place)
    }

    /// Changes each chunk.
    pub fn for_each_mut(&mut self, change: impl Fn(&mut C)) {
        Arc::make_mut(&mut self.0).iter_mut().for_each(|chunk| change(Arc::make_mut(chunk)));
    }
}

impl<C: ?Sized> Clone for Chunked<C> {
    fn clone(&self) -> Self {
        Chunked(self.0.clone())
    }
}

impl<C: ?Sized> Default for Chunked<C> {
    fn default() -> Self {
        Chunked(Arc::default())
    }
}

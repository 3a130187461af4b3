//! The interface of the place that keeps boots beyond the memory of the stories.

/// Keeps boots. No function waits.
pub trait BootKeeper: Send + 'static {
    /// Whether it keeps boots at all.
    fn is_on(&self) -> bool;

    /// Asks the keeper to take the boots that changed. A thread takes them, or leaves them for the next time.
    fn wake(&self);
}

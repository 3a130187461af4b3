//! The timers of the transfers, sorted by time.

use std::collections::BTreeSet;
use std::time::Duration;

/// The timers: at most one for each transfer, which keeps its time in [`super::session::Session::timer`].
#[derive(Debug, Default)]
pub struct Timers(BTreeSet<(Duration, usize)>);

impl Timers {
    /// Sets the timer of the transfer in this slot, if `deadline` is earlier than the timer that is set.
    pub fn set(&mut self, index: usize, timer: &mut Option<Duration>, deadline: Duration) {
        if timer.is_none_or(|timer| deadline < timer) {
            self.remove(index, timer);
            *timer = Some(deadline);
            self.0.insert((deadline, index));
        }
    }

    /// Removes the timer of the transfer in this slot, if one is set.
    pub fn remove(&mut self, index: usize, timer: &mut Option<Duration>) {
        if let Some(at) = timer.take() {
            self.0.remove(&(at, index));
        }
    }

    /// The time of the next timer, and the slot of its transfer.
    pub fn next(&self) -> Option<(Duration, usize)> {
        self.0.first().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_transfer_has_one_timer_and_the_earliest_comes_first() {
        let (mut timers, mut first, mut second) = (Timers::default(), None, None);
        timers.set(7, &mut first, 30 * MS);
        timers.set(9, &mut second, 20 * MS);
        assert_eq!(timers.next(), Some((20 * MS, 9)));
        timers.set(9, &mut second, 25 * MS);
        assert_eq!((second, timers.next()), (Some(20 * MS), Some((20 * MS, 9))), "an earlier timer stays");
        timers.set(7, &mut first, 10 * MS);
        assert_eq!((first, timers.next()), (Some(10 * MS), Some((10 * MS, 7))));
        timers.remove(7, &mut first);
        timers.remove(7, &mut first);
        assert_eq!((first, timers.next()), (None, Some((20 * MS, 9))));
        timers.remove(9, &mut second);
        assert_eq!(timers.next(), None);
    }
}

//! The calls that wait for one webhook, bounded.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The maximum number of calls that wait for a webhook.
pub const MAX_WAITING: usize = 100;
/// The pauses before the second attempt and those after it.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(2 * 60),
    Duration::from_secs(10 * 60),
];

/// A call that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The identifier, the same for each attempt.
    pub id: String,
    /// The body.
    pub body: Arc<str>,
    /// The number of attempts that failed.
    pub attempts: usize,
    /// The time of the next attempt.
    due: Instant,
}

/// The calls that wait, oldest first.
#[derive(Debug, Default)]
pub struct CallQueue(VecDeque<Call>);

impl Call {
    /// A call that is due now.
    pub fn new(id: String, body: Arc<str>, now: Instant) -> Call {
        Call { id, body, attempts: 0, due: now }
    }

    /// The call after an attempt that failed. `Err`: it was the last one.
    pub fn after_failure(self, now: Instant) -> Result<Call, Call> {
        let attempts = self.attempts + 1;
        match PAUSES.get(self.attempts) {
            Some(pause) => Ok(Call { attempts, due: now + *pause, ..self }),
            None => Err(Call { attempts, ..self }),
        }
    }
}

impl CallQueue {
    /// Adds a call, and returns whether the oldest one had to make room.
    pub fn push(&mut self, call: Call) -> bool {
        let is_full = self.0.len() >= MAX_WAITING;
        if is_full {
            self.0.pop_front();
        }
        self.0.push_back(call);
        is_full
    }

    /// Returns a call to its place after an attempt: it is older than those that came meanwhile. Returns whether there
    /// is no room, and the call is lost.
    pub fn push_back_failed(&mut self, call: Call) -> bool {
        let is_full = self.0.len() >= MAX_WAITING;
        if !is_full {
            self.0.push_front(call);
        }
        is_full
    }

    /// The number of calls.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// When the next call is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.0.iter().map(|call| call.due).min()
    }

    /// Takes the call that is due first, if it is due now.
    pub fn take_due(&mut self, now: Instant) -> Option<Call> {
        let index = (0..self.0.len()).min_by_key(|index| self.0[*index].due)?;
        if self.0[index].due > now { None } else { self.0.remove(index) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(id: usize, now: Instant) -> Call {
        Call::new(id.to_string(), "".into(), now)
    }

    #[test]
    fn a_call_that_fails_waits_ever_longer_and_then_is_given_up() {
        let now = Instant::now();
        let mut queue = CallQueue::default();
        queue.push(call(1, now));
        let mut at = now;
        for (attempts, pause) in [1, 5, 30, 120, 600].into_iter().enumerate() {
            let taken = queue.take_due(at).unwrap();
            assert_eq!((taken.attempts, queue.next_due()), (attempts, None));
            assert!(!queue.push_back_failed(taken.after_failure(at).unwrap()));
            let due = at + Duration::from_secs(pause);
            assert_eq!(queue.next_due(), Some(due));
            assert_eq!(queue.take_due(due - Duration::from_millis(1)), None);
            at = due;
        }
        assert_eq!(queue.take_due(at).unwrap().after_failure(at).unwrap_err().attempts, 6);
    }

    #[test]
    fn other_calls_go_on_while_one_waits_and_the_oldest_makes_room() {
        let now = Instant::now();
        let mut queue = CallQueue::default();
        (0..MAX_WAITING).for_each(|id| assert!(!queue.push(call(id, now))));
        let first = queue.take_due(now).unwrap();
        assert_eq!(first.id, "0");
        assert!(!queue.push_back_failed(first.clone().after_failure(now).unwrap()));
        assert_eq!(queue.take_due(now).unwrap().id, "1");
        assert!(!queue.push(call(200, now)) && queue.push(call(201, now)));
        assert!(queue.push_back_failed(first.after_failure(now).unwrap()));
        let rest: Vec<String> = std::iter::from_fn(|| queue.take_due(now)).map(|call| call.id).collect();
        assert_eq!((rest.len(), rest[0].as_str(), rest[MAX_WAITING - 1].as_str()), (MAX_WAITING, "2", "201"));
        assert_eq!(queue.next_due(), None);
    }
}

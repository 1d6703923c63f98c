//! Shared stages that this process left because other processes held all that was to be done there.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mitune_store::StageKey;

/// After this time a stage is tried again: whoever held its portions may have died.
const TRY_AGAIN: Duration = Duration::from_secs(60);

/// Shared stages that this process left, until something happens or a while has passed.
///
/// Without that memory a process that only waits would go round between the stages it may join.
#[derive(Clone, Debug, Default)]
pub(super) struct LeftStages(BTreeMap<StageKey, Instant>);

impl LeftStages {
    /// Takes note that nothing of a stage was free.
    pub(super) fn leave(&mut self, key: StageKey) {
        self.0.insert(key, Instant::now());
    }

    /// Tells whether a stage was left a short time ago.
    pub(super) fn was_left(&self, key: &StageKey) -> bool {
        self.0.get(key).is_some_and(|left| left.elapsed() < TRY_AGAIN)
    }

    /// Chooses one of the stages that may be joined, another one for each process: those that were started together have
    /// numbers in a row.
    ///
    /// Once all were left it is one of these: to wait there is to be there when something becomes free.
    pub(super) fn choose(&self, shared: &[(usize, StageKey)], process: usize) -> Option<usize> {
        let is_new = |(_, key): &&(usize, StageKey)| !self.was_left(key);
        let new: Vec<usize> = shared.iter().filter(is_new).map(|(stage, _)| *stage).collect();
        match new.is_empty() {
            true => shared.get(process % shared.len().max(1)).map(|(stage, _)| *stage),
            false => new.get(process % new.len()).copied(),
        }
    }

    /// Has all of them tried again, because there is a new result.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use mitune_store::Value;

    use super::*;

    #[test]
    fn stages_that_were_left_are_joined_once_no_other_is_there() {
        let key = |number: u64| StageKey::derive(&Value::from(number)).unwrap();
        let shared = [(3, key(3)), (5, key(5)), (8, key(8))];
        let mut left = LeftStages::default();
        assert_eq!(left.choose(&[], 7), None);
        let chosen: Vec<_> = (0..4).map(|process| left.choose(&shared, process)).collect();
        assert_eq!(chosen, [Some(3), Some(5), Some(8), Some(3)]);
        left.leave(key(5));
        assert_eq!(
            [0, 1].map(|process| left.choose(&shared, process)),
            [Some(3), Some(8)]
        );
        left.leave(key(3));
        assert_eq!(
            [0, 1].map(|process| left.choose(&shared, process)),
            [Some(8), Some(8)]
        );
        left.leave(key(8));
        assert_eq!(left.choose(&shared, 1), Some(5), "it waits in one of them");
    }

    #[test]
    fn a_stage_that_was_left_is_tried_again_after_something_happened() {
        let key = |number: u64| StageKey::derive(&Value::from(number)).unwrap();
        let mut left = LeftStages::default();
        left.leave(key(1));
        assert!(left.was_left(&key(1)) && !left.was_left(&key(2)));
        left.forget();
        assert!(!left.was_left(&key(1)));
        if let Some(long_ago) = Instant::now().checked_sub(TRY_AGAIN) {
            left.0.insert(key(1), long_ago);
            assert!(!left.was_left(&key(1)));
        }
    }
}

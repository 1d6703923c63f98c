//! The rules of leases, without files and clocks, so that a model checker runs the same code.
//!
//! A lease is a directory of files, one per epoch; who made the newest one holds it. A file is made with an operation
//! that fails if it is there, and only its maker changes it, every so often. Whoever waits watches the newest file and
//! takes the next epoch when it stayed the same for the time to live *on the watcher's own clock*: no two clocks are
//! ever compared. A holder that was only slow then finds the next epoch and knows that it lost the lease.
//!
//! Two may still work at the same time, after a pause, a stale look or a lost reply. That costs time and nothing else,
//! because results are created once.

use std::time::Duration;

/// Counts how often a lease changed hands since it was last free.
pub(super) type Epoch = u32;

/// The newest file of a lease, as a look showed it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sight<C> {
    pub(super) epoch: Epoch,
    /// The bytes of the file: any change of them is a sign of life.
    pub(super) content: C,
}

/// What somebody who waits remembers between two looks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Watch<C> {
    /// What was seen last, and since when on the own clock.
    pub(super) seen: Option<(Sight<C>, Duration)>,
}

/// What a look advises.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Advice<C> {
    /// Make the file of this epoch, then [`confirm`].
    Take {
        epoch: Epoch,
        /// What it is taken over from.
        over: Option<Sight<C>>,
    },
    /// Somebody holds the lease, whose file has not changed for this long.
    Wait { unchanged: Duration },
}

impl<C> Default for Watch<C> {
    fn default() -> Self {
        Self { seen: None }
    }
}

impl<C: Clone + Eq> Watch<C> {
    /// Judges a look taken at `now` on the own clock; `dead` means that the holder is surely gone.
    pub(super) fn judge(
        &mut self,
        sight: Option<Sight<C>>,
        dead: bool,
        now: Duration,
        time_to_live: Duration,
    ) -> Advice<C> {
        let Some(sight) = sight else {
            self.seen = None;
            return Advice::Take { epoch: 0, over: None };
        };
        let since = match &self.seen {
            Some((seen, since)) if *seen == sight => *since,
            _ => now,
        };
        let unchanged = now.saturating_sub(since);
        self.seen = Some((sight.clone(), since));
        if dead || unchanged >= time_to_live {
            return Advice::Take {
                epoch: sight.epoch.saturating_add(1),
                over: Some(sight),
            };
        }
        Advice::Wait { unchanged }
    }
}

/// Decides after making the file of an epoch whether it is held, by a second look at the newest file and at the one it
/// was taken over from.
///
/// A watcher may have slept between judging and making: by then the former holder may have gone on, or the lease may
/// have been released and taken again. Whoever finds that gives its file back.
pub(super) fn confirm<C: Eq>(
    epoch: Epoch,
    over: Option<&Sight<C>>,
    newest: Option<Epoch>,
    former: Option<&C>,
) -> bool {
    let overtaken = newest.is_some_and(|newest| newest > epoch);
    let alive = over
        .zip(former)
        .is_some_and(|(over, former)| over.content != *former);
    !overtaken && !alive
}

/// Decides after a sign of life whether the lease is still held: the own file has its name and no epoch follows.
///
/// The sign of life comes first and this look second; a thief makes its file first and looks for signs of life second.
/// So of a holder that wakes and a thief at least one notices the other.
pub(super) fn still_held(named: bool, followed: bool) -> bool {
    named && !followed
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(120);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn sight(epoch: Epoch, content: u32) -> Sight<u32> {
        Sight { epoch, content }
    }

    #[test]
    fn a_free_lease_is_taken_at_once() {
        let advice = Watch::<u32>::default().judge(None, false, at(5), TTL);
        assert_eq!(advice, Advice::Take { epoch: 0, over: None });
    }

    #[test]
    fn only_a_holder_without_a_sign_of_life_is_taken_over() {
        let mut watch = Watch::default();
        let wait = |seconds| Advice::Wait {
            unchanged: at(seconds),
        };
        assert_eq!(watch.judge(Some(sight(3, 0)), false, at(1000), TTL), wait(0));
        assert_eq!(watch.judge(Some(sight(3, 0)), false, at(1119), TTL), wait(119));
        assert_eq!(watch.judge(Some(sight(3, 1)), false, at(1120), TTL), wait(0));
        assert_eq!(watch.judge(Some(sight(4, 1)), false, at(1230), TTL), wait(0));
        let steal = Advice::Take {
            epoch: 5,
            over: Some(sight(4, 1)),
        };
        assert_eq!(watch.judge(Some(sight(4, 1)), false, at(1350), TTL), steal);
        assert_eq!(
            Watch::default().judge(Some(sight(4, 1)), true, at(0), TTL),
            steal,
            "a dead holder is not waited for"
        );
    }

    #[test]
    fn a_clock_that_stands_still_or_runs_back_only_waits() {
        let mut watch = Watch::default();
        watch.judge(Some(sight(0, 0)), false, at(500), TTL);
        let advice = watch.judge(Some(sight(0, 0)), false, at(100), TTL);
        assert_eq!(advice, Advice::Wait { unchanged: at(0) });
    }

    #[test]
    fn a_thief_gives_way_to_signs_of_life_and_to_later_epochs() {
        let over = sight(2, 7);
        assert!(confirm(3, Some(&over), Some(3), Some(&7)));
        assert!(confirm(3, Some(&over), Some(3), None), "released in between");
        assert!(confirm(3, Some(&over), None, None), "a stale look");
        assert!(!confirm(3, Some(&over), Some(3), Some(&8)), "the holder woke");
        assert!(!confirm(3, Some(&over), Some(4), Some(&7)), "a later epoch");
        assert!(confirm::<u32>(0, None, Some(0), None));
    }
}

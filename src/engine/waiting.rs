//! Waiting for other processes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mitune_stages::contract::Progress as _;

use super::progress_log::ProgressLog;

/// Time between two looks at what other processes do, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How soon a request to stop is noticed while waiting.
const REACTION: Duration = Duration::from_millis(20);

/// What a process that waits tells, and how long it rests.
pub(super) struct Waiting<'a> {
    /// The stage that is waited for, with where that is told.
    told: Option<(usize, ProgressLog<'a>)>,
    pause: Duration,
}

impl<'a> Waiting<'a> {
    /// Begins without waiting for anything.
    pub(super) fn new() -> Self {
        Self {
            told: None,
            pause: FIRST_PAUSE,
        }
    }

    /// Tells which process is waited for at a stage.
    pub(super) fn tell(&mut self, stage: usize, holder: &str, progress: impl FnOnce() -> ProgressLog<'a>) {
        if !self.is_for(stage) {
            self.end();
        }
        let (_, progress) = self.told.get_or_insert_with(|| (stage, progress()));
        progress.waiting(Some(holder));
    }

    /// Tells whether a stage is waited for.
    pub(super) fn is_for(&self, stage: usize) -> bool {
        self.told.as_ref().is_some_and(|(told, _)| *told == stage)
    }

    /// Tells that nobody is waited for any more.
    pub(super) fn end(&mut self) {
        if let Some((_, progress)) = self.told.take() {
            progress.waiting(None);
        }
    }

    /// Looks often again, because something happened.
    pub(super) fn be_quick(&mut self) {
        self.pause = FIRST_PAUSE;
    }

    /// Rests until the next look, each time longer; returns false if the run was asked to stop.
    pub(super) fn rest(&mut self, cancelled: &AtomicBool) -> bool {
        let (begun, pause) = (Instant::now(), self.pause);
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        while !cancelled.load(Ordering::Relaxed) {
            if begun.elapsed() >= pause {
                return true;
            }
            std::thread::sleep(REACTION);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_come_more_and_more_rarely_until_something_happens() {
        let mut waiting = Waiting::new();
        let cancelled = AtomicBool::new(false);
        assert!(waiting.rest(&cancelled) && waiting.rest(&cancelled));
        assert_eq!(waiting.pause, 4 * FIRST_PAUSE);
        waiting.be_quick();
        assert_eq!(waiting.pause, FIRST_PAUSE);
        cancelled.store(true, Ordering::Relaxed);
        for _ in 0..20 {
            assert!(
                !waiting.rest(&cancelled),
                "whoever is asked to stop rests no longer"
            );
        }
        assert_eq!(waiting.pause, LONGEST_PAUSE);
    }
}

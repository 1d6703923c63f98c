//! Waiting for one's turn at a stage that another process computes.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mitune_stages::stage::Progress as _;
use mitune_store::{ActionRecord, Claim, Lease, LeaseKey, Lookup};

use super::compute::Work;
use super::error::EngineError;
use super::execute::{Engine, StageResult};
use super::progress_log::ProgressLog;

/// Time between two looks at what the other process does, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How soon a request to stop is noticed while waiting.
const REACTION: Duration = Duration::from_millis(20);

/// Whose work a stage is.
pub(super) enum Turn {
    /// Another process computed it in the meantime.
    Found(Box<ActionRecord>),
    /// This process computes it, holding the lease as long as it does.
    Ours(Option<Lease>),
}

impl Engine<'_> {
    /// Waits until the result is there or nobody else computes it.
    ///
    /// A process that dies is taken over from; what it published so far, such as checkpoints, is gone on from.
    pub(super) fn turn(&self, work: &Work<'_>, results: &[StageResult]) -> Result<Turn, EngineError> {
        if work.stage.stage.shares_work() {
            return Ok(Turn::Ours(None));
        }
        let leases = self.store.leases();
        let key = LeaseKey::of_stage(work.ingredients.key());
        let name = work.stage.name.to_string();
        let progress = ProgressLog::new(self.observer.progress(), work.log, name.clone());
        let look = || self.look_up(work.stage, work.ingredients.key(), results);
        let mut pause = FIRST_PAUSE;
        loop {
            let holder = match leases.claim(&key, &name) {
                Claim::Without(_) => return Ok(Turn::Ours(None)),
                Claim::Mine(lease) => {
                    progress.waiting(None);
                    return Ok(match look()? {
                        Lookup::Hit(record) => Turn::Found(record),
                        Lookup::Miss(_) => Turn::Ours(Some(lease)),
                    });
                }
                Claim::Held(holder) => holder,
            };
            progress.waiting(Some(&holder.to_string()));
            self.rest(work, pause)?;
            pause = (pause * 2).min(LONGEST_PAUSE);
            if let Lookup::Hit(record) = look()? {
                progress.waiting(None);
                return Ok(Turn::Found(record));
            }
        }
    }

    fn rest(&self, work: &Work<'_>, pause: Duration) -> Result<(), EngineError> {
        let begun = Instant::now();
        loop {
            if self.cancelled.load(Ordering::Relaxed) {
                return Err(EngineError::Interrupted { run: work.log.id() });
            }
            if begun.elapsed() >= pause {
                return Ok(());
            }
            std::thread::sleep(REACTION.min(pause));
        }
    }
}

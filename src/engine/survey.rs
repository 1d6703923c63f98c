//! Looking for a stage that could be begun now, without beginning it.

use mitune_store::{ActionRecord, Claim, LeaseKey, Lookup, StageKey, Store};

use super::ingredients::ingredients;
use super::left_stages::LeftStages;
use super::prepare::Prepared;
use super::ready_set::ReadySet;
use super::result_check::check_record;
use super::results::{Outcome, Results, StageResult};
use crate::pipeline::{Pipeline, Source};

/// What a process knows of its run while it computes a stage.
///
/// Other processes go on meanwhile. A stage that would only wait for them asks whether something else could be done.
pub(super) struct Survey<'a> {
    pub(super) store: &'a Store,
    pub(super) pipeline: &'a Pipeline,
    pub(super) prepared: &'a [Prepared],
    pub(super) ready: &'a ReadySet,
    pub(super) results: &'a Results,
    pub(super) left: &'a LeftStages,
    /// The key of the stage that asks.
    pub(super) asking: StageKey,
}

/// What a look at a stage shows.
enum Sight {
    /// It is done.
    Done(Box<ActionRecord>),
    /// Somebody computes it, or nothing of it was free a short time ago.
    Taken,
    /// Nobody does, or some of its items may be free.
    Free,
}

impl Survey<'_> {
    /// Tells whether there is a stage whose inputs are there and that nobody computes, or that may be joined.
    pub(super) fn finds_work(&self) -> bool {
        let (mut ready, mut results) = (self.ready.clone(), self.results.clone());
        ready.look_again();
        while let Some(stage) = ready.first() {
            match self.look(stage, &results) {
                Sight::Done(record) => {
                    let outcome = Outcome::Reused;
                    let record = *record;
                    results.insert(stage, StageResult { outcome, record });
                    ready.done(stage);
                }
                Sight::Taken => ready.set_aside(stage),
                Sight::Free => return true,
            }
        }
        false
    }

    fn look(&self, index: usize, results: &Results) -> Sight {
        let stage = &self.pipeline.stages[index];
        let salt = self.pipeline.spec.salt.as_deref();
        let content = |source: &Source| results.content(source);
        let Ok(ingredients) = ingredients(stage, &self.prepared[index], salt, content) else {
            // The run itself will say so.
            return Sight::Taken;
        };
        let key = ingredients.key();
        if *key == self.asking {
            return Sight::Taken;
        }
        let rows = |port: &str| results.rows(stage, port);
        if let Lookup::Hit(record) = self.store.records().peek(key)
            && check_record(self.store, stage, &record, &rows).is_ok()
        {
            return Sight::Done(record);
        }
        if self.left.was_left(key) {
            return Sight::Taken;
        }
        let name = stage.name.to_string();
        match self.store.leases().claim(&LeaseKey::of_stage(key), &name) {
            Claim::Held(_) if stage.stage.shares_work() => Sight::Free,
            Claim::Held(_) => Sight::Taken,
            // A lease is given back at once; who asked takes it in a moment.
            Claim::Mine(_) | Claim::Without(_) => Sight::Free,
        }
    }
}

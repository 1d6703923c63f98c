//! Whose work a stage is: nobody's any more, this process's, or that of another one.

use mitune_store::{ActionRecord, Claim, Holder, Lease, LeaseKey, Lookup, MissReason};

use super::context::Engine;
use super::error::EngineError;
use super::results::Results;
use super::task::Task;

/// Whose work a stage is.
pub(super) enum Turn {
    /// The store has its result.
    Found(Box<ActionRecord>),
    /// This process computes it, holding the lease as long as it does.
    Ours {
        /// None where leases are not used or cannot be had.
        lease: Option<Lease>,
        /// Why the store has no result.
        reason: MissReason,
    },
    /// Another process computes it.
    Held {
        /// That process.
        holder: Holder,
        /// Why the store has no result.
        reason: MissReason,
    },
}

impl Engine<'_> {
    /// Looks up the result of a stage and, where there is none, tries to take the stage.
    ///
    /// A process that dies is taken over from; what it published so far, such as checkpoints, is gone on from.
    pub(super) fn turn(&self, task: &Task<'_>, results: &Results) -> Result<Turn, EngineError> {
        let look = || self.look_up(task.stage, task.key(), results);
        let reason = match look()? {
            Lookup::Hit(record) => return Ok(Turn::Found(record)),
            Lookup::Miss(reason) => reason,
        };
        if !task.log.is_recorded() {
            let (stage, reason) = (task.name(), reason.to_string());
            return Err(EngineError::ReadOnly { stage, reason });
        }
        let key = LeaseKey::of_stage(task.key());
        Ok(match self.store.leases().claim(&key, &task.name()) {
            Claim::Held(holder) => Turn::Held { holder, reason },
            Claim::Without(_) => Turn::Ours { lease: None, reason },
            // Who held it before may have published the result just now.
            Claim::Mine(lease) => match look()? {
                Lookup::Hit(record) => Turn::Found(record),
                Lookup::Miss(_) => Turn::Ours {
                    lease: Some(lease),
                    reason,
                },
            },
        })
    }
}

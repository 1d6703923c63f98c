//! The earlier computation most like a new one, to explain why a key is new.

use crate::canonical::{Value, differences};
use crate::error::StoreError;
use crate::id::StageKey;
use crate::record::ActionRecord;
use crate::sealed::Sealed;
use crate::store::Store;

/// Records that are compared when no run used the stage's name.
const COMPARED: usize = 256;

impl Store {
    /// Finds the preimage to compare a new one with: that of the last run's stage of the same name and kind, else the
    /// one with the fewest differences among records of that kind.
    ///
    /// # Errors
    /// [`StoreError::Path`] if runs or records cannot be listed.
    pub fn nearest(&self, stage: &str, name: &str, preimage: &Value) -> Result<Option<Value>, StoreError> {
        let key = StageKey::derive(preimage)?;
        for run in self.runs()? {
            let Some(earlier) = run.stages.get(name).filter(|earlier| **earlier != key) else {
                continue;
            };
            if let Ok(Sealed::Good(record)) = self.read_action(earlier)
                && record.stage == stage
                && let Ok(value) = self.read_preimage(&record.preimage)
            {
                return Ok(Some(value));
            }
        }
        let other = |record: &ActionRecord| record.stage == stage && record.key != key;
        let values = self
            .actions()?
            .filter(other)
            .take(COMPARED)
            .filter_map(|record| self.read_preimage(&record.preimage).ok());
        Ok(values.min_by_key(|value| differences(value, preimage).len()))
    }
}

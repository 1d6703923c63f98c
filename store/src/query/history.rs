//! The earlier computation most like a new one, to explain why a key is new and what it will cost.

use crate::canonical::{Value, differences};
use crate::error::StoreError;
use crate::names::{RunId, StageKey};
use crate::records::{ActionRecord, Sealed};
use crate::runs::RunRecord;
use crate::store::{Catalog, Store};

/// Runs that are looked through for a stage's name, the newest first.
const RUNS: usize = 256;

/// Records that are looked through when no run used the stage's name.
const RECORDS: usize = 4096;

/// Records of the same kind that are compared.
const COMPARED: usize = 256;

/// What was computed before; files are read when they are first needed and then remembered.
#[derive(Debug)]
pub struct History {
    store: Store,
    unread: Vec<RunId>,
    runs: Vec<RunRecord>,
    records: Option<Vec<ActionRecord>>,
}

/// An earlier computation.
#[derive(Debug, Clone, PartialEq)]
pub struct Earlier {
    /// Its result.
    pub record: ActionRecord,
    /// What its key was derived from.
    pub preimage: Value,
}

impl Catalog<'_> {
    /// Opens what was computed before.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the runs cannot be listed.
    pub fn history(&self) -> Result<History, StoreError> {
        let mut unread = self.store.runs().ids()?;
        unread.sort_unstable();
        let old = unread.len().saturating_sub(RUNS);
        unread.drain(..old);
        Ok(History {
            store: self.store.clone(),
            unread,
            runs: Vec::new(),
            records: None,
        })
    }
}

impl History {
    /// Finds the computation to compare a new one with: the last run's stage of the same name and kind, else the record
    /// of that kind with the fewest differences.
    ///
    /// # Errors
    /// [`StoreError::Path`] if records cannot be listed.
    pub fn nearest(
        &mut self,
        kind: &str,
        name: &str,
        preimage: &Value,
    ) -> Result<Option<Earlier>, StoreError> {
        let key = StageKey::derive(preimage)?;
        let mut position = 0;
        while let Some(run) = self.run(position) {
            position += 1;
            let Some(earlier) = run.stages.get(name).copied().filter(|earlier| *earlier != key) else {
                continue;
            };
            if let Ok(Sealed::Good(record)) = self.store.records().read_action(&earlier)
                && record.stage == kind
                && let Ok(preimage) = self.store.records().read_preimage(&record.preimage)
            {
                return Ok(Some(Earlier { record, preimage }));
            }
        }
        self.most_alike(kind, key, preimage)
    }

    /// Returns a run, counted from the newest.
    fn run(&mut self, position: usize) -> Option<&RunRecord> {
        while self.runs.len() <= position {
            let id = self.unread.pop()?;
            self.runs.extend(self.store.runs().read(&id));
        }
        self.runs.get(position)
    }

    fn most_alike(
        &mut self,
        kind: &str,
        key: StageKey,
        preimage: &Value,
    ) -> Result<Option<Earlier>, StoreError> {
        let records = match &mut self.records {
            Some(records) => records,
            none => none.insert(self.store.catalog().actions()?.take(RECORDS).collect()),
        };
        let same_kind = records
            .iter()
            .filter(|record| record.stage == kind && record.key != key);
        let earlier = same_kind.take(COMPARED).filter_map(|record| {
            Some(Earlier {
                preimage: self.store.records().read_preimage(&record.preimage).ok()?,
                record: record.clone(),
            })
        });
        Ok(earlier.min_by_key(|earlier| differences(&earlier.preimage, preimage).len()))
    }
}

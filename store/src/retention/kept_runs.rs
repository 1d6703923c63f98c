//! Which runs are kept.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::error::StoreError;
use crate::files::age;
use crate::names::RunId;
use crate::store::Store;

/// A run and whether it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptRun {
    /// The run.
    pub id: RunId,
    /// Name of its pipeline.
    pub pipeline: String,
    /// Why it is kept, `None` if it is not.
    pub why: Option<KeptWhy>,
}

/// Why a run is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptWhy {
    /// It was at work a short time ago.
    Recent,
    /// It is one of the newest of its user and pipeline.
    Newest,
}

impl Store {
    /// Tells of each run, newest first, whether it is kept: the newest of each user and pipeline, and those whose records
    /// or events were written within `older_than`, by whichever process.
    ///
    /// The user is the owner of the founder's record.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the runs cannot be listed.
    pub(crate) fn kept_runs(
        &self,
        keep: usize,
        older_than: Duration,
        now: SystemTime,
    ) -> Result<Vec<KeptRun>, StoreError> {
        let mut ids = self.runs().ids()?;
        ids.sort_unstable_by(|a, b| b.cmp(a));
        let mut seen: HashMap<(u32, String), usize> = HashMap::new();
        let mut runs = Vec::new();
        for id in ids {
            // What cannot be read keeps nothing, but what is only unknown may keep anything.
            let Some(record) = self.runs().records(&id)?.into_iter().next() else {
                continue;
            };
            let path = self.layout().run_record(&id);
            let directory = self.layout().run(&id);
            let mut user = 0;
            let mut active = false;
            for entry in self.entries(&directory)? {
                let Ok(metadata) = self.files().metadata(&entry.path()) else {
                    active = true;
                    continue;
                };
                if entry.path() == path {
                    user = metadata.uid();
                }
                active |= age(now, &metadata) < older_than;
            }
            let count = seen.entry((user, record.pipeline.clone())).or_insert(0);
            *count += 1;
            let why = match (active, *count <= keep) {
                (true, _) => Some(KeptWhy::Recent),
                (false, true) => Some(KeptWhy::Newest),
                (false, false) => None,
            };
            runs.push(KeptRun {
                id,
                pipeline: record.pipeline,
                why,
            });
        }
        Ok(runs)
    }
}

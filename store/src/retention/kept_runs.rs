//! Which runs are kept.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::error::StoreError;
use crate::files::age;
use crate::names::{RunId, domain};
use crate::records::{Sealed, sealed};
use crate::runs::{RunRecord, run};
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
    /// Tells of each run, newest first, whether it is kept: the newest of each user and pipeline, and those whose record
    /// or events were written within `older_than`.
    ///
    /// The user is the owner of the record's file.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the runs cannot be listed.
    pub(crate) fn kept_runs(
        &self,
        keep: usize,
        older_than: Duration,
        now: SystemTime,
    ) -> Result<Vec<KeptRun>, StoreError> {
        let mut ids = self.run_ids()?;
        ids.sort_unstable_by(|a, b| b.cmp(a));
        let mut seen: HashMap<(u32, String), usize> = HashMap::new();
        let mut runs = Vec::new();
        for id in ids {
            let path = self.layout().run_record(&id);
            let record = match sealed::read::<RunRecord>(self.files(), &path, domain::RUN, run::VERSION)? {
                Sealed::Good(record) => record,
                // What cannot be read keeps nothing, but what is only unknown may keep anything.
                Sealed::Newer { version } => {
                    return Err(StoreError::NewerRecord {
                        name: format!("runs/{id}/run.json"),
                        version,
                        known: run::VERSION,
                    });
                }
                Sealed::Absent | Sealed::Corrupt { .. } => continue,
            };
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

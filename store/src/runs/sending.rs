//! Runs on their way to other stores.
//!
//! A run goes as one record that names what all its processes named, so programs that know nothing of members have all
//! of it, and goes once: a record that is there is never replaced.

use super::run::{RunRecord, RunStatus};
use crate::error::StoreError;
use crate::names::{Object, RunId, domain};
use crate::records::sealed;
use crate::store::Runs;

impl Runs<'_> {
    /// Sends the record of a run to the remotes once its last process ended, and says what this one took on trust.
    pub fn share_run(&self, run: &RunId) {
        let ended = |run: RunRecord| run.status != RunStatus::Running;
        if self.read(run).is_some_and(ended) {
            self.store.write_back(Object::Run(*run));
        }
        if let Some(elsewhere) = self.store.elsewhere() {
            elsewhere.run_ended();
        }
    }

    /// Writes a run of several processes as one record, `None` for one of a single process, whose record goes as it is.
    pub(crate) fn joined_run_bytes(&self, id: &RunId) -> Result<Option<Vec<u8>>, StoreError> {
        if self.run_record_files(id)?.len() == 1 {
            return Ok(None);
        }
        let run = self.read(id);
        run.map(|run| sealed::seal(domain::RUN, &run)).transpose()
    }
}

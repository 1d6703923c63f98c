//! Runs on their way to other stores.
//!
//! A run goes as one record that names what all its processes named, so programs that know nothing of members have all
//! of it, and goes once: a record that is there is never replaced.

use super::run::{RunRecord, RunStatus};
use crate::error::StoreError;
use crate::files::host_name;
use crate::names::{Object, RunId, domain};
use crate::records::sealed;
use crate::store::Runs;

/// Earlier runs that are looked at for one that was never sent.
const EARLIER_RUNS: usize = 8;

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

    /// Sends earlier runs of this host that ended and did not go, as their last process was killed or stopped.
    ///
    /// Only the newest are looked at, and those that a remote is known to have cost no question.
    pub fn share_earlier_runs(&self, run: &RunId) {
        let Some(elsewhere) = self.store.elsewhere() else {
            return;
        };
        let here = host_name();
        let to_send = |run: &RunRecord| {
            let ended = matches!(run.status, RunStatus::Succeeded | RunStatus::Failed);
            ended && run.processes().iter().any(|member| member.host == here)
        };
        // Runs that cannot be listed wait for the next push.
        let earlier = self.newest_run_ids().unwrap_or_default();
        let earlier = earlier.into_iter().filter(|id| id != run).take(EARLIER_RUNS);
        for id in earlier.filter(|id| self.read(id).as_ref().is_some_and(to_send)) {
            elsewhere.catch_up(self.store, Object::Run(id));
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

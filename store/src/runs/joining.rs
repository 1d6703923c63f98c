//! Which run a process belongs to: processes that run one pipeline at the same time are members of one run.
//!
//! The choice is made by one process after the other, under a lease that is held for as long as it takes to look and
//! to write a record. Every member holds a lease of its own until it ends, whose signs of life tell others that there
//! is somebody to join.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::members::RunMember;
use super::run::{RunRecord, RunStatus};
use super::run_log::RunLog;
use crate::error::StoreError;
use crate::files::{Life, host_name};
use crate::lease::{Claim, Holder, Owner};
use crate::names::{LeaseKey, PipelineDigest, RunId};
use crate::store::Store;

/// Runs that are looked at for one to join, the newest first.
const RUNS: usize = 64;

/// Time between two looks whether it is this process's turn, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// After this time the choice is made out of turn: at worst two processes begin a run each.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

impl RunLog {
    /// Joins the run that other processes are at with the same pipeline, or begins one.
    ///
    /// Where leases are not used, or cannot be had, every process begins a run of its own.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the store cannot be written.
    pub fn join_or_create(store: &Store, pipeline: &str, digest: PipelineDigest) -> Result<Self, StoreError> {
        store.check_writable()?;
        let turn = take_turn(store, pipeline, &digest, &mut |_, _| true);
        Self::choose(store, pipeline, digest, turn.unwrap_or(Claim::Without(None)))
    }

    /// Does the same as [`Self::join_or_create`]; none if it was stopped while another process chose its run.
    ///
    /// `goes_on` is asked again and again meanwhile, with that process and the time it was waited for.
    ///
    /// # Errors
    /// [`StoreError::Path`] if the store cannot be written.
    pub fn join_or_create_while(
        store: &Store,
        pipeline: &str,
        digest: PipelineDigest,
        goes_on: &mut dyn FnMut(&Holder, Duration) -> bool,
    ) -> Result<Option<Self>, StoreError> {
        store.check_writable()?;
        let turn = take_turn(store, pipeline, &digest, goes_on);
        turn.map(|turn| Self::choose(store, pipeline, digest, turn))
            .transpose()
    }

    fn choose(
        store: &Store,
        pipeline: &str,
        digest: PipelineDigest,
        turn: Claim,
    ) -> Result<Self, StoreError> {
        let record = RunRecord {
            pipeline_digest: Some(digest),
            ..RunRecord::begin(pipeline)
        };
        if matches!(turn, Claim::Without(_)) {
            return Self::found(store, record, None);
        }
        for id in store.runs().newest_run_ids()?.iter().take(RUNS) {
            let Some(run) = at_work(store, id, &digest) else {
                continue;
            };
            let signs = match signs_of_life(store, id) {
                Claim::Held(holder) if holder.owner.as_ref().is_some_and(Owner::is_this_process) => None,
                // A process elsewhere has this one's name, as in containers: both would write the same files.
                Claim::Held(_) => continue,
                // So had the founder, which is gone: with this process it would seem to live.
                Claim::Mine(_) | Claim::Without(_) if is_namesake(&run) => continue,
                Claim::Mine(lease) => Some(lease),
                Claim::Without(_) => None,
            };
            if let Some(log) = Self::enter(store, &run, signs)? {
                return Ok(log);
            }
        }
        let signs = match signs_of_life(store, &record.id) {
            Claim::Mine(lease) => Some(lease),
            Claim::Held(_) | Claim::Without(_) => None,
        };
        let log = Self::found(store, record, signs);
        // Only now may the next one look.
        drop(turn);
        log
    }
}

/// Waits until no other process chooses a run for the pipeline, though not for ever; none if it was stopped.
fn take_turn(
    store: &Store,
    pipeline: &str,
    digest: &PipelineDigest,
    goes_on: &mut dyn FnMut(&Holder, Duration) -> bool,
) -> Option<Claim> {
    let (begun, mut pause) = (Instant::now(), FIRST_PAUSE);
    let (leases, key) = (store.leases(), LeaseKey::of_pipeline(digest));
    loop {
        let claim = leases.claim(&key, pipeline);
        let waited = begun.elapsed();
        match &claim {
            Claim::Held(holder) if waited < LONGEST_WAIT => {
                if !goes_on(holder, waited) {
                    return None;
                }
            }
            _ => return Some(claim),
        }
        sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Reads the founder's record of a run if it is one of the pipeline and a process is at it.
fn at_work(store: &Store, id: &RunId, digest: &PipelineDigest) -> Option<RunRecord> {
    let founder = store.runs().founder_record(id)?;
    if founder.pipeline_digest != Some(*digest) {
        return None;
    }
    let processes = store.runs().read(id)?.processes();
    let lives = |member: &RunMember| {
        member.status == RunStatus::Running && store.runs().member_life(id, member) == Life::Alive
    };
    processes.iter().any(lives).then_some(founder)
}

/// Takes the lease that shows others that this process is at a run; without it nobody joins.
fn signs_of_life(store: &Store, run: &RunId) -> Claim {
    let key = LeaseKey::of_member(run, &host_name(), std::process::id());
    store.leases().claim(&key, &format!("run {run}"))
}

/// Tells whether the founder of a run had the host name and the number of this process.
fn is_namesake(founder: &RunRecord) -> bool {
    founder.host == host_name() && founder.process == std::process::id()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::Value;

    #[test]
    fn the_choice_of_a_run_can_be_stopped() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let digest = PipelineDigest::derive(&Value::from("settings")).unwrap();
        let key = LeaseKey::of_pipeline(&digest);
        let turn = store.leases().claim(&key, "tiny");
        assert!(matches!(turn, Claim::Mine(_)));
        let mut asked = 0;
        let mut goes_on = |_: &Holder, _: Duration| {
            asked += 1;
            asked < 3
        };
        let log = RunLog::join_or_create_while(&store, "tiny", digest, &mut goes_on).unwrap();
        assert!(log.is_none());
        assert_eq!(asked, 3);
        drop(turn);
        assert!(store.runs().list().unwrap().is_empty());
    }
}

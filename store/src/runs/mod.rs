//! Runs: one execution of a pipeline each, with a record and a log of what happens.

pub(crate) mod run;
mod run_log;

pub use self::run::{RunEvent, RunRecord, RunStatus};
pub use self::run_log::RunLog;

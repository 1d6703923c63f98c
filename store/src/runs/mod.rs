//! Runs: one execution of a pipeline each, by any number of processes, each with a record and a log of what happens.

mod joining;
mod members;
mod reading;
pub(crate) mod run;
mod run_log;
mod sending;

pub use self::members::RunMember;
pub(crate) use self::members::TAGS;
pub use self::run::{ProcessEvent, RunEvent, RunRecord, RunStatus};
pub use self::run_log::RunLog;

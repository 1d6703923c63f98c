//! Runs: one execution of a pipeline, with its record and its events.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::members::RunMember;
use crate::files::host_name;
use crate::names::{PipelineDigest, RunId, StageKey};
use crate::timestamp::Timestamp;

pub(crate) const VERSION: u32 = 1;

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// It began and did not end; its processes may be dead.
    Running,
    /// Every stage has its result.
    Succeeded,
    /// A stage failed.
    Failed,
    /// The user stopped it.
    Interrupted,
}

/// The record of a run: what one process wrote, or what all its processes wrote, together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Version of the record, 1.
    pub v: u32,
    /// The run.
    pub id: RunId,
    /// Name of the pipeline.
    pub pipeline: String,
    /// What determines the stages of the pipeline, by which others find the run to join; `None` in records of older
    /// programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline_digest: Option<PipelineDigest>,
    /// How it stands.
    pub status: RunStatus,
    /// When it began.
    pub started: Timestamp,
    /// When it ended, `None` while it runs or if it was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// Name of the host.
    pub host: String,
    /// Process number on that host.
    pub process: u32,
    /// Keys of the stages by name, as far as they are known.
    #[serde(default)]
    pub stages: BTreeMap<String, StageKey>,
    /// Whatever else the program wants to remember, such as its version or the device.
    #[serde(default)]
    pub details: BTreeMap<String, serde_json::Value>,
    /// Every process that took part, the founder first; empty as long as it was the founder alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<RunMember>,
}

/// One line of a run's event log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunEvent {
    /// When it happened.
    pub time: Timestamp,
    /// What happened, such as `stage_finished`.
    pub event: String,
    /// The particulars.
    #[serde(default)]
    pub fields: BTreeMap<String, serde_json::Value>,
}

/// An event of a run with the process that told it.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessEvent {
    /// Place of the process among those of the run; `None` if its record is lost.
    pub process: Option<usize>,
    /// What it told.
    pub event: RunEvent,
}

impl RunRecord {
    /// Begins a run by this process.
    pub(crate) fn begin(pipeline: &str) -> Self {
        Self {
            v: VERSION,
            id: RunId::generate(),
            pipeline: pipeline.to_owned(),
            pipeline_digest: None,
            status: RunStatus::Running,
            started: Timestamp::now(),
            ended: None,
            host: host_name(),
            process: std::process::id(),
            stages: BTreeMap::new(),
            details: BTreeMap::new(),
            members: Vec::new(),
        }
    }

    /// Has this process take part in a run that another one began.
    pub(crate) fn joining(run: &Self) -> Self {
        Self {
            id: run.id,
            pipeline_digest: run.pipeline_digest,
            ..Self::begin(&run.pipeline)
        }
    }
}

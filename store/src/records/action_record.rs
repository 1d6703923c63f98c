//! Action records: which results a stage key has.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::artifacts::Artifact;
use crate::names::{ContentDigest, FileDigest, RunId, StageKey};
use crate::timestamp::Timestamp;
use crate::trust::RecordSignature;

/// The newest version of action records this program knows.
pub(crate) const VERSION: u32 = 1;

/// Who computed a result; recorded, never part of a key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Producer {
    /// Version of the program.
    pub version: String,
    /// The device as the user names it, such as `cpu` or `cuda:0`, if one was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Number format of the computation, such as `f32`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// Name of the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// How much work a result took, so that its time says what a similar one will take.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Effort {
    /// Size of the whole work in a unit of the stage's own, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<f64>,
    /// The part of it that this computation did itself, from 0 to 1; the rest was there before.
    pub share: f64,
}

/// What a stage read at one port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputRecord {
    /// The content that was read.
    pub content: ContentDigest,
    /// The stage that made it, `None` for data from outside the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageKey>,
}

/// The validated result of a stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionRecord {
    /// Version of the record, 1.
    pub v: u32,
    /// The key whose result this is.
    pub key: StageKey,
    /// The blob with the value the key was derived from, see [`Records::put_preimage`](crate::Records::put_preimage).
    pub preimage: FileDigest,
    /// Kind of the stage, such as `generate`.
    pub stage: String,
    /// Revision of the stage's code, raised by hand when results change meaning.
    pub stage_rev: u32,
    /// Artifacts by port.
    pub outputs: BTreeMap<String, Artifact>,
    /// What was read, by port.
    #[serde(default)]
    pub inputs: BTreeMap<String, InputRecord>,
    /// Who computed it.
    pub producer: Producer,
    /// When the computation began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// Seconds of the computation that published the record.
    pub cost_seconds: f64,
    /// How much work these seconds did, `None` in records of earlier programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effort: Option<Effort>,
    /// Figures of the result.
    #[serde(default)]
    pub metrics: BTreeMap<String, serde_json::Value>,
    /// The run that computed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// Who vouches for it; written by [`Records::publish`](crate::Records::publish) if the user has a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sig: Option<RecordSignature>,
}

impl ActionRecord {
    /// Begins the record of a result, with times of now and nothing else filled in.
    pub fn new(key: StageKey, preimage: FileDigest, stage: impl Into<String>, stage_rev: u32) -> Self {
        let now = Timestamp::now();
        Self {
            v: VERSION,
            key,
            preimage,
            stage: stage.into(),
            stage_rev,
            outputs: BTreeMap::new(),
            inputs: BTreeMap::new(),
            producer: Producer::default(),
            started: now,
            ended: now,
            cost_seconds: 0.0,
            effort: None,
            metrics: BTreeMap::new(),
            run: None,
            sig: None,
        }
    }

    /// Tells whether two records hold the same results, whoever computed them and whatever files hold them.
    pub fn same_results(&self, other: &Self) -> bool {
        let results = |record: &Self| -> Vec<_> {
            record
                .outputs
                .iter()
                .map(|(port, artifact)| (port.clone(), artifact.content))
                .collect()
        };
        results(self) == results(other)
    }
}

//! What the index keeps of an action record.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::records::ActionRecord;

/// Values longer than this are not kept; the file is read instead.
const LIMIT: usize = 300;

/// What queries ask of an action record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// The file it was read from, which never changes but may be replaced.
    #[serde(rename = "i")]
    pub(crate) inode: u64,
    #[serde(rename = "s")]
    pub(crate) stage: String,
    /// Milliseconds since 1970 at the end.
    #[serde(rename = "e")]
    pub(crate) ended: u64,
    /// The metrics that are numbers.
    #[serde(rename = "m", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) metrics: BTreeMap<String, f64>,
}

impl Summary {
    pub(crate) fn of(record: &ActionRecord, inode: u64) -> Self {
        let numbers = record.metrics.iter();
        Self {
            inode,
            stage: record.stage.clone(),
            ended: record.ended.0,
            metrics: numbers
                .filter_map(|(name, value)| Some((name.clone(), value.as_f64()?)))
                .collect(),
        }
    }

    /// Encodes it, unless it is too long.
    pub(crate) fn to_bytes(&self) -> Option<Vec<u8>> {
        serde_json::to_vec(self).ok().filter(|bytes| bytes.len() <= LIMIT)
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

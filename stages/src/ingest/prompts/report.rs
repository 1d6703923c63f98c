//! What became of every row that was read.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The counts of an ingestion, in rows of the source.
///
/// Every row has one fate: `read` is the sum of all of `rejected`, `duplicates_dropped`, `not_sampled` and `kept`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IngestReport {
    /// Rows read: lines, records or list entries, without a header.
    pub read: u64,
    /// Rows left out, by the first reason that applied.
    pub rejected: BTreeMap<String, u64>,
    /// Rows left out because their prompt had been read before.
    pub duplicates_dropped: u64,
    /// Rows kept although the same source had the same prompt before; they are among `kept`.
    pub duplicates_kept: u64,
    /// Rows that the sample did not choose.
    pub not_sampled: u64,
    /// Rows of the resulting table.
    pub kept: u64,
    /// Rows of the resulting table by their `split`, for rows that have one.
    pub splits: BTreeMap<String, u64>,
    /// Where the first rows were left out because their text is damaged, and why; at most ten.
    pub damaged: Vec<String>,
}

impl IngestReport {
    /// The reasons why rows are missing, in words.
    #[must_use]
    pub fn losses(&self) -> String {
        let mut losses: Vec<String> = self
            .rejected
            .iter()
            .map(|(reason, count)| format!("{count} rejected by `{reason}`"))
            .collect();
        if self.duplicates_dropped > 0 {
            losses.push(format!("{} duplicates", self.duplicates_dropped));
        }
        if self.not_sampled > 0 {
            losses.push(format!("{} not sampled", self.not_sampled));
        }
        if losses.is_empty() {
            "the source is empty".to_owned()
        } else {
            losses.join(", ")
        }
    }

    pub(super) fn reject(&mut self, reason: &str, rows: u64) {
        if let Some(count) = self.rejected.get_mut(reason) {
            *count += rows;
        } else {
            self.rejected.insert(reason.to_owned(), rows);
        }
    }

    pub(super) fn note_damage(&mut self, place: String) {
        const KEPT: usize = 10;
        if self.damaged.len() < KEPT {
            self.damaged.push(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_name_every_reason() {
        let mut report = IngestReport {
            duplicates_dropped: 3,
            not_sampled: 4,
            ..IngestReport::default()
        };
        assert_eq!(IngestReport::default().losses(), "the source is empty");
        report.reject("empty", 1);
        report.reject("max_prompt_nsfw", 2);
        report.reject("empty", 1);
        assert_eq!(
            report.losses(),
            "2 rejected by `empty`, 2 rejected by `max_prompt_nsfw`, 3 duplicates, 4 not sampled"
        );
    }
}

//! Finding records by what is known of them.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::Value as Json;

use super::Query;
use super::listing::ListedArtifact;
use super::summary::Summary;
use crate::error::StoreError;
use crate::index::Tree;
use crate::names::StageKey;
use crate::records::{ActionRecord, Sealed};
use crate::runs::{RunRecord, TAGS};
use crate::store::Catalog;

impl Query {
    fn fits_run(&self, run: &RunRecord) -> bool {
        let tagged = |tag: &String| {
            let tags = run.details.get(TAGS).and_then(Json::as_array);
            tags.is_some_and(|tags| tags.iter().any(|other| other.as_str() == Some(tag)))
        };
        self.pipeline.as_ref().is_none_or(|name| *name == run.pipeline)
            && self.tag.as_ref().is_none_or(tagged)
    }

    fn fits(&self, summary: &Summary) -> bool {
        let holds = |condition: &super::MetricCondition| {
            condition.holds(summary.metrics.get(&condition.name).copied())
        };
        self.stage.as_ref().is_none_or(|stage| *stage == summary.stage) && self.metrics.iter().all(holds)
    }

    /// Tells whether the index can rule records out.
    fn asks_summaries(&self) -> bool {
        self.stage.is_some() || !self.metrics.is_empty()
    }
}

impl Catalog<'_> {
    /// Finds the artifacts that a query asks for, newest first.
    ///
    /// # Errors
    /// [`StoreError::Path`] if records or runs cannot be listed, or an error of reading a table for a prompt.
    pub fn query(&self, query: &Query) -> Result<Vec<ListedArtifact>, StoreError> {
        let records = self.query_records(query)?;
        let mut artifacts = ListedArtifact::of(records);
        if let Some(prompt) = &query.prompt {
            let mut kept = Vec::new();
            for listed in artifacts {
                if self.has_prompt(&listed.artifact, prompt)? {
                    kept.push(listed);
                }
            }
            artifacts = kept;
            self.store.index().flush();
        }
        Ok(artifacts)
    }

    fn query_records(&self, query: &Query) -> Result<Vec<ActionRecord>, StoreError> {
        let mut entries = self.action_entries()?;
        if query.pipeline.is_some() || query.tag.is_some() {
            let keys = self.keys_of_runs(query)?;
            entries.retain(|(key, _)| keys.contains(key));
        }
        let entries = if query.asks_summaries() && self.store.index().is_on() {
            self.without_surely_other(entries, query)
        } else {
            entries
        };
        let mut records = Vec::new();
        for (key, inode) in entries {
            let Ok(Sealed::Good(record)) = self.store.records().read_action(&key) else {
                continue;
            };
            let summary = Summary::of(&record, inode);
            if query.asks_summaries() {
                self.index_summary(&key, &summary);
            }
            if query.fits(&summary) {
                records.push(record);
            }
        }
        self.store.index().flush();
        Ok(records)
    }

    /// Drops the keys whose record the index knows not to match. What it does not know stays, and so does what it knows
    /// of another file than the one that is there.
    fn without_surely_other(&self, entries: Vec<(StageKey, u64)>, query: &Query) -> Vec<(StageKey, u64)> {
        let prefix = Tree::Action.key(&[]);
        let mut rest = entries.into_iter().peekable();
        let mut kept = Vec::new();
        self.store.index().scan(&prefix, |pairs| {
            for (name, value) in pairs {
                let name = &name[prefix.len()..];
                while let Some(entry) = rest.next_if(|(key, _)| key.as_bytes().as_slice() < name) {
                    kept.push(entry);
                }
                let Some(entry) = rest.next_if(|(key, _)| key.as_bytes().as_slice() == name) else {
                    continue;
                };
                let other = |summary: Summary| summary.inode == entry.1 && !query.fits(&summary);
                if !Summary::from_bytes(&value).is_some_and(other) {
                    kept.push(entry);
                }
            }
            rest.peek().is_some()
        });
        kept.extend(rest);
        kept
    }

    fn keys_of_runs(&self, query: &Query) -> Result<BTreeSet<StageKey>, StoreError> {
        let runs = self
            .store
            .runs()
            .list()?
            .into_iter()
            .filter(|run| query.fits_run(run));
        Ok(runs.flat_map(|run| run.stages.into_values()).collect())
    }

    /// Tells the index of a new record, so that queries need not read it.
    pub(crate) fn index_published(&self, record: &ActionRecord, path: &Path) {
        if self.store.index().is_on()
            && let Ok(metadata) = self.store.files().metadata(path)
        {
            self.index_summary(&record.key, &Summary::of(record, metadata.ino()));
        }
    }

    /// Remembers what queries ask of a record.
    fn index_summary(&self, key: &StageKey, summary: &Summary) {
        let name = Tree::Action.key(&[key.as_bytes()]);
        match summary.to_bytes() {
            Some(value) => self.store.index().put(name, value),
            None => self.store.index().remove(name),
        }
    }
}

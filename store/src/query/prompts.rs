//! Which tables hold a prompt.

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;

use crate::artifacts::{Artifact, ArtifactKind, TableError};
use crate::error::StoreError;
use crate::index::Tree;
use crate::store::Catalog;

/// The columns in which prompts and their identifiers stand.
const COLUMNS: [&str; 2] = ["prompt", "prompt_id"];

/// Bytes of the hash of a prompt in the index.
const HASH: usize = 16;

impl Catalog<'_> {
    /// Tells whether a table holds a prompt or the identifier of one. Any other artifact does not.
    pub(super) fn has_prompt(&self, artifact: &Artifact, prompt: &str) -> Result<bool, StoreError> {
        if !matches!(artifact.kind, ArtifactKind::Table | ArtifactKind::Parts) {
            return Ok(false);
        }
        let content = artifact.content;
        let known = Tree::Prompt.key(&[content.as_bytes()]);
        if self.store.index().get(known.clone()).is_some() {
            return Ok(self.store.index().get(entry(artifact, prompt)).is_some());
        }
        let mut found = false;
        for column in COLUMNS {
            let batches = match self.store.artifacts().read_table(artifact, Some(&[column])) {
                Err(StoreError::Table(TableError::NoColumn { .. })) => continue,
                // What cannot be read has nothing to show; `verify` tells why.
                Err(StoreError::MissingBlob(_) | StoreError::CorruptBlob { .. }) => return Ok(false),
                batches => batches?,
            };
            let mut last = String::new();
            for batch in batches {
                each_text(&batch?, |text| {
                    found |= text == prompt;
                    // Candidates of one prompt follow each other.
                    if text != last {
                        self.store.index().put(entry(artifact, text), Vec::new());
                        text.clone_into(&mut last);
                    }
                });
            }
        }
        // Last, so that a table is known only with all of its prompts.
        self.store.index().put(known, Vec::new());
        Ok(found)
    }
}

fn entry(artifact: &Artifact, prompt: &str) -> Vec<u8> {
    let hash = blake3::hash(prompt.as_bytes());
    Tree::Prompt.key(&[artifact.content.as_bytes(), &hash.as_bytes()[..HASH]])
}

fn each_text(batch: &RecordBatch, mut act: impl FnMut(&str)) {
    let column = batch.column(0);
    if *column.data_type() == DataType::Utf8 {
        column.as_string::<i32>().iter().flatten().for_each(&mut act);
    }
}

//! Which candidates a table holds, so that values of other tables find their row.

use std::collections::HashMap;

use arrow_array::RecordBatch;
use arrow_array::types::UInt32Type;
use mitune_store::{Artifact, Store, StoreError};

use super::columns::{ColumnError, number_column, string_column};

/// The candidates of a table in its order, without latents and images.
#[derive(Debug, Default)]
pub(crate) struct CandidateIndex {
    prompts: Vec<IndexedPrompt>,
    rows: Vec<IndexedRow>,
    by_id: HashMap<String, u32>,
    positions: HashMap<IndexedRow, u32>,
}

/// A prompt that has candidates.
#[derive(Debug)]
pub(crate) struct IndexedPrompt {
    pub(crate) id: String,
    pub(crate) text: String,
}

/// A candidate: its prompt's number in order of first appearance, and its seed index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct IndexedRow {
    pub(crate) prompt: u32,
    pub(crate) seed_index: u32,
}

/// Why a table of candidates cannot be worked with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CandidateError {
    #[error("Candidate `{seed_index}` of prompt `{prompt_id}` occurs twice")]
    Twice { prompt_id: String, seed_index: u32 },
    #[error("Table of candidates has more than {} rows", u32::MAX)]
    TooMany,
    #[error("No candidates: the table has no rows")]
    Empty,
    #[error("Candidates could not be read")]
    Store(#[from] StoreError),
    #[error("Candidates could not be read")]
    Column(#[from] ColumnError),
}

impl CandidateIndex {
    /// Reads the columns that name a candidate.
    pub(crate) fn read(store: &Store, candidates: &Artifact) -> Result<Self, CandidateError> {
        let mut index = Self::default();
        for batch in store
            .artifacts()
            .read_table(candidates, Some(&["prompt_id", "prompt", "seed_index"]))?
        {
            index.add(&batch?)?;
        }
        if index.rows.is_empty() {
            return Err(CandidateError::Empty);
        }
        Ok(index)
    }

    fn add(&mut self, batch: &RecordBatch) -> Result<(), CandidateError> {
        let ids = string_column(batch, "prompt_id")?;
        let texts = string_column(batch, "prompt")?;
        let seed_indices = number_column::<UInt32Type>(batch, "seed_index")?.values();
        for (row, &seed_index) in seed_indices.iter().enumerate() {
            let id = ids.value(row);
            let prompt = match self.by_id.get(id) {
                Some(prompt) => *prompt,
                None => self.add_prompt(id, texts.value(row))?,
            };
            let candidate = IndexedRow { prompt, seed_index };
            let position = u32::try_from(self.rows.len()).map_err(|_| CandidateError::TooMany)?;
            if self.positions.insert(candidate, position).is_some() {
                let prompt_id = id.to_owned();
                return Err(CandidateError::Twice {
                    prompt_id,
                    seed_index,
                });
            }
            self.rows.push(candidate);
        }
        Ok(())
    }

    fn add_prompt(&mut self, id: &str, text: &str) -> Result<u32, CandidateError> {
        let number = u32::try_from(self.prompts.len()).map_err(|_| CandidateError::TooMany)?;
        self.prompts.push(IndexedPrompt {
            id: id.to_owned(),
            text: text.to_owned(),
        });
        self.by_id.insert(id.to_owned(), number);
        Ok(number)
    }

    /// The prompts, in the order of their first candidates.
    pub(crate) fn prompts(&self) -> &[IndexedPrompt] {
        &self.prompts
    }

    /// The candidates, in the order of the table.
    pub(crate) fn rows(&self) -> &[IndexedRow] {
        &self.rows
    }

    /// The prompt of a candidate.
    pub(crate) fn prompt(&self, row: IndexedRow) -> &IndexedPrompt {
        &self.prompts[row.prompt as usize]
    }

    /// The row of a candidate, if the table has it.
    pub(crate) fn position(&self, prompt_id: &str, seed_index: u32) -> Option<usize> {
        let prompt = *self.by_id.get(prompt_id)?;
        let position = self.positions.get(&IndexedRow { prompt, seed_index })?;
        Some(*position as usize)
    }
}

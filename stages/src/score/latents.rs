//! Finished candidates with their latents, read in the order of their table.

use std::ops::Range;

use arrow_array::RecordBatch;
use mitune_store::TableReader;

use crate::contract::{StageContext, StageError};
use crate::tables::latent_rows::{LATENT_COLUMNS, LatentRows};

/// A finished candidate.
pub(super) struct Finished {
    pub(super) prompt_id: String,
    pub(super) prompt: String,
    pub(super) seed_index: u32,
    pub(super) latent: Vec<f32>,
    pub(super) shape: [usize; 3],
}

/// Reads latents from the front of the table to its end, so that few are in memory at a time.
pub(super) struct Latents {
    reader: TableReader,
    batch: Option<RecordBatch>,
    /// Row of the table that the batch begins with.
    start: u64,
}

impl Latents {
    pub(super) fn open(context: &StageContext<'_>) -> Result<Self, StageError> {
        let reader = context
            .store()
            .read_table(context.input("candidates")?, Some(&LATENT_COLUMNS))?;
        Ok(Self {
            reader,
            batch: None,
            start: 0,
        })
    }

    /// Returns the candidates of rows that lie behind all rows asked for before.
    pub(super) fn rows(&mut self, wanted: &Range<u64>) -> Result<Vec<Finished>, StageError> {
        let mut found = Vec::new();
        for row in wanted.clone() {
            let (batch, offset) = self.batch_with(row)?;
            let rows = LatentRows::of(batch).map_err(StageError::failed)?;
            let latent = rows.latent(offset).map_err(StageError::failed)?;
            found.push(Finished {
                prompt_id: rows.prompt_id(offset).to_owned(),
                prompt: rows.prompt(offset).to_owned(),
                seed_index: rows.seed_index(offset),
                latent: latent.values,
                shape: latent.shape,
            });
        }
        Ok(found)
    }

    /// Returns the batch that holds a row of the table, and the row's place in it.
    fn batch_with(&mut self, row: u64) -> Result<(&RecordBatch, usize), StageError> {
        loop {
            let length = self.batch.as_ref().map_or(0, RecordBatch::num_rows) as u64;
            if row < self.start + length {
                break;
            }
            self.start += length;
            let next = self.reader.next().ok_or_else(|| StageError::failed(Shorter))?;
            self.batch = Some(next?);
        }
        let offset = (row - self.start) as usize;
        let batch = self.batch.as_ref().map(|batch| (batch, offset));
        batch.ok_or_else(|| StageError::failed(Shorter))
    }
}

/// A table with fewer rows than it had.
#[derive(Debug, thiserror::Error)]
#[error("Table of candidates became shorter while it was read")]
struct Shorter;

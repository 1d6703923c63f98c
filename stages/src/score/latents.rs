//! Finished candidates with their latents, read in the order of their table.

use std::ops::Range;

use arrow_array::RecordBatch;
use mitune_store::{Artifact, Store, TableReader};

use crate::contract::StageError;
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
pub(super) struct Latents<'a> {
    store: &'a Store,
    candidates: &'a Artifact,
    reader: TableReader,
    batch: Option<RecordBatch>,
    /// Row of the table that the batch begins with.
    start: u64,
}

impl<'a> Latents<'a> {
    pub(super) fn open(store: &'a Store, candidates: &'a Artifact) -> Result<Self, StageError> {
        Ok(Self {
            store,
            candidates,
            reader: store.read_table(candidates, Some(&LATENT_COLUMNS))?,
            batch: None,
            start: 0,
        })
    }

    /// Returns the candidates of rows, quickly if they lie behind all rows asked for before.
    pub(super) fn rows(&mut self, wanted: &Range<u64>) -> Result<Vec<Finished>, StageError> {
        // What another process began and did not finish lies before what was read last.
        if wanted.start < self.start {
            *self = Self::open(self.store, self.candidates)?;
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::trial::Trial;
    use crate::testing::trial_tables::{Candidate, candidates};

    /// A process that takes over what another left unfinished goes back in the table.
    #[test]
    fn rows_before_those_read_last_are_read_again() {
        let trial = Trial::new();
        let rows: Vec<Candidate> = (0..20_000_u16)
            .map(|seed_index| Candidate {
                prompt: "a cross".to_owned(),
                seed_index: u32::from(seed_index),
                mi: 0.0,
                latent: vec![f32::from(seed_index); 4],
                png: None,
            })
            .collect();
        let table = candidates(&trial.store, &rows);
        let mut latents = Latents::open(&trial.store, &table).unwrap();
        for wanted in [19_990..19_992, 3..5, 12_000..12_001, 0..1] {
            let found = latents.rows(&wanted).unwrap();
            let seeds: Vec<u64> = found.iter().map(|row| u64::from(row.seed_index)).collect();
            assert_eq!(seeds, wanted.clone().collect::<Vec<_>>());
            assert_eq!(found[0].latent, [wanted.start as f32; 4]);
        }
    }
}

//! Finished candidates with their latents, read in the order of their table.

use std::ops::Range;

use mitune_store::{Artifact, Store};

use crate::contract::StageError;
use crate::items::row_reader::RowReader;
use crate::tables::latent_rows::{LATENT_COLUMNS, LatentRows};

/// A finished candidate.
pub(super) struct Finished {
    pub(super) prompt_id: String,
    pub(super) prompt: String,
    pub(super) seed_index: u32,
    pub(super) latent: Vec<f32>,
    pub(super) shape: [usize; 3],
}

/// The latents of a table, read from its front to its end.
pub(super) struct Latents<'a>(RowReader<'a>);

impl<'a> Latents<'a> {
    pub(super) fn open(store: &'a Store, candidates: &'a Artifact) -> Result<Self, StageError> {
        RowReader::open(store, candidates, &LATENT_COLUMNS).map(Self)
    }

    /// Returns the candidates of rows, quickly if they lie behind all rows asked for before.
    pub(super) fn rows(&mut self, wanted: &Range<u64>) -> Result<Vec<Finished>, StageError> {
        self.0.read(wanted, |batch, row| {
            let rows = LatentRows::of(batch).map_err(StageError::failed)?;
            let latent = rows.latent(row).map_err(StageError::failed)?;
            Ok(Finished {
                prompt_id: rows.prompt_id(row).to_owned(),
                prompt: rows.prompt(row).to_owned(),
                seed_index: rows.seed_index(row),
                latent: latent.values,
                shape: latent.shape,
            })
        })
    }
}

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

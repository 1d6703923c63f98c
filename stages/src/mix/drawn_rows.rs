//! Which rows of a selection are drawn.

use arrow_array::types::UInt32Type;
use mitune_store::{Artifact, Store};

use crate::candidate_ranking::Draw;
use crate::contract::StageError;
use crate::tables::columns::{number_column, string_column};

/// What draws rows.
const PURPOSE: &str = "mitune v1 mix";

/// The rows of a selection in the order in which they are drawn.
///
/// The order follows from the seed, from the place of the selection among the others, so that two of the same prompts
/// are drawn from independently, and from what the rows are: prompt and seed index. Where the rows stand matters only
/// for those that have both in common.
pub(super) struct DrawnRows(Vec<usize>);

impl DrawnRows {
    /// Reads which rows there are.
    pub(super) fn read(
        store: &Store,
        selection: &Artifact,
        position: usize,
        seed: u64,
    ) -> Result<Self, StageError> {
        let key = Draw::key(PURPOSE, seed);
        let mut rows: Vec<(Draw, usize)> = Vec::new();
        let columns = ["prompt_id", "seed_index"];
        for batch in store.artifacts().read_table(selection, Some(&columns))? {
            let batch = batch?;
            let ids = string_column(&batch, "prompt_id").map_err(StageError::failed)?;
            let seed_indices =
                number_column::<UInt32Type>(&batch, "seed_index").map_err(StageError::failed)?;
            for (row, &seed_index) in seed_indices.values().iter().enumerate() {
                let name = format!("{position} {}", ids.value(row));
                rows.push((Draw::new(&key, &name, seed_index), rows.len()));
            }
        }
        rows.sort_unstable();
        Ok(Self(rows.into_iter().map(|(_, row)| row).collect()))
    }

    /// How many rows there are.
    pub(super) fn available(&self) -> u64 {
        self.0.len() as u64
    }

    /// The first drawn rows, in the order of the table.
    pub(super) fn first(mut self, count: u64) -> Vec<usize> {
        self.0.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        self.0.sort_unstable();
        self.0
    }
}

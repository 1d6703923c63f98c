//! Pairs of candidates of one prompt of which one is preferred, for objectives that compare them.

use std::collections::BTreeSet;

use arrow_array::types::UInt32Type;
use arrow_array::{ListArray, RecordBatch, StringArray, UInt32Array};
use mitune_store::{Artifact, Store, StoreError};

use super::columns::{ColumnError, list_column, number_column, string_column};
use super::latent_rows::{Latent, LatentError, read_latent};

/// One row of the table [`pairs`](super::schema::pairs).
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// Identifies the prompt.
    pub prompt_id: String,
    /// The prompt's text.
    pub prompt: String,
    /// The candidate that is preferred.
    pub preferred: PairMember,
    /// The candidate that is not.
    pub rejected: PairMember,
}

/// A candidate in a pair.
#[derive(Clone, Debug, PartialEq)]
pub struct PairMember {
    /// Index among the candidates of the prompt.
    pub seed_index: u32,
    /// The candidate's latent.
    pub latent: Latent,
}

/// Why pairs cannot be trained on.
#[derive(Debug, thiserror::Error)]
pub enum PairsError {
    /// The table has no rows.
    #[error("No pairs: the table has no rows")]
    Empty,
    /// A candidate is compared with itself.
    #[error("Candidate `{seed_index}` of prompt `{prompt_id}` is paired with itself")]
    Itself {
        /// The prompt.
        prompt_id: String,
        /// The candidate.
        seed_index: u32,
    },
    /// Two rows contradict or repeat each other.
    #[error("Candidates `{}` and `{}` of prompt `{prompt_id}` are paired twice", seed_indices[0], seed_indices[1])]
    Twice {
        /// The prompt.
        prompt_id: String,
        /// The candidates, the lower index first.
        seed_indices: [u32; 2],
    },
    /// A latent is damaged.
    #[error(transparent)]
    Latent(#[from] LatentError),
    /// A column is missing or of another type.
    #[error("Pairs could not be read")]
    Column(#[from] ColumnError),
    /// The table could not be read.
    #[error("Pairs could not be read")]
    Store(#[from] StoreError),
}

/// Reads a table of pairs; both latents of a pair have one shape, those of different pairs may have different ones.
///
/// # Errors
/// [`PairsError`] if there is none, if one contradicts or repeats another, or if a latent cannot be used.
pub fn read_pairs(store: &Store, table: &Artifact) -> Result<Vec<Pair>, PairsError> {
    let mut pairs: Vec<Pair> = Vec::new();
    let mut seen = BTreeSet::new();
    for batch in store.artifacts().read_table(table, None)? {
        let batch = batch?;
        let rows = PairRows::of(&batch)?;
        for row in 0..batch.num_rows() {
            let pair = rows.pair(row)?;
            check(&pair, &mut seen)?;
            pairs.push(pair);
        }
    }
    match pairs.is_empty() {
        true => Err(PairsError::Empty),
        false => Ok(pairs),
    }
}

fn check(pair: &Pair, seen: &mut BTreeSet<(String, [u32; 2])>) -> Result<(), PairsError> {
    let prompt_id = pair.prompt_id.clone();
    let mut seed_indices = [pair.preferred.seed_index, pair.rejected.seed_index];
    seed_indices.sort_unstable();
    if seed_indices[0] == seed_indices[1] {
        return Err(PairsError::Itself {
            prompt_id,
            seed_index: seed_indices[0],
        });
    }
    match seen.insert((prompt_id.clone(), seed_indices)) {
        true => Ok(()),
        false => Err(PairsError::Twice {
            prompt_id,
            seed_indices,
        }),
    }
}

/// The columns of a batch of pairs.
pub(crate) struct PairRows<'a> {
    prompt_ids: &'a StringArray,
    prompts: &'a StringArray,
    shapes: &'a ListArray,
    preferred: MemberRows<'a>,
    rejected: MemberRows<'a>,
}

/// The columns of one side of the pairs.
struct MemberRows<'a> {
    seed_indices: &'a UInt32Array,
    latents: &'a ListArray,
    column: &'static str,
}

impl<'a> PairRows<'a> {
    pub(crate) fn of(batch: &'a RecordBatch) -> Result<Self, ColumnError> {
        let member = |seed_indices: &str, column: &'static str| -> Result<MemberRows<'a>, ColumnError> {
            Ok(MemberRows {
                seed_indices: number_column::<UInt32Type>(batch, seed_indices)?,
                latents: list_column(batch, column)?,
                column,
            })
        };
        Ok(Self {
            prompt_ids: string_column(batch, "prompt_id")?,
            prompts: string_column(batch, "prompt")?,
            shapes: list_column(batch, "latent_shape")?,
            preferred: member("preferred_seed_index", "preferred_latent")?,
            rejected: member("rejected_seed_index", "rejected_latent")?,
        })
    }

    /// Reads the pair of a row.
    pub(crate) fn pair(&self, row: usize) -> Result<Pair, LatentError> {
        let prompt_id = self.prompt_ids.value(row);
        let member = |rows: &MemberRows<'_>| -> Result<PairMember, LatentError> {
            let seed_index = rows.seed_indices.value(row);
            let name = (prompt_id, seed_index);
            Ok(PairMember {
                seed_index,
                latent: read_latent((rows.latents, rows.column), self.shapes, row, name)?,
            })
        };
        Ok(Pair {
            preferred: member(&self.preferred)?,
            rejected: member(&self.rejected)?,
            prompt_id: prompt_id.to_owned(),
            prompt: self.prompts.value(row).to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::ArrayRef;
    use arrow_array::types::{Float32Type, Int32Type};

    use super::*;
    use crate::tables::schema;
    use crate::testing::trial_tables::{lists, texts};

    /// Pairs of prompt, preferred and rejected, with latents of their seed indices.
    fn read(rows: &[(&str, u32, u32)], channels: impl Fn(usize) -> i32) -> Result<Vec<Pair>, PairsError> {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("store")).unwrap();
        let latent = |seed_index: u32, row: usize| vec![seed_index as f32; channels(row) as usize * 4];
        let rows: Vec<(usize, &(&str, u32, u32))> = rows.iter().enumerate().collect();
        let numbers = |number: fn(&(&str, u32, u32)) -> u32| -> ArrayRef {
            Arc::new(UInt32Array::from_iter_values(
                rows.iter().map(|(_, row)| number(row)),
            ))
        };
        let columns: Vec<ArrayRef> = vec![
            texts(rows.iter().map(|(_, row)| format!("id of {}", row.0))),
            texts(rows.iter().map(|(_, row)| row.0.to_owned())),
            numbers(|row| row.1),
            numbers(|row| row.2),
            lists::<Float32Type>(rows.iter().map(|(index, row)| latent(row.1, *index))),
            lists::<Float32Type>(rows.iter().map(|(index, row)| latent(row.2, *index))),
            lists::<Int32Type>(rows.iter().map(|(index, _)| vec![channels(*index), 2, 2])),
        ];
        let batch = RecordBatch::try_new(schema::pairs(), columns).unwrap();
        let table = store.artifacts().put_table(&schema::pairs(), [batch]).unwrap();
        read_pairs(&store, &table)
    }

    #[test]
    fn pairs_are_read_with_both_latents() {
        let pairs = read(&[("a", 0, 3), ("b", 2, 1), ("a", 3, 1)], |_| 4).unwrap();
        assert_eq!(pairs.len(), 3);
        assert_eq!(
            (pairs[1].prompt_id.as_str(), pairs[1].prompt.as_str()),
            ("id of b", "b")
        );
        assert_eq!(
            (pairs[1].preferred.seed_index, pairs[1].rejected.seed_index),
            (2, 1)
        );
        assert_eq!(pairs[1].preferred.latent.values, [2.0; 16]);
        assert_eq!(pairs[1].rejected.latent.values, [1.0; 16]);
        assert_eq!(pairs[1].rejected.latent.shape, [4, 2, 2]);
    }

    #[test]
    fn pairs_that_say_nothing_or_contradict_each_other_are_refused() {
        let told = |rows: &[(&str, u32, u32)], channels: fn(usize) -> i32| {
            read(rows, channels).unwrap_err().to_string()
        };
        assert!(told(&[], |_| 4).contains("no rows"));
        assert!(told(&[("a", 1, 1)], |_| 4).contains("`1` of prompt `id of a` is paired with itself"));
        assert!(told(&[("a", 0, 1), ("a", 1, 0)], |_| 4).contains("paired twice"));
    }

    #[test]
    fn pairs_may_have_different_shapes() {
        let pairs = read(&[("a", 0, 1), ("b", 1, 0)], |row| 4 + row as i32).unwrap();
        assert_eq!(pairs[0].rejected.latent.shape, [4, 2, 2]);
        assert_eq!(pairs[1].preferred.latent.shape, [5, 2, 2]);
        assert_eq!(pairs[1].rejected.latent.shape, [5, 2, 2]);
    }
}

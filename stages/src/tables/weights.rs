//! Candidates and how much each counts, for objectives that weigh what they are trained on.

use arrow_array::types::Float64Type;
use mitune_store::{Artifact, Store, StoreError};

use super::columns::{ColumnError, number_column};
use super::latent_rows::{Latent, LatentError, LatentRows};

/// One row of the table [`weights`](super::schema::weights).
#[derive(Clone, Debug, PartialEq)]
pub struct WeightedCandidate {
    /// Identifies the prompt.
    pub prompt_id: String,
    /// The prompt's text.
    pub prompt: String,
    /// Index among the candidates of the prompt.
    pub seed_index: u32,
    /// How much the candidate counts.
    pub weight: f64,
    /// The candidate's latent.
    pub latent: Latent,
}

/// Why weighted candidates cannot be trained on.
#[derive(Debug, thiserror::Error)]
pub enum CandidateWeightsError {
    /// Nothing counts.
    #[error("No candidate has a weight above 0")]
    Nothing,
    /// A weight is no weight.
    #[error(
        "Candidate `{seed_index}` of prompt `{prompt_id}` has the weight {weight}, expected a number from 0 on"
    )]
    Weight {
        /// The prompt.
        prompt_id: String,
        /// The candidate.
        seed_index: u32,
        /// Its weight.
        weight: f64,
    },
    /// A latent is damaged.
    #[error(transparent)]
    Latent(#[from] LatentError),
    /// A column is missing or of another type.
    #[error("Weights could not be read")]
    Column(#[from] ColumnError),
    /// The table could not be read.
    #[error("Weights could not be read")]
    Store(#[from] StoreError),
}

/// Reads a table of weighted candidates, whose latents may have different shapes.
///
/// # Errors
/// [`CandidateWeightsError`] if no weight is above 0, or if a weight or a latent cannot be used.
pub fn read_weights(
    store: &Store,
    table: &Artifact,
) -> Result<Vec<WeightedCandidate>, CandidateWeightsError> {
    let mut candidates: Vec<WeightedCandidate> = Vec::new();
    for batch in store.artifacts().read_table(table, None)? {
        let batch = batch?;
        let rows = LatentRows::of(&batch)?;
        let weights = number_column::<Float64Type>(&batch, "weight")?;
        for row in 0..batch.num_rows() {
            let candidate = WeightedCandidate {
                prompt_id: rows.prompt_id(row).to_owned(),
                prompt: rows.prompt(row).to_owned(),
                seed_index: rows.seed_index(row),
                weight: weights.value(row),
                latent: rows.latent(row)?,
            };
            check(&candidate)?;
            candidates.push(candidate);
        }
    }
    match candidates.iter().any(|candidate| candidate.weight > 0.0) {
        true => Ok(candidates),
        false => Err(CandidateWeightsError::Nothing),
    }
}

fn check(candidate: &WeightedCandidate) -> Result<(), CandidateWeightsError> {
    match candidate.weight.is_finite() && candidate.weight >= 0.0 {
        true => Ok(()),
        false => Err(CandidateWeightsError::Weight {
            prompt_id: candidate.prompt_id.clone(),
            seed_index: candidate.seed_index,
            weight: candidate.weight,
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::types::{Float32Type, Int32Type};
    use arrow_array::{ArrayRef, Float64Array, RecordBatch, UInt32Array};

    use super::*;
    use crate::tables::schema;
    use crate::testing::trial_tables::{lists, texts};

    fn read(weights: &[f64]) -> Result<Vec<WeightedCandidate>, CandidateWeightsError> {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("store")).unwrap();
        let rows = 0..weights.len() as u32;
        let columns: Vec<ArrayRef> = vec![
            texts(rows.clone().map(|_| "id of a".to_owned())),
            texts(rows.clone().map(|_| "a".to_owned())),
            Arc::new(UInt32Array::from_iter_values(rows.clone())),
            Arc::new(Float64Array::from_iter_values(weights.iter().copied())),
            lists::<Float32Type>(rows.clone().map(|row| vec![row as f32; 4 * (row as usize + 1)])),
            lists::<Int32Type>(rows.map(|row| vec![4, 1, row as i32 + 1])),
        ];
        let batch = RecordBatch::try_new(schema::weights(), columns).unwrap();
        let table = store.artifacts().put_table(&schema::weights(), [batch]).unwrap();
        read_weights(&store, &table)
    }

    #[test]
    fn weights_are_read_with_their_latents() {
        let candidates = read(&[0.0, 0.75]).unwrap();
        assert_eq!(candidates.len(), 2);
        assert_eq!((candidates[1].seed_index, candidates[1].weight), (1, 0.75));
        assert_eq!(candidates[1].latent.values, [1.0; 8]);
        assert_eq!(candidates[0].latent.shape, [4, 1, 1]);
        assert_eq!(candidates[1].latent.shape, [4, 1, 2]);
    }

    #[test]
    fn weights_that_are_none_are_refused() {
        let cases: [(&[f64], &str); 4] = [
            (&[], "above 0"),
            (&[0.0, 0.0], "above 0"),
            (&[1.0, -0.5], "has the weight -0.5"),
            (&[f64::NAN], "has the weight NaN"),
        ];
        for (weights, words) in cases {
            let error = read(weights).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}

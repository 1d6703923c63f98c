//! Features of candidates and their prompts, looked up by the candidate.

use std::collections::HashMap;

use arrow_array::types::UInt32Type;
use mitune_store::{Artifact, Store, StoreError};

use super::columns::{ColumnError, f32_list, list_column, number_column, string_column};

/// The table [`features`](super::schema::features) in memory.
#[derive(Clone, Debug)]
pub struct Features {
    /// Numbers in each of the features.
    width: usize,
    /// Image and text features, row after row.
    values: Vec<f32>,
    /// Rows by prompt and seed index.
    rows: HashMap<String, HashMap<u32, usize>>,
}

/// Why features cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FeaturesError {
    /// The table has no rows.
    #[error("No features: the table has no rows")]
    Empty,
    /// A candidate has two rows.
    #[error("Candidate `{seed_index}` of prompt `{prompt_id}` has features twice")]
    Twice {
        /// The prompt.
        prompt_id: String,
        /// The candidate.
        seed_index: u32,
    },
    /// Features of two lengths have no product.
    #[error(
        "Features `{column}` of candidate `{seed_index}` of prompt `{prompt_id}` have {found} numbers, the first ones \
         {expected}"
    )]
    Width {
        /// The column.
        column: &'static str,
        /// The prompt.
        prompt_id: String,
        /// The candidate.
        seed_index: u32,
        /// How many numbers there are.
        found: usize,
        /// How many the first features have.
        expected: usize,
    },
    /// A NaN or an infinity.
    #[error(
        "Features `{column}` of candidate `{seed_index}` of prompt `{prompt_id}` hold `{value}`, expected finite \
         numbers"
    )]
    NotFinite {
        /// The column.
        column: &'static str,
        /// The prompt.
        prompt_id: String,
        /// The candidate.
        seed_index: u32,
        /// The first such number.
        value: f32,
    },
    /// A column is missing or of another type.
    #[error("Features could not be read")]
    Column(#[from] ColumnError),
    /// The table could not be read.
    #[error("Features could not be read")]
    Store(#[from] StoreError),
}

/// The column of an image's features.
const IMAGE: &str = "image_features";

/// The column of a prompt's features.
const TEXT: &str = "text_features";

/// Reads a table of features, all of one length.
///
/// # Errors
/// [`FeaturesError`] if there is none, if a candidate has two, or if lengths differ or numbers are not finite.
pub fn read_features(store: &Store, table: &Artifact) -> Result<Features, FeaturesError> {
    let mut features: Option<Features> = None;
    for batch in store.artifacts().read_table(table, None)? {
        let batch = batch?;
        let prompt_ids = string_column(&batch, "prompt_id")?;
        let seed_indices = number_column::<UInt32Type>(&batch, "seed_index")?;
        let (images, texts) = (list_column(&batch, IMAGE)?, list_column(&batch, TEXT)?);
        for row in 0..batch.num_rows() {
            let image = f32_list(images, IMAGE, row)?;
            let text = f32_list(texts, TEXT, row)?;
            let features = features.get_or_insert_with(|| Features::of_width(image.len()));
            features.add((prompt_ids.value(row), seed_indices.value(row)), &image, &text)?;
        }
    }
    features.ok_or(FeaturesError::Empty)
}

impl Features {
    fn of_width(width: usize) -> Self {
        Self {
            width,
            values: Vec::new(),
            rows: HashMap::new(),
        }
    }

    /// Numbers in the features of an image, and in those of a prompt.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Returns the features of a candidate's image and of its prompt, if the table has the candidate.
    #[must_use]
    pub fn of(&self, prompt_id: &str, seed_index: u32) -> Option<(&[f32], &[f32])> {
        let row = *self.rows.get(prompt_id)?.get(&seed_index)?;
        let begin = row * 2 * self.width;
        let both = self.values.get(begin..begin + 2 * self.width)?;
        Some(both.split_at(self.width))
    }

    fn add(
        &mut self,
        (prompt_id, seed_index): (&str, u32),
        image: &[f32],
        text: &[f32],
    ) -> Result<(), FeaturesError> {
        for (column, values) in [(IMAGE, image), (TEXT, text)] {
            check((column, values), self.width, (prompt_id, seed_index))?;
        }
        let row = self.values.len() / (2 * self.width).max(1);
        let of_prompt = self.rows.entry(prompt_id.to_owned()).or_default();
        if of_prompt.insert(seed_index, row).is_some() {
            let prompt_id = prompt_id.to_owned();
            return Err(FeaturesError::Twice {
                prompt_id,
                seed_index,
            });
        }
        self.values.extend_from_slice(image);
        self.values.extend_from_slice(text);
        Ok(())
    }
}

fn check(
    (column, values): (&'static str, &[f32]),
    expected: usize,
    (prompt_id, seed_index): (&str, u32),
) -> Result<(), FeaturesError> {
    if values.len() != expected {
        return Err(FeaturesError::Width {
            column,
            prompt_id: prompt_id.to_owned(),
            seed_index,
            found: values.len(),
            expected,
        });
    }
    match values.iter().find(|value| !value.is_finite()) {
        Some(&value) => Err(FeaturesError::NotFinite {
            column,
            prompt_id: prompt_id.to_owned(),
            seed_index,
            value,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::types::Float32Type;
    use arrow_array::{ArrayRef, RecordBatch, UInt32Array};

    use super::*;
    use crate::tables::schema;
    use crate::testing::trial_tables::{lists, texts};

    /// Rows of prompt and seed index with features that are told by the row.
    fn read(rows: &[(&str, u32)], text: impl Fn(usize) -> Vec<f32>) -> Result<Features, FeaturesError> {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("store")).unwrap();
        let columns: Vec<ArrayRef> = vec![
            texts(rows.iter().map(|row| row.0.to_owned())),
            Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.1))),
            lists::<Float32Type>((0..rows.len()).map(|row| vec![row as f32, 1.0])),
            lists::<Float32Type>((0..rows.len()).map(text)),
        ];
        let batch = RecordBatch::try_new(schema::features(), columns).unwrap();
        let table = store.artifacts().put_table(&schema::features(), [batch]).unwrap();
        read_features(&store, &table)
    }

    #[test]
    fn features_are_found_by_candidate() {
        let features = read(&[("a", 0), ("b", 3), ("a", 3)], |row| vec![0.0, -(row as f32)]).unwrap();
        assert_eq!(features.width(), 2);
        assert_eq!(features.of("b", 3), Some((&[1.0, 1.0][..], &[0.0, -1.0][..])));
        assert_eq!(features.of("a", 3), Some((&[2.0, 1.0][..], &[0.0, -2.0][..])));
        assert_eq!(features.of("b", 0), None);
        assert_eq!(features.of("c", 0), None);
    }

    #[test]
    fn features_that_cannot_be_multiplied_are_refused() {
        let told =
            |rows: &[(&str, u32)], text: fn(usize) -> Vec<f32>| read(rows, text).unwrap_err().to_string();
        assert!(told(&[], |_| vec![0.0; 2]).contains("no rows"));
        assert!(told(&[("a", 1), ("a", 1)], |_| vec![0.0; 2]).contains("twice"));
        assert!(told(&[("a", 1)], |_| vec![0.0; 3]).contains("have 3 numbers, the first ones 2"));
        assert!(told(&[("a", 1)], |_| vec![0.0, f32::NAN]).contains("hold `NaN`"));
    }
}

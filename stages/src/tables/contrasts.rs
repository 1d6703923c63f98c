//! Images with their prompt and a mismatched image or prompt, for objectives that tell the two apart.

use arrow_array::{Array, ListArray, RecordBatch, StringArray};
use mitune_store::{Artifact, Store, StoreError};

use super::columns::{ColumnError, list_column, string_column};
use super::latent_rows::{Latent, LatentError, LatentRows, read_latent};

/// One row of the table [`contrasts`](super::schema::contrasts).
#[derive(Clone, Debug, PartialEq)]
pub struct Contrast {
    /// Identifies the prompt.
    pub prompt_id: String,
    /// The prompt's text, which the image shows.
    pub prompt: String,
    /// Index among the images of the prompt.
    pub seed_index: u32,
    /// The image's latent.
    pub latent: Latent,
    /// What is mismatched.
    pub kind: ContrastKind,
    /// The text of the mismatch: `prompt` itself where the image is mismatched.
    pub other_prompt: String,
    /// The latent of the mismatched image, of the shape of `latent`; none where the text is mismatched.
    pub other_latent: Option<Latent>,
}

/// What is mismatched in a contrast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContrastKind {
    /// The image: one of another prompt.
    Image,
    /// The text: the prompt with words exchanged.
    HardText,
    /// The text: another prompt.
    RandomText,
}

/// Why contrasts cannot be trained on.
#[derive(Debug, thiserror::Error)]
pub enum ContrastsError {
    /// The table has no rows.
    #[error("No contrasts: the table has no rows")]
    Empty,
    /// A kind is none of those there are.
    #[error(
        "Contrast of candidate `{seed_index}` of prompt `{prompt_id}` is of kind `{found}`, expected `image`, \
         `hard_text` or `random_text`"
    )]
    Kind {
        /// The prompt.
        prompt_id: String,
        /// The image.
        seed_index: u32,
        /// The kind it has.
        found: String,
    },
    /// A mismatched image is lacking or too many.
    #[error(
        "Contrast of candidate `{seed_index}` of prompt `{prompt_id}` is of kind `{}` and has {found} `other_latent`, \
         which is there where the image is mismatched and only there",
        kind.name()
    )]
    OtherLatent {
        /// The prompt.
        prompt_id: String,
        /// The image.
        seed_index: u32,
        /// The kind it has.
        kind: ContrastKind,
        /// `a` or `no`.
        found: &'static str,
    },
    /// A latent is damaged.
    #[error(transparent)]
    Latent(#[from] LatentError),
    /// A column is missing or of another type.
    #[error("Contrasts could not be read")]
    Column(#[from] ColumnError),
    /// The table could not be read.
    #[error("Contrasts could not be read")]
    Store(#[from] StoreError),
}

impl ContrastKind {
    /// Every kind, in the order in which shares of them are told.
    pub const ALL: [Self; 3] = [Self::Image, Self::HardText, Self::RandomText];

    /// Its name in the column `kind`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::HardText => "hard_text",
            Self::RandomText => "random_text",
        }
    }

    fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Reads a table of contrasts; latents of different rows may have different shapes.
///
/// # Errors
/// [`ContrastsError`] if there is none, or if a kind or a latent cannot be used.
pub fn read_contrasts(store: &Store, table: &Artifact) -> Result<Vec<Contrast>, ContrastsError> {
    let mut contrasts = Vec::new();
    for batch in store.artifacts().read_table(table, None)? {
        let batch = batch?;
        let rows = ContrastRows::of(&batch)?;
        for row in 0..batch.num_rows() {
            contrasts.push(rows.contrast(row)?);
        }
    }
    match contrasts.is_empty() {
        true => Err(ContrastsError::Empty),
        false => Ok(contrasts),
    }
}

/// The columns of a batch of contrasts.
struct ContrastRows<'a> {
    rows: LatentRows<'a>,
    shapes: &'a ListArray,
    kinds: &'a StringArray,
    other_prompts: &'a StringArray,
    other_latents: &'a ListArray,
}

impl<'a> ContrastRows<'a> {
    fn of(batch: &'a RecordBatch) -> Result<Self, ColumnError> {
        Ok(Self {
            rows: LatentRows::of(batch)?,
            shapes: list_column(batch, "latent_shape")?,
            kinds: string_column(batch, "kind")?,
            other_prompts: string_column(batch, "other_prompt")?,
            other_latents: list_column(batch, "other_latent")?,
        })
    }

    fn contrast(&self, row: usize) -> Result<Contrast, ContrastsError> {
        let (prompt_id, seed_index) = (self.rows.prompt_id(row), self.rows.seed_index(row));
        let name = self.kinds.value(row);
        let kind = ContrastKind::of_name(name).ok_or_else(|| ContrastsError::Kind {
            prompt_id: prompt_id.to_owned(),
            seed_index,
            found: name.to_owned(),
        })?;
        let other_latent = match (kind, self.other_latents.is_valid(row)) {
            (ContrastKind::Image, true) => {
                let column = (self.other_latents, "other_latent");
                Some(read_latent(column, self.shapes, row, (prompt_id, seed_index))?)
            }
            (ContrastKind::HardText | ContrastKind::RandomText, false) => None,
            (kind, there) => {
                return Err(ContrastsError::OtherLatent {
                    prompt_id: prompt_id.to_owned(),
                    seed_index,
                    kind,
                    found: if there { "a" } else { "no" },
                });
            }
        };
        Ok(Contrast {
            prompt_id: prompt_id.to_owned(),
            prompt: self.rows.prompt(row).to_owned(),
            seed_index,
            latent: self.rows.latent(row)?,
            kind,
            other_prompt: self.other_prompts.value(row).to_owned(),
            other_latent,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::builder::{Float32Builder, ListBuilder};
    use arrow_array::types::{Float32Type, Int32Type};
    use arrow_array::{ArrayRef, UInt32Array};

    use super::*;
    use crate::tables::schema;
    use crate::testing::trial_tables::{lists, texts};

    /// Contrasts by kind, side of the latent, and whether there is another latent.
    fn read(rows: &[(&str, i32, bool)]) -> Result<Vec<Contrast>, ContrastsError> {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("store")).unwrap();
        let latent = |side: i32, value: f32| vec![value; (4 * side * side) as usize];
        let mut others = ListBuilder::new(Float32Builder::new());
        for (_, side, there) in rows {
            if *there {
                others.values().append_slice(&latent(*side, 2.0));
            }
            others.append(*there);
        }
        let columns: Vec<ArrayRef> = vec![
            texts(rows.iter().map(|_| "id of a".to_owned())),
            texts(rows.iter().map(|_| "a".to_owned())),
            Arc::new(UInt32Array::from_iter_values(0..rows.len() as u32)),
            lists::<Float32Type>(rows.iter().map(|row| latent(row.1, 1.0))),
            lists::<Int32Type>(rows.iter().map(|row| vec![4, row.1, row.1])),
            texts(rows.iter().map(|row| row.0.to_owned())),
            texts(rows.iter().map(|_| "b".to_owned())),
            Arc::new(others.finish()),
        ];
        let batch = RecordBatch::try_new(schema::contrasts(), columns).unwrap();
        let table = store
            .artifacts()
            .put_table(&schema::contrasts(), [batch])
            .unwrap();
        read_contrasts(&store, &table)
    }

    #[test]
    fn contrasts_are_read_with_what_is_mismatched() {
        let read = read(&[("image", 2, true), ("hard_text", 1, false)]).unwrap();
        assert_eq!(read[0].kind, ContrastKind::Image);
        let other = read[0].other_latent.as_ref().unwrap();
        assert_eq!((other.values[0], other.shape), (2.0, [4, 2, 2]));
        assert_eq!(read[1].kind, ContrastKind::HardText);
        assert_eq!(
            (read[1].other_prompt.as_str(), &read[1].other_latent),
            ("b", &None)
        );
        assert_eq!((read[1].seed_index, read[1].latent.shape), (1, [4, 1, 1]));
    }

    #[test]
    fn contrasts_that_are_none_are_refused() {
        let told = |rows: &[(&str, i32, bool)]| read(rows).unwrap_err().to_string();
        assert!(told(&[]).contains("no rows"));
        assert!(told(&[("text", 2, false)]).contains("is of kind `text`, expected `image`"));
        assert!(told(&[("image", 2, false)]).contains("`image` and has no `other_latent`"));
        assert!(told(&[("random_text", 2, true)]).contains("`random_text` and has a `other_latent`"));
    }
}

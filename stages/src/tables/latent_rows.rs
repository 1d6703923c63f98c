//! Latents as tables hold them.

use arrow_array::types::{Int32Type, UInt32Type};
use arrow_array::{Array, ListArray, PrimitiveArray, RecordBatch, StringArray, UInt32Array};

use super::columns::{ColumnError, f32_list, list_column, number_column, string_column};

/// The columns a latent and its name take.
pub(crate) const LATENT_COLUMNS: [&str; 5] = ["prompt_id", "prompt", "seed_index", "latent", "latent_shape"];

/// The rows of a batch that has the columns [`LATENT_COLUMNS`].
pub(crate) struct LatentRows<'a> {
    prompt_ids: &'a StringArray,
    prompts: &'a StringArray,
    seed_indices: &'a UInt32Array,
    latents: &'a ListArray,
    shapes: &'a ListArray,
}

/// A latent of the right size.
#[derive(Clone, Debug, PartialEq)]
pub struct Latent {
    /// Its numbers, row-major, all of them finite.
    pub values: Vec<f32>,
    /// Channels, height and width.
    pub shape: [usize; 3],
}

/// A latent that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LatentError {
    /// The columns of latents are not what they should be.
    #[error("Latents could not be read")]
    Column(#[from] ColumnError),
    /// The shape is not that of an image, or of another number of elements.
    #[error(
        "Latent of candidate `{seed_index}` of prompt `{prompt_id}` has {found} elements and the shape {shape:?}, \
         expected channels, height and width with their product"
    )]
    Shape {
        /// Prompt of the candidate.
        prompt_id: String,
        /// Its index among those of the prompt.
        seed_index: u32,
        /// How many elements there are.
        found: usize,
        /// The shape.
        shape: Vec<i32>,
    },
    /// A NaN or an infinity.
    #[error(
        "Latent of candidate `{seed_index}` of prompt `{prompt_id}` holds `{value}`, expected finite numbers"
    )]
    NotFinite {
        /// Prompt of the candidate.
        prompt_id: String,
        /// Its index among those of the prompt.
        seed_index: u32,
        /// The first such number.
        value: f32,
    },
    /// Latents of different sizes cannot stand in one batch.
    #[error(
        "Latent of candidate `{seed_index}` of prompt `{prompt_id}` has the shape {found:?}, the first one {expected:?}"
    )]
    OtherShape {
        /// Prompt of the candidate.
        prompt_id: String,
        /// Its index among those of the prompt.
        seed_index: u32,
        /// Channels, height and width of its latent.
        found: [usize; 3],
        /// Those of the first latent.
        expected: [usize; 3],
    },
}

impl Latent {
    /// Checks that the latent of a candidate has the shape of the first one, where it is not the first itself.
    pub(crate) fn check_shape(
        &self,
        first: Option<[usize; 3]>,
        (prompt_id, seed_index): (&str, u32),
    ) -> Result<(), LatentError> {
        match first {
            Some(expected) if expected != self.shape => Err(LatentError::OtherShape {
                prompt_id: prompt_id.to_owned(),
                seed_index,
                found: self.shape,
                expected,
            }),
            _ => Ok(()),
        }
    }
}

impl<'a> LatentRows<'a> {
    pub(crate) fn of(batch: &'a RecordBatch) -> Result<Self, ColumnError> {
        Ok(Self {
            prompt_ids: string_column(batch, "prompt_id")?,
            prompts: string_column(batch, "prompt")?,
            seed_indices: number_column::<UInt32Type>(batch, "seed_index")?,
            latents: list_column(batch, "latent")?,
            shapes: list_column(batch, "latent_shape")?,
        })
    }

    pub(crate) fn prompt_id(&self, row: usize) -> &'a str {
        self.prompt_ids.value(row)
    }

    pub(crate) fn prompt(&self, row: usize) -> &'a str {
        self.prompts.value(row)
    }

    pub(crate) fn seed_index(&self, row: usize) -> u32 {
        self.seed_indices.value(row)
    }

    /// Reads one latent, still multiplied by the scaling factor of the VAE.
    pub(crate) fn latent(&self, row: usize) -> Result<Latent, LatentError> {
        let name = (self.prompt_id(row), self.seed_index(row));
        read_latent((self.latents, "latent"), self.shapes, row, name)
    }
}

/// Reads one latent of a column, that of the candidate with this `prompt_id` and `seed_index`.
pub(crate) fn read_latent(
    (latents, column): (&ListArray, &str),
    shapes: &ListArray,
    row: usize,
    (prompt_id, seed_index): (&str, u32),
) -> Result<Latent, LatentError> {
    let values = f32_list(latents, column, row)?;
    let prompt_id = prompt_id.to_owned();
    let extents = shapes.value(row);
    let extents = extents.as_any().downcast_ref::<PrimitiveArray<Int32Type>>();
    let extents = extents
        .map(|extents| extents.values().to_vec())
        .unwrap_or_default();
    let shape: Vec<usize> = extents
        .iter()
        .filter_map(|extent| usize::try_from(*extent).ok())
        .collect();
    let shape = <[usize; 3]>::try_from(shape).ok();
    let Some(shape) = shape.filter(|shape| shape.iter().product::<usize>() == values.len()) else {
        return Err(LatentError::Shape {
            prompt_id,
            seed_index,
            found: values.len(),
            shape: extents,
        });
    };
    match values.iter().find(|value| !value.is_finite()) {
        Some(&value) => Err(LatentError::NotFinite {
            prompt_id,
            seed_index,
            value,
        }),
        None => Ok(Latent { values, shape }),
    }
}

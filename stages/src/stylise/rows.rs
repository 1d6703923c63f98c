//! Styled images: as they are kept, image by image, and as the tables that the stage yields.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, Float32Builder, Int32Builder, ListBuilder};
use arrow_array::{ArrayRef, RecordBatch, StringArray, StructArray, UInt32Array};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};

use super::sources::NamedSource;
use crate::items::prompt_labels::image_name;
use crate::tables::latent_rows::Latent;
use crate::tables::schema;

/// What is added to the seed index of an image for the styled one in a pair.
pub(super) const STYLED: u32 = 1 << 31;

/// A styled image, and the latents before and after.
pub(super) struct Styled {
    pub(super) png: Vec<u8>,
    pub(super) latent: Latent,
    pub(super) original: Latent,
}

const PNG: &str = "png";
const LATENT: &str = "latent";
const ORIGINAL: &str = "original_latent";
const SHAPE: &str = "latent_shape";

/// The columns of what is kept of an image, whichever prompt has it.
pub(super) fn kept() -> SchemaRef {
    let list = |element: DataType| DataType::List(Arc::new(Field::new_list_field(element, true)));
    Arc::new(Schema::new(vec![
        Field::new(PNG, DataType::Binary, false),
        Field::new(LATENT, list(DataType::Float32), false),
        Field::new(ORIGINAL, list(DataType::Float32), false),
        Field::new(SHAPE, list(DataType::Int32), false),
    ]))
}

/// Builds a batch of what is kept.
pub(super) fn batch(styled: &[Styled]) -> Result<RecordBatch, ArrowError> {
    let mut pngs = BinaryBuilder::new();
    let mut latents = ListBuilder::new(Float32Builder::new());
    let mut originals = ListBuilder::new(Float32Builder::new());
    let mut shapes = ListBuilder::new(Int32Builder::new());
    for one in styled {
        pngs.append_value(&one.png);
        latents.append_value(one.latent.values.iter().copied().map(Some));
        originals.append_value(one.original.values.iter().copied().map(Some));
        shapes.append_value(one.latent.shape.iter().map(|extent| Some(*extent as i32)));
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(pngs.finish()),
        Arc::new(latents.finish()),
        Arc::new(originals.finish()),
        Arc::new(shapes.finish()),
    ];
    RecordBatch::try_new(kept(), columns)
}

/// A table that the stage yields.
#[derive(Clone, Copy)]
pub(super) enum StyledTable {
    Images,
    Pairs,
    Latents,
}

impl StyledTable {
    pub(super) const ALL: [Self; 3] = [Self::Images, Self::Pairs, Self::Latents];

    pub(super) fn output(self) -> &'static str {
        match self {
            Self::Images => "images",
            Self::Pairs => "pairs",
            Self::Latents => "latents",
        }
    }

    pub(super) fn schema(self) -> SchemaRef {
        match self {
            Self::Images => schema::images(),
            Self::Pairs => schema::pairs(),
            Self::Latents => schema::latents(),
        }
    }

    /// The kept columns that it is made of.
    pub(super) fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Images => &[PNG],
            Self::Pairs => &[LATENT, ORIGINAL, SHAPE],
            Self::Latents => &[LATENT, SHAPE],
        }
    }

    /// Makes rows of it from the kept columns and the names of the images.
    pub(super) fn rows(self, kept: &RecordBatch, names: &[NamedSource]) -> Result<RecordBatch, ArrowError> {
        let ids = names.iter().map(|name| name.prompt_id.as_str());
        let prompts = names.iter().map(|name| name.prompt.as_str());
        let numbers = |add: u32| -> ArrayRef {
            let numbers = names.iter().map(|name| name.seed_index.wrapping_add(add));
            Arc::new(UInt32Array::from_iter_values(numbers))
        };
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(ids)),
            Arc::new(StringArray::from_iter_values(prompts)),
        ];
        match self {
            Self::Images => columns.extend([numbers(0), images(kept.column(0), names)?]),
            Self::Pairs => {
                columns.extend([numbers(STYLED), numbers(0)]);
                columns.extend(kept.columns().iter().cloned());
            }
            Self::Latents => {
                columns.push(numbers(0));
                columns.extend(kept.columns().iter().cloned());
            }
        }
        RecordBatch::try_new(self.schema(), columns)
    }
}

/// The column `image`, from the bytes of files.
fn images(bytes: &ArrayRef, names: &[NamedSource]) -> Result<ArrayRef, ArrowError> {
    let paths = names
        .iter()
        .map(|name| image_name(&name.prompt_id, name.seed_index));
    let paths: ArrayRef = Arc::new(StringArray::from_iter_values(paths));
    let columns = vec![bytes.clone(), paths];
    Ok(Arc::new(StructArray::try_new(
        schema::image_fields(),
        columns,
        None,
    )?))
}

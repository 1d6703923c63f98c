//! Latents as they lie in shards, one row for each image.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::builder::{Float32Builder, Int32Builder, ListBuilder};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use mitune_store::{ItemRow, Store, TableReader};

use super::error::EncodeError;
use crate::contract::StageError;
use crate::items::prompt_labels::parts;
use crate::tables::columns::list_column;
use crate::tables::latent_rows::{Latent, read_latent};

const LATENT: &str = "latent";
const SHAPE: &str = "latent_shape";

/// The columns of a shard.
pub(super) fn schema() -> SchemaRef {
    let list = |name: &str, element: DataType| {
        let element = Arc::new(Field::new_list_field(element, true));
        Field::new(name, DataType::List(element), false)
    };
    let columns = vec![list(LATENT, DataType::Float32), list(SHAPE, DataType::Int32)];
    Arc::new(Schema::new(columns))
}

/// The row of one latent.
pub(super) fn row(schema: &SchemaRef, latent: &Latent) -> Result<RecordBatch, ArrowError> {
    let mut values = ListBuilder::new(Float32Builder::new());
    values.append_value(latent.values.iter().copied().map(Some));
    let mut shape = ListBuilder::new(Int32Builder::new());
    shape.append_value(latent.shape.iter().map(|extent| Some(*extent as i32)));
    RecordBatch::try_new(
        schema.clone(),
        vec![Arc::new(values.finish()), Arc::new(shape.finish())],
    )
}

/// Latents of some rows, one after the other.
pub(super) struct ItemLatents {
    batches: TableReader,
    batch: Option<RecordBatch>,
    row: usize,
}

impl ItemLatents {
    /// Begins to read.
    ///
    /// # Errors
    /// An error of the store.
    pub(super) fn open(store: &Store, rows: &[ItemRow]) -> Result<Self, StageError> {
        Ok(Self {
            batches: store.artifacts().read_rows(&schema(), &parts(rows), None)?,
            batch: None,
            row: 0,
        })
    }

    /// Reads the next latent; `name` is the `prompt_id` and `seed_index` that an error tells.
    ///
    /// # Errors
    /// [`StageError::Failed`] if there is none or it is damaged, or an error of the store.
    pub(super) fn next(&mut self, name: (&str, u32)) -> Result<Latent, StageError> {
        loop {
            let row = self.row;
            if let Some(batch) = self.batch.as_ref().filter(|batch| row < batch.num_rows()) {
                self.row += 1;
                let latents = list_column(batch, LATENT).map_err(StageError::failed)?;
                let shapes = list_column(batch, SHAPE).map_err(StageError::failed)?;
                return read_latent((latents, LATENT), shapes, row, name).map_err(StageError::failed);
            }
            let batch = self.batches.next().transpose()?;
            self.batch = Some(batch.ok_or_else(|| StageError::failed(EncodeError::Lost))?);
            self.row = 0;
        }
    }
}

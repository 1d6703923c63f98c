//! The tables of latents: `latents`, `weights` and `pairs`, written while the latents are read.

use std::sync::Arc;

use arrow_array::builder::{Float32Builder, Int32Builder, ListBuilder};
use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{ArrowError, SchemaRef};
use mitune_store::{Artifact, ItemRow, Store, StoreError};

use super::error::EncodeError;
use super::item_latents::ItemLatents;
use super::kept::{Kept, KeptRow};
use crate::contract::StageError;
use crate::ingest::images::files::SourceFiles;
use crate::tables::latent_rows::Latent;
use crate::tables::schema;

/// Rows that are in memory at a time.
const BATCH_ROWS: usize = 32;

/// What tables are made from.
pub(super) struct LatentTables<'a> {
    pub(super) store: &'a Store,
    pub(super) files: &'a SourceFiles,
    pub(super) kept: &'a Kept,
    /// Where the latents of the images are, in their order.
    pub(super) items: &'a [ItemRow],
}

/// A row with what it shows.
struct FullRow<'a> {
    row: &'a KeptRow,
    prompt_id: String,
    latent: Latent,
    loser: Option<Latent>,
}

impl LatentTables<'_> {
    /// Stores the table `latents`.
    ///
    /// # Errors
    /// An error of the store, or of a damaged latent.
    pub(super) fn latents(&self) -> Result<Artifact, StageError> {
        self.put(&schema::latents(), |schema, rows| {
            let columns = [named(rows), vec![winners(rows), shapes(rows)]].concat();
            RecordBatch::try_new(schema.clone(), columns)
        })
    }

    /// Stores the table `weights`.
    ///
    /// # Errors
    /// As [`Self::latents`].
    pub(super) fn weights(&self) -> Result<Artifact, StageError> {
        self.put(&schema::weights(), |schema, rows| {
            let weights = rows.iter().map(|full| full.row.weight.unwrap_or(1.0));
            let weights: ArrayRef = Arc::new(Float64Array::from_iter_values(weights));
            let columns = [named(rows), vec![weights, winners(rows), shapes(rows)]].concat();
            RecordBatch::try_new(schema.clone(), columns)
        })
    }

    /// Stores the table `pairs`.
    ///
    /// # Errors
    /// As [`Self::latents`], and [`StageError::Configuration`] if the latents of a pair differ in their shapes.
    pub(super) fn pairs(&self) -> Result<Artifact, StageError> {
        self.put(&schema::pairs(), |schema, rows| {
            let rejected = rows
                .iter()
                .map(|full| full.row.loser.map_or(0, |loser| loser.seed_index));
            let rejected: ArrayRef = Arc::new(UInt32Array::from_iter_values(rejected));
            let latents = vec![rejected, winners(rows), losers(rows), shapes(rows)];
            RecordBatch::try_new(schema.clone(), [named(rows), latents].concat())
        })
    }

    fn put(
        &self,
        schema: &SchemaRef,
        batch: impl Fn(&SchemaRef, &[FullRow<'_>]) -> Result<RecordBatch, ArrowError>,
    ) -> Result<Artifact, StageError> {
        let images = self.kept.rows.iter().flat_map(KeptRow::images);
        let items: Vec<ItemRow> = images.map(|image| self.items[image.index]).collect();
        let mut latents = ItemLatents::open(self.store, &items)?;
        let mut groups = self.kept.rows.chunks(BATCH_ROWS);
        put_streamed(self.store, schema, || {
            let Some(group) = groups.next() else {
                return Ok(None);
            };
            let rows = group.iter().map(|row| self.full(row, &mut latents));
            let rows = rows.collect::<Result<Vec<FullRow<'_>>, StageError>>()?;
            batch(schema, &rows).map(Some).map_err(StageError::failed)
        })
    }

    fn full<'r>(&self, row: &'r KeptRow, latents: &mut ItemLatents) -> Result<FullRow<'r>, StageError> {
        let prompt_id = row.prompt_id();
        let latent = latents.next((prompt_id.as_str(), row.image.seed_index))?;
        let loser = match row.loser {
            Some(loser) => Some(latents.next((prompt_id.as_str(), loser.seed_index))?),
            None => None,
        };
        if let Some(loser) = loser.as_ref().filter(|loser| loser.shape != latent.shape) {
            return Err(StageError::configuration(EncodeError::Shapes {
                place: self.files.name(row.at),
                winner: latent.shape,
                loser: loser.shape,
            }));
        }
        Ok(FullRow {
            row,
            prompt_id,
            latent,
            loser,
        })
    }
}

/// Stores a table whose batches are made one after the other.
///
/// # Errors
/// What `next` returns, or an error of the store.
pub(super) fn put_streamed(
    store: &Store,
    schema: &SchemaRef,
    mut next: impl FnMut() -> Result<Option<RecordBatch>, StageError>,
) -> Result<Artifact, StageError> {
    let mut failure = None;
    let batches = std::iter::from_fn(|| match next() {
        Ok(batch) => batch.map(Ok::<RecordBatch, StoreError>),
        Err(error) => {
            failure = Some(error);
            None
        }
    });
    let table = store.artifacts().try_put_table(schema, batches)?;
    match failure {
        Some(error) => Err(error),
        None => Ok(table),
    }
}

/// `prompt_id`, `prompt` and `seed_index`.
fn named(rows: &[FullRow<'_>]) -> Vec<ArrayRef> {
    let prompt_ids = rows.iter().map(|full| &full.prompt_id);
    let prompts = rows.iter().map(|full| &*full.row.prompt);
    let seed_indices = rows.iter().map(|full| full.row.image.seed_index);
    vec![
        Arc::new(StringArray::from_iter_values(prompt_ids)),
        Arc::new(StringArray::from_iter_values(prompts)),
        Arc::new(UInt32Array::from_iter_values(seed_indices)),
    ]
}

fn winners(rows: &[FullRow<'_>]) -> ArrayRef {
    values(rows.iter().map(|full| Some(&full.latent)))
}

fn losers(rows: &[FullRow<'_>]) -> ArrayRef {
    values(rows.iter().map(|full| full.loser.as_ref()))
}

/// The numbers of latents; none where there is no latent, which no row of pairs lacks.
fn values<'l>(latents: impl Iterator<Item = Option<&'l Latent>>) -> ArrayRef {
    let mut lists = ListBuilder::new(Float32Builder::new());
    for latent in latents {
        let values = latent.into_iter().flat_map(|latent| &latent.values);
        lists.append_value(values.copied().map(Some));
    }
    Arc::new(lists.finish())
}

fn shapes(rows: &[FullRow<'_>]) -> ArrayRef {
    let mut lists = ListBuilder::new(Int32Builder::new());
    for full in rows {
        lists.append_value(full.latent.shape.iter().map(|extent| Some(*extent as i32)));
    }
    Arc::new(lists.finish())
}

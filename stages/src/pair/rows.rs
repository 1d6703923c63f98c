//! The rows of the table `pairs`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, UInt64Array};
use arrow_schema::{ArrowError, SchemaRef};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use mitune_store::{Artifact, Store, StoreError, TableError, TableReader};

use super::pairing::RankedPair;
use crate::contract::StageError;
use crate::tables::latent_rows::LATENT_COLUMNS;
use crate::tables::schema;

/// Pairs that are written together.
const TOGETHER: usize = 64;

/// The pairs of a table of candidates, each as soon as both are read: only those that wait for another are in memory.
pub(super) struct PairRows<'a> {
    reader: TableReader,
    /// Rows read so far.
    read: usize,
    /// The pairs that are still to come, in the order in which they become complete.
    pairs: &'a [RankedPair],
    /// The rows that pairs need, with how many pairs do.
    needed: BTreeMap<usize, usize>,
    held: HashMap<usize, Held>,
}

/// A candidate that pairs wait for.
struct Held {
    /// A batch of one row.
    row: RecordBatch,
    /// Pairs that still need it.
    uses: usize,
}

impl<'a> PairRows<'a> {
    /// Opens the candidates; `pairs` are sorted by [`order`].
    pub(super) fn open(
        store: &Store,
        candidates: &Artifact,
        pairs: &'a [RankedPair],
    ) -> Result<Self, StageError> {
        let mut needed = BTreeMap::new();
        for row in pairs.iter().flat_map(rows) {
            *needed.entry(row).or_insert(0) += 1;
        }
        Ok(Self {
            reader: store.artifacts().read_table(candidates, Some(&LATENT_COLUMNS))?,
            read: 0,
            pairs,
            needed,
            held: HashMap::new(),
        })
    }

    /// Keeps the rows of a batch that pairs need.
    fn hold(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let end = self.read + batch.num_rows();
        let later = self.needed.split_off(&end);
        for (row, uses) in std::mem::replace(&mut self.needed, later) {
            // Copied, because a slice would keep all rows of the batch.
            let place = UInt64Array::from(vec![(row - self.read) as u64]);
            let row_alone = take_record_batch(batch, &place)?;
            self.held.insert(row, Held { row: row_alone, uses });
        }
        self.read = end;
        Ok(())
    }

    /// How many pairs are complete, at most those that are written together.
    fn complete(&self) -> usize {
        let soon = self.pairs.iter().take(TOGETHER);
        soon.take_while(|pair| pair.last_row() < self.read).count()
    }

    /// Takes the next pairs, which are complete.
    fn next_pairs(&mut self, count: usize) -> Result<RecordBatch, ArrowError> {
        let (here, later) = self.pairs.split_at(count);
        self.pairs = later;
        let batch = self.joined(here)?;
        for row in here.iter().flat_map(rows) {
            let left = self.held.get_mut(&row).map_or(0, |held| {
                held.uses -= 1;
                held.uses
            });
            if left == 0 {
                self.held.remove(&row);
            }
        }
        Ok(batch)
    }

    fn joined(&self, pairs: &[RankedPair]) -> Result<RecordBatch, ArrowError> {
        let preferred = self.side(pairs.iter().map(|pair| pair.preferred.row))?;
        let rejected = self.side(pairs.iter().map(|pair| pair.rejected.row))?;
        if preferred["latent_shape"].as_ref() != rejected["latent_shape"].as_ref() {
            let problem = "Candidates of one prompt have latents of different shapes";
            return Err(ArrowError::InvalidArgumentError(problem.to_owned()));
        }
        let column = |name: &str| -> ArrayRef {
            let side = match name.starts_with("rejected_") {
                true => &rejected,
                false => &preferred,
            };
            let own = name
                .strip_prefix("rejected_")
                .or_else(|| name.strip_prefix("preferred_"));
            Arc::clone(&side[own.unwrap_or(name)])
        };
        let schema = schema::pairs();
        let columns = schema.fields().iter().map(|field| column(field.name()));
        RecordBatch::try_new(schema.clone(), columns.collect())
    }

    fn side(&self, rows: impl Iterator<Item = usize>) -> Result<RecordBatch, ArrowError> {
        let held: Vec<&RecordBatch> = rows
            .filter_map(|row| self.held.get(&row))
            .map(|held| &held.row)
            .collect();
        let schema: SchemaRef = self.reader.schema().clone();
        concat_batches(&schema, held)
    }
}

impl Iterator for PairRows<'_> {
    type Item = Result<RecordBatch, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.complete() {
                0 => {}
                count => return Some(self.next_pairs(count).map_err(in_store)),
            }
            match self.reader.next()? {
                Ok(batch) => {
                    if let Err(error) = self.hold(&batch) {
                        return Some(Err(in_store(error)));
                    }
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// What pairs are sorted by: when they become complete.
pub(super) fn order(pair: &RankedPair) -> (usize, usize, usize) {
    (pair.last_row(), pair.preferred.row, pair.rejected.row)
}

fn rows(pair: &RankedPair) -> [usize; 2] {
    [pair.preferred.row, pair.rejected.row]
}

fn in_store(error: ArrowError) -> StoreError {
    TableError::Arrow(error).into()
}

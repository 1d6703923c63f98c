//! The rows of the table `selection`.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, UInt32Array};
use mitune_store::{Artifact, Store, StoreError};

use crate::candidate_ranking::{Ranked, copied_rows};
use crate::contract::StageError;
use crate::tables::schema;

/// Copies chosen candidates, sorted by row.
pub(super) fn selected<'a>(
    store: &Store,
    candidates: &Artifact,
    chosen: &'a [Ranked],
) -> Result<impl Iterator<Item = Result<RecordBatch, StoreError>> + use<'a>, StageError> {
    let rows = chosen.iter().map(|chosen| chosen.row).collect();
    let further = move |name: &str, here: Range<usize>| -> Option<ArrayRef> {
        let chosen = chosen[here].iter();
        match name {
            "score" => Some(Arc::new(Float64Array::from_iter_values(
                chosen.map(|chosen| chosen.score),
            ))),
            "rank" => Some(Arc::new(UInt32Array::from_iter_values(
                chosen.map(|chosen| chosen.rank),
            ))),
            _ => None,
        }
    };
    copied_rows(store, candidates, &schema::selection(), rows, further)
}

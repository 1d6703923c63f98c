//! Kinds of stages for tests: small whole numbers instead of images.
//!
//! - `numbers` computes the squares 0, 1, 4, ... item by item in shards, like `generate`.
//! - `remainder` is the sum of its inputs modulo a number, so that different inputs may give equal results.
//! - `digest` reads a file outside the store.
//! - `slow` takes time that processes cannot share.
//! - `trouble` fails in the way it is told to.

mod digest;
mod numbers;
mod remainder;
mod slow;
mod trouble;

use std::sync::Arc;

use mitune::document::{Node, deserialize};
use mitune::pipeline::{BuildError, StageKinds};
use mitune_stages::contract::{Stage, StageContext, StageDefaults, StageError};
use mitune_stages::registry::StageConfig;
use mitune_store::Artifact;

use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};

/// The kinds of stages for tests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FakeKinds;

impl StageKinds for FakeKinds {
    fn names(&self) -> Vec<&'static str> {
        vec![
            numbers::NumbersConfig::KIND,
            remainder::RemainderConfig::KIND,
            digest::DigestConfig::KIND,
            slow::SlowConfig::KIND,
            trouble::TroubleConfig::KIND,
        ]
    }

    fn build(
        &self,
        kind: &str,
        settings: &Node,
        defaults: &StageDefaults,
    ) -> Result<Box<dyn Stage>, BuildError> {
        Ok(match kind {
            numbers::NumbersConfig::KIND => {
                deserialize::<numbers::NumbersConfig>(settings)?.build(defaults)?
            }
            remainder::RemainderConfig::KIND => {
                deserialize::<remainder::RemainderConfig>(settings)?.build(defaults)?
            }
            digest::DigestConfig::KIND => deserialize::<digest::DigestConfig>(settings)?.build(defaults)?,
            slow::SlowConfig::KIND => deserialize::<slow::SlowConfig>(settings)?.build(defaults)?,
            trouble::TroubleConfig::KIND => {
                deserialize::<trouble::TroubleConfig>(settings)?.build(defaults)?
            }
            other => unreachable!("kind `{other}` is not in the list of names"),
        })
    }
}

/// Makes a table of one column.
fn batch(values: Vec<i64>) -> RecordBatch {
    let column: ArrayRef = Arc::new(Int64Array::from(values));
    RecordBatch::try_from_iter([("value", column)]).unwrap()
}

/// Stores a table of one column.
fn put(context: &StageContext<'_>, values: Vec<i64>) -> Result<Artifact, StageError> {
    let batch = batch(values);
    Ok(context.store().artifacts().put_table(&batch.schema(), [batch])?)
}

/// Reads a table of one column.
fn read(context: &StageContext<'_>, artifact: &Artifact) -> Result<Vec<i64>, StageError> {
    let mut values = Vec::new();
    for batch in context.store().artifacts().read_table(artifact, None)? {
        values.extend(batch?.column(0).as_primitive::<Int64Type>().values());
    }
    Ok(values)
}

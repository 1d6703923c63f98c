//! Tables that objectives are trained on, with given sides of their latents.

use std::sync::Arc;

use arrow_array::builder::{Float32Builder, ListBuilder};
use arrow_array::types::{Float32Type, Int32Type};
use arrow_array::{ArrayRef, Float64Array, RecordBatch, UInt32Array};
use arrow_schema::SchemaRef;
use mitune_store::{Artifact, Store};

use crate::draws::Draws;
use crate::tables::schema;
use crate::testing::trial_tables::{lists, texts};

const PROMPTS: [&str; 3] = ["a red circle", "a blue square and a red cross", "a green square"];

/// The prompt of the row of a table.
pub(super) fn prompt(row: usize) -> &'static str {
    PROMPTS[row % PROMPTS.len()]
}

/// A latent, always the same for a number and a side.
pub(super) fn latent(number: usize, side: usize) -> Vec<f32> {
    let mut draws = Draws::new("objective tests", 0, number as u64);
    (0..4 * side * side).map(|_| draws.between(-2.0, 2.0)).collect()
}

/// Images of latents `0, 2, 4..`, one row for each side.
pub(super) fn latents(store: &Store, sides: &[usize]) -> Artifact {
    let rows = sides.iter().enumerate();
    let columns = vec![
        ids(sides.len()),
        texts((0..sides.len()).map(|row| prompt(row).to_owned())),
        numbers(sides.len(), |row| 2 * row),
        lists::<Float32Type>(rows.map(|(row, side)| latent(2 * row, *side))),
        shapes(sides),
    ];
    put(store, schema::latents(), columns)
}

/// Pairs of which latents `0, 2, 4..` win against `1, 3, 5..`.
pub(super) fn pairs(store: &Store, sides: &[usize]) -> Artifact {
    let of = |first: usize| {
        let rows = sides.iter().enumerate();
        lists::<Float32Type>(rows.map(move |(row, side)| latent(2 * row + first, *side)))
    };
    let columns = vec![
        ids(sides.len()),
        texts((0..sides.len()).map(|row| prompt(row).to_owned())),
        numbers(sides.len(), |row| 2 * row),
        numbers(sides.len(), |row| 2 * row + 1),
        of(0),
        of(1),
        shapes(sides),
    ];
    put(store, schema::pairs(), columns)
}

/// The images of [`latents`] with a weight each.
pub(super) fn weights(store: &Store, sides: &[usize], weight: impl Fn(usize) -> f64) -> Artifact {
    let rows = sides.iter().enumerate();
    let columns: Vec<ArrayRef> = vec![
        ids(sides.len()),
        texts((0..sides.len()).map(|row| prompt(row).to_owned())),
        numbers(sides.len(), |row| 2 * row),
        Arc::new(Float64Array::from_iter_values((0..sides.len()).map(weight))),
        lists::<Float32Type>(rows.map(|(row, side)| latent(2 * row, *side))),
        shapes(sides),
    ];
    put(store, schema::weights(), columns)
}

/// Features of both images of each of that many pairs, whose image features are of the seed index and a table's own.
pub(super) fn features(store: &Store, pairs: usize, own: f32) -> Artifact {
    let seed_index = |row: usize| row as f32;
    let columns: Vec<ArrayRef> = vec![
        texts((0..2 * pairs).map(|row| format!("id of {}", prompt(row / 2)))),
        numbers(2 * pairs, |row| row),
        lists::<Float32Type>((0..2 * pairs).map(|row| vec![1.0, seed_index(row), own])),
        lists::<Float32Type>((0..2 * pairs).map(|row| vec![0.0, 1.0, (row / 2) as f32])),
    ];
    put(store, schema::features(), columns)
}

/// The images of [`latents`] beside mismatches of each of these kinds in turn.
pub(super) fn contrasts(store: &Store, sides: &[usize], kinds: &[&str]) -> Artifact {
    let rows = || sides.iter().enumerate();
    let kind = |row: usize| kinds[row % kinds.len()];
    let mut others = ListBuilder::new(Float32Builder::new());
    for (row, side) in rows() {
        if kind(row) == "image" {
            others.values().append_slice(&latent(2 * row + 1, *side));
        }
        others.append(kind(row) == "image");
    }
    let other_prompt = |row: usize| match kind(row) {
        "image" => prompt(row),
        _ => prompt(row + 1),
    };
    let columns: Vec<ArrayRef> = vec![
        ids(sides.len()),
        texts((0..sides.len()).map(|row| prompt(row).to_owned())),
        numbers(sides.len(), |row| 2 * row),
        lists::<Float32Type>(rows().map(|(row, side)| latent(2 * row, *side))),
        shapes(sides),
        texts((0..sides.len()).map(|row| kind(row).to_owned())),
        texts((0..sides.len()).map(|row| other_prompt(row).to_owned())),
        Arc::new(others.finish()),
    ];
    put(store, schema::contrasts(), columns)
}

fn ids(rows: usize) -> ArrayRef {
    texts((0..rows).map(|row| format!("id of {}", prompt(row))))
}

fn numbers(rows: usize, of: impl Fn(usize) -> usize) -> ArrayRef {
    let numbers = (0..rows).map(|row| of(row) as u32);
    Arc::new(UInt32Array::from_iter_values(numbers))
}

fn shapes(sides: &[usize]) -> ArrayRef {
    lists::<Int32Type>(sides.iter().map(|side| vec![4, *side as i32, *side as i32]))
}

fn put(store: &Store, schema: SchemaRef, columns: Vec<ArrayRef>) -> Artifact {
    let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();
    store.artifacts().put_table(&schema, [batch]).unwrap()
}

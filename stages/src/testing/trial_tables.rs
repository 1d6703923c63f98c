//! Tables of candidates, scores and evaluations with given values, for tests.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, ListBuilder, PrimitiveBuilder, StringBuilder, StructBuilder};
use arrow_array::types::{ArrowPrimitiveType, Float32Type, Int32Type};
use arrow_array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, UInt32Array, UInt64Array};
use mitune_store::{Artifact, Store};

use crate::tables::latent_rows::LATENT_COLUMNS;
use crate::tables::schema;

/// A candidate of a test.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) prompt: String,
    pub(crate) seed_index: u32,
    pub(crate) mi: f64,
    pub(crate) latent: Vec<f32>,
    pub(crate) png: Option<Vec<u8>>,
}

impl Candidate {
    pub(crate) fn id(&self) -> String {
        format!("id of {}", self.prompt)
    }
}

/// Stores candidates; latents are squares of four channels where they can be, else vectors.
pub(crate) fn candidates(store: &Store, rows: &[Candidate]) -> Artifact {
    let shape = |latent: &[f32]| {
        let side = (latent.len() as f64 / 4.0).sqrt();
        match side.fract() == 0.0 && side > 0.0 {
            true => vec![4, side as i32, side as i32],
            false => vec![latent.len() as i32, 1, 1],
        }
    };
    let columns: Vec<ArrayRef> = vec![
        texts(rows.iter().map(Candidate::id)),
        texts(rows.iter().map(|row| row.prompt.clone())),
        Arc::new(UInt64Array::from_iter_values(rows.iter().map(|_| 0))),
        Arc::new(UInt32Array::from_iter_values(
            rows.iter().map(|row| row.seed_index),
        )),
        Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.mi))),
        lists::<Float32Type>(rows.iter().map(|row| vec![row.mi as f32])),
        lists::<Int32Type>(rows.iter().map(|_| vec![1])),
        lists::<Float32Type>(rows.iter().map(|row| row.latent.clone())),
        lists::<Int32Type>(rows.iter().map(|row| shape(&row.latent))),
        encoded(rows),
        Arc::new(Float64Array::new_null(rows.len())),
        Arc::new(Float64Array::new_null(rows.len())),
        lists::<Float32Type>(rows.iter().map(|_| vec![1.0])),
    ];
    let batch = RecordBatch::try_new(schema::candidates(), columns).unwrap();
    // More than one batch, so that stages must carry on from one to the next.
    let half = batch.num_rows() / 2;
    let batches = [batch.slice(0, half), batch.slice(half, batch.num_rows() - half)];
    store
        .artifacts()
        .put_table(&schema::candidates(), batches)
        .unwrap()
}

/// Stores the latents of candidates as those of given images.
pub(crate) fn latents(store: &Store, rows: &[Candidate]) -> Artifact {
    let table = candidates(store, rows);
    let read = store
        .artifacts()
        .read_table(&table, Some(&LATENT_COLUMNS))
        .unwrap();
    let schema = schema::latents();
    let batches = read.map(|batch| {
        let columns = batch.unwrap().columns().to_vec();
        RecordBatch::try_new(schema.clone(), columns).unwrap()
    });
    store.artifacts().put_table(&schema, batches).unwrap()
}

/// Stores the images of candidates as images that are none.
pub(crate) fn images(store: &Store, rows: &[Candidate]) -> Artifact {
    let [ids, seed_indices] = <[ArrayRef; 2]>::try_from(names(rows)).unwrap();
    let prompts = texts(rows.iter().map(|row| row.prompt.clone()));
    let columns = vec![ids, prompts, seed_indices, encoded(rows)];
    let batch = RecordBatch::try_new(schema::images(), columns).unwrap();
    store.artifacts().put_table(&schema::images(), [batch]).unwrap()
}

fn encoded(rows: &[Candidate]) -> ArrayRef {
    let mut images = StructBuilder::from_fields(schema::image_fields(), rows.len());
    for row in rows {
        images
            .field_builder::<BinaryBuilder>(0)
            .unwrap()
            .append_option(row.png.as_deref());
        images
            .field_builder::<StringBuilder>(1)
            .unwrap()
            .append_option(row.png.is_some().then_some("0000.png"));
        images.append(row.png.is_some());
    }
    Arc::new(images.finish())
}

/// Stores scores of candidates, the same number in every column.
pub(crate) fn scores(
    store: &Store,
    columns: &[&str],
    rows: &[Candidate],
    score: impl Fn(&Candidate, usize) -> f64,
) -> Artifact {
    let schema = schema::scores(columns);
    let mut arrays = names(rows);
    let values = Float64Array::from_iter_values(rows.iter().enumerate().map(|(row, one)| score(one, row)));
    arrays.extend(columns.iter().map(|_| Arc::new(values.clone()) as ArrayRef));
    store
        .artifacts()
        .put_table(&schema, [RecordBatch::try_new(schema.clone(), arrays).unwrap()])
        .unwrap()
}

/// Stores what was seen in candidates.
pub(crate) fn evaluation(
    store: &Store,
    rows: &[Candidate],
    aligned: impl Fn(&Candidate) -> bool,
) -> Artifact {
    let schema = schema::evaluation();
    let flags: ArrayRef = Arc::new(BooleanArray::from_iter(rows.iter().map(|row| Some(aligned(row)))));
    let columns = schema.fields().iter().map(|field| match field.name().as_str() {
        "prompt_id" => names(rows)[0].clone(),
        "seed_index" => names(rows)[1].clone(),
        "prompt" | "read_out" => texts(rows.iter().map(|row| row.prompt.clone())),
        "failure" => Arc::new(StringArray::from_iter(
            rows.iter().map(|row| (!aligned(row)).then_some("colour")),
        )),
        _ => flags.clone(),
    });
    let batch = RecordBatch::try_new(schema.clone(), columns.collect()).unwrap();
    store.artifacts().put_table(&schema, [batch]).unwrap()
}

fn names(rows: &[Candidate]) -> Vec<ArrayRef> {
    let seed_indices = UInt32Array::from_iter_values(rows.iter().map(|row| row.seed_index));
    vec![texts(rows.iter().map(Candidate::id)), Arc::new(seed_indices)]
}

pub(crate) fn texts(values: impl Iterator<Item = String>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

pub(crate) fn lists<T: ArrowPrimitiveType>(rows: impl Iterator<Item = Vec<T::Native>>) -> ArrayRef {
    let mut builder = ListBuilder::new(PrimitiveBuilder::<T>::new());
    for row in rows {
        builder.values().append_slice(&row);
        builder.append(true);
    }
    Arc::new(builder.finish())
}

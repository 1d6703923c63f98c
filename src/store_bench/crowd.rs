//! A store with many results.

use std::path::Path;

use mitune_store::{ActionRecord, Effort, FileDigest, Producer, StageKey, Store, Timestamp, Value};

use super::error::StoreBenchError;

/// Results made durable together.
const BATCH: u32 = 10_000;

/// The value a key is derived from, about as large as that of a real stage.
pub(super) fn preimage(number: u32) -> Value {
    let sampler = Value::map([
        ("scheduler", Value::from("ddpm")),
        ("steps", Value::Int(50)),
        ("guidance", Value::Float(7.5)),
    ]);
    let config = Value::map([
        ("candidates_per_prompt", Value::Int(50)),
        ("seed", Value::Int(i64::from(number))),
        ("sampler", sampler),
    ]);
    let text = |text: &str| Value::from(text);
    Value::map([
        ("kind", text("generate")),
        ("revision", Value::Int(1)),
        ("config", config),
        ("inputs", Value::map([("prompts", text(&"ab".repeat(32)))])),
        ("numerics", Value::map([("dtype", text("f16"))])),
    ])
}

/// The key of a result.
pub(super) fn key(number: u32) -> Result<StageKey, StoreBenchError> {
    StageKey::derive(&preimage(number)).map_err(|error| StoreBenchError::Store(error.into()))
}

/// Fills a store; each result has a preimage and an artifact of its own.
pub(super) fn fill(folder: &Path, records: u32) -> Result<Store, StoreBenchError> {
    let store = Store::open(folder)?;
    let mut number = 0;
    while number < records {
        let mut batch = store.records().batch();
        let end = records.min(number + BATCH);
        for number in number..end {
            let output = batch.put_json(&number)?;
            let mut record = ActionRecord::new(key(number)?, FileDigest::of(&[]), "generate", 1);
            record.outputs = [("candidates".to_owned(), output)].into();
            record.cost_seconds = f64::from(number % 1000);
            record.effort = Some(Effort {
                units: Some(2500.0),
                share: 1.0,
            });
            record.metrics = [("mi_mean".to_owned(), f64::from(number).sin().into())].into();
            record.producer = Producer {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                device: Some("cuda:0".to_owned()),
                dtype: Some("f16".to_owned()),
                host: Some("bench".to_owned()),
            };
            record.ended = Timestamp(record.started.0 + u64::from(number));
            batch.put_record(record, &preimage(number))?;
        }
        batch.commit()?;
        number = end;
    }
    Ok(store)
}

//! How far apart the adapters of two results are.

use std::error::Error;

use mitune_stages::adapter_tools::{LayerDifference, difference};
use mitune_stages::adapters::adapter_file::AdapterFile;
use mitune_store::{ActionRecord, Artifact, Store};
use serde::Serialize;

/// The output of stages that make adapters.
const ADAPTER: &str = "adapter";

/// How far apart two adapters are.
#[derive(Debug, Serialize)]
pub(crate) struct AdapterDistance {
    /// Name of the output.
    pub(crate) output: String,
    /// Over all layers.
    pub(crate) distance: Option<LayerDifference>,
    /// Why there is no distance.
    pub(crate) problem: Option<String>,
}

/// Compares the adapters of two results that have one each, unless they are equal.
pub(super) fn adapter_distances(
    store: &Store,
    first: &ActionRecord,
    second: &ActionRecord,
) -> Vec<AdapterDistance> {
    let pair = first.outputs.get(ADAPTER).zip(second.outputs.get(ADAPTER));
    let different = pair.filter(|(first, second)| first.content != second.content);
    let distance = different.map(|(first, second)| {
        let (distance, problem) = match compare(store, first, second) {
            Ok(distance) => (Some(distance), None),
            Err(error) => (None, Some(error.to_string())),
        };
        AdapterDistance {
            output: ADAPTER.to_owned(),
            distance,
            problem,
        }
    });
    distance.into_iter().collect()
}

fn compare(store: &Store, first: &Artifact, second: &Artifact) -> Result<LayerDifference, Box<dyn Error>> {
    let file = |artifact: &Artifact| {
        Ok::<_, Box<dyn Error>>(AdapterFile {
            path: store.blobs().path(&artifact.file)?,
            scale: 1.0,
        })
    };
    Ok(difference(&file(first)?, &file(second)?)?.total)
}

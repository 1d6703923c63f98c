//! What stages found that measured whole sets of images.

use mitune_stages::set_distance::{SetMeasurement, SetMetrics};
use mitune_store::{Store, StoreError};

use super::super::error::ReportError;
use super::super::model::{Interval, MeasuredDiversity, MeasuredSet, MeasuredSets};
use super::graph::RunGraph;
use super::tables::Table;

/// Reads the results of all stages that measure sets.
pub(super) fn sets(store: &Store, graph: &RunGraph) -> Result<Vec<MeasuredSets>, ReportError> {
    let mut sets = Vec::new();
    for stage in graph.of_kind("set_distance") {
        let Some(source) = graph.output(stage, "summary") else {
            continue;
        };
        let found: SetMetrics = match store.artifacts().read_json(source.artifact) {
            Ok(found) => found,
            // Written by another version.
            Err(StoreError::Json { .. }) => continue,
            Err(error) => return Err(Table { store, graph, source }.error(error)),
        };
        sets.push(MeasuredSets {
            origin: graph.origin(stage),
            metric: found.metric.name().to_owned(),
            reference_images: found.reference_images,
            confidence: found.confidence,
            arms: found.arms.into_iter().map(arm).collect(),
        });
    }
    Ok(sets)
}

fn arm(arm: SetMeasurement) -> MeasuredSet {
    MeasuredSet {
        images: arm.images,
        distance: arm.distance,
        interval: arm.estimate.map(|estimate| Interval {
            value: estimate.value,
            low: estimate.low,
            high: estimate.high,
            reference: None,
            side: None,
        }),
        diversity: arm.diversity.map(|diversity| MeasuredDiversity {
            prompts: diversity.prompts,
            mean_cosine_distance: Interval::of(diversity.mean_cosine_distance),
            vendi_score: Interval::of(diversity.vendi_score),
        }),
        name: arm.name,
    }
}

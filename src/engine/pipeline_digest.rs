//! What determines the stages of a pipeline as a whole, by which processes find the run they have in common.

use mitune_store::{CanonicalError, PipelineDigest, Value};

use super::ingredients::ingredients;
use super::prepare::Prepared;
use crate::pipeline::{Pipeline, PipelineStage, Source};

/// Derives the digest of a pipeline.
///
/// It follows from the name of the pipeline and what the keys of its stages are derived from, with the name of an
/// output in place of its content: paths, tags and settings that change no result are not in it.
pub(super) fn pipeline_digest(
    pipeline: &Pipeline,
    prepared: &[Prepared],
) -> Result<PipelineDigest, CanonicalError> {
    let salt = pipeline.spec.salt.as_deref();
    let output = |source: &Source| {
        let stage = &pipeline.stages[source.stage].name;
        Value::Text(format!("{stage}:{}", source.output))
    };
    let mut stages = Vec::with_capacity(prepared.len());
    for (stage, prepared) in pipeline.stages.iter().zip(prepared) {
        stages.push(named_stage(stage, prepared, salt, output)?);
    }
    PipelineDigest::derive(&Value::map([
        ("name", Value::from(pipeline.spec.name.as_str())),
        ("stages", Value::from(stages)),
    ]))
}

fn named_stage(
    stage: &PipelineStage,
    prepared: &Prepared,
    salt: Option<&str>,
    output: impl Fn(&Source) -> Value,
) -> Result<Value, CanonicalError> {
    let ingredients = ingredients(stage, prepared, salt, output)?;
    Ok(Value::map([
        ("name", Value::Text(stage.name.to_string())),
        ("ingredients", ingredients.preimage().clone()),
    ]))
}

//! What the keys of a stage of a pipeline are derived from.

use mitune_stages::contract::KeyIngredients;
use mitune_store::{CanonicalError, Value};

use super::prepare::Prepared;
use crate::pipeline::{PipelineStage, Source};

/// Gathers what the keys of a stage are derived from; `input` gives the content behind a source.
///
/// Paths, names, devices and the position in the pipeline are not in it, see `docs/pipelines.md`.
pub(super) fn ingredients(
    stage: &PipelineStage,
    prepared: &Prepared,
    salt: Option<&str>,
    input: impl Fn(&Source) -> Value,
) -> Result<KeyIngredients, CanonicalError> {
    let inputs = stage.inputs.iter().map(|port| {
        let mut contents: Vec<Value> = port.sources.iter().map(&input).collect();
        let value = match (port.many, contents.pop()) {
            (false, content) => content.unwrap_or(Value::Null),
            (true, last) => {
                contents.extend(last);
                contents.into()
            }
        };
        (port.port, value)
    });
    KeyIngredients::gather(
        stage.stage.as_ref(),
        prepared.config.clone(),
        inputs.collect(),
        prepared.external.clone(),
        salt,
    )
}

//! What a stage key is derived from.

use mitune_store::Value;

use super::prepare::Prepared;
use crate::pipeline::PipelineStage;

/// Builds the value a stage key is derived from; `input` gives the content behind a source.
///
/// Paths, names, devices and the position in the pipeline are not in it, see `docs/pipelines.md`.
pub(super) fn preimage(
    stage: &PipelineStage,
    prepared: &Prepared,
    salt: Option<&str>,
    input: impl Fn(&crate::pipeline::Source) -> Value,
) -> Value {
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
    let external = prepared
        .external
        .iter()
        .map(|(name, digest)| (name.clone(), Value::Text(digest.to_string())));
    let text = |text: Option<&str>| text.map_or(Value::Null, Value::from);
    Value::map([
        ("kind", Value::from(stage.stage.kind())),
        ("revision", Value::from(stage.stage.revision())),
        ("config", prepared.config.clone()),
        ("inputs", Value::map(inputs)),
        ("external", Value::map(external)),
        (
            "numerics",
            Value::map([("dtype", text(stage.stage.dtype().map(|dtype| dtype.name())))]),
        ),
        ("rng", text(stage.stage.rng())),
        ("salt", text(salt)),
    ])
}

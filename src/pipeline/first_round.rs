//! The first round, in which nothing was made before.

use mitune_stages::contract::{Arity, MODEL_PORT, Stage, StageDefaults};

use super::kinds::StageKinds;
use super::unroll::Instance;

/// Leaves out `model_from: previous.MODEL` in the first round, so that it means the pipeline's model there, as `adapter:
/// previous.ADAPTER` means no adapter.
///
/// Where there is no such model the setting stays, and is told of where references are followed.
pub(super) fn leave_out_previous(
    instances: &mut [Instance],
    stages: &mut [Box<dyn Stage>],
    defaults: &StageDefaults,
    kinds: &dyn StageKinds,
) {
    for (instance, stage) in instances.iter_mut().zip(stages) {
        if instance.name.round != Some(1) {
            continue;
        }
        let needed = stage.inputs().into_iter().any(|port| {
            let previous = port.references.iter().any(|reference| reference.previous);
            port.port == MODEL_PORT && port.arity == Arity::One && previous
        });
        if !needed {
            continue;
        }
        let settings = instance.settings.without(MODEL_PORT);
        if let Ok(built) = kinds.build(&instance.kind, &settings, defaults) {
            *stage = built;
            instance.settings = settings;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{BuiltinKinds, parse};

    const ROUNDS: &str = "version: 1
name: x
model: base
rounds:
  count: 2
  stages:
    images: {kind: generate, prompts: prompts, model_from: previous.model}
    adapter: {kind: finetune, selection: selection, model_from: previous.model}
    selection: {kind: select, candidates: images}
    model: {kind: merge_into_model, adapter: adapter, model_from: previous.model}
stages:
  prompts: {kind: ingest, source: {inline: [a cross]}}
";

    #[test]
    fn the_first_round_has_the_model_of_the_pipeline() {
        let pipeline = parse(Path::new("x.yaml"), ROUNDS, &[], &BuiltinKinds).unwrap();
        let sources = |name: &str| {
            let stage = pipeline
                .stages
                .iter()
                .find(|stage| stage.name.to_string() == name);
            let port = stage
                .unwrap()
                .inputs
                .iter()
                .find(|port| port.port == "model_from");
            port.map_or(0, |port| port.sources.len())
        };
        for stage in ["images", "adapter", "model"] {
            assert_eq!(sources(&format!("{stage}@1")), 0, "{stage}");
            assert_eq!(sources(&format!("{stage}@2")), 1, "{stage}");
        }
    }

    #[test]
    fn without_a_model_of_the_pipeline_there_is_none() {
        let rounds = ROUNDS.replace("model: base\n", "");
        let error = parse(Path::new("x.yaml"), &rounds, &[], &BuiltinKinds)
            .map(drop)
            .unwrap_err();
        assert!(
            error.to_string().contains("is empty in the first round"),
            "{error}"
        );
    }
}

//! The stage `merge_adapters`: the mean of several adapters.

use std::collections::BTreeMap;
use std::path::PathBuf;

use mitune_diffusion::adapter::SavedAdapter;
use mitune_store::{ContentDigest, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::adapter_tools::{BaseWeights, MeanKind, mean_of};
use crate::adapters::stored_adapter;
use crate::contract::reference::Reference;
use crate::contract::{
    Content, ExternalDigests, InputPort, OutputPort, Stage, StageConfig, StageContext, StageDefaults,
    StageError, StageOutput, keyed_config,
};
use crate::models::model_source::ModelSource;
use crate::plural::plural;

/// Takes the mean of several adapters of one model, such as those of several categories.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MergeAdaptersConfig {
    /// The adapters; a reference may stand for several.
    pub adapters: Vec<Reference>,
    /// What the mean is the mean of. By default, `weights`: the rank of the result is the sum of the ranks.
    #[serde(default)]
    pub mean: MeanKind,
    /// Weight of each adapter, divided by the sum of all. By default, all weigh the same.
    #[serde(default)]
    pub weights: Vec<f64>,
    /// Model directory, relative to the pipeline; the mean of the weights of DoRA adapters depends on it. By default,
    /// the pipeline's `model`.
    #[serde(default)]
    pub model: Option<PathBuf>,
    /// A model made by another stage, in place of `model`.
    #[serde(default)]
    pub model_from: Option<Reference>,
}

/// Settings that do not go together.
#[derive(Debug, thiserror::Error)]
#[error(
    "Setting `weights` has {weights} number{} for {adapters} adapter{}",
    plural(*weights as u64),
    plural(*adapters as u64)
)]
struct WeightCount {
    weights: usize,
    adapters: usize,
}

impl StageConfig for MergeAdaptersConfig {
    const KIND: &'static str = "merge_adapters";

    fn build(self, defaults: &StageDefaults) -> Result<Box<dyn Stage>, StageError> {
        let model = match self.mean {
            MeanKind::Weights => Some(ModelSource::choose(
                self.model.as_deref(),
                self.model_from.as_ref(),
                defaults,
            )?),
            MeanKind::Factors => None,
        };
        Ok(Box::new(MergeAdapters { config: self, model }))
    }
}

struct MergeAdapters {
    config: MergeAdaptersConfig,
    model: Option<ModelSource>,
}

impl Stage for MergeAdapters {
    fn kind(&self) -> &'static str {
        MergeAdaptersConfig::KIND
    }

    fn config(&self) -> Result<Value, StageError> {
        keyed_config(&self.config, &["adapters", "model", "model_from"])
    }

    fn inputs(&self) -> Vec<InputPort> {
        let mut ports = vec![InputPort::many(
            "adapters",
            &[Content::Adapter],
            &self.config.adapters,
        )];
        ports.extend(self.model.as_ref().map(ModelSource::port));
        ports
    }

    fn outputs(&self) -> &'static [OutputPort] {
        &[OutputPort {
            name: "adapter",
            content: Content::Adapter,
        }]
    }

    fn external(&self, digests: &dyn ExternalDigests) -> Result<BTreeMap<String, ContentDigest>, StageError> {
        match &self.model {
            Some(model) => model.external(digests),
            None => Ok(BTreeMap::new()),
        }
    }

    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        let inputs = context.inputs("adapters");
        let weights = match self.config.weights.len() {
            0 => vec![1.0; inputs.len()],
            count if count == inputs.len() => self.config.weights.clone(),
            weights => {
                let adapters = inputs.len();
                return Err(StageError::configuration(WeightCount { weights, adapters }));
            }
        };
        let adapters = inputs
            .iter()
            .map(|artifact| stored_adapter::read(context, artifact))
            .collect::<Result<Vec<SavedAdapter>, _>>()?;
        let weighted: Vec<(&SavedAdapter, f64)> = adapters.iter().zip(weights).collect();
        let mean = |base: Option<&BaseWeights<'_>>| mean_of(&weighted, self.config.mean, base);
        let mean = match &self.model {
            Some(model) => model
                .open(context)?
                .read_denoiser(context, |weights| mean(Some(&BaseWeights::of(weights))))?,
            None => mean(None),
        }?;
        let rank = mean.layers.values().map(|layer| layer.rank).max();
        Ok(StageOutput::one("adapter", stored_adapter::put(context, &mean)?)
            .with_metric("adapters", adapters.len())
            .with_metric("adapted_layers", mean.layers.len())
            .with_metric("largest_rank", rank))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, FloatDType};
    use mitune_diffusion::adapter::{AdapterConfig, attach, mean_of_factors};
    use mitune_diffusion::model::ModelDirectory;
    use mitune_store::{Artifact, TensorBytes};
    use serde_json::json;

    use super::*;
    use crate::testing::trial::{Trial, with};
    use crate::testing::trial_model;

    /// A DoRA adapter of the trial model whose values depend on `seed`.
    fn adapter(trial: &Trial, seed: u64) -> (SavedAdapter, Artifact) {
        let directory = ModelDirectory::open(&trial.folder.path().join("model")).unwrap();
        let mut unet = directory.load_network(&Device::flex(), FloatDType::F32).unwrap();
        let config = AdapterConfig {
            rank: 2,
            alpha: 2.0,
            seed,
            ..AdapterConfig::default()
        };
        attach(&mut unet, &config).unwrap();
        let mut saved = SavedAdapter::extract(&unet).unwrap();
        for layer in saved.layers.values_mut() {
            layer
                .lora_b
                .iter_mut()
                .for_each(|value| *value = 0.1 + seed as f32);
        }
        let (tensors, metadata) = saved.to_tensors("unet");
        let tensors = tensors.into_iter().map(|(name, tensor)| {
            let bytes = TensorBytes {
                dtype: tensor.dtype,
                shape: tensor.shape,
                data: tensor.data,
            };
            (name, bytes)
        });
        let artifact = trial
            .store
            .artifacts()
            .put_tensors(&tensors.collect(), &metadata)
            .unwrap();
        (saved, artifact)
    }

    #[test]
    fn means_are_those_of_the_command() {
        let mut trial = Trial::new();
        let model = trial.folder.path().join("model");
        trial_model::write(&model);
        trial.defaults.model = Some(model);
        let (first, one) = adapter(&trial, 1);
        let (second, two) = adapter(&trial, 2);
        let settings = json!({"adapters": ["a", "b"], "mean": "factors", "weights": [1.0, 3.0]});
        let run = |settings| trial.run::<MergeAdaptersConfig>(settings, &[("adapters", &[&one, &two])]);
        let read = |output: &StageOutput| {
            let bytes = trial.store.blobs().read(&output.outputs["adapter"].file).unwrap();
            SavedAdapter::from_bytes(&bytes, "unet").unwrap()
        };
        let factors = run(settings.clone()).unwrap();
        assert_eq!(
            read(&factors),
            mean_of_factors(&[(&first, 1.0), (&second, 3.0)]).unwrap()
        );
        let weights = run(json!({"adapters": ["a", "b"]})).unwrap();
        assert_eq!(weights.metrics["largest_rank"], 4);
        assert_eq!(read(&weights).rank(), Some(4));
        let message = run(with(&settings, "weights", &json!([1.0])))
            .unwrap_err()
            .to_string();
        assert_eq!(message, "Setting `weights` has 1 number for 2 adapters");
        let message = run(with(&settings, "weights", &json!([1.0, -1.0])))
            .unwrap_err()
            .to_string();
        assert!(message.contains("add up to 0"), "{message}");
    }
}

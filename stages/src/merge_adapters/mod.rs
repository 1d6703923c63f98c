//! The stage `merge_adapters`: the mean of several adapters.

use std::collections::BTreeMap;
use std::path::PathBuf;

use mitune_diffusion::adapter::{SavedAdapter, UNET};
use mitune_store::{ContentDigest, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::adapter_tools::{BaseWeights, MeanKind, mean_of, mean_of_components};
use crate::adapters::stored_adapter;
use crate::contract::reference::Reference;
use crate::contract::{
    Content, ExternalDigests, InputPort, KnownInputs, OutputPort, Stage, StageConfig, StageContext,
    StageDefaults, StageError, StageOutput, keyed_config,
};
use crate::models::model_snapshot::ModelSnapshot;
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

/// Name of the port.
const PORT: &str = "adapters";

/// Settings that do not go together.
#[derive(Debug, thiserror::Error)]
enum MergeAdaptersError {
    #[error(
        "Nothing to merge: `adapters` stands for no stage, expected at least one; name the adapters of `finetune` or \
         `policy_gradient` stages that there are"
    )]
    NoAdapters,
    #[error(
        "Setting `weights` has {weights} number{} for {adapters} adapter{}",
        plural(*weights as u64),
        plural(*adapters as u64)
    )]
    WeightCount { weights: usize, adapters: usize },
    #[error(
        "The numbers of setting `weights` add up to {0}, expected a number other than 0, by which they are divided"
    )]
    WeightSum(f64),
}

impl MergeAdaptersConfig {
    /// Checks the weights of so many adapters.
    fn check(&self, adapters: usize) -> Result<(), MergeAdaptersError> {
        let (weights, sum) = (self.weights.len(), self.weights.iter().sum::<f64>());
        match weights {
            _ if adapters == 0 => Err(MergeAdaptersError::NoAdapters),
            0 => Ok(()),
            _ if weights != adapters => Err(MergeAdaptersError::WeightCount { weights, adapters }),
            _ if sum == 0.0 => Err(MergeAdaptersError::WeightSum(sum)),
            _ => Ok(()),
        }
    }
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

/// Adapters by the component that each changes.
type Components = BTreeMap<&'static str, SavedAdapter>;

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
        let mut ports = vec![InputPort::many(PORT, &[Content::Adapter], &self.config.adapters)];
        ports.extend(self.model.as_ref().map(ModelSource::port));
        ports
    }

    fn outputs(&self) -> &'static [OutputPort] {
        &[OutputPort {
            name: "adapter",
            content: Content::Adapter,
        }]
    }

    fn connected(&mut self, inputs: KnownInputs) -> Result<(), StageError> {
        let checked = self.config.check(inputs.of(PORT).len());
        checked.map_err(StageError::configuration)
    }

    fn external(&self, digests: &dyn ExternalDigests) -> Result<BTreeMap<String, ContentDigest>, StageError> {
        match &self.model {
            Some(model) => model.external(digests),
            None => Ok(BTreeMap::new()),
        }
    }

    fn run(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        let inputs = context.inputs(PORT);
        let checked = self.config.check(inputs.len());
        checked.map_err(StageError::configuration)?;
        let weights = match self.config.weights.is_empty() {
            true => vec![1.0; inputs.len()],
            false => self.config.weights.clone(),
        };
        let adapters = inputs
            .iter()
            .map(|artifact| stored_adapter::read_all(context, artifact))
            .collect::<Result<Vec<Components>, _>>()?;
        let mean = match adapters.iter().map(denoiser_alone).collect::<Option<Vec<_>>>() {
            Some(denoisers) => {
                let weighted: Vec<(&SavedAdapter, f64)> = denoisers.into_iter().zip(weights).collect();
                Components::from([(UNET, self.mean_of_denoisers(context, &weighted)?)])
            }
            None => {
                let weighted: Vec<(&Components, f64)> = adapters.iter().zip(weights).collect();
                self.mean_of_components(context, &weighted)?
            }
        };
        let parts = mean.iter().map(|(component, adapter)| (*component, adapter));
        let artifact = stored_adapter::put_all(context, parts)?;
        let layers = || mean.values().flat_map(|adapter| adapter.layers.values());
        Ok(StageOutput::one("adapter", artifact)
            .with_metric("adapters", adapters.len())
            .with_metric("adapted_layers", layers().count())
            .with_metric("largest_rank", layers().map(|layer| layer.rank).max()))
    }
}

impl MergeAdapters {
    fn mean_of_denoisers(
        &self,
        context: &StageContext<'_>,
        weighted: &[(&SavedAdapter, f64)],
    ) -> Result<SavedAdapter, StageError> {
        let mean = |base: Option<&BaseWeights<'_>>| mean_of(weighted, self.config.mean, base);
        match &self.model {
            Some(model) => model
                .open(context)?
                .read_denoiser(context, |weights| mean(Some(&BaseWeights::of(weights))))?,
            None => mean(None),
        }
    }

    /// The mean of adapters that change text encoders too, for which all weights of the model are needed.
    fn mean_of_components(
        &self,
        context: &StageContext<'_>,
        weighted: &[(&Components, f64)],
    ) -> Result<Components, StageError> {
        let snapshot = self.model.as_ref();
        let snapshot = snapshot
            .map(|model| ModelSnapshot::take(model, context))
            .transpose()?;
        let model = snapshot.as_ref().map(|snapshot| snapshot.directory().path());
        mean_of_components(weighted, self.config.mean, model)
    }
}

/// The adapter of the denoiser, where there is no other.
fn denoiser_alone(adapters: &Components) -> Option<&SavedAdapter> {
    adapters.get(UNET).filter(|_| adapters.len() == 1)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, FloatDType};
    use mitune_diffusion::adapter::{
        AdapterConfig, AdapterContents, AdapterTargets, TEXT_ENCODER, attach, mean_of_factors, peft_tensors,
    };
    use mitune_diffusion::model::ModelDirectory;
    use mitune_store::{Artifact, TensorBytes};
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::contract::KnownInput;
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

    #[test]
    fn what_cannot_be_merged_is_told_before_anything_runs() {
        let trial = Trial::new();
        let told = |adapters: usize, weights: Json| {
            let settings = json!({"adapters": ["a@*"], "mean": "factors", "weights": weights});
            let mut stage = trial.stage::<MergeAdaptersConfig>(settings).unwrap();
            let input = KnownInput {
                stage: "a@1".to_owned(),
                columns: None,
                candidates: None,
            };
            let mut inputs = KnownInputs::default();
            inputs.add("adapters", vec![input; adapters]);
            stage
                .connected(inputs)
                .err()
                .map_or(String::new(), |error| error.to_string())
        };
        assert_eq!(told(2, json!([])), "");
        assert_eq!(told(2, json!([0.5, 1])), "");
        let none = told(0, json!([]));
        assert!(none.contains("`adapters` stands for no stage"), "{none}");
        assert_eq!(
            told(3, json!([1, 2])),
            "Setting `weights` has 2 numbers for 3 adapters"
        );
        assert!(told(2, json!([1, -1])).contains("add up to 0"));
    }

    /// The adapter of [`adapter`] with one of the text encoder beside it.
    fn adapter_with_text(trial: &Trial, seed: u64) -> (SavedAdapter, Artifact) {
        let directory = ModelDirectory::open(&trial.folder.path().join("model")).unwrap();
        let loaded = directory.load_text_encoder(&Device::flex(), FloatDType::F32);
        let mut encoder = loaded.unwrap();
        let config = AdapterConfig {
            rank: 2,
            alpha: 2.0,
            seed,
            targets: AdapterTargets::of_text_encoder(),
            ..AdapterConfig::default()
        };
        attach(&mut encoder, &config).unwrap();
        let mut text = SavedAdapter::extract(&encoder).unwrap();
        for layer in text.layers.values_mut() {
            layer
                .lora_b
                .iter_mut()
                .for_each(|value| *value = 0.1 + seed as f32);
        }
        let (denoiser, _) = adapter(trial, seed);
        let (tensors, metadata) = peft_tensors([(UNET, &denoiser), (TEXT_ENCODER, &text)]);
        let tensors = tensors.into_iter().map(|(name, tensor)| {
            let bytes = TensorBytes {
                dtype: tensor.dtype,
                shape: tensor.shape,
                data: tensor.data,
            };
            (name, bytes)
        });
        let artifacts = trial.store.artifacts();
        (
            text,
            artifacts.put_tensors(&tensors.collect(), &metadata).unwrap(),
        )
    }

    #[test]
    fn parts_for_the_text_encoder_have_a_mean_of_their_own() {
        let mut trial = Trial::new();
        let model = trial.folder.path().join("model");
        trial_model::write(&model);
        trial.defaults.model = Some(model);
        let (first, one) = adapter_with_text(&trial, 1);
        let (second, two) = adapter_with_text(&trial, 2);
        let run = |settings, inputs: &[&Artifact]| {
            trial.run::<MergeAdaptersConfig>(settings, &[("adapters", inputs)])
        };
        let read = |output: &StageOutput| {
            let bytes = trial.store.blobs().read(&output.outputs["adapter"].file).unwrap();
            AdapterContents::read(&bytes, None).unwrap().adapters
        };
        let settings = json!({"adapters": ["a", "b"], "mean": "factors", "weights": [1.0, 3.0]});
        let factors = read(&run(settings.clone(), &[&one, &two]).unwrap());
        let expected = mean_of_factors(&[(&first, 1.0), (&second, 3.0)]).unwrap();
        assert_eq!(factors[TEXT_ENCODER], expected);
        let weights = read(&run(json!({"adapters": ["a", "b"]}), &[&one, &two]).unwrap());
        assert_eq!((weights.len(), weights[TEXT_ENCODER].rank()), (2, Some(4)));
        let (_, denoiser_alone) = adapter(&trial, 3);
        let message = run(settings, &[&one, &denoiser_alone]).unwrap_err().to_string();
        assert!(message.contains("changes the `text_encoder`"), "{message}");
    }
}

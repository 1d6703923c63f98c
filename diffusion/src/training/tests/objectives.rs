//! Objectives: the frozen reference, one that compares pairs with it, and one that remembers something.

use std::f64::consts::LN_2;
use std::path::PathBuf;

use burn::module::Module;
use burn::tensor::{Device, FloatDType, TensorData, activation};

use crate::adapter::{AdapterConfig, AdapterMethod, attach};
use crate::conditioning::Conditioning;
use crate::model::ModelDirectory;
use crate::nn::layers::AdaptTarget;
use crate::nn::weights::{HostTensor, TensorMap, encode_safetensors, seeded_input};
use crate::prediction::PredictionType;
use crate::scheduler::SchedulerConfig;
use crate::training::*;
use crate::unet::UNet2DConditionModel;

const SEED: u64 = 41;
const TIMESTEPS: [usize; 2] = [250, 700];

/// Diffusion-DPO (Wallace et al. 2023, arXiv 2311.12908, equation 14), with errors averaged over elements.
#[derive(Debug, Clone)]
struct DiffusionDpo {
    beta: f64,
}

impl<M: TrainableDenoiser + AdaptTarget + Module> Objective<M> for DiffusionDpo {
    type Batch = PairBatch<M::Conditioning>;
    type Reference = FrozenReference<M>;

    fn curves(&self) -> &'static [&'static str] {
        &["margin", "accuracy"]
    }

    fn evaluate(
        &self,
        denoiser: &M,
        reference: &FrozenReference<M>,
        pairs: PairBatch<M::Conditioning>,
    ) -> ObjectiveValue {
        let difference = |network: &M| pairs.preferred.errors(network) - pairs.rejected.errors(network);
        let margin = difference(reference.network()).detach() - difference(denoiser);
        let loss = activation::log_sigmoid(margin.clone() * (0.5 * self.beta)).mean();
        let correct = margin.clone().greater_elem(0.0).float();
        ObjectiveValue {
            loss: loss * -1.0,
            curves: vec![margin.mean(), correct.mean()],
        }
    }
}

/// The denoising loss over the product of those it saw, to have a state that matters.
#[derive(Debug, Clone)]
struct Scaled {
    scale: f32,
}

impl<M: TrainableDenoiser> Objective<M> for Scaled {
    type Batch = ConditionedBatch<M::Conditioning>;
    type Reference = ();

    fn evaluate(&self, denoiser: &M, (): &(), batch: ConditionedBatch<M::Conditioning>) -> ObjectiveValue {
        let value = Denoising.evaluate(denoiser, &(), batch);
        (value.loss * (1.0 / self.scale)).into()
    }

    fn observe(&mut self, report: &StepReport) {
        self.scale *= report.update.loss as f32;
    }

    fn state(&self) -> TensorMap {
        TensorMap::from([("scale".to_owned(), HostTensor::from_f32(&[self.scale], vec![1]))])
    }

    fn with_state(&self, state: TensorMap) -> Result<Self, CheckpointError> {
        let scale = state.get("scale").ok_or_else(|| CheckpointError::Missing {
            tensor: "objective.scale".to_owned(),
        })?;
        Ok(Self {
            scale: scale.to_f32().unwrap()[0],
        })
    }
}

fn denoiser() -> UNet2DConditionModel {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/models/sd15");
    let directory = ModelDirectory::open(&folder).unwrap();
    directory.load_unet(&Device::flex(), FloatDType::F32).unwrap()
}

pub(super) fn start<O: Objective<UNet2DConditionModel>>(
    method: AdapterMethod,
    objective: O,
) -> ObjectiveTrainer<UNet2DConditionModel, O> {
    let mut network = denoiser();
    let config = AdapterConfig {
        method,
        rank: 2,
        alpha: 2.0,
        ..AdapterConfig::default()
    };
    attach(&mut network, &config).unwrap();
    let settings = TrainerSettings {
        optimizer: AdamW::default(),
        learning_rate: LearningRate::constant(3e-3),
        clip_norm: Some(1.0),
        average: None,
    };
    let network = train_only(network, |name| name.contains(".adapter."));
    ObjectiveTrainer::new(network, objective, settings).unwrap()
}

/// Two pairs, always the same for a number.
pub(super) fn pairs(number: u64) -> PairBatch<Conditioning> {
    let device = Device::flex().autodiff();
    let image = |name: &str| seeded_input(SEED, &format!("{name} {number}"), [2, 4, 8, 8], &device);
    let context = seeded_input::<3>(SEED, &format!("context {number}"), [2, 7, 16], &device);
    PairBatch::new(
        [image("preferred"), image("rejected")],
        image("noise"),
        &TIMESTEPS,
        &SchedulerConfig::stable_diffusion().schedule().unwrap(),
        PredictionType::Epsilon,
        Conditioning::from(context),
    )
    .unwrap()
}

fn prediction(network: &UNet2DConditionModel, batch: &ConditionedBatch<Conditioning>) -> TensorData {
    let predicted = batch.noised.predict(network, batch.conditioning.clone());
    predicted.inner().into_data()
}

fn bytes<O: Objective<UNet2DConditionModel>>(
    training: &ObjectiveTrainer<UNet2DConditionModel, O>,
) -> Vec<u8> {
    encode_safetensors(&training.checkpoint().unwrap().tensors, None).unwrap()
}

#[test]
fn the_reference_is_the_network_without_adapter_to_the_last_bit() {
    let never_adapted = train_only(denoiser(), |_| false);
    let batch = pairs(9).preferred;
    let expected = prediction(&never_adapted, &batch);
    for method in [AdapterMethod::Lora, AdapterMethod::Dora] {
        let mut training = start(method, DiffusionDpo { beta: 2000.0 });
        assert_eq!(prediction(training.reference().network(), &batch), expected);
        for number in 0..2 {
            training.step([pairs(number)]).unwrap();
        }
        assert_eq!(prediction(training.reference().network(), &batch), expected);
        assert_ne!(prediction(training.trainer().module(), &batch), expected);
        assert!(trainable_parameters(training.reference().network()).is_empty());
        assert!(!batch.errors(training.reference().network()).is_tracked());
    }
}

#[test]
fn an_objective_on_pairs_learns_and_a_resumed_training_ends_with_the_same_bytes() {
    let begin = || start(AdapterMethod::Lora, DiffusionDpo { beta: 2000.0 });
    let step = |training: &mut ObjectiveTrainer<UNet2DConditionModel, DiffusionDpo>| {
        training.step([pairs(0), pairs(1)]).unwrap()
    };
    let mut whole = begin();
    let reports: Vec<StepReport> = (0..8).map(|_| step(&mut whole)).collect();
    let (first, last) = (&reports[0], &reports[7]);
    assert!((first.update.loss - LN_2).abs() < 5e-3, "{first:?}");
    assert!(last.update.loss < first.update.loss - 0.02, "{last:?}");
    assert!(last.curves[0] > 0.0 && last.curves[1] <= 1.0, "{last:?}");

    let mut stopped = begin();
    for _ in 0..3 {
        step(&mut stopped);
    }
    let checkpoint = stopped.checkpoint().unwrap();
    assert!(
        checkpoint
            .tensors
            .keys()
            .all(|name| !name.starts_with("objective"))
    );
    let mut resumed = begin();
    resumed.restore(checkpoint).unwrap();
    for report in &reports[3..] {
        assert_eq!(step(&mut resumed), *report);
    }
    assert_eq!(bytes(&resumed), bytes(&whole));
}

#[test]
fn the_state_of_an_objective_is_in_the_checkpoint() {
    let begin = || start(AdapterMethod::Lora, Scaled { scale: 1.0 });
    let mut whole = begin();
    whole.step([pairs(0).preferred]).unwrap();
    let checkpoint = whole.checkpoint().unwrap();
    let report = whole.step([pairs(1).preferred]).unwrap();

    let mut resumed = begin();
    resumed.restore(checkpoint.clone()).unwrap();
    assert_eq!(resumed.objective().scale, checkpoint_scale(&checkpoint));
    assert_eq!(resumed.step([pairs(1).preferred]).unwrap(), report);
    assert_eq!(bytes(&resumed), bytes(&whole));

    let mut stateless = start(AdapterMethod::Lora, Denoising);
    let before = bytes(&stateless);
    let error = stateless.restore(checkpoint).unwrap_err().to_string();
    assert!(error.contains("objective.scale"), "{error}");
    assert_eq!(bytes(&stateless), before);
}

fn checkpoint_scale(checkpoint: &Checkpoint) -> f32 {
    checkpoint.tensors["objective.scale"].to_f32().unwrap()[0]
}

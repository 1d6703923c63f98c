//! Whole trainings of adapters on tiny denoisers against PyTorch, PEFT and diffusers.
//!
//! The references are in f64 (`tools/goldens/export_adapter_training.py` says why). Largest relative L2 errors measured
//! over the twelve trainings: losses 2.4e-7, first gradient 3.0e-6, norms 2.1e-6, way of all parameters over ten updates
//! 7.4e-5; the parameters themselves are much nearer. PyTorch's own f32 is up to 2.8e-5 from f64 in the way of the
//! parameters, and was 7.8e-5 for other timesteps: AdamW turns the rounding of a gradient near zero into a step of any
//! size.

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::tensor::{Device, FloatDType, Tensor, TensorData};

use super::floats;
use crate::adapter::{AdapterMethod, AdapterTargets, SavedAdapter, SavedLayer};
use crate::conditioning::{AddedConditioning, Conditioning};
use crate::model::ModelDirectory;
use crate::nn::layers::{AdaptTarget, LayerShape};
use crate::nn::weights::{SafetensorsFile, TensorMap, TensorSource, seeded_input, seeded_values};
use crate::prediction::PredictionType;
use crate::schedule::NoiseSchedule;
use crate::training::*;
use crate::unet::UNet2DConditionModel;

const SEED: u64 = 40;
const UPDATES: usize = 10;
const ACCUMULATED: usize = 2;
const BATCH: usize = 2;

struct Training {
    model: &'static str,
    method: AdapterMethod,
    golden: TensorMap,
    case: String,
    schedule: NoiseSchedule,
    prediction: PredictionType,
    device: Device,
    width: usize,
}

fn folder(part: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(part)
}

/// The adapter that every training starts from.
fn start(unet: &UNet2DConditionModel, method: AdapterMethod, convolutions: bool) -> SavedAdapter {
    let mut targets = AdapterTargets::default();
    if convolutions {
        targets.modules = ["conv1", "proj_in", "conv_shortcut", "downsamplers.0.conv"]
            .map(str::to_owned)
            .into();
    }
    let mut layers = BTreeMap::new();
    unet.clone().layers_mut(&mut |name, layer| {
        if !targets.contains(name) {
            return;
        }
        let shape: LayerShape = layer.shape();
        let drawn =
            |part: &str, shape: &[usize]| seeded_values(SEED, &format!("{name}.{part}.weight"), shape);
        let lora_b = drawn("lora_B", &[shape.outputs, 2]);
        let saved = SavedLayer {
            lora_a: drawn("lora_A", &[2, shape.columns()]),
            lora_b: lora_b.into_iter().map(|value| value * 0.25).collect(),
            magnitude: (method == AdapterMethod::Dora)
                .then(|| drawn("lora_magnitude_vector", &[shape.outputs])),
            rank: 2,
            alpha: 3.0,
            shape,
        };
        layers.insert(name.to_owned(), saved);
    });
    SavedAdapter::of_layers(layers).unwrap()
}

fn flat(adapter: &SavedAdapter) -> Vec<f32> {
    let parts = |layer: &SavedLayer| {
        let magnitude = layer.magnitude.clone().unwrap_or_default();
        [layer.lora_a.clone(), layer.lora_b.clone(), magnitude].concat()
    };
    adapter.layers.values().flat_map(parts).collect()
}

fn relative_distance(found: &[f32], expected: &[f32]) -> f64 {
    let square = |value: f64| value * value;
    let pairs = found.iter().zip(expected);
    let difference: f64 = pairs.map(|(a, b)| square(f64::from(*a) - f64::from(*b))).sum();
    let length: f64 = expected.iter().map(|value| square(f64::from(*value))).sum();
    (difference / length).sqrt()
}

impl Training {
    fn expected(&self, key: &str) -> Vec<f32> {
        floats(&self.golden, &format!("{}.{key}", self.case))
    }

    fn assert_close(&self, found: &[f32], key: &str, bound: f64) {
        let expected = self.expected(key);
        assert_eq!(found.len(), expected.len(), "{key}");
        let error = relative_distance(found, &expected);
        assert!(error < bound, "{} {} {key}: {error:e}", self.model, self.case);
    }

    /// A micro-batch with its prompts.
    fn batch(&self, at: usize) -> (DenoisingBatch, Conditioning) {
        let image = |name: &str| seeded_input(SEED, &format!("{name} {at}"), [BATCH, 4, 8, 8], &self.device);
        let (range, _) = self.case.split_once('.').unwrap();
        let timesteps = &self.golden[&format!("{range}.timesteps")].data[at * BATCH * 4..][..BATCH * 4];
        let (timesteps, _) = timesteps.as_chunks::<4>();
        let timesteps: Vec<usize> = timesteps
            .iter()
            .map(|bytes| u32::from_le_bytes(*bytes) as usize)
            .collect();
        let batch = DenoisingBatch::new(
            image("latents"),
            image("noise"),
            &timesteps,
            &self.schedule,
            self.prediction,
        );
        let context = seeded_input(
            SEED,
            &format!("context {at}"),
            [BATCH, 7, self.width],
            &self.device,
        );
        let added = (self.model == "sdxl").then(|| {
            let sizes = [16.0_f32, 16.0, 0.0, 0.0, 16.0, 16.0].repeat(BATCH);
            AddedConditioning {
                text_embeds: seeded_input(SEED, &format!("pooled {at}"), [BATCH, 20], &self.device),
                time_ids: Some(Tensor::from_data(
                    TensorData::new(sizes, [BATCH, 6]),
                    &self.device,
                )),
            }
        });
        let conditioning = Conditioning {
            context,
            value_context: None,
            key_contexts: None,
            added,
        };
        (batch.unwrap(), conditioning)
    }

    fn loss(unet: &UNet2DConditionModel, (batch, conditioning): (DenoisingBatch, Conditioning)) -> Tensor<1> {
        batch.loss(unet.forward(batch.noisy.clone(), batch.timesteps.clone(), &conditioning))
    }

    /// Mean gradient of the first update, in the order of [`flat`].
    fn first_gradient(&self, unet: &UNet2DConditionModel) -> Vec<f32> {
        let mut sum: Option<Vec<f32>> = None;
        for at in 0..ACCUMULATED {
            let gradients = Self::loss(unet, self.batch(at)).backward();
            let mut found = BTreeMap::new();
            unet.clone().layers_mut(&mut |name, layer| {
                let Some(adapter) = layer.adapter() else {
                    return;
                };
                let host = |gradient: Option<TensorData>| gradient.unwrap().iter::<f32>().collect::<Vec<_>>();
                let mut parts = host(adapter.lora_a.val().grad(&gradients).map(|g| g.into_data()));
                parts.extend(host(adapter.lora_b.val().grad(&gradients).map(|g| g.into_data())));
                if let Some(magnitude) = &adapter.magnitude {
                    parts.extend(host(magnitude.val().grad(&gradients).map(|g| g.into_data())));
                }
                found.insert(name.to_owned(), parts);
            });
            let found: Vec<f32> = found.into_values().flatten().collect();
            sum = Some(match sum {
                None => found,
                Some(sum) => sum.iter().zip(&found).map(|(a, b)| (a + b) / 2.0).collect(),
            });
        }
        sum.unwrap()
    }

    fn run(&self, unet: UNet2DConditionModel) {
        let start = start(&unet, self.method, self.case.starts_with("convolutions"));
        let mut unet = unet;
        start.attach(&mut unet).unwrap();
        let unet = train_only(unet, |name| name.contains(".adapter."));
        self.assert_close(&self.first_gradient(&unet), "first_gradient", 1e-5);
        let settings = TrainerSettings {
            optimizer: AdamW::default(),
            learning_rate: LearningRate {
                peak: 1e-3,
                warmup: 0,
                decay: Decay::Constant,
            },
            clip_norm: Some(if self.model == "sd21" { 0.15 } else { 0.35 }),
            average: None,
        };
        let mut trainer = Trainer::new(unet, settings).unwrap();
        let (mut losses, mut norms) = (Vec::new(), Vec::new());
        for update in 0..UPDATES {
            let first = update * ACCUMULATED;
            let report = trainer
                .update((first..first + ACCUMULATED).map(|at| self.batch(at)), Self::loss)
                .unwrap();
            losses.push(report.loss as f32);
            norms.push(report.gradient_norm as f32);
        }
        let expected = self.expected("losses");
        let means = expected
            .chunks(ACCUMULATED)
            .map(|pair| pair.iter().sum::<f32>() / 2.0);
        for (found, expected) in losses.iter().zip(means) {
            assert!((found / expected - 1.0).abs() < 1e-5, "{found} {expected}");
        }
        self.assert_close(&norms, "norms", 1e-5);
        let end = flat(&SavedAdapter::extract(trainer.module()).unwrap());
        let moved: Vec<f32> = end
            .iter()
            .zip(flat(&start))
            .map(|(end, start)| end - start)
            .collect();
        self.assert_close(&moved, "moved", 1e-4);
    }
}

fn trainings(model: &'static str, prediction: PredictionType, ranges: &[&str]) {
    let device = Device::flex();
    let directory = ModelDirectory::open(&folder("models").join(model)).unwrap();
    let golden = SafetensorsFile::open(&folder("adapter_training").join(format!("{model}.safetensors")));
    let golden = golden.unwrap().read_all().unwrap();
    let schedule = directory.scheduler_config().schedule().unwrap();
    for range in ranges {
        for (method, word) in [(AdapterMethod::Lora, "lora"), (AdapterMethod::Dora, "dora")] {
            let training = Training {
                model,
                method,
                golden: golden.clone(),
                case: format!("{range}.{word}"),
                schedule: schedule.clone(),
                prediction,
                device: device.clone().autodiff(),
                width: directory.unet_config().cross_attention_dim[0],
            };
            training.run(directory.load_unet(&device, FloatDType::F32).unwrap());
        }
    }
}

#[test]
fn epsilon_prediction_with_projections_as_convolutions() {
    trainings("sd15", PredictionType::Epsilon, &["paper", "reference"]);
}

#[test]
fn convolutions_too() {
    trainings("sd15", PredictionType::Epsilon, &["convolutions"]);
}

#[test]
fn v_prediction() {
    trainings("sd21", PredictionType::VPrediction, &["paper", "reference"]);
}

#[test]
fn stable_diffusion_xl() {
    trainings("sdxl", PredictionType::Epsilon, &["paper"]);
}

//! Guidance of tiny networks against the references, and the gradient of Attend-and-Excite against finite differences.
//!
//! The numbers are made by `tools/goldens/export_guidance.py`, which computes them in f64.

use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use safetensors::SafeTensors;

use super::attention_peaks::{Neglect, Subjects};
use super::*;
use crate::conditioning::Conditioning;
use crate::denoiser::{AttentionKind, AttentionRequest, Denoiser, DenoiserInput, NoiseLevel};
use crate::nn::weights::{NameTable, TensorMap, golden, load_module};
use crate::sampler::{LatentSteering, SchedulerKind, StepPlace};
use crate::scheduler::{ReverseProcess, SchedulerConfig, Trajectory};
use crate::training::objectives::Formulation;
use crate::unet::{PARAMETER_RENAMES, UNet2DConditionConfig, UNet2DConditionModel};

const STEPS: usize = 5;
const GUIDANCE: f64 = 3.0;
const SUBJECTS: [usize; 2] = [2, 4];
const END: usize = 6;
/// Height and width of the attention that is looked at, half of those of the latents.
const ATTENDED: [usize; 2] = [2, 3];

/// One network with the inputs and results of the golden file.
struct Example {
    network: UNet2DConditionModel,
    golden: TensorMap,
    device: Device,
    dtype: FloatDType,
}

impl Example {
    fn new(file: &str, device: &Device, dtype: FloatDType) -> Self {
        let prefix = format!("{file}/");
        let own = |(name, tensor): (String, _)| Some((name.strip_prefix(&prefix)?.to_owned(), tensor));
        Self {
            network: network(file, device, dtype),
            golden: golden::tensors("guidance.safetensors")
                .into_iter()
                .filter_map(own)
                .collect(),
            device: device.clone(),
            dtype,
        }
    }

    fn tensor<const D: usize>(&self, name: &str) -> Tensor<D> {
        golden::tensor::<D>(&self.golden, name, &self.device).cast(self.dtype)
    }

    fn prompt(&self) -> Conditioning {
        self.tensor::<3>("prompt").into()
    }

    fn empty(&self) -> Conditioning {
        self.tensor::<3>("empty").into()
    }

    fn check(&self, found: Tensor<4>, name: &str, tolerance: f64) {
        let found = found.inner().cast(DType::F32);
        let distance = golden::relative_error(found, &self.golden, name);
        assert!(distance < tolerance, "{name}: {distance:e}");
    }

    /// What the first latent's attention lacks.
    fn neglect(&self, latent: &Tensor<4>, level: NoiseLevel) -> Neglect {
        let prompt = self.prompt().narrow(0, 1);
        let request = AttentionRequest::of(&[AttentionKind::CrossAttention]).at(&[ATTENDED]);
        let input = DenoiserInput {
            attention_maps: Some(&request),
            ..DenoiserInput::new(latent, level, &prompt)
        };
        let maps = self.network.denoise(&input).unwrap().attention_maps.unwrap();
        let subjects = Subjects {
            tokens: &SUBJECTS,
            end: END,
            smoothing: 0.5,
        };
        subjects.most_neglected(&maps).unwrap()
    }
}

fn network(file: &str, device: &Device, dtype: FloatDType) -> UNet2DConditionModel {
    let relative = format!("unet/{file}.safetensors");
    let bytes = std::fs::read(golden::path(&relative)).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let config = &header.metadata().as_ref().unwrap()["config"];
    let config: UNet2DConditionConfig = serde_json::from_str(config).unwrap();
    let stored = golden::tensors(&relative).into_iter();
    let weight = |(name, tensor): (String, _)| Some((name.strip_prefix("weights.")?.to_owned(), tensor));
    let weights: TensorMap = stored.filter_map(weight).collect();
    let names = NameTable {
        rename: PARAMETER_RENAMES,
        ..NameTable::default()
    };
    load_module(
        UNet2DConditionModel::new(&config, device),
        &weights,
        &names,
        dtype,
    )
    .unwrap()
}

fn process() -> ReverseProcess {
    let config = SchedulerConfig::stable_diffusion();
    SchedulerKind::Ddim.reverse_process(&config, STEPS, 0.0).unwrap()
}

fn settings() -> AttendAndExciteSettings {
    let threshold = |(after, attention)| AttentionThreshold { after, attention };
    AttendAndExciteSettings {
        scale: 6.0,
        guided_share: 0.6,
        thresholds: [(0.0, 0.3), (0.4, 0.16)].map(threshold).to_vec(),
        refinements: 4,
        attention_ratio: 2,
        ..AttendAndExciteSettings::default()
    }
}

fn doubles<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.inner().try_into_vec_as().unwrap()
}

#[test]
fn attend_and_excite_equals_the_reference_step_by_step() {
    // The second network computes attention in f32 where nobody looks at it.
    for (file, tolerance) in [("sd1", 1e-6), ("sd2", 1e-4)] {
        let example = Example::new(file, &Device::flex().autodiff(), FloatDType::F64);
        let (prompt, process) = (example.prompt(), process());
        let steering = AttendAndExcite::new(&example.network, settings(), SUBJECTS.to_vec(), END);
        let guided = ClassifierFreeGuidance::new(&example.network, example.empty(), GUIDANCE);
        for (index, step) in process.steps.iter().enumerate() {
            let latents = example.tensor::<4>(&format!("attend_and_excite.latents.{index}"));
            let place = StepPlace { index, total: STEPS };
            let steered = steering
                .steer(place, latents.clone().inner(), step.level(), &prompt)
                .unwrap();
            example.check(
                steered.clone(),
                &format!("attend_and_excite.steered.{index}"),
                tolerance,
            );
            let output = guided
                .predict(&steered.clone().autodiff(), step.level(), &prompt)
                .unwrap();
            let latents = latents.inner();
            let mut trajectory = Trajectory::new(latents.clone(), process.memory);
            trajectory.replace_input(step, &latents, steered);
            trajectory.advance(step, output.inner().cast(DType::F64), None);
            let name = format!("attend_and_excite.latents.{}", index + 1);
            example.check(trajectory.into_latent(), &name, 1e-4);
        }
    }
}

#[test]
fn a_latent_is_moved_as_it_is_alone_and_not_at_all_by_a_scale_of_0() {
    let example = Example::new("sd1", &Device::flex().autodiff(), FloatDType::F32);
    let (prompt, latents) = (example.prompt(), example.tensor::<4>("sample").inner());
    let level = process().steps[0].level();
    let steer = |settings, subjects: &[usize], latents: &Tensor<4>, prompt: &Conditioning| {
        let steering = AttendAndExcite::new(&example.network, settings, subjects.to_vec(), END);
        let place = StepPlace {
            index: 0,
            total: STEPS,
        };
        doubles(steering.steer(place, latents.clone(), level, prompt).unwrap())
    };
    let together = steer(settings(), &SUBJECTS, &latents, &prompt);
    let size = together.len() / 2;
    for row in 0..2 {
        let latent = latents.clone().narrow(0, row, 1);
        let alone = steer(settings(), &SUBJECTS, &latent, &prompt.clone().narrow(row, 1));
        assert_eq!(alone, together[row * size..(row + 1) * size]);
    }
    let unmoved = doubles(latents.clone());
    assert!(together != unmoved);
    let still = AttendAndExciteSettings {
        scale: 0.0,
        ..settings()
    };
    assert_eq!(steer(still, &SUBJECTS, &latents, &prompt), unmoved);
    // The end token and what is cut off are no subjects.
    assert_eq!(steer(settings(), &[0, END, 90], &latents, &prompt), unmoved);
}

#[test]
fn a_movement_makes_the_worst_subject_less_neglected() {
    let example = Example::new("sd1", &Device::flex().autodiff(), FloatDType::F64);
    let level = process().steps[0].level();
    let latent = example.tensor::<4>("sample").narrow(0, 0, 1);
    let gentle = AttendAndExciteSettings {
        scale: 0.5,
        thresholds: Vec::new(),
        ..settings()
    };
    let steering = AttendAndExcite::new(&example.network, gentle, SUBJECTS.to_vec(), END);
    let place = StepPlace {
        index: 0,
        total: STEPS,
    };
    let prompt = example.prompt().narrow(0, 1);
    let moved = steering.steer(place, latent.clone(), level, &prompt).unwrap();
    let (before, after) = (
        example.neglect(&latent, level).loss,
        example.neglect(&moved.autodiff(), level).loss,
    );
    assert!(after < before, "{before} {after}");
}

#[test]
fn the_gradient_of_neglect_equals_finite_differences() {
    const STEP: f64 = 1e-5;
    let device = Device::flex().autodiff();
    let example = Example::new("sd1", &device, FloatDType::F64);
    let level = process().steps[0].level();
    let latent = example.tensor::<4>("sample").narrow(0, 0, 1);
    let (shape, start) = (latent.dims(), doubles(latent));
    let latent = |values: Vec<f64>| {
        let values = TensorData::new(values, shape);
        Tensor::<4>::from_data(values, (&device, DType::F64))
    };
    let leaf = latent(start.clone()).require_grad();
    let gradients = example.neglect(&leaf, level).objective.backward();
    let gradient = doubles(leaf.grad(&gradients).unwrap());
    let largest = gradient.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    assert!(largest > 1e-4, "{largest:e}");
    for place in (0..start.len()).step_by(5) {
        let moved = |step: f64| {
            let mut values = start.clone();
            values[place] += step;
            doubles(example.neglect(&latent(values), level).objective)[0]
        };
        let difference = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
        let apart = (difference - gradient[place]).abs() / largest;
        assert!(apart < 1e-5, "{place}: {apart:e}");
    }
}

#[test]
fn structured_encodings_equal_the_reference_and_stay_so_beside_plain_rows() {
    let level = NoiseLevel {
        timestep: 371.0,
        signal: 1.0,
        noise: 0.0,
    };
    let forms = [
        (
            "averaged_values",
            StructuredForm::AveragedValues,
            Formulation::Reference,
        ),
        (
            "conjunction_paper",
            StructuredForm::Conjunction,
            Formulation::Paper,
        ),
        (
            "conjunction_reference",
            StructuredForm::Conjunction,
            Formulation::Reference,
        ),
    ];
    for file in ["sd1", "sd2", "three_levels"] {
        let example = Example::new(file, &Device::flex(), FloatDType::F32);
        let latents = example.tensor::<4>("sample");
        let phrase = |(index, tokens): (usize, std::ops::Range<usize>)| PhraseEncoding {
            tokens,
            conditioning: example.tensor::<3>(&format!("phrase.{index}")).into(),
        };
        let phrases: Vec<PhraseEncoding> = [1..3, 3..6].into_iter().enumerate().map(phrase).collect();
        let empty = example.empty().repeat(2);
        let without = doubles(example.network.predict(&latents, level, &empty).unwrap());
        for (name, form, formulation) in forms {
            let prompt = structured(&example.prompt(), &phrases, form, formulation);
            let found = example.network.predict(&latents, level, &prompt).unwrap();
            example.check(found, &format!("structured.{name}"), 1e-5);
            let guided = ClassifierFreeGuidance::new(&example.network, example.empty(), GUIDANCE);
            let branches = guided
                .denoise(&DenoiserInput::new(&latents, level, &prompt))
                .unwrap()
                .branches;
            let branches = branches.unwrap();
            example.check(branches.conditional, &format!("structured.{name}"), 1e-5);
            for (found, expected) in doubles(branches.baseline).iter().zip(&without) {
                assert!(
                    (found - expected).abs() < 1e-5,
                    "{file} {name}: {found} {expected}"
                );
            }
            let plain = structured(&example.prompt(), &[], form, formulation);
            let plain = doubles(example.network.predict(&latents, level, &plain).unwrap());
            let expected = doubles(
                example
                    .network
                    .predict(&latents, level, &example.prompt())
                    .unwrap(),
            );
            assert_eq!(plain, expected, "{file} {name}");
        }
    }
}

#[test]
fn semantic_aware_guidance_equals_the_reference_step_by_step() {
    let example = Example::new("sd2", &Device::flex(), FloatDType::F64);
    let (prompt, process) = (example.prompt(), process());
    for (name, formulation) in [
        ("paper", Formulation::Paper),
        ("reference", Formulation::Reference),
    ] {
        let settings = SemanticAwareSettings {
            formulation,
            finest_ratio: 1,
            coarsest_ratio: 2,
            ..SemanticAwareSettings::default()
        };
        let guided = SemanticAwareGuidance::new(&example.network, example.empty(), GUIDANCE, settings);
        for (index, step) in process.steps.iter().enumerate() {
            let latents = example.tensor::<4>(&format!("semantic_aware.{name}.latents.{index}"));
            let output = guided.predict(&latents, step.level(), &prompt).unwrap();
            example.check(
                output.clone(),
                &format!("semantic_aware.{name}.noise.{index}"),
                1e-5,
            );
            let mut trajectory = Trajectory::new(latents, process.memory);
            trajectory.advance(step, output.cast(DType::F64), None);
            let next = format!("semantic_aware.{name}.latents.{}", index + 1);
            example.check(trajectory.into_latent(), &next, 1e-4);
        }
    }
}

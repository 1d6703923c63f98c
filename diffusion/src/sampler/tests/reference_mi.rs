//! Scores, ranking and latents against MI-TUNE's own pipeline classes.
//!
//! `tools/parity/reference_mi.py` ran them on the tiny models of `tests/golden/models`: three
//! prompts with eight candidates each, one batched draw of PyTorch's generator, 100 DDPM steps.

use burn::tensor::FloatDType;
use serde::Deserialize;

use super::*;
use crate::conditioning::ImageSize;
use crate::model::{DiffusionModel, ModelDirectory};
use crate::nn::weights::golden;
use crate::torch_noise::TorchNoise;

/// What the two implementations must agree to, relative to the score.
const TOLERANCE: f64 = 1e-4;

#[derive(Deserialize)]
struct Golden {
    steps: usize,
    guidance: f64,
    seed: u64,
    size: usize,
    models: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    model: String,
    prompts: Vec<Prompt>,
}

#[derive(Deserialize)]
struct Prompt {
    prompt: String,
    /// What the reference classes say.
    reference: Vec<f64>,
    /// The same estimator with velocities brought to noise, by NumPy in `f64`.
    reference_of_noise: Vec<f64>,
    /// Equation 2 of the paper, by NumPy in `f64`.
    paper: Vec<f64>,
    /// The candidate that the reference keeps.
    best: usize,
}

fn golden_scores() -> Golden {
    let text = std::fs::read_to_string(golden::path("reference_mi/scores.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

struct Run<'a> {
    golden: &'a Golden,
    model: &'a DiffusionModel,
    prompt: &'a Prompt,
}

impl Run<'_> {
    fn candidates(&self, mode: MiMode, raw_outputs: bool) -> Vec<Candidate> {
        let device = Device::flex();
        let size = ImageSize {
            height: self.golden.size,
            width: self.golden.size,
        };
        let conditional = self
            .model
            .encode_prompts(&[&self.prompt.prompt], size, &device)
            .unwrap();
        let unconditional = self.model.encode_negative("", size, &device).unwrap();
        let requests: Vec<CandidateRequest<'_>> = (0..self.prompt.reference.len() as u32)
            .map(|seed_index| CandidateRequest {
                prompt: &PROMPT,
                seed_index,
                conditioning: &conditional.conditioning,
            })
            .collect();
        let settings = SamplerSettings {
            steps: self.golden.steps,
            guidance: self.golden.guidance,
            estimator: EstimatorParts {
                raw_outputs,
                ..mode.parts()
            },
            ..SamplerSettings::default()
        };
        let side = self.golden.size / self.model.vae_config.downscale();
        Sampler::new(&self.model.scheduler_config, &settings)
            .unwrap()
            .generate_with(
                self.model.denoiser(),
                &requests,
                &unconditional.conditioning,
                [4, side, side],
                &mut TorchNoise::new(self.golden.seed),
                &mut go_on,
            )
            .unwrap()
    }
}

fn order(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    order
}

#[test]
fn scores_rank_candidates_as_the_reference_classes_do() {
    let golden = golden_scores();
    let latents = golden::tensors("reference_mi/latents.safetensors");
    assert_eq!(golden.models.len(), 3);
    for Model { model: name, prompts } in &golden.models {
        let folder = golden::path(&format!("models/{name}"));
        let model = ModelDirectory::open(&folder)
            .unwrap()
            .load(&Device::flex(), FloatDType::F32)
            .unwrap();
        let mut worst = [0.0_f64; 4];
        assert!(prompts.len() >= 3);
        for (number, prompt) in prompts.iter().enumerate() {
            assert!(prompt.reference.len() >= 8);
            let run = Run {
                golden: &golden,
                model: &model,
                prompt,
            };
            let estimators = [
                (MiMode::Reference, true, &prompt.reference),
                (MiMode::Reference, false, &prompt.reference_of_noise),
                (MiMode::Paper, false, &prompt.paper),
            ];
            // The others differ in weights alone, so one prompt shows them.
            let count = if number == 0 { estimators.len() } else { 1 };
            for (place, (mode, raw, expected)) in estimators.into_iter().take(count).enumerate() {
                let candidates = run.candidates(mode, raw);
                let found: Vec<f64> = candidates.iter().map(|candidate| candidate.mi).collect();
                for candidate in &candidates {
                    let own = match mode {
                        MiMode::Reference => candidate.mi_reference,
                        _ => candidate.mi_paper,
                    };
                    assert_eq!(own, Some(candidate.mi));
                }
                for (found, expected) in found.iter().zip(expected) {
                    worst[place] = worst[place].max((found / expected - 1.0).abs());
                }
                assert_eq!(order(&found), order(expected), "{name} {number} {mode:?}");
                if mode == MiMode::Reference && raw {
                    assert_eq!(order(&found)[0], prompt.best);
                    let values: Vec<f32> = candidates.into_iter().flat_map(|c| c.latent).collect();
                    let shape = latents[&format!("{name}.{number}")].shape.clone();
                    let values = Tensor::<4>::from_data(TensorData::new(values, shape), &Device::flex());
                    let error = golden::relative_error(values, &latents, &format!("{name}.{number}"));
                    worst[3] = worst[3].max(error);
                }
            }
        }
        println!("mutual information of {name}: reference, of noise, paper, latents {worst:?}");
        // Measured: 4e-6 at most, latents 7e-6.
        assert!(worst.iter().all(|&error| error < TOLERANCE), "{name}: {worst:?}");
    }
}

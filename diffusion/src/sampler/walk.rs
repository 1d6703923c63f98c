//! The way of one batch from noise to candidates.

use burn::tensor::{DType, Tensor, TensorData, TensorReadError};

use super::{
    Candidate, CandidateRequest, LatentSteering, OnStep, Sampler, SamplerError, StepPlace, StepProgress,
};
use crate::conditioning::Conditioning;
use crate::denoiser::{Denoiser, DenoiserError, DenoiserInput};
use crate::guidance::in_f32;
use crate::mutual_information::measure::KeptSums;
use crate::noise::{BatchNoise, START};
use crate::scheduler::{Latents, ReverseStep, Trajectory};

/// A run, the denoiser that guides it, and the prompts of its batch.
pub(super) struct Walk<'a> {
    pub(super) sampler: &'a Sampler,
    pub(super) denoiser: &'a dyn Denoiser,
    pub(super) steering: Option<&'a dyn LatentSteering>,
    pub(super) conditional: Conditioning,
}

impl Walk<'_> {
    /// Goes all the way; there is at least one request.
    pub(super) fn candidates(
        &self,
        requests: &[CandidateRequest<'_>],
        latent_shape: [usize; 3],
        noise: &mut dyn BatchNoise,
        on_step: &mut OnStep<'_>,
    ) -> Result<Vec<Candidate>, SamplerError> {
        let Sampler {
            process,
            measure,
            scores,
            ..
        } = self.sampler;
        let total = self.sampler.evaluations();
        let device = self.conditional.device();
        let [channels, height, width] = latent_shape;
        let shape = [requests.len(), channels, height, width];
        let mut draw = |step| {
            let mut values = vec![0.0; shape.iter().product()];
            noise.fill(step, &mut values);
            Tensor::<4>::from_data(TensorData::new(values, shape), (&device, DType::F32))
        };
        let start = draw(START).scaled(process.start);
        let mut trajectory = Trajectory::new(start, process.memory);
        let mut sums = KeptSums::new(measure.sums(), total);
        for (index, step) in process.steps.iter().enumerate() {
            let input = self.steered(&mut trajectory, step, StepPlace { index, total })?;
            let asked = DenoiserInput::new(&input, step.level(), &self.conditional);
            let output = self.denoiser.denoise(&asked)?;
            if *scores {
                sums.add(output.branches.as_ref().ok_or(DenoiserError::NoBranches)?);
            }
            let noise = step.draws.then(|| draw(index as u32));
            trajectory.advance(step, in_f32(output.prediction), noise);
            let done = index + 1;
            if on_step(StepProgress { done, total }).is_break() {
                return Err(SamplerError::Cancelled);
            }
        }
        let sums = sums.read().map_err(device_failure)?;
        self.collect(requests, trajectory.into_latent(), &sums)
    }

    /// Returns what the denoiser is to see, after the trajectory has been moved if something steers.
    fn steered(
        &self,
        trajectory: &mut Trajectory<Tensor<4>>,
        step: &ReverseStep,
        place: StepPlace,
    ) -> Result<Tensor<4>, SamplerError> {
        let input = trajectory.input(step);
        let Some(steering) = self.steering else {
            return Ok(input);
        };
        let steered = steering.steer(place, input.clone(), step.level(), &self.conditional)?;
        trajectory.replace_input(step, &input, steered.clone());
        Ok(steered)
    }

    fn collect(
        &self,
        requests: &[CandidateRequest<'_>],
        latents: Tensor<4>,
        sums: &[Vec<Vec<f64>>],
    ) -> Result<Vec<Candidate>, SamplerError> {
        let latents: Vec<f32> = latents.try_into_vec_as().map_err(device_failure)?;
        let timesteps: Vec<i32> = self.sampler.timesteps().map(|t| t.round() as i32).collect();
        requests
            .iter()
            .enumerate()
            .zip(latents.chunks(latents.len() / requests.len()))
            .map(|((index, request), latent)| {
                let seed_index = request.seed_index;
                let candidate = Candidate {
                    seed_index,
                    latent: latent.to_vec(),
                    mi: 0.0,
                    mi_paper: None,
                    mi_reference: None,
                    mi_trace: Vec::new(),
                    timesteps: timesteps.clone(),
                    mi_weights: Vec::new(),
                };
                let candidate = match sums.get(index) {
                    Some(sums) => self.measured(candidate, sums)?,
                    None => candidate,
                };
                if !candidate.mi.is_finite() || latent.iter().any(|v| !v.is_finite()) {
                    return Err(SamplerError::NotFinite { seed_index });
                }
                Ok(candidate)
            })
            .collect()
    }

    /// Puts scores and terms into a candidate.
    fn measured(&self, candidate: Candidate, sums: &[Vec<f64>]) -> Result<Candidate, SamplerError> {
        let measured = self.sampler.measure.measured(sums)?;
        let rounded = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
        Ok(Candidate {
            mi: measured.mi,
            mi_paper: measured.mi_paper,
            mi_reference: measured.mi_reference,
            mi_trace: rounded(measured.terms),
            mi_weights: rounded(measured.weights),
            ..candidate
        })
    }
}

fn device_failure(error: TensorReadError) -> SamplerError {
    SamplerError::Device {
        reason: error.to_string(),
    }
}

//! Rollouts with their rewards.

use std::ops::ControlFlow;

use mitune_diffusion::model::DenoisingNetwork;
use mitune_diffusion::sampler::StepProgress;
use mitune_diffusion::training::objectives::Formulation;
use mitune_diffusion::training::{GuidedPrediction, Rollout, RolloutError, RolloutSampler, RolloutSteps};
use mitune_judges::picture::Picture;

use super::reward_judge::RewardJudge;
use super::rollout_prompts::{Encodings, RolloutPrompts};
use crate::contract::{StageContext, StageError};
use crate::models::latent_decoder::LatentDecoder;

/// A rollout, and what its image is worth.
pub(super) struct RewardedRollout {
    /// The text, by its place among all.
    pub(super) prompt: usize,
    pub(super) rollout: Rollout,
    pub(super) reward: f64,
}

/// Everything that makes rollouts but the network.
pub(super) struct Sampling<'a> {
    pub(super) context: &'a StageContext<'a>,
    pub(super) prompts: &'a RolloutPrompts,
    pub(super) encodings: &'a Encodings,
    pub(super) steps: &'a RolloutSteps,
    pub(super) guidance: GuidedPrediction,
    pub(super) formulation: Formulation,
    pub(super) seed: u64,
    pub(super) rollouts_per_iteration: u64,
    pub(super) samples_per_prompt: u64,
    /// Makes images, in batches as large as those of rollouts.
    pub(super) decoder: LatentDecoder<'a>,
    pub(super) judge: RewardJudge<'a>,
}

impl Sampling<'_> {
    /// Makes the rollouts of an iteration with a network without gradients; none if the run was asked to stop
    /// meanwhile.
    pub(super) fn rollouts(
        &self,
        network: &DenoisingNetwork,
        iteration: u64,
    ) -> Result<Option<Vec<RewardedRollout>>, StageError> {
        let first = iteration * self.rollouts_per_iteration;
        let all = first..first + self.rollouts_per_iteration;
        let prompts = self.prompts.of_rollouts(self.seed, all, self.samples_per_prompt);
        let mut rewarded = Vec::with_capacity(prompts.len());
        for (number, prompts) in prompts.chunks(self.decoder.batch_size).enumerate() {
            let first = first + (number * self.decoder.batch_size) as u64;
            let Some(rollouts) = self.sample(network, first, prompts)? else {
                return Ok(None);
            };
            let rewards = self.rewards(prompts, &rollouts)?;
            for ((&prompt, rollout), reward) in prompts.iter().zip(rollouts).zip(rewards) {
                rewarded.push(RewardedRollout {
                    prompt,
                    rollout,
                    reward,
                });
            }
        }
        Ok(Some(rewarded))
    }

    fn sample(
        &self,
        network: &DenoisingNetwork,
        first: u64,
        prompts: &[usize],
    ) -> Result<Option<Vec<Rollout>>, StageError> {
        let sampler = RolloutSampler {
            denoiser: network,
            guidance: &self.guidance,
            steps: self.steps,
            formulation: self.formulation,
            seed: self.seed,
            latent_shape: self.decoder.shape,
        };
        if self.context.cancelled() {
            return Ok(None);
        }
        let conditioning = self.encodings.rows(prompts.iter().copied());
        let mut go_on = |_: StepProgress| match self.context.cancelled() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        match sampler.sample(first, &conditioning, &mut go_on) {
            Ok(rollouts) => Ok(Some(rollouts)),
            Err(RolloutError::Cancelled) => Ok(None),
            Err(error) => Err(StageError::failed(error)),
        }
    }

    /// Decodes the latents that the rollouts ended with, and has their images judged.
    fn rewards(&self, prompts: &[usize], rollouts: &[Rollout]) -> Result<Vec<f64>, StageError> {
        let latents = rollouts
            .iter()
            .filter_map(|rollout| rollout.latents.last().map(Vec::as_slice));
        let mut images = Vec::with_capacity(rollouts.len());
        for (&prompt, image) in prompts.iter().zip(self.decoder.decode(latents)) {
            let image = image.map_err(StageError::failed)?;
            images.push((self.prompts.texts[prompt].as_str(), Picture::from_rgb(&image)));
        }
        self.judge.rewards(&images)
    }
}

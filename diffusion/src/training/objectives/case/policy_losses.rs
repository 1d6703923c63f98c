//! The objectives on steps of rollouts, and their settings as scripts write them.

use burn::tensor::Tensor;
use serde::Deserialize;

use super::super::{Ddpo, Dpok, Formulation, GaussianTransition, PolicyBatch, log_probabilities};
use super::error::CaseError;
use super::tensors::CaseTensors;
use crate::scheduler::{SchedulerConfig, ddim};

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct DpokSettings {
    reward_weight: f64,
    kl_weight: f64,
    clip: f64,
    inference_steps: usize,
    eta: f64,
    scheduler: SchedulerConfig,
    mode: Formulation,
}

impl Default for DpokSettings {
    fn default() -> Self {
        let default = Dpok::default();
        Self {
            reward_weight: default.reward_weight,
            kl_weight: default.kl_weight,
            clip: default.clip,
            inference_steps: 50,
            eta: 1.0,
            scheduler: SchedulerConfig::stable_diffusion(),
            mode: default.formulation,
        }
    }
}

pub(super) fn dpok(settings: DpokSettings, tensors: &CaseTensors<'_>) -> Result<Tensor<1>, CaseError> {
    let batch = PolicyBatch {
        prediction: tensors.latents("prediction")?,
        reference: tensors.latents("reference")?,
        latents: tensors.latents("latents")?,
        next_latents: tensors.latents("next_latents")?,
        old_log_probability: tensors.get("log_probability_old")?,
        advantages: tensors.get::<1>("reward")? - tensors.get::<1>("value")?,
        transitions: transitions(
            &settings.scheduler,
            (settings.inference_steps, settings.eta),
            &tensors.numbers("timesteps")?,
        )?,
    };
    let objective = Dpok {
        reward_weight: settings.reward_weight,
        kl_weight: settings.kl_weight,
        clip: settings.clip,
        formulation: settings.mode,
    };
    Ok(objective.loss(batch))
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct DdpoSettings {
    clip: f64,
    largest_advantage: f64,
    inference_steps: usize,
    eta: f64,
    scheduler: SchedulerConfig,
    mode: Formulation,
}

impl Default for DdpoSettings {
    fn default() -> Self {
        let default = Ddpo::default();
        Self {
            clip: default.clip,
            largest_advantage: default.largest_advantage,
            inference_steps: 50,
            eta: 1.0,
            scheduler: SchedulerConfig::stable_diffusion(),
            mode: Formulation::default(),
        }
    }
}

pub(super) fn ddpo(settings: DdpoSettings, tensors: &CaseTensors<'_>) -> Result<Tensor<1>, CaseError> {
    let steps = (settings.inference_steps, settings.eta);
    let new = log_probabilities(
        &transitions(&settings.scheduler, steps, &tensors.numbers("timesteps")?)?,
        tensors.latents("latents")?,
        tensors.latents("prediction")?,
        tensors.latents("next_latents")?,
        settings.mode,
    );
    let objective = Ddpo {
        clip: settings.clip,
        largest_advantage: settings.largest_advantage,
    };
    Ok(objective.loss(
        new,
        tensors.get("log_probability_old")?,
        tensors.get("advantages")?,
    ))
}

/// The steps at these timesteps of a run of DDIM, by how many steps it has and how noisy they are.
fn transitions(
    scheduler: &SchedulerConfig,
    (inference_steps, eta): (usize, f64),
    timesteps: &[f64],
) -> Result<Vec<GaussianTransition>, CaseError> {
    let schedule = scheduler.schedule()?;
    let stride = schedule.len() / inference_steps.max(1);
    let transition = |&value: &f64| -> Result<_, CaseError> {
        let timestep = whole(value)?;
        let step = ddim::reverse_step(&schedule, scheduler, timestep, stride, eta)?;
        Ok(GaussianTransition::from(&step))
    };
    timesteps.iter().map(transition).collect()
}

fn whole(value: f64) -> Result<usize, CaseError> {
    match value >= 0.0 && value.fract() == 0.0 {
        true => Ok(value as usize),
        false => Err(CaseError::Timestep { value }),
    }
}

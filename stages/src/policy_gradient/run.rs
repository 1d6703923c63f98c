//! The computation of the stage.

use mitune_diffusion::denoiser::DenoiserShape;
use mitune_diffusion::model::DenoisingNetwork;
use mitune_diffusion::scheduler::SchedulerConfig;
use mitune_diffusion::training::objectives::{DdpoPolicy, DpokPolicy};
use mitune_diffusion::training::{GuidedPrediction, Objective, ObjectiveTrainer, RolloutError, RolloutSteps};

use super::ddpo::DdpoLearner;
use super::dpok::DpokLearner;
use super::iterations::Iterations;
use super::learner::Learner;
use super::objective::ObjectiveSettings;
use super::rollout_prompts::{Encodings, RolloutPrompts};
use super::sampling::Sampling;
use super::stage::PolicyGradient;
use super::transition::TransitionBatches;
use crate::contract::demand::{check_batch, check_rollouts};
use crate::contract::{Dtype, Progress, StageContext, StageError, StageOutput};
use crate::models::batch_size::default_batch_size;
use crate::models::latent_decoder::LatentDecoder;
use crate::models::latent_shape::latent_shape;
use crate::training::training_run::TrainingRun;
use crate::training::{LossCurve, adapter_training};

/// Iterations over which reported numbers are averaged.
const RECENT: usize = 20;

impl PolicyGradient {
    pub(super) fn train(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        let prompts = RolloutPrompts::read(context)?;
        let device = context.device()?;
        let model = self.model.load(context, Dtype::F32)?;
        let shape = latent_shape(
            &model.denoiser_shape(),
            &model.vae_config,
            self.config.height,
            self.config.width,
        )?;
        let rollouts = self.config.rollouts_per_iteration.get() as usize;
        check_rollouts(rollouts, self.config.sampler.steps, shape)?;
        let size = model.image_size(shape);
        let texts = prompts.texts.iter().map(String::as_str);
        self.source.check(texts, [size.height, size.width])?;
        let sample_batch = self.sample_batch(shape, &model.denoiser_shape())?;
        let steps = self.steps(&model.scheduler_config)?;
        let encodings = Encodings::of(&prompts, &model, shape, device)?;
        tell_truncated(encodings.truncated, context.progress());
        let (network, vae, vae_config) = (model.network, model.vae, model.vae_config);
        // Nothing is encoded any more, and they take much memory.
        drop((model.text_encoder, model.second_text_encoder));
        let network = adapter_training::prepare(context, &self.adapter_config(), network)?;
        let guidance = GuidedPrediction::new(encodings.unconditional.clone(), self.config.sampler.guidance);
        let batches = TransitionBatches {
            steps: &steps,
            encodings: &encodings,
            latent_shape: shape,
            device: device.clone().autodiff(),
        };
        let sampling = Sampling {
            context,
            prompts: &prompts,
            encodings: &encodings,
            steps: &steps,
            guidance: guidance.clone(),
            formulation: self.objective.formulation(),
            seed: self.seed(),
            rollouts_per_iteration: self.rollouts_per_iteration(),
            samples_per_prompt: u64::from(self.config.samples_per_prompt.get()),
            decoder: LatentDecoder {
                vae: &vae,
                vae_config: &vae_config,
                device,
                shape,
                batch_size: sample_batch,
            },
            judge: self.source.open(context)?,
        };
        let output = match self.objective {
            ObjectiveSettings::Dpok(settings) => {
                let objective = DpokPolicy {
                    loss: settings.loss,
                    guidance: guidance.clone().autodiff(),
                };
                let policy = self.policy(network, objective)?;
                let seeds = [self.seed(), self.config.init_seed.unwrap_or_default()];
                let learner = DpokLearner::new(context, settings, &batches, policy, seeds)
                    .map_err(StageError::failed)?;
                self.iterate(&sampling, learner)?
            }
            ObjectiveSettings::Ddpo(settings) => {
                let objective = DdpoPolicy {
                    loss: settings.loss,
                    formulation: settings.formulation,
                    guidance: guidance.clone().autodiff(),
                };
                let policy = self.policy(network, objective)?;
                let learner = DdpoLearner::new(context, settings, &batches, policy, self.seed());
                self.iterate(&sampling, learner)?
            }
        };
        let output = self.with_costs(output, guidance.evaluations(), &steps);
        Ok(output
            .with_metric("prompts", prompts.texts.len())
            .with_metric("truncated_prompts", encodings.truncated))
    }

    /// Goes through all iterations, and keeps what was learnt.
    fn iterate<L: Learner>(&self, sampling: &Sampling<'_>, learner: L) -> Result<StageOutput, StageError> {
        let context = sampling.context;
        let mut iterations = Iterations {
            sampling,
            learner,
            curves: self.objective.curves(),
            done: 0,
        };
        let run = TrainingRun {
            context,
            steps: self.config.iterations,
            checkpoint_every: self.config.checkpoint_every,
        };
        let curve = run.complete_all(&mut iterations)?;
        let trained = iterations.learner.network();
        let mut output = adapter_training::store(context, trained)?;
        output.outputs.insert("losses".to_owned(), curve.put(context)?);
        Ok(with_results(output, &curve))
    }

    fn policy<O>(
        &self,
        network: DenoisingNetwork,
        objective: O,
    ) -> Result<ObjectiveTrainer<DenoisingNetwork, O>, StageError>
    where
        O: Objective<DenoisingNetwork>,
    {
        ObjectiveTrainer::new(network, objective, self.trainer_settings()).map_err(StageError::failed)
    }

    fn steps(&self, scheduler: &SchedulerConfig) -> Result<RolloutSteps, StageError> {
        let sampler = self.config.sampler;
        RolloutSteps::new(scheduler, sampler.steps, sampler.eta).map_err(|error| match error {
            RolloutError::Steps(_) | RolloutError::Limited | RolloutError::Deterministic { .. } => {
                StageError::configuration(error)
            }
            error => StageError::failed(error),
        })
    }

    /// Rollouts that are made together, which must go through the denoiser with and without the prompt.
    fn sample_batch(&self, shape: [usize; 3], denoiser: &DenoiserShape) -> Result<usize, StageError> {
        let default = || default_batch_size(shape.iter().product());
        let batch = self.config.sample_batch.unwrap_or_else(default).max(1);
        check_batch(2 * batch, shape, denoiser)?;
        Ok(batch)
    }

    fn rollouts_per_iteration(&self) -> u64 {
        u64::from(self.config.rollouts_per_iteration.get())
    }

    /// Adds what the training cost; each evaluation is one latent in one pass of the denoiser.
    fn with_costs(&self, output: StageOutput, passes: u64, steps: &RolloutSteps) -> StageOutput {
        let rollouts = self.rollouts_per_iteration();
        let (updates, learnt, compared) = match self.objective {
            ObjectiveSettings::Dpok(settings) => {
                let learnt = settings.policy_steps * settings.batch_size as u64;
                (settings.policy_steps, learnt, learnt)
            }
            ObjectiveSettings::Ddpo(settings) => {
                let updates = settings.epochs * (rollouts / settings.batch_size.max(1) as u64);
                let learnt = settings.epochs * rollouts * steps.choices().len() as u64;
                (updates, learnt, 0)
            }
        };
        let sampled = rollouts * steps.count() as u64;
        let all = |each: u64| each * self.config.iterations;
        output
            .with_metric("iterations", self.config.iterations)
            .with_metric("samples", all(rollouts))
            .with_metric("updates", all(updates))
            .with_metric(
                "denoiser_evaluations",
                all((sampled + learnt + compared) * passes),
            )
            .with_metric("gradient_evaluations", all(learnt * passes))
    }
}

/// Adds what came of the training: means over the last iterations, and the mean reward at both ends, over as many
/// iterations.
fn with_results(output: StageOutput, curve: &LossCurve) -> StageOutput {
    let rewards = curve.reported("reward").unwrap_or_default();
    let count = RECENT.min(rewards.len().div_ceil(2));
    let mean = |rewards: &[f64]| rewards.iter().sum::<f64>() / rewards.len().max(1) as f64;
    let mut output = output
        .with_metric("loss", curve.recent_loss(RECENT))
        .with_metric("reward_at_start", mean(&rewards[..count]))
        .with_metric("reward_at_end", mean(&rewards[rewards.len() - count..]));
    for (name, value) in curve.recent_reported(RECENT) {
        output = output.with_metric(name, value);
    }
    output
}

fn tell_truncated(prompts: usize, progress: &dyn Progress) {
    if prompts > 0 {
        progress.message(&format!(
            "{prompts} prompts are too long; the model does not see their ends"
        ));
    }
}

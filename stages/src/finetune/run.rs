//! The computation of the stage.

use burn::tensor::Device;
use mitune_diffusion::conditioning::Conditioning;
use mitune_diffusion::denoiser::DenoiserShape;
use mitune_diffusion::model::DenoisingNetwork;
use mitune_diffusion::scheduler::SchedulerConfig;
use mitune_diffusion::training::objectives::{
    DiffusionDpo, DiffusionRpo, FDivergenceDpo, Gors, HardNegatives, SupervisedFineTuning,
};
use mitune_diffusion::training::{Denoising, Draws, Objective};

use super::batches::Noising;
use super::buckets::Buckets;
use super::examples::{Example, Examples, contrasts, featured_pairs, images, pairs, weighted_images};
use super::network::{BothNetworks, PromptTokens};
use super::objective::ObjectiveConfig;
use super::ports::{CONTRASTS_PORT, FEATURES_PORT, JOINT_PORT, PAIRS_PORT, SELECTION_PORT, WEIGHTS_PORT};
use super::stage::Finetune;
use super::training::TrainingData;
use super::walk::Walk;
use crate::contract::demand::check_batch;
use crate::contract::{Dtype, StageContext, StageError, StageOutput};
use crate::training::LossCurve;

/// Updates over which the reported loss is averaged.
const RECENT: usize = 20;

impl Finetune {
    /// Reads what the objective is trained on, and trains.
    pub(super) fn finetune(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        let store = context.store();
        let read_pairs = || pairs::read(store, context.inputs(PAIRS_PORT));
        match self.config.objective {
            ObjectiveConfig::Denoising {} => {
                let mut selections = vec![context.input(SELECTION_PORT)?];
                selections.extend(context.inputs(JOINT_PORT));
                self.train(context, Denoising, &images::read(store, &selections)?)
            }
            ObjectiveConfig::Sft {} => self.train(context, SupervisedFineTuning, &read_pairs()?),
            ObjectiveConfig::Gors {} => {
                let images = weighted_images::read(store, context.inputs(WEIGHTS_PORT))?;
                self.train(context, Gors, &images)
            }
            ObjectiveConfig::Dpo { beta } => self.train(context, DiffusionDpo { beta }, &read_pairs()?),
            ObjectiveConfig::FDpo {
                divergence,
                alpha,
                beta,
                scale,
            } => {
                let objective = FDivergenceDpo {
                    divergence: divergence.divergence(alpha),
                    beta,
                    scale,
                };
                self.train(context, objective, &read_pairs()?)
            }
            ObjectiveConfig::Rpo { beta, tau, weight } => {
                let features = context.inputs(FEATURES_PORT);
                let pairs = featured_pairs::read(store, context.inputs(PAIRS_PORT), features)?;
                self.train(context, DiffusionRpo { beta, tau, weight }, &pairs)
            }
            ObjectiveConfig::HnItm {
                cap,
                negative,
                formulation,
            } => {
                let objective = HardNegatives {
                    cap,
                    negative,
                    formulation,
                };
                let contrasts = contrasts::read(store, context.inputs(CONTRASTS_PORT))?;
                self.train(context, objective, &contrasts)
            }
        }
    }

    fn train<E, O>(
        &self,
        context: &StageContext<'_>,
        objective: O,
        examples: &Examples<E>,
    ) -> Result<StageOutput, StageError>
    where
        E: Example,
        O: Objective<DenoisingNetwork, Batch = E::Batch<Conditioning>>
            + Objective<BothNetworks, Batch = E::Batch<PromptTokens>>,
    {
        let model = self.model.load(context, Dtype::F32)?;
        let walk = self.walk(examples);
        self.check_latents(examples, walk.buckets(), &model.denoiser_shape())?;
        let noising = self.noising(&model.scheduler_config, context.device()?.clone().autodiff())?;
        let data = TrainingData {
            examples,
            walk: &walk,
            noising: &noising,
        };
        let (output, curve) = match self.config.text_encoder {
            None => self.train_denoiser(context, objective, data, model)?,
            Some(settings) => self.train_both(context, objective, data, (model, settings))?,
        };
        let mut output = with_metrics_of(examples, walk.buckets(), output);
        output.outputs.insert("losses".to_owned(), curve.put(context)?);
        Ok(self.with_metrics_of_training(&curve, examples.items.len(), output))
    }

    fn walk<E: Example>(&self, examples: &Examples<E>) -> Walk {
        let buckets = Buckets::of(examples.items.iter().map(E::shape));
        let seed = self.config.seed.unwrap_or_default();
        Walk::new(buckets, seed, self.config.effective_micro_batch())
    }

    fn check_latents<E: Example>(
        &self,
        examples: &Examples<E>,
        buckets: &Buckets,
        denoiser: &DenoiserShape,
    ) -> Result<(), StageError> {
        examples
            .check_channels(denoiser.latent_channels)
            .map_err(StageError::configuration)?;
        let together = self.config.effective_micro_batch().get() as usize;
        let mut shapes = buckets.shapes().iter();
        shapes.try_for_each(|shape| check_batch(together, *shape, denoiser))
    }

    fn noising(&self, scheduler: &SchedulerConfig, device: Device) -> Result<Noising, StageError> {
        let schedule = scheduler.schedule().map_err(StageError::configuration)?;
        Ok(Noising {
            draws: Draws::new(self.config.seed.unwrap_or_default()),
            timesteps: Noising::timesteps(self.config.timesteps, &schedule)
                .map_err(StageError::configuration)?,
            caption_dropout: self.config.caption_dropout,
            schedule,
            prediction: scheduler.prediction_type,
            device,
        })
    }

    fn with_metrics_of_training(
        &self,
        curve: &LossCurve,
        examples: usize,
        output: StageOutput,
    ) -> StageOutput {
        let seen = self.config.steps * u64::from(self.config.batch_size.get());
        let evaluations = self.config.objective.evaluations();
        let output = output
            .with_metric("passes", seen as f64 / examples as f64)
            .with_metric("steps", self.config.steps)
            .with_metric("denoiser_evaluations", seen * evaluations.all)
            .with_metric("gradient_evaluations", seen * evaluations.with_gradient)
            .with_metric("loss", curve.recent_loss(RECENT));
        let reported = curve.recent_reported(RECENT).into_iter();
        reported.fold(output, |output, (name, mean)| output.with_metric(name, mean))
    }
}

fn with_metrics_of<E: Example>(
    examples: &Examples<E>,
    buckets: &Buckets,
    output: StageOutput,
) -> StageOutput {
    let output = output
        .with_metric("examples", examples.items.len())
        .with_metric("prompts", examples.prompts.len())
        .with_metric("latent_shapes", buckets.shapes().len());
    let own = E::metrics(&examples.items).into_iter();
    own.fold(output, |output, (name, value)| output.with_metric(name, value))
}

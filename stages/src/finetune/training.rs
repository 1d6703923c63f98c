//! Training the networks that the settings name.

use burn::module::Module;
use mitune_diffusion::conditioning::Conditioning;
use mitune_diffusion::model::{DenoisingNetwork, DiffusionModel};
use mitune_diffusion::training::{Objective, ObjectiveTrainer, Trainer, is_of_text_encoder};

use super::batches::{Batches, Noising};
use super::contexts::Contexts;
use super::examples::{Example, Examples};
use super::method::TextEncoderConfig;
use super::network::{BothNetworks, PromptTokens};
use super::prompt_rows::PromptRows;
use super::stage::Finetune;
use super::walk::Walk;
use crate::contract::{Progress, StageContext, StageError, StageOutput};
use crate::training::LossCurve;
use crate::training::training_run::TrainingRun;

/// A text encoder is to be trained where there are two.
#[derive(Debug, thiserror::Error)]
#[error(
    "Setting `text_encoder` is for models of one text encoder, and this one has two, as Stable Diffusion XL has: leave \
     it out"
)]
struct TwoTextEncoders;

/// What a training takes its batches from.
pub(super) struct TrainingData<'a, E> {
    pub(super) examples: &'a Examples<E>,
    pub(super) walk: &'a Walk,
    pub(super) noising: &'a Noising,
}

impl<E: Example> TrainingData<'_, E> {
    /// Makes what the network is told of the prompts.
    fn encode<C: PromptRows>(
        &self,
        context: &StageContext<'_>,
        model: &DiffusionModel,
    ) -> Result<Contexts<C>, StageError> {
        let contexts = Contexts::encode(self.examples, self.walk.buckets(), model, context.device()?)?;
        tell_truncated(contexts.truncated, context.progress());
        Ok(contexts)
    }
}

impl Finetune {
    /// Trains the denoiser and keeps what was trained.
    pub(super) fn train_denoiser<E, O>(
        &self,
        context: &StageContext<'_>,
        objective: O,
        data: TrainingData<'_, E>,
        model: DiffusionModel,
    ) -> Result<(StageOutput, LossCurve), StageError>
    where
        E: Example,
        O: Objective<DenoisingNetwork, Batch = E::Batch<Conditioning>>,
    {
        let contexts: Contexts<Conditioning> = data.encode(context, &model)?;
        let network = model.network;
        // Training needs none of them, and they take as much memory as the denoiser.
        drop((model.vae, model.text_encoder, model.second_text_encoder));
        let network = self.prepare(context, network)?;
        let shapes = network.clone();
        // Dropped when the training begins, for a clone would hold on to the weights of the start.
        let change = move |trainer: Trainer<DenoisingNetwork>| {
            trainer.with_stored_shapes(|name, shape| shapes.stored_shape(name, shape))
        };
        let (trainer, curve) = self.complete(context, (network, objective), data, &contexts, change)?;
        let output = self.store(context, trainer.trainer().module())?;
        Ok((output.with_metric("truncated_prompts", contexts.truncated), curve))
    }

    /// Trains the denoiser together with the text encoder.
    pub(super) fn train_both<E, O>(
        &self,
        context: &StageContext<'_>,
        objective: O,
        data: TrainingData<'_, E>,
        (model, settings): (DiffusionModel, TextEncoderConfig),
    ) -> Result<(StageOutput, LossCurve), StageError>
    where
        E: Example,
        O: Objective<BothNetworks, Batch = E::Batch<PromptTokens>>,
    {
        if model.second_text_encoder.is_some() {
            return Err(StageError::configuration(TwoTextEncoders));
        }
        let contexts: Contexts<PromptTokens> = data.encode(context, &model)?;
        let (denoiser, text_encoder) = (model.network, model.text_encoder);
        drop(model.vae);
        let networks = self.prepare_both(context, denoiser, text_encoder)?;
        let shapes = networks.denoiser.clone();
        let share = settings.learning_rate / self.config.learning_rate;
        let change = move |trainer: Trainer<BothNetworks>| {
            trainer
                .with_stored_shapes(|name, shape| shapes.stored_shape(name, shape))
                .with_rate_factors(|name| if is_of_text_encoder(name) { share } else { 1.0 })
        };
        let (trainer, curve) = self.complete(context, (networks, objective), data, &contexts, change)?;
        let output = self.store_both(context, trainer.trainer().module())?;
        Ok((output.with_metric("truncated_prompts", contexts.truncated), curve))
    }

    /// Trains to the end, from the newest checkpoint if there is one.
    fn complete<M, E, O, C>(
        &self,
        context: &StageContext<'_>,
        (network, objective): (M, O),
        data: TrainingData<'_, E>,
        contexts: &Contexts<C>,
        change: impl FnOnce(Trainer<M>) -> Trainer<M>,
    ) -> Result<(ObjectiveTrainer<M, O>, LossCurve), StageError>
    where
        M: Module,
        E: Example,
        C: PromptRows,
        O: Objective<M, Batch = E::Batch<C>>,
    {
        let batches = Batches {
            examples: data.examples,
            contexts,
            walk: data.walk,
            noising: data.noising,
            batch_size: u64::from(self.config.batch_size.get()),
        };
        let trainer = ObjectiveTrainer::new(network, objective, self.trainer_settings());
        let mut trainer = trainer.map_err(StageError::failed)?.map_trainer(change);
        let run = TrainingRun {
            context,
            steps: self.config.steps,
            checkpoint_every: self.config.checkpoint_every,
        };
        let curve = run.complete(&mut trainer, |step| batches.of_update(step))?;
        Ok((trainer, curve))
    }
}

fn tell_truncated(prompts: usize, progress: &dyn Progress) {
    if prompts > 0 {
        progress.message(&format!(
            "{prompts} prompts are too long; the model does not see their ends"
        ));
    }
}

//! The computation of the stage.

use std::collections::BTreeSet;

use mitune_diffusion::adapter::{AdapterConfig, AdapterMethod, SavedAdapter, attach, detach};
use mitune_diffusion::conditioning::Conditioning;
use mitune_diffusion::model::DenoisingNetwork;
use mitune_diffusion::training::{ConditionedBatch, Denoising, Draws, ObjectiveTrainer, train_adapters};

use super::examples::{Batches, Contexts, Examples};
use super::stage::{Finetune, JOINT_PORT};
use crate::adapters::stored_adapter;
use crate::contract::demand::check_batch;
use crate::contract::{ADAPTER_PORT, Dtype, StageContext, StageError, StageOutput};
use crate::training::training_run::TrainingRun;

/// Updates over which the reported loss is averaged.
const RECENT: usize = 20;

/// The adapter to go on from is not of the kind that the settings ask for.
#[derive(Debug, thiserror::Error)]
enum OtherAdapter {
    #[error("The adapter to go on from has `{setting}` {found}, the settings say {expected}")]
    Setting {
        setting: &'static str,
        found: String,
        expected: String,
    },
    #[error(
        "The adapter to go on from changes {found} layers, the `targets` of the settings {expected}; `{layer}` is in one \
         of them only"
    )]
    Layers {
        layer: String,
        found: usize,
        expected: usize,
    },
}

impl Finetune {
    pub(super) fn finetune(&self, context: &StageContext<'_>) -> Result<StageOutput, StageError> {
        let mut selections = vec![context.input("selection")?];
        selections.extend(context.inputs(JOINT_PORT));
        let examples = Examples::read(context.store(), &selections)?;
        let device = context.device()?;
        let model = self.model.load(context, Dtype::F32)?;
        examples
            .check_channels(model.denoiser_shape().latent_channels)
            .map_err(StageError::configuration)?;
        let together = self.config.effective_micro_batch().get() as usize;
        check_batch(together, examples.shape(), &model.denoiser_shape())?;
        let contexts = Contexts::encode(&examples, &model, device)?;
        if contexts.truncated > 0 {
            let prompts = contexts.truncated;
            context.progress().message(&format!(
                "{prompts} prompts are too long; the model does not see their ends"
            ));
        }
        let (mut network, scheduler) = (model.network, model.scheduler_config);
        // Training needs none of them, and they take as much memory as the denoiser.
        drop((model.vae, model.text_encoder, model.second_text_encoder));
        self.adapt(context, &mut network)?;
        let schedule = scheduler.schedule().map_err(StageError::configuration)?;
        let batches = Batches {
            timesteps: Batches::timesteps(self.config.timesteps, &schedule)
                .map_err(StageError::configuration)?,
            schedule,
            examples: &examples,
            contexts: &contexts,
            draws: Draws::new(self.config.seed.unwrap_or_default()),
            caption_dropout: self.config.caption_dropout,
            prediction: scheduler.prediction_type,
            device: device.clone().autodiff(),
        };
        let network = train_adapters(network);
        let mut trainer =
            ObjectiveTrainer::new(network, Denoising, self.trainer_settings()).map_err(StageError::failed)?;
        let run = TrainingRun {
            context,
            steps: self.config.steps,
            checkpoint_every: self.config.checkpoint_every,
        };
        let curve = run.complete(&mut trainer, |step| self.micro_batches(step, &batches))?;
        let trained = trainer.trainer().module();
        let saved = SavedAdapter::extract(trained)
            .map_err(StageError::failed)?
            .with_stored_shapes(|name, shape| trained.stored_shape(name, shape));
        let mut output = StageOutput::one("adapter", stored_adapter::put(context, &saved)?);
        output.outputs.insert("losses".to_owned(), curve.put(context)?);
        let seen = self.config.steps as f64 * f64::from(self.config.batch_size.get());
        Ok(output
            .with_metric("examples", examples.len())
            .with_metric("prompts", examples.prompts())
            .with_metric("truncated_prompts", contexts.truncated)
            .with_metric("passes", seen / examples.len() as f64)
            .with_metric("steps", self.config.steps)
            .with_metric("adapted_layers", saved.layers.len())
            .with_metric("trained_numbers", trained_numbers(&saved))
            .with_metric("loss", curve.recent_loss(RECENT)))
    }

    /// The micro-batches of update number `step`, from the examples at its positions.
    fn micro_batches<'a>(
        &self,
        step: u64,
        batches: &'a Batches<'a>,
    ) -> impl Iterator<Item = ConditionedBatch<Conditioning>> + use<'a> {
        let batch_size = u64::from(self.config.batch_size.get());
        let micro_batch = self
            .config
            .micro_batch
            .map_or(batch_size, |size| u64::from(size.get()));
        let first = step * batch_size;
        let starts = (first..first + batch_size).step_by(micro_batch as usize);
        starts.map(move |start| batches.batch(start..start + micro_batch))
    }

    /// Puts the adapter to start from on the denoiser.
    fn adapt(&self, context: &StageContext<'_>, network: &mut DenoisingNetwork) -> Result<(), StageError> {
        let config = self.adapter_config();
        let layers = attach(network, &config).map_err(StageError::configuration)?;
        let Some(artifact) = context.optional_input(ADAPTER_PORT) else {
            return Ok(());
        };
        let saved = stored_adapter::read(context, artifact)?;
        agree(&saved, &config, &layers).map_err(StageError::configuration)?;
        detach(network);
        saved.attach(network).map_err(StageError::configuration)
    }
}

/// Checks that a saved adapter is what a fresh one would be, but for its values.
fn agree(saved: &SavedAdapter, config: &AdapterConfig, layers: &[String]) -> Result<(), OtherAdapter> {
    let word = |method| {
        if method == AdapterMethod::Dora {
            "dora"
        } else {
            "lora"
        }
    };
    let settings = [
        (
            "method",
            word(saved.method).to_owned(),
            word(config.method).to_owned(),
        ),
        ("rank", shared(saved.rank()), config.rank.to_string()),
        ("alpha", shared(saved.alpha()), config.alpha.to_string()),
    ];
    if let Some((setting, found, expected)) = settings
        .into_iter()
        .find(|(_, found, expected)| found != expected)
    {
        return Err(OtherAdapter::Setting {
            setting,
            found,
            expected,
        });
    }
    let expected: BTreeSet<&String> = layers.iter().collect();
    let found: BTreeSet<&String> = saved.layers.keys().collect();
    match expected.symmetric_difference(&found).next() {
        None => Ok(()),
        Some(layer) => Err(OtherAdapter::Layers {
            layer: (*layer).clone(),
            found: found.len(),
            expected: expected.len(),
        }),
    }
}

fn shared(value: Option<impl ToString>) -> String {
    value.map_or_else(
        || "of its own in every layer".to_owned(),
        |value| value.to_string(),
    )
}

fn trained_numbers(adapter: &SavedAdapter) -> usize {
    let numbers = adapter
        .layers
        .values()
        .map(|layer| layer.lora_a.len() + layer.lora_b.len() + layer.magnitude.as_ref().map_or(0, Vec::len));
    numbers.sum()
}

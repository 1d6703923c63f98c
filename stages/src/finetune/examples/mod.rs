//! What a fine-tuning is trained on, one file for each kind of example.

pub(super) mod contrasts;
pub(super) mod featured_pairs;
pub(super) mod images;
pub(super) mod pairs;
mod prompts;
pub(super) mod weighted_images;

use serde_json::Value;

use super::batches::DrawnBatch;
use super::prompt_rows::PromptRows;
pub(super) use prompts::Prompts;

/// What a loss is computed on, before it is noised.
pub(super) trait Example: Sized {
    /// What examples of one shape become, with what the network is told of their prompts.
    type Batch<C>;

    /// Channels, height and width of its latents.
    fn shape(&self) -> [usize; 3];

    /// The places of the prompts it is trained with.
    fn prompts(&self) -> Vec<usize>;

    /// Noises the examples of a micro-batch, all of one shape, and tells each its prompt.
    fn batch<C: PromptRows>(chosen: &[&Self], drawn: &DrawnBatch<'_, C>) -> Self::Batch<C>;

    /// Numbers about all examples, for the record of the training.
    fn metrics(_: &[Self]) -> Vec<(&'static str, Value)> {
        Vec::new()
    }
}

/// All examples of a training.
pub(super) struct Examples<E> {
    /// In the order of their tables; what is in two of them counts twice.
    pub(super) items: Vec<E>,
    pub(super) prompts: Prompts,
}

/// Examples that cannot be trained on.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExamplesError {
    #[error("The selection is empty")]
    Empty,
    #[error("Latents have {found} channels, the model takes {expected}")]
    Channels { found: usize, expected: usize },
    #[error("Setting `timesteps` ends at {last}, the model's schedule at {end}")]
    Timesteps { last: usize, end: usize },
}

impl<E: Example> Examples<E> {
    /// Checks that the latents have the channels of the model.
    pub(super) fn check_channels(&self, expected: usize) -> Result<(), ExamplesError> {
        let mut channels = self.items.iter().map(|example| example.shape()[0]);
        match channels.find(|found| *found != expected) {
            Some(found) => Err(ExamplesError::Channels { found, expected }),
            None => Ok(()),
        }
    }
}

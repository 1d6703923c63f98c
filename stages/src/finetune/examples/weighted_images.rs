//! Images that count more or less.

use mitune_diffusion::training::WeightedBatch;
use mitune_store::{Artifact, Store};
use serde_json::Value;

use super::images::CaptionedImage;
use super::{Example, Examples, Prompts};
use crate::contract::StageError;
use crate::finetune::batches::DrawnBatch;
use crate::finetune::prompt_rows::PromptRows;
use crate::tables::weights::{CandidateWeightsError, read_weights};

/// An image with how much it counts.
pub(in crate::finetune) struct WeightedImage {
    image: CaptionedImage,
    weight: f64,
}

/// Reads the union of tables of weights, in their order; what is in two of them counts twice.
///
/// A table in which nothing counts adds nothing, if another one does.
pub(in crate::finetune) fn read(
    store: &Store,
    tables: &[Artifact],
) -> Result<Examples<WeightedImage>, StageError> {
    let mut items = Vec::new();
    let mut prompts = Prompts::default();
    for table in tables {
        let candidates = match read_weights(store, table) {
            Ok(candidates) => candidates,
            Err(CandidateWeightsError::Nothing) => continue,
            Err(CandidateWeightsError::Store(error)) => return Err(StageError::Store(error)),
            Err(error) => return Err(StageError::failed(error)),
        };
        items.extend(candidates.into_iter().map(|candidate| WeightedImage {
            image: CaptionedImage {
                prompt: prompts.place(&candidate.prompt),
                latent: candidate.latent,
            },
            weight: candidate.weight,
        }));
    }
    match items.is_empty() {
        true => Err(StageError::configuration(CandidateWeightsError::Nothing)),
        false => Ok(Examples { items, prompts }),
    }
}

impl Example for WeightedImage {
    type Batch<C> = WeightedBatch<C>;

    fn shape(&self) -> [usize; 3] {
        self.image.shape()
    }

    fn prompts(&self) -> Vec<usize> {
        self.image.prompts()
    }

    fn batch<C: PromptRows>(chosen: &[&Self], drawn: &DrawnBatch<'_, C>) -> Self::Batch<C> {
        WeightedBatch {
            items: CaptionedImage::noised(chosen.iter().map(|example| &example.image), drawn),
            weights: drawn.numbers(chosen.iter().map(|example| example.weight)),
        }
    }

    fn metrics(examples: &[Self]) -> Vec<(&'static str, Value)> {
        let sum: f64 = examples.iter().map(|example| example.weight).sum();
        vec![("mean_weight", Value::from(sum / examples.len() as f64))]
    }
}

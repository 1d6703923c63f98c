//! What the network is told of the prompts.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::Device;
use mitune_diffusion::model::DiffusionModel;

use super::buckets::Buckets;
use super::examples::{Example, Examples, Prompts};
use super::prompt_rows::{EncodedRows, PromptRows};
use crate::contract::StageError;

/// Prompts that are encoded together.
const ENCODED_TOGETHER: usize = 16;

/// Encoded prompts, on the device; for each bucket, because some models are told the size of the image.
pub(super) struct Contexts<C> {
    buckets: Vec<BucketContexts<C>>,
    /// Prompts whose end was cut off.
    pub(super) truncated: usize,
}

/// The prompts of the examples of one shape.
pub(super) struct BucketContexts<C> {
    /// One row each, by the prompt's place.
    prompts: BTreeMap<usize, C>,
    empty: C,
}

impl<C: PromptRows> Contexts<C> {
    /// Encodes every prompt for every size of image that has it.
    pub(super) fn encode<E: Example>(
        examples: &Examples<E>,
        buckets: &Buckets,
        model: &DiffusionModel,
        device: &Device,
    ) -> Result<Self, StageError> {
        let mut contexts = Vec::with_capacity(buckets.shapes().len());
        let mut truncated = BTreeSet::new();
        for (bucket, shape) in buckets.shapes().iter().enumerate() {
            let members = examples.items.iter().enumerate();
            let members = members.filter(|(example, _)| buckets.bucket_of(*example) == bucket);
            let places: BTreeSet<usize> = members.flat_map(|(_, example)| example.prompts()).collect();
            let places: Vec<usize> = places.into_iter().collect();
            contexts.push(BucketContexts::encode(
                (&examples.prompts, &places),
                *shape,
                (model, device),
                &mut truncated,
            )?);
        }
        Ok(Self {
            buckets: contexts,
            truncated: truncated.len(),
        })
    }

    /// Those of a bucket.
    pub(super) fn of_bucket(&self, bucket: usize) -> &BucketContexts<C> {
        &self.buckets[bucket]
    }
}

impl<C: PromptRows> BucketContexts<C> {
    fn encode(
        (prompts, places): (&Prompts, &[usize]),
        shape: [usize; 3],
        (model, device): (&DiffusionModel, &Device),
        truncated: &mut BTreeSet<usize>,
    ) -> Result<Self, StageError> {
        let size = model.image_size(shape);
        let mut contexts = Self {
            prompts: BTreeMap::new(),
            empty: C::of_empty(model, size, device).map_err(StageError::failed)?,
        };
        for places in places.chunks(ENCODED_TOGETHER) {
            let texts: Vec<&str> = places.iter().map(|place| prompts.text(*place)).collect();
            let EncodedRows { rows, truncated: cut } =
                C::of_prompts(model, &texts, size, device).map_err(StageError::failed)?;
            for (row, place) in places.iter().enumerate() {
                contexts.prompts.insert(*place, rows.row(row));
                if cut[row] {
                    truncated.insert(*place);
                }
            }
        }
        Ok(contexts)
    }

    /// What the network is told of a prompt, or of the empty one in its place.
    pub(super) fn of(&self, place: usize, dropped: bool) -> C {
        match dropped {
            true => self.empty.clone(),
            false => self.prompts[&place].clone(),
        }
    }
}

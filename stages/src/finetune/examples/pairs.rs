//! Pairs of a preferred and a rejected image of a prompt.

use mitune_diffusion::training::PairBatch;
use mitune_store::{Artifact, Store};
use serde_json::Value;

use super::{Example, Examples, Prompts};
use crate::contract::StageError;
use crate::finetune::batches::DrawnBatch;
use crate::finetune::prompt_rows::PromptRows;
use crate::tables::latent_rows::Latent;
use crate::tables::pairs::{Pair, PairsError, read_pairs};

/// A pair of images of one prompt and shape.
pub(in crate::finetune) struct ImagePair {
    /// The prompt's place.
    prompt: usize,
    preferred: Latent,
    rejected: Latent,
}

/// Reads the union of tables of pairs, in their order; what is in two of them counts twice.
pub(in crate::finetune) fn read(
    store: &Store,
    tables: &[Artifact],
) -> Result<Examples<ImagePair>, StageError> {
    let mut prompts = Prompts::default();
    let rows = read_rows(store, tables)?.into_iter();
    let items = rows.map(|row| ImagePair::of(row, &mut prompts)).collect();
    Ok(Examples { items, prompts })
}

/// Reads the rows of all tables. A table without pairs adds none, if another one has some.
pub(super) fn read_rows(store: &Store, tables: &[Artifact]) -> Result<Vec<Pair>, StageError> {
    let mut rows = Vec::new();
    for table in tables {
        match read_pairs(store, table) {
            Ok(pairs) => rows.extend(pairs),
            Err(PairsError::Empty) => {}
            Err(PairsError::Store(error)) => return Err(StageError::Store(error)),
            Err(error) => return Err(StageError::failed(error)),
        }
    }
    match rows.is_empty() {
        true => Err(StageError::configuration(PairsError::Empty)),
        false => Ok(rows),
    }
}

impl ImagePair {
    /// Takes the latents of a row.
    pub(super) fn of(row: Pair, prompts: &mut Prompts) -> Self {
        Self {
            prompt: prompts.place(&row.prompt),
            preferred: row.preferred.latent,
            rejected: row.rejected.latent,
        }
    }

    /// The pairs, both images of each noised alike and told the same.
    pub(super) fn noised<'p, C: PromptRows>(
        pairs: impl Iterator<Item = &'p Self> + Clone,
        drawn: &DrawnBatch<'_, C>,
    ) -> PairBatch<C> {
        let conditioning = drawn.conditioning(pairs.clone().map(|pair| pair.prompt));
        PairBatch {
            preferred: drawn.noised(pairs.clone().map(|pair| &pair.preferred), conditioning.clone()),
            rejected: drawn.noised(pairs.map(|pair| &pair.rejected), conditioning),
        }
    }
}

impl Example for ImagePair {
    type Batch<C> = PairBatch<C>;

    fn shape(&self) -> [usize; 3] {
        self.preferred.shape
    }

    fn prompts(&self) -> Vec<usize> {
        vec![self.prompt]
    }

    fn batch<C: PromptRows>(chosen: &[&Self], drawn: &DrawnBatch<'_, C>) -> Self::Batch<C> {
        Self::noised(chosen.iter().copied(), drawn)
    }

    fn metrics(examples: &[Self]) -> Vec<(&'static str, Value)> {
        vec![("pairs", Value::from(examples.len()))]
    }
}

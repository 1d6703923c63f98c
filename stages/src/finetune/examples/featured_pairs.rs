//! Pairs with what both images look like beside their prompt.

use mitune_diffusion::training::ContrastedPairBatch;
use mitune_store::{Artifact, Store};
use serde_json::Value;

use super::pairs::{ImagePair, read_rows};
use super::{Example, Examples, Prompts};
use crate::contract::StageError;
use crate::finetune::batches::DrawnBatch;
use crate::finetune::prompt_rows::PromptRows;
use crate::tables::features::{Features, FeaturesError, read_features};

/// Lengths of features are not taken below this.
const SMALLEST_LENGTH: f64 = 1e-12;

/// A pair with the features of its images.
pub(in crate::finetune) struct FeaturedPair {
    pair: ImagePair,
    preferred: Vec<f32>,
    rejected: Vec<f32>,
}

/// Features that do not belong to the pairs.
#[derive(Debug, thiserror::Error)]
enum PairFeaturesError {
    #[error(
        "Candidate `{seed_index}` of prompt `{prompt_id}` is in `pairs` and has no features: set `features` to those of \
         the same pairs"
    )]
    Missing { prompt_id: String, seed_index: u32 },
    #[error(
        "Candidate `{seed_index}` of prompt `{prompt_id}` has different features in two tables of `features`: where pairs are \
         of the candidates of several stages, give these a `first_seed_index` each, so that no two have the same number"
    )]
    Different { prompt_id: String, seed_index: u32 },
    #[error(
        "A table of `features` has {found} numbers for an image, the first one {expected}: take one model for all"
    )]
    Width { found: usize, expected: usize },
}

/// Reads pairs as [`pairs::read`](super::pairs::read), and the features of their images from any of the other tables.
pub(in crate::finetune) fn read(
    store: &Store,
    tables: &[Artifact],
    features: &[Artifact],
) -> Result<Examples<FeaturedPair>, StageError> {
    let features = read_all(store, features)?;
    let mut prompts = Prompts::default();
    let mut items = Vec::new();
    for row in read_rows(store, tables)? {
        let of = |seed_index| fused(&features, &row.prompt_id, seed_index).map_err(StageError::configuration);
        let (preferred, rejected) = (of(row.preferred.seed_index)?, of(row.rejected.seed_index)?);
        items.push(FeaturedPair {
            pair: ImagePair::of(row, &mut prompts),
            preferred,
            rejected,
        });
    }
    Ok(Examples { items, prompts })
}

fn read_all(store: &Store, tables: &[Artifact]) -> Result<Vec<Features>, StageError> {
    let read = |table: &Artifact| match read_features(store, table) {
        Err(FeaturesError::Store(error)) => Err(StageError::Store(error)),
        read => read.map_err(StageError::failed),
    };
    let tables = tables.iter().map(read).collect::<Result<Vec<_>, StageError>>()?;
    let mut widths = tables.windows(2).map(|two| (two[1].width(), two[0].width()));
    let unequal = widths.find(|(found, expected)| found != expected);
    match unequal {
        Some((found, expected)) => Err(StageError::configuration(PairFeaturesError::Width {
            found,
            expected,
        })),
        None => Ok(tables),
    }
}

/// The directions of an image and of its prompt, one after the other: the cosine of two such is the mean of the cosines
/// of the images and of the prompts. The paper does not say how it joins them.
fn fused(tables: &[Features], prompt_id: &str, seed_index: u32) -> Result<Vec<f32>, PairFeaturesError> {
    let prompt = || prompt_id.to_owned();
    let mut found = tables.iter().filter_map(|table| table.of(prompt_id, seed_index));
    let Some((image, text)) = found.next() else {
        return Err(PairFeaturesError::Missing {
            prompt_id: prompt(),
            seed_index,
        });
    };
    match found.all(|other| other == (image, text)) {
        true => Ok([direction(image), direction(text)].concat()),
        false => Err(PairFeaturesError::Different {
            prompt_id: prompt(),
            seed_index,
        }),
    }
}

/// The features at length 1.
fn direction(features: &[f32]) -> Vec<f32> {
    let squares = features.iter().map(|value| f64::from(*value).powi(2));
    let length = squares.sum::<f64>().sqrt().max(SMALLEST_LENGTH);
    let scaled = features.iter().map(|value| (f64::from(*value) / length) as f32);
    scaled.collect()
}

impl Example for FeaturedPair {
    type Batch<C> = ContrastedPairBatch<C>;

    fn shape(&self) -> [usize; 3] {
        self.pair.shape()
    }

    fn prompts(&self) -> Vec<usize> {
        self.pair.prompts()
    }

    fn batch<C: PromptRows>(chosen: &[&Self], drawn: &DrawnBatch<'_, C>) -> Self::Batch<C> {
        ContrastedPairBatch {
            pairs: ImagePair::noised(chosen.iter().map(|example| &example.pair), drawn),
            features: [
                drawn.rows(chosen.iter().map(|example| example.preferred.as_slice())),
                drawn.rows(chosen.iter().map(|example| example.rejected.as_slice())),
            ],
        }
    }

    fn metrics(examples: &[Self]) -> Vec<(&'static str, Value)> {
        vec![("pairs", Value::from(examples.len()))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_directions_whatever_their_length() {
        assert_eq!(direction(&[3.0, 4.0]), [0.6, 0.8]);
        assert_eq!(direction(&[0.0, 0.0]), [0.0, 0.0]);
    }
}

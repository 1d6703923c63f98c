//! Which part of an image each token of a prompt stands for, by the attention of a denoiser.

use burn::tensor::Tensor;

use super::gaussian_smoothing::smoothed;
use super::map_resizing::stretched;
use super::semantic_aware::SemanticAwareSettings;
use crate::denoiser::{AttentionKind, AttentionMap, DenoiserError};
use crate::training::objectives::Formulation;

/// Keeps the mean of a map that is zero everywhere from being divided by.
const EPSILON: f64 = 1e-8;

/// Parts of images, 1 inside and 0 outside.
#[derive(Debug)]
pub(super) struct SemanticRegions {
    /// Where each token is attended to most, `[batch, tokens, height, width]`; where several are, all are.
    pub(super) tokens: Tensor<4>,
    /// Where without the prompt all other tokens together are attended to more than the start token,
    /// `[batch, 1, height, width]`.
    pub(super) foreground: Tensor<4>,
}

/// Sums over layers of what regions are made of.
struct LayerSums {
    /// Attention to each token relative to its mean over the image.
    tokens: Tensor<4>,
    /// The same of the start token and of all others together.
    start_and_rest: Tensor<4>,
}

impl SemanticRegions {
    /// Divides images of `size` by maps of both kinds, whose rows are first those without and then those with prompts.
    ///
    /// # Errors
    /// There is no layer of which both maps are there.
    pub(super) fn of(
        maps: &[AttentionMap],
        size: [usize; 2],
        settings: &SemanticAwareSettings,
    ) -> Result<Self, DenoiserError> {
        let layers = maps
            .iter()
            .filter(|map| map.kind == AttentionKind::SelfAttention)
            .filter_map(|own| Some((own, cross_attention_of(own, maps)?)))
            .map(|(own, cross)| LayerSums::of_one(own, cross, size, settings));
        let sums = layers
            .reduce(LayerSums::plus)
            .ok_or(DenoiserError::NoSuchAttention)?;
        let batch = sums.tokens.dims()[0] / 2;
        let starts = largest(sums.start_and_rest.narrow(0, 0, batch)).narrow(1, 0, 1);
        Ok(Self {
            tokens: largest(sums.tokens.narrow(0, batch, batch)),
            foreground: starts.neg().add_scalar(1.0),
        })
    }
}

impl LayerSums {
    fn of_one(
        own: &AttentionMap,
        cross: &AttentionMap,
        size: [usize; 2],
        settings: &SemanticAwareSettings,
    ) -> Self {
        let spread = spread(
            own.mean_over_heads(),
            cross.mean_over_heads(),
            settings.formulation,
        );
        let [rows, _, tokens] = spread.dims();
        let [height, width] = cross.size;
        let images = spread.swap_dims(1, 2).reshape([rows, tokens, height, width]);
        let images = smoothed(stretched(images, size), settings.smoothing);
        let start = images.clone().narrow(1, 0, 1);
        let rest = images.clone().narrow(1, 1, tokens - 1).sum_dim(1);
        Self {
            tokens: relative(images),
            start_and_rest: relative(Tensor::cat(vec![start, rest], 1)),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            tokens: self.tokens + other.tokens,
            start_and_rest: self.start_and_rest + other.start_and_rest,
        }
    }
}

/// The attention to the prompt in the block of a layer of self-attention.
fn cross_attention_of<'a>(own: &AttentionMap, maps: &'a [AttentionMap]) -> Option<&'a AttentionMap> {
    fn block(map: &AttentionMap) -> Option<&str> {
        map.layer.rsplit_once('.').map(|(block, _)| block)
    }
    maps.iter()
        .find(|map| map.kind == AttentionKind::CrossAttention && block(map) == block(own))
}

/// Lets positions that attend to each other share the tokens that they attend to, `[batch, positions, tokens]`.
///
/// The paper takes the mean of the first four powers of self-attention. The authors' code computes the second one three
/// times instead of going on.
fn spread(own: Tensor<3>, cross: Tensor<3>, formulation: Formulation) -> Tensor<3> {
    let once = own.clone().matmul(cross);
    let twice = own.clone().matmul(once.clone());
    let further = match formulation {
        Formulation::Reference => twice.mul_scalar(3.0),
        Formulation::Paper => {
            let thrice = own.clone().matmul(twice.clone());
            twice + thrice.clone() + own.matmul(thrice)
        }
    };
    (once + further).div_scalar(4.0)
}

/// Divides by the mean over positions.
fn relative(images: Tensor<4>) -> Tensor<4> {
    let mean = images.clone().mean_dim(2).mean_dim(3).add_scalar(EPSILON);
    images / mean
}

/// 1 where a channel is the largest at its position, or as large as the largest, else 0.
fn largest(images: Tensor<4>) -> Tensor<4> {
    let below = images.clone() - images.max_dim(1);
    let dtype = below.dtype();
    below.equal_scalar(0.0).float().cast(dtype)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::denoiser::AttentionPlace;

    fn tensor<const D: usize>(values: &[f32], shape: [usize; D]) -> Tensor<D> {
        Tensor::<1>::from_floats(values, &Device::flex()).reshape(shape)
    }

    fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.try_into_vec_as().unwrap()
    }

    #[test]
    fn paper_and_code_spread_by_different_powers() {
        let own = tensor(&[0.5, 0.5, 0.25, 0.75], [1, 2, 2]);
        let cross = tensor(&[1.0, 0.0], [1, 2, 1]);
        let powers = [
            [0.5_f32, 0.25],
            [0.375, 0.3125],
            [0.343_75, 0.328_125],
            [0.335_937_5, 0.332_031_25],
        ];
        for (position, _) in powers[0].iter().enumerate() {
            let power = |index: usize| powers[index][position];
            let paper = (power(0) + power(1) + power(2) + power(3)) / 4.0;
            let reference = (power(0) + 3.0 * power(1)) / 4.0;
            let both = [(Formulation::Paper, paper), (Formulation::Reference, reference)];
            for (formulation, expected) in both {
                let found = numbers(spread(own.clone(), cross.clone(), formulation))[position];
                assert!(
                    (found - expected).abs() < 1e-6,
                    "{formulation:?}: {found} {expected}"
                );
            }
        }
    }

    #[test]
    fn equal_tokens_share_their_positions() {
        let images = tensor(&[1.0, 0.0, 2.0, 1.0, 3.0, 2.0], [1, 3, 1, 2]);
        assert_eq!(numbers(largest(images)), [0.0, 0.0, 0.0, 0.0, 1.0, 1.0]);
        let images = tensor(&[1.0, 0.0, 1.0, 4.0], [1, 2, 1, 2]);
        assert_eq!(numbers(largest(images)), [1.0, 0.0, 1.0, 1.0]);
    }

    fn map(layer: &str, kind: AttentionKind, probabilities: &[f32]) -> AttentionMap {
        AttentionMap {
            layer: layer.to_owned(),
            kind,
            place: AttentionPlace::Up,
            size: [1, 2],
            probabilities: tensor(probabilities, [2, 1, 2, 2]),
        }
    }

    #[test]
    fn tokens_are_those_of_the_prompt_and_the_foreground_is_that_without_it() {
        let settings = SemanticAwareSettings {
            smoothing: 0.0,
            ..SemanticAwareSettings::default()
        };
        let still = [1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0];
        let cross = [0.9, 0.1, 0.1, 0.9, 0.4, 0.6, 0.6, 0.4];
        let maps = [
            map("up.0.attn2", AttentionKind::CrossAttention, &cross),
            map("up.1.attn1", AttentionKind::SelfAttention, &still),
            map("up.0.attn1", AttentionKind::SelfAttention, &still),
        ];
        let regions = SemanticRegions::of(&maps, [1, 2], &settings).unwrap();
        assert_eq!(numbers(regions.tokens), [0.0, 1.0, 1.0, 0.0]);
        assert_eq!(numbers(regions.foreground), [0.0, 1.0]);
        let alone = SemanticRegions::of(&maps[1..], [1, 2], &settings);
        assert_eq!(alone.err(), Some(DenoiserError::NoSuchAttention));
    }
}

//! How strongly the tokens of a prompt are attended to anywhere in an image.

use burn::tensor::{Tensor, TensorReadError, activation};

use super::gaussian_smoothing::smoothed;
use crate::denoiser::{AttentionMap, DenoiserError};

/// The factor of probabilities before the softmax over tokens, which decides how far one token stands out.
const SHARPNESS: f64 = 100.0;

/// The loss of Attend-and-Excite (arXiv 2301.13826, algorithm 1): what the worst subject lacks.
#[derive(Debug)]
pub(super) struct Neglect {
    /// `max(0, 1 - a)`, where `a` is the largest smoothed attention to the subject that has the least.
    pub(super) loss: f64,
    /// `1 - a` with its graph, `[1]`.
    pub(super) objective: Tensor<1>,
}

/// Which tokens share the attention, and which of them are looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subjects<'a> {
    /// Positions of the subjects, each inside `1..end`.
    pub(super) tokens: &'a [usize],
    /// The first position that has no part in the softmax; the start token at 0 has none either.
    pub(super) end: usize,
    /// The deviation of the smoothing.
    pub(super) smoothing: f64,
}

impl Subjects<'_> {
    /// Looks for the subject whose peak is lowest in the maps of one latent; there is at least one subject.
    ///
    /// Heads of all layers count alike. The place of the peak is looked up on the host, because the loss decides how to
    /// go on; of equal peaks the first counts.
    ///
    /// # Errors
    /// There are no maps, or the device fails.
    pub(super) fn most_neglected(&self, maps: &[AttentionMap]) -> Result<Neglect, DenoiserError> {
        let peaks = self.images(maps)?;
        let [subjects, height, width] = peaks.dims();
        let positions = height * width;
        let peaks = peaks.reshape([subjects * positions]);
        let values: Vec<f64> = peaks.clone().inner().try_into_vec_as().map_err(device_failure)?;
        let highest = values.chunks(positions).enumerate().map(|(subject, image)| {
            let (place, value) = largest(image);
            (subject * positions + place, value)
        });
        let lowest = highest.reduce(|one, other| if other.1 < one.1 { other } else { one });
        let (place, value) = lowest.ok_or(DenoiserError::NoGradient)?;
        Ok(Neglect {
            loss: (1.0 - value).max(0.0),
            objective: peaks.narrow(0, place, 1).neg().add_scalar(1.0),
        })
    }

    /// The smoothed attention to each subject, `[subjects, height, width]`.
    fn images(&self, maps: &[AttentionMap]) -> Result<Tensor<3>, DenoiserError> {
        let attention = mean_of_heads(maps).ok_or(DenoiserError::NoSuchAttention)?;
        let [height, width] = maps.first().ok_or(DenoiserError::NoSuchAttention)?.size;
        let shared = attention.narrow(1, 1, self.end - 1).mul_scalar(SHARPNESS);
        let shared = activation::softmax(shared, 1);
        let subject = |token: &usize| shared.clone().narrow(1, token - 1, 1);
        let subjects = Tensor::cat(self.tokens.iter().map(subject).collect(), 1);
        let images = subjects
            .swap_dims(0, 1)
            .reshape([self.tokens.len(), height, width]);
        Ok(smoothed(images, self.smoothing))
    }
}

/// The mean over the heads of all maps of one latent, `[positions, tokens]`.
fn mean_of_heads(maps: &[AttentionMap]) -> Option<Tensor<2>> {
    let heads: usize = maps.iter().map(|map| map.probabilities.dims()[1]).sum();
    let of_one = |map: &AttentionMap| {
        let [_, _, positions, tokens] = map.probabilities.dims();
        map.probabilities.clone().sum_dim(1).reshape([positions, tokens])
    };
    let sum = maps.iter().map(of_one).reduce(|sum, one| sum + one)?;
    Some(sum.div_scalar(heads as f64))
}

/// The first of the largest values and its place.
fn largest(values: &[f64]) -> (usize, f64) {
    let places = values.iter().copied().enumerate();
    places.fold(
        (0, f64::NEG_INFINITY),
        |most, next| if next.1 > most.1 { next } else { most },
    )
}

fn device_failure(error: TensorReadError) -> DenoiserError {
    DenoiserError::Device {
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::denoiser::{AttentionKind, AttentionPlace};

    /// Two layers, the second with two heads, over a line of two positions and four tokens.
    fn maps() -> Vec<AttentionMap> {
        let map = |probabilities: &[f32], heads: usize| AttentionMap {
            layer: "attn2".to_owned(),
            kind: AttentionKind::CrossAttention,
            place: AttentionPlace::Middle,
            size: [1, 2],
            probabilities: Tensor::<1>::from_floats(probabilities, &Device::flex()).reshape([1, heads, 2, 4]),
        };
        let one = [0.7, 0.1, 0.1, 0.1, 0.6, 0.1, 0.2, 0.1];
        let two = [
            0.7, 0.13, 0.07, 0.1, 0.6, 0.1, 0.2, 0.1, 0.7, 0.13, 0.07, 0.1, 0.6, 0.13, 0.17, 0.1,
        ];
        vec![map(&one, 1), map(&two, 2)]
    }

    #[test]
    fn the_loss_of_maps_by_hand() {
        // Means over the three heads of tokens 1 and 2: 0.12, 0.08 and 0.11, 0.19.
        let sigmoid = |difference: f64| 1.0 / (1.0 + (-100.0 * difference).exp());
        let (first, second) = ([sigmoid(0.04), sigmoid(-0.08)], [sigmoid(-0.04), sigmoid(0.08)]);
        let loss = |tokens: &[usize], smoothing| {
            let subjects = Subjects {
                tokens,
                end: 3,
                smoothing,
            };
            let neglect = subjects.most_neglected(&maps()).unwrap();
            let objective: f64 = neglect.objective.into_scalar();
            assert!((objective - neglect.loss).abs() < 1e-6);
            neglect.loss
        };
        for (tokens, expected) in [
            (&[1][..], first[0]),
            (&[2][..], second[1]),
            (&[2, 1][..], first[0]),
        ] {
            let found = loss(tokens, 0.0);
            assert!((found - (1.0 - expected)).abs() < 1e-5, "{tokens:?}: {found}");
        }
        let [own, beside] = [0.576_116_9, 2.0 * 0.211_941_6];
        let expected = own * first[0] + beside * first[1];
        assert!((loss(&[1], 0.5) - (1.0 - expected)).abs() < 1e-5);
    }

    #[test]
    fn without_maps_there_is_nothing_to_look_at() {
        let subjects = Subjects {
            tokens: &[1],
            end: 3,
            smoothing: 0.5,
        };
        let refused = subjects.most_neglected(&[]).err();
        assert_eq!(refused, Some(DenoiserError::NoSuchAttention));
    }
}

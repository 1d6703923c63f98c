//! Semantic-aware guidance: every part of an image is guided as strongly as its foreground.

use burn::tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::classifier_free::{ClassifierFreeGuidance, in_f32};
use super::gaussian_smoothing::smoothed;
use super::map_resizing::repeated;
use super::semantic_regions::SemanticRegions;
use crate::conditioning::Conditioning;
use crate::denoiser::{
    AttentionKind, AttentionMap, AttentionRequest, Denoiser, DenoiserError, DenoiserInput, DenoiserOutput,
};
use crate::training::objectives::Formulation;

/// Keeps the size of a part that is empty from being divided by.
const EPSILON: f64 = 1e-8;

/// How the parts of an image are found and how far they are evened out. The defaults are those of the authors' code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SemanticAwareSettings {
    /// How self-attention spreads what is attended to. By default, `reference`: (S + 3 S S) / 4; the `paper` takes the
    /// mean of the first four powers of S.
    pub formulation: Formulation,
    /// The smallest factor of the guidance scale. By default, 0.8.
    pub low: f64,
    /// The largest factor of the guidance scale. By default, 3.
    pub high: f64,
    /// The largest guidance scale that a factor may lead to, which wins over `low`. By default, 15.
    pub cap: f64,
    /// The deviation of the kernel that smooths maps and factors, 0 for none. By default, 0.5.
    pub smoothing: f64,
    /// Positions of the latent to one of the finest maps that are looked at, along each side. By default, 4.
    pub finest_ratio: usize,
    /// The same of the coarsest maps; those between have twice the ratio of the next finer ones. By default, 8. Ratios
    /// that a denoiser has no attention at are left out, as 8 in Stable Diffusion XL.
    pub coarsest_ratio: usize,
}

impl Default for SemanticAwareSettings {
    fn default() -> Self {
        Self {
            formulation: Formulation::Reference,
            low: 0.8,
            high: 3.0,
            cap: 15.0,
            smoothing: 0.5,
            finest_ratio: 4,
            coarsest_ratio: 8,
        }
    }
}

/// A denoiser asked with and without the prompt, guided in each part of the image by a scale of its own
/// (Shen et al., S-CFG, arXiv 2404.05384).
///
/// It predicts `unconditional + scale rate (conditional - unconditional)`, where the rate of a part is the mean length
/// of the difference in the foreground over that in the part. It takes the place of [`ClassifierFreeGuidance`], asks as
/// often, and hands out the same [`Branches`](crate::denoiser::Branches). No gradient goes through the parts.
pub struct SemanticAwareGuidance<'a> {
    free: ClassifierFreeGuidance<'a>,
    scale: f64,
    settings: SemanticAwareSettings,
}

impl<'a> SemanticAwareGuidance<'a> {
    /// Guides away from one unconditional row; the denoiser has to hand out attention maps.
    pub fn new(
        denoiser: &'a dyn Denoiser,
        unconditional: Conditioning,
        scale: f64,
        settings: SemanticAwareSettings,
    ) -> Self {
        Self {
            free: ClassifierFreeGuidance::new(denoiser, unconditional, scale),
            scale,
            settings,
        }
    }

    /// Compares with the answer for `baseline` in the branches, as [`ClassifierFreeGuidance::comparing_with`] does.
    #[must_use]
    pub fn comparing_with(self, baseline: Conditioning) -> Self {
        Self {
            free: self.free.comparing_with(baseline),
            ..self
        }
    }

    /// The maps that parts are found by: of both kinds, in all resolutions of the settings.
    fn request(&self, latents: &Tensor<4>) -> AttentionRequest {
        let finest = self.settings.finest_ratio.max(1);
        let ratios = std::iter::successors(Some(finest), |ratio| ratio.checked_mul(2));
        let sizes: Vec<[usize; 2]> = ratios
            .take_while(|ratio| *ratio <= self.settings.coarsest_ratio.max(finest))
            .map(|ratio| attended_size(latents, ratio))
            .collect();
        AttentionRequest::of(&[AttentionKind::CrossAttention, AttentionKind::SelfAttention])
            .at(&sizes)
            .without_graph()
    }

    /// The factor of the scale at each position, `[batch, 1, height, width]`.
    fn rate(&self, maps: &[AttentionMap], difference: &Tensor<4>) -> Result<Tensor<4>, DenoiserError> {
        let ratio = self.settings.finest_ratio.max(1);
        let size = attended_size(difference, ratio);
        let regions = SemanticRegions::of(maps, size, &self.settings)?;
        let [_, _, height, width] = difference.dims();
        let everywhere = |mask: Tensor<4>| repeated(mask.cast(difference.dtype()), ratio, [height, width]);
        let lengths = difference.clone().square().sum_dim(1).sqrt();
        let tokens = everywhere(regions.tokens);
        let of_foreground = mean_inside(&lengths, &everywhere(regions.foreground));
        let of_tokens = mean_inside(&lengths, &tokens).add_scalar(EPSILON);
        // A token without a part of the image has a rate too, which its empty mask leaves out.
        let rate = (of_foreground / of_tokens * tokens).sum_dim(1);
        let rate = rate.clamp(self.settings.low, self.settings.high);
        Ok(smoothed(
            // A scale of 0 has no cap, and a cap of 0 is kept then too.
            rate.clamp_max(self.settings.cap / self.scale.abs().max(f64::MIN_POSITIVE)),
            self.settings.smoothing,
        ))
    }
}

/// Height and width of the attention with `ratio` positions of the latent to one of its own along each side.
fn attended_size(latents: &Tensor<4>, ratio: usize) -> [usize; 2] {
    let [_, _, height, width] = latents.dims();
    [height, width].map(|side| side.div_ceil(ratio))
}

/// The mean of `lengths` inside each mask, 0 where it is empty, `[batch, masks, 1, 1]`.
fn mean_inside(lengths: &Tensor<4>, masks: &Tensor<4>) -> Tensor<4> {
    let inside = (lengths.clone() * masks.clone()).sum_dim(2).sum_dim(3);
    inside / masks.clone().sum_dim(2).sum_dim(3).add_scalar(EPSILON)
}

impl Denoiser for SemanticAwareGuidance<'_> {
    /// Evaluates both branches with their attention, and guides.
    ///
    /// # Panics
    /// The prompts do not [fit](Conditioning::fits) the unconditional row.
    fn denoise(&self, input: &DenoiserInput<'_>) -> Result<DenoiserOutput, DenoiserError> {
        let batch = input.latents.dims()[0];
        let own = self.request(input.latents);
        let wanted = match input.attention_maps {
            Some(outside) => own.united(outside),
            None => own.clone(),
        };
        let output = self.free.both(&DenoiserInput {
            attention_maps: Some(&wanted),
            ..*input
        })?;
        let maps = output.attention_maps.ok_or(DenoiserError::NoAttentionMaps)?;
        let both = in_f32(output.prediction);
        let unconditional = both.clone().narrow(0, 0, batch);
        let conditional = both.narrow(0, batch, batch);
        let difference = conditional.clone() - unconditional.clone();
        let branches = self
            .free
            .branches(&conditional, &unconditional, &difference, input)?;
        let rate = self.rate(&own.choose(maps.clone()), &difference)?;
        let with_prompt = |map: AttentionMap| map.narrow(batch, batch);
        Ok(DenoiserOutput {
            prediction: unconditional + difference * rate.mul_scalar(self.scale),
            branches: Some(branches),
            attention_maps: input
                .attention_maps
                .map(|outside| outside.choose(maps).into_iter().map(with_prompt).collect()),
        })
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::denoiser::{AttentionPlace, NoiseLevel};
    use crate::gaussian::GaussianDenoiser;

    const LEVEL: NoiseLevel = NoiseLevel {
        timestep: 500.0,
        signal: 0.6,
        noise: 0.8,
    };

    /// Adds a line of four numbers where there is a prompt; the first two positions look at the second token, the
    /// others at the first.
    struct Halves {
        change: [f32; 4],
    }

    fn tensor(values: &[f32], shape: [usize; 4]) -> Tensor<4> {
        Tensor::<1>::from_floats(values, &Device::flex()).reshape(shape)
    }

    impl Denoiser for Halves {
        fn denoise(&self, input: &DenoiserInput<'_>) -> Result<DenoiserOutput, DenoiserError> {
            let rows = input.latents.dims()[0];
            let prompted = input
                .conditioning
                .context
                .clone()
                .narrow(2, 0, 1)
                .reshape([rows, 1, 1, 1]);
            let prediction = input.latents.clone() + prompted * tensor(&self.change, [1, 1, 1, 4]);
            let map = |layer: &str, kind, probabilities: Tensor<4>| AttentionMap {
                layer: layer.to_owned(),
                kind,
                place: AttentionPlace::Middle,
                size: [1, 4],
                probabilities: probabilities.repeat_dim(0, rows),
            };
            let still = Tensor::<2>::eye(4, &Device::flex()).reshape([1, 1, 4, 4]);
            let cross = tensor(&[0.1, 0.9, 0.1, 0.9, 0.9, 0.1, 0.9, 0.1], [1, 1, 4, 2]);
            let maps = vec![
                map("mid.attn1", AttentionKind::SelfAttention, still),
                map("mid.attn2", AttentionKind::CrossAttention, cross),
            ];
            Ok(DenoiserOutput {
                attention_maps: input.attention_maps.map(|request| request.choose(maps)),
                ..prediction.into()
            })
        }
    }

    fn guided(denoiser: &Halves, scale: f64) -> SemanticAwareGuidance<'_> {
        let settings = SemanticAwareSettings {
            smoothing: 0.0,
            finest_ratio: 1,
            ..SemanticAwareSettings::default()
        };
        let unconditional = GaussianDenoiser::unconditional(&Device::flex());
        SemanticAwareGuidance::new(denoiser, unconditional, scale, settings)
    }

    fn predicted(denoiser: &dyn Denoiser) -> Vec<f32> {
        let prompt = GaussianDenoiser::conditional(0.5, &Device::flex());
        let latents = tensor(&[0.0; 4], [1, 1, 1, 4]);
        let prediction = denoiser.predict(&latents, LEVEL, &prompt).unwrap();
        prediction.try_into_vec_as().unwrap()
    }

    fn check(found: &[f32], expected: [f32; 4]) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((*found - expected).abs() < 1e-5, "{found} {expected}");
        }
    }

    #[test]
    fn parts_are_guided_as_strongly_as_the_foreground_within_limits() {
        let halves = |change| Halves { change };
        let twice = halves([2.0, 2.0, 1.0, 1.0]);
        check(&predicted(&guided(&twice, 3.0)), [6.0; 4]);
        // At most a scale of 15, and at least 0.8 of the scale.
        check(&predicted(&guided(&twice, 10.0)), [20.0, 20.0, 15.0, 15.0]);
        let weak = halves([1.0, 1.0, 4.0, 4.0]);
        check(&predicted(&guided(&weak, 3.0)), [3.0, 3.0, 9.6, 9.6]);
        let strong = halves([8.0, 8.0, 1.0, 1.0]);
        check(&predicted(&guided(&strong, 3.0)), [24.0, 24.0, 9.0, 9.0]);
    }

    #[test]
    fn without_guidance_the_answer_is_that_without_the_prompt() {
        let twice = Halves {
            change: [2.0, 2.0, 1.0, 1.0],
        };
        for cap in [0.0, 15.0] {
            let settings = SemanticAwareSettings {
                cap,
                finest_ratio: 1,
                ..SemanticAwareSettings::default()
            };
            let unconditional = GaussianDenoiser::unconditional(&Device::flex());
            let unguided = SemanticAwareGuidance::new(&twice, unconditional, 0.0, settings);
            check(&predicted(&unguided), [0.0; 4]);
        }
    }

    #[test]
    fn equal_lengths_give_plain_guidance() {
        let even = Halves {
            change: [-2.0, 2.0, 2.0, -2.0],
        };
        let unconditional = GaussianDenoiser::unconditional(&Device::flex());
        let plain = ClassifierFreeGuidance::new(&even, unconditional, 7.5);
        let expected = predicted(&plain);
        check(&expected, [-15.0, 15.0, 15.0, -15.0]);
        for (found, expected) in predicted(&guided(&even, 7.5)).iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-4, "{found} {expected}");
        }
    }

    #[test]
    fn branches_are_those_of_plain_guidance_and_maps_those_with_the_prompt() {
        let device = Device::flex();
        let denoiser = Halves {
            change: [2.0, 2.0, 1.0, 1.0],
        };
        let prompt = GaussianDenoiser::conditional(0.5, &device);
        let latents = tensor(&[0.5, -1.0, 0.0, 2.0], [1, 1, 1, 4]);
        let request = AttentionRequest::of(&[AttentionKind::CrossAttention]);
        let input = DenoiserInput {
            attention_maps: Some(&request),
            ..DenoiserInput::new(&latents, LEVEL, &prompt)
        };
        let numbers = |values: Tensor<4>| -> Vec<f32> { values.try_into_vec_as().unwrap() };
        for compared in [None, Some(GaussianDenoiser::conditional(0.0, &device))] {
            let unconditional = GaussianDenoiser::unconditional(&device);
            let plain = ClassifierFreeGuidance::new(&denoiser, unconditional, 3.0);
            let own = guided(&denoiser, 3.0);
            let (own, plain) = match compared {
                None => (own, plain),
                Some(baseline) => (
                    own.comparing_with(baseline.clone()),
                    plain.comparing_with(baseline),
                ),
            };
            let (own, plain) = (own.denoise(&input).unwrap(), plain.denoise(&input).unwrap());
            let maps = own.attention_maps.unwrap();
            assert_eq!((maps.len(), maps[0].layer.as_str()), (1, "mid.attn2"));
            assert_eq!(maps[0].probabilities.dims(), [1, 1, 4, 2]);
            let (own, plain) = (own.branches.unwrap(), plain.branches.unwrap());
            assert_eq!(numbers(own.conditional), numbers(plain.conditional));
            assert_eq!(numbers(own.baseline), numbers(plain.baseline));
            assert_eq!(numbers(own.difference), numbers(plain.difference));
        }
    }
}

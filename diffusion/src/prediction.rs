//! What a denoiser predicts, and how to turn it into noise or original.
//!
//! With `z = sqrt(a) x_0 + sqrt(1 - a) e` and `a = alpha_cumprod`, each of the three things a
//! network may be trained to output determines the other two. All conversions are affine in
//! `(z, output)`, so two numbers describe one, and sampling, scores and training share this file.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::denoiser::NoiseLevel;

/// The quantity a denoiser outputs, under diffusers' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PredictionType {
    /// The noise `e`.
    #[default]
    Epsilon,
    /// The velocity `sqrt(a) e - sqrt(1 - a) x_0` (Salimans and Ho 2022, appendix D).
    VPrediction,
    /// The original `x_0`.
    Sample,
}

/// A combination `sample * z + output * network_output`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mix {
    /// The factor of the noisy latent.
    pub sample: f64,
    /// The factor of the network's output.
    pub output: f64,
}

impl Mix {
    /// Evaluates the combination on tensors of equal shape.
    ///
    /// # Shapes
    /// All three are the same, of any rank.
    pub fn apply<const D: usize>(self, sample: Tensor<D>, output: Tensor<D>) -> Tensor<D> {
        match (self.sample == 0.0, self.output == 1.0) {
            (true, true) => output,
            (true, false) => output.mul_scalar(self.output),
            _ => sample.mul_scalar(self.sample) + output.mul_scalar(self.output),
        }
    }

    /// Tells whether both factors are finite; they are not at the ends where a kind is singular.
    pub fn is_finite(self) -> bool {
        self.sample.is_finite() && self.output.is_finite()
    }
}

impl PredictionType {
    /// Returns the combination that gives the original `x_0`.
    ///
    /// For `epsilon` it is not finite at `alpha_cumprod = 0`, where the noise says nothing about
    /// the original.
    pub fn original(self, alpha_cumprod: f64) -> Mix {
        let (signal, noise) = (alpha_cumprod.sqrt(), (1.0 - alpha_cumprod).sqrt());
        let (sample, output) = match self {
            Self::Epsilon => (1.0 / signal, -noise / signal),
            Self::VPrediction => (signal, -noise),
            Self::Sample => (0.0, 1.0),
        };
        Mix { sample, output }
    }

    /// Returns the combination that gives the noise `e`.
    ///
    /// For `sample` it is not finite at `alpha_cumprod = 1`, where there is no noise to see.
    pub fn epsilon(self, alpha_cumprod: f64) -> Mix {
        let (signal, noise) = (alpha_cumprod.sqrt(), (1.0 - alpha_cumprod).sqrt());
        let (sample, output) = match self {
            Self::Epsilon => (0.0, 1.0),
            Self::VPrediction => (noise, signal),
            Self::Sample => (1.0 / noise, -signal / noise),
        };
        Mix { sample, output }
    }

    /// Returns what a network of this kind is trained to output, as `x_0` and `e` factors.
    pub fn target(self, alpha_cumprod: f64) -> Target {
        let (original, noise) = match self {
            Self::Epsilon => (0.0, 1.0),
            Self::VPrediction => (-(1.0 - alpha_cumprod).sqrt(), alpha_cumprod.sqrt()),
            Self::Sample => (1.0, 0.0),
        };
        Target { original, noise }
    }
}

/// What a denoiser's output says about noise and original, on either kind of path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameterization {
    /// A quantity of a variance-preserving path.
    VariancePreserving(PredictionType),
    /// The velocity `e - x_0` of a rectified flow.
    FlowVelocity,
}

impl Parameterization {
    /// Returns the combination that gives the original `x_0`.
    pub fn original(self, level: NoiseLevel) -> Mix {
        match self {
            Self::VariancePreserving(kind) => kind.original(level.signal_share()),
            Self::FlowVelocity => Mix {
                sample: 1.0,
                output: -level.noise,
            },
        }
    }

    /// Returns the combination that gives the noise `e`.
    pub fn noise(self, level: NoiseLevel) -> Mix {
        match self {
            Self::VariancePreserving(kind) => kind.epsilon(level.signal_share()),
            Self::FlowVelocity => Mix {
                sample: 1.0,
                output: level.signal,
            },
        }
    }
}

/// A training target `original * x_0 + noise * e`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// The factor of the original.
    pub original: f64,
    /// The factor of the noise.
    pub noise: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KINDS: [PredictionType; 3] = [
        PredictionType::Epsilon,
        PredictionType::VPrediction,
        PredictionType::Sample,
    ];

    proptest! {
        #[test]
        fn the_exact_output_gives_back_original_and_noise(
            a in 0.001_f64..0.999, original in -3.0_f64..3.0, noise in -3.0_f64..3.0,
        ) {
            let z = a.sqrt() * original + (1.0 - a).sqrt() * noise;
            for kind in KINDS {
                let target = kind.target(a);
                let output = target.original * original + target.noise * noise;
                prop_assert!((kind.original(a).apply_scalar(z, output) - original).abs() < 1e-9);
                prop_assert!((kind.epsilon(a).apply_scalar(z, output) - noise).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn singular_ends_are_not_finite_and_the_others_are() {
        assert!(!PredictionType::Epsilon.original(0.0).is_finite());
        assert!(!PredictionType::Sample.epsilon(1.0).is_finite());
        assert!(PredictionType::VPrediction.original(0.0).is_finite());
        assert!(PredictionType::VPrediction.epsilon(0.0).is_finite());
    }

    #[test]
    fn tensors_mix_as_numbers_do() {
        let device = burn::tensor::Device::flex();
        let (z, output) = ([0.5_f32, -1.25], [2.0_f32, 0.75]);
        for kind in KINDS {
            for mix in [kind.original(0.3), kind.epsilon(0.3)] {
                let found: Vec<f32> = mix
                    .apply(
                        Tensor::<1>::from_floats(z, &device),
                        Tensor::<1>::from_floats(output, &device),
                    )
                    .try_into_vec_as()
                    .unwrap();
                for i in 0..2 {
                    let expected = mix.apply_scalar(f64::from(z[i]), f64::from(output[i]));
                    assert!((f64::from(found[i]) - expected).abs() < 1e-6);
                }
            }
        }
    }
}

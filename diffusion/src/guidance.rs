//! Denoisers, and classifier-free guidance around one.

use burn::tensor::{DType, FloatDType, Tensor};

use crate::conditioning::Conditioning;

/// A network that looks at noisy latents and says what it was trained to say.
pub trait Denoiser {
    /// Returns the raw output (noise, velocity or original) for a batch at one timestep.
    ///
    /// Latents and conditioning arrive as the caller keeps them, usually `f32`; a network of another
    /// float type converts them itself, and may return its own type.
    ///
    /// # Shapes
    /// - `latents`: `[batch, channels, height, width]`, as is the result.
    /// - `timestep`: as the training counts them, between two of them for some samplers.
    /// - `conditioning`: one row per latent.
    fn predict(&self, latents: &Tensor<4>, timestep: f64, conditioning: &Conditioning) -> Tensor<4>;
}

/// A denoiser asked with and without the prompt in one batched call (Ho and Salimans 2022).
pub struct Guidance<'a> {
    denoiser: &'a dyn Denoiser,
    /// Unconditional rows first, then conditional ones.
    conditioning: Conditioning,
}

/// The two answers of one call, in `f32`.
pub struct Predictions {
    /// The output without the prompt, `[batch, channels, height, width]`.
    pub unconditional: Tensor<4>,
    /// The output with the prompt, `[batch, channels, height, width]`.
    pub conditional: Tensor<4>,
}

impl<'a> Guidance<'a> {
    /// Pairs each conditional row with the unconditional one.
    ///
    /// # Shapes
    /// `conditional` has a row per latent, `unconditional` one row.
    ///
    /// # Panics
    /// The two do not [fit](Conditioning::fits) each other.
    pub fn new(denoiser: &'a dyn Denoiser, conditional: Conditioning, unconditional: Conditioning) -> Self {
        let unconditional = unconditional.repeat(conditional.batch());
        let conditioning = Conditioning::cat(vec![unconditional, conditional]);
        Self {
            denoiser,
            conditioning,
        }
    }

    /// Evaluates both branches.
    ///
    /// # Shapes
    /// `latents` is `[batch, channels, height, width]`.
    pub fn predict(&self, latents: &Tensor<4>, timestep: f64) -> Predictions {
        let batch = latents.dims()[0];
        let both = Tensor::cat(vec![latents.clone(), latents.clone()], 0);
        let output = in_f32(self.denoiser.predict(&both, timestep, &self.conditioning));
        Predictions {
            unconditional: output.clone().narrow(0, 0, batch),
            conditional: output.narrow(0, batch, batch),
        }
    }
}

impl Predictions {
    /// Returns conditional minus unconditional output; guidance is not inside it.
    pub fn difference(&self) -> Tensor<4> {
        self.conditional.clone() - self.unconditional.clone()
    }

    /// Returns `unconditional + scale * difference`; a scale of 1 is the plain conditional output.
    pub fn guided(self, difference: Tensor<4>, scale: f64) -> Tensor<4> {
        if scale == 1.0 {
            self.conditional
        } else {
            self.unconditional + difference.mul_scalar(scale)
        }
    }
}

/// Sums squares over everything but the batch, in `f32`.
///
/// # Shapes
/// `[batch, channels, height, width]` to `[batch, 1]`.
pub(crate) fn squared_norms(values: Tensor<4>) -> Tensor<2> {
    let batch = values.dims()[0] as i32;
    values.reshape([batch, -1]).square().sum_dim(1)
}

/// Converts to `f32` where it is something else.
pub(crate) fn in_f32<const D: usize>(values: Tensor<D>) -> Tensor<D> {
    if values.dtype() == DType::F32 {
        values
    } else {
        values.cast(FloatDType::F32)
    }
}

//! Activations of feed-forward layers without a gate.

#[cfg(feature = "kernels")]
pub(super) mod kernel;

use burn::tensor::{Tensor, activation};

/// An activation of a feed-forward layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// [`gelu`].
    Gelu,
    /// [`quick_gelu`].
    QuickGelu,
}

impl Activation {
    /// Applies it.
    ///
    /// # Shapes
    /// - x and output: `[batch, tokens, features]`
    pub fn apply(self, x: Tensor<3>) -> Tensor<3> {
        match self {
            Self::Gelu => gelu(x),
            Self::QuickGelu => quick_gelu(x),
        }
    }

    /// Puts it in the place of each value.
    #[cfg(feature = "kernels")]
    pub(super) fn replace(self, values: &mut [f32]) {
        match self {
            Self::Gelu => kernel::Gelu::Exact.replace(values),
            Self::QuickGelu => kernel::Gelu::Quick.replace(values),
        }
    }
}

/// Applies `x Phi(x)` with the normal distribution function (Gaussian Error Linear Units, arXiv 1606.08415).
///
/// # Shapes
/// - x and output: `[batch, tokens, features]`
pub fn gelu(x: Tensor<3>) -> Tensor<3> {
    #[cfg(feature = "kernels")]
    if let Some(output) = super::tape::apply(kernel::Gelu::Exact, [x.clone().into_dispatch()]) {
        return output;
    }
    activation::gelu(x)
}

/// Applies `x sigmoid(1.702 x)`, the approximation of [`gelu`] that OpenAI's models were trained with.
///
/// # Shapes
/// - x and output: `[batch, tokens, features]`
pub fn quick_gelu(x: Tensor<3>) -> Tensor<3> {
    #[cfg(feature = "kernels")]
    if let Some(output) = super::tape::apply(kernel::Gelu::Quick, [x.clone().into_dispatch()]) {
        return output;
    }
    x.clone() * activation::sigmoid(x * QUICK)
}

/// Slope of the sigmoid that comes closest to the normal distribution function.
const QUICK: f64 = 1.702;

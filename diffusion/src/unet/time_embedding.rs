//! How a timestep reaches the network: sines and cosines, then a small perceptron.

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor, TensorData, activation};

use crate::nn::layers::{AdaptableLayer, Bias, Linear, VisitLayers};

/// Turns timesteps into sines and cosines of geometrically spaced frequencies
/// (DDPM, arXiv 2006.11239, appendix B).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timesteps {
    /// Number of features, even.
    pub features: usize,
    /// Whether the cosines come first.
    pub flip_sin_to_cos: bool,
    /// Subtracted from the number of frequencies in the exponent's denominator.
    pub freq_shift: f64,
}

impl Timesteps {
    const MAX_PERIOD: f64 = 10_000.0;

    /// Embeds each timestep; always f32.
    ///
    /// # Shapes
    /// - timesteps: `[batch]`
    /// - output: `[batch, features]`
    pub fn forward(&self, timesteps: Tensor<1>) -> Tensor<2> {
        let half = self.features / 2;
        // In f32 from the start, as diffusers has it: at timestep 999 a frequency's last digit is
        // the fifth digit of the result.
        let exponent =
            |i| -(Self::MAX_PERIOD.ln() as f32) * i as f32 / (half as f64 - self.freq_shift) as f32;
        let frequencies: Vec<f32> = (0..half).map(|i| exponent(i).exp()).collect();
        let frequencies = TensorData::new(frequencies, [1, half]);
        let frequencies = Tensor::<2>::from_data(frequencies, (&timesteps.device(), DType::F32));
        let angles = timesteps.cast(DType::F32).unsqueeze_dim::<2>(1) * frequencies;
        let (sines, cosines) = (angles.clone().sin(), angles.cos());
        match self.flip_sin_to_cos {
            true => Tensor::cat(vec![cosines, sines], 1),
            false => Tensor::cat(vec![sines, cosines], 1),
        }
    }
}

/// Mixes the sines and cosines of a timestep: linear, SiLU, linear.
#[derive(Module, Debug)]
pub struct TimestepEmbedding {
    /// From sines and cosines to the embedding's width.
    pub linear_1: Linear,
    /// Within the embedding's width.
    pub linear_2: Linear,
}

impl TimestepEmbedding {
    /// Creates the perceptron with fresh weights.
    pub fn new(in_features: usize, out_features: usize, device: &Device) -> Self {
        Self {
            linear_1: Linear::new(in_features, out_features, Bias::Present, device),
            linear_2: Linear::new(out_features, out_features, Bias::Present, device),
        }
    }

    /// Applies the perceptron.
    ///
    /// # Shapes
    /// - x: `[batch, in]`
    /// - output: `[batch, out]`
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.linear_2.forward(activation::silu(self.linear_1.forward(x)))
    }
}

impl VisitLayers for TimestepEmbedding {
    fn visit_layers(&mut self, path: &str, visit: &mut dyn FnMut(&str, AdaptableLayer<'_>)) {
        self.linear_1.visit_layers(&format!("{path}.linear_1"), visit);
        self.linear_2.visit_layers(&format!("{path}.linear_2"), visit);
    }
}

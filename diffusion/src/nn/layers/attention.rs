//! Multi-head attention from tokens to tokens of the same sequence or of another.

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};

use super::adaptable_layer::AdaptableLayer;
use super::linear::{Bias, Linear};
use super::visit_layers::VisitLayers;
use crate::nn::kernels::attention;

/// Sizes of an [`Attention`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionShape {
    /// Features of the queries' tokens and of the output.
    pub features: usize,
    /// Features of the tokens attended to.
    pub context_features: usize,
    /// Number of heads.
    pub heads: usize,
    /// Features of one head.
    pub head_features: usize,
    /// Whether scores and their softmax are computed in f32 in a half-precision model.
    pub upcast: bool,
}

/// Lets each token gather from others: `softmax(Q K^T / sqrt(d)) V` per head
/// (Attention Is All You Need, arXiv 1706.03762, equation 1).
#[derive(Module, Debug)]
pub struct Attention {
    /// Queries, without bias.
    pub to_q: Linear,
    /// Keys, without bias.
    pub to_k: Linear,
    /// Values, without bias.
    pub to_v: Linear,
    /// One layer, a list because diffusers keeps its dropout as the second entry.
    pub to_out: Vec<Linear>,
    #[module(skip)]
    heads: usize,
    #[module(skip)]
    upcast: bool,
}

impl Attention {
    /// Creates the layers with fresh weights.
    pub fn new(shape: &AttentionShape, device: &Device) -> Self {
        let inner = shape.heads * shape.head_features;
        let from_context = || Linear::new(shape.context_features, inner, Bias::Absent, device);
        Self {
            to_q: Linear::new(shape.features, inner, Bias::Absent, device),
            to_k: from_context(),
            to_v: from_context(),
            to_out: vec![Linear::new(inner, shape.features, Bias::Present, device)],
            heads: shape.heads,
            upcast: shape.upcast,
        }
    }

    /// Attends from `x` to `context`.
    ///
    /// # Shapes
    /// - x: `[batch, tokens, features]`
    /// - context: `[batch, context tokens, context features]`
    /// - output: `[batch, tokens, features]`
    pub fn forward(&self, x: Tensor<3>, context: Tensor<3>) -> Tensor<3> {
        let query = self.to_q.forward(x);
        let key = self.to_k.forward(context.clone());
        let value = self.to_v.forward(context);
        let dtype = query.dtype();
        let gathered = if self.upcast && dtype != DType::F32 {
            let wide = |x: Tensor<3>| x.cast(DType::F32);
            attention(wide(query), wide(key), wide(value), self.heads).cast(dtype)
        } else {
            attention(query, key, value, self.heads)
        };
        self.to_out
            .iter()
            .fold(gathered, |gathered, layer| layer.forward(gathered))
    }
}

impl VisitLayers for Attention {
    fn visit_layers(&mut self, path: &str, visit: &mut dyn FnMut(&str, AdaptableLayer<'_>)) {
        self.to_q.visit_layers(&format!("{path}.to_q"), visit);
        self.to_k.visit_layers(&format!("{path}.to_k"), visit);
        self.to_v.visit_layers(&format!("{path}.to_v"), visit);
        self.to_out.visit_layers(&format!("{path}.to_out"), visit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::Param;
    use burn::tensor::TensorData;

    /// One head whose query and key are both 300 x: the score 300 * 300 * 4 overflows f16.
    #[test]
    fn upcast_keeps_large_scores_finite() {
        let device = Device::flex();
        let shape = AttentionShape {
            features: 4,
            context_features: 4,
            heads: 1,
            head_features: 4,
            upcast: true,
        };
        let identity = |scale: f64| {
            let matrix = Tensor::<2>::eye(4, &device) * scale;
            Param::from_tensor(matrix.cast(DType::F16))
        };
        let mut attention = Attention::new(&shape, &device);
        attention.to_q.weight = identity(300.0);
        attention.to_k.weight = identity(300.0);
        attention.to_v.weight = identity(1.0);
        attention.to_out[0].weight = identity(1.0);
        attention.to_out[0].bias = None;
        let tokens = TensorData::from([[[1.0f32, 1.0, 1.0, 1.0], [0.5, 0.5, 0.5, 0.5]]]);
        let tokens = Tensor::<3>::from_data(tokens, (&device, DType::F16));
        let attended = attention.forward(tokens.clone(), tokens);
        assert_eq!(attended.dtype(), DType::F16);
        let attended: Vec<f32> = attended.cast(DType::F32).into_data().try_to_vec().unwrap();
        assert_eq!(attended, [1.0; 8]);
    }
}

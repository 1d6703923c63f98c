//! Multi-head attention from tokens to tokens of the same sequence or of another.

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor, activation};

use super::adaptable_layer::AdaptableLayer;
use super::key_contexts::KeyContexts;
use super::linear::{Bias, Linear};
use super::visit_layers::VisitLayers;
use crate::nn::kernels::{attention, join_heads, split_heads, sum_type};

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

/// What tokens attend to; keys and values usually come from the same tokens.
#[derive(Clone, Debug)]
pub struct AttentionContext {
    /// Tokens that the keys are made of, `[batch, context tokens, context features]`.
    pub keys: Tensor<3>,
    /// Tokens that the values are made of, of the same shape.
    pub values: Tensor<3>,
    /// Further tokens that keys are made of, in turn with `keys`; usually none.
    pub further_keys: Option<KeyContexts>,
}

impl From<Tensor<3>> for AttentionContext {
    fn from(tokens: Tensor<3>) -> Self {
        Self {
            keys: tokens.clone(),
            values: tokens,
            further_keys: None,
        }
    }
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
        self.forward_recorded(x, context.into(), None)
    }

    /// Attends from `x` to `context`, and shows the probabilities of each head to `record`, if there is one.
    ///
    /// The kernel never holds all probabilities; with `record` they are computed by plain operations, and the output
    /// from the same ones, so that it differs in its last digits. With further keys they are the means over all keys.
    ///
    /// # Shapes
    /// - x and output: `[batch, tokens, features]`
    /// - probabilities: `[batch, heads, tokens, context tokens]`, f32, in an f64 model f64
    pub fn forward_recorded(
        &self,
        x: Tensor<3>,
        context: AttentionContext,
        record: Option<&mut dyn FnMut(Tensor<4>)>,
    ) -> Tensor<3> {
        let query = self.to_q.forward(x);
        let key = self.to_k.forward(context.keys);
        let value = self.to_v.forward(context.values);
        let gathered = match (record, context.further_keys) {
            (Some(record), further) => self.gather_recorded([query, key, value], further, record),
            (None, None) => self.gather(query, key, value),
            (None, Some(further)) => {
                let of_one = |key| self.gather(query.clone(), key, value.clone());
                further.mean(of_one(key), |tokens| of_one(self.to_k.forward(tokens)))
            }
        };
        self.to_out
            .iter()
            .fold(gathered, |gathered, layer| layer.forward(gathered))
    }

    fn gather(&self, query: Tensor<3>, key: Tensor<3>, value: Tensor<3>) -> Tensor<3> {
        let dtype = query.dtype();
        if self.upcast && dtype != DType::F32 {
            let wide = |x: Tensor<3>| x.cast(DType::F32);
            attention(wide(query), wide(key), wide(value), self.heads).cast(dtype)
        } else {
            attention(query, key, value, self.heads)
        }
    }

    fn gather_recorded(
        &self,
        inputs: [Tensor<3>; 3],
        further: Option<KeyContexts>,
        record: &mut dyn FnMut(Tensor<4>),
    ) -> Tensor<3> {
        let dtype = inputs[0].dtype();
        let wide = |input: Tensor<3>| split_heads(input.cast(sum_type(dtype)), self.heads);
        let [query, key, value] = inputs.map(wide);
        let scale = (query.dims()[3] as f64).sqrt().recip();
        let query = query.mul_scalar(scale);
        let of_one = |key: Tensor<4>| {
            let scores = query.clone().matmul(key.swap_dims(2, 3));
            activation::softmax(scores, 3)
        };
        let probabilities = of_one(key);
        // The values are the same, so the mean of what is gathered is what the mean probabilities gather.
        let probabilities = match further {
            Some(further) => further.mean(probabilities, |tokens| of_one(wide(self.to_k.forward(tokens)))),
            None => probabilities,
        };
        record(probabilities.clone());
        join_heads(probabilities.matmul(value)).cast(dtype)
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

    fn seeded<const D: usize>(name: &str, shape: [usize; D]) -> Tensor<D> {
        crate::nn::weights::seeded_input(7, name, shape, &Device::flex())
    }

    /// A layer of three heads and tokens for it: queries, keys and two kinds of values.
    fn example() -> (Attention, [Tensor<3>; 4]) {
        let device = Device::flex();
        let shape = AttentionShape {
            features: 12,
            context_features: 6,
            heads: 3,
            head_features: 4,
            upcast: false,
        };
        let mut layer = Attention::new(&shape, &device);
        let weight = |name: &str, shape: [usize; 2]| Param::from_tensor(seeded(name, shape) * 0.3);
        layer.to_q.weight = weight("q", [12, 12]);
        layer.to_k.weight = weight("k", [12, 6]);
        layer.to_v.weight = weight("v", [12, 6]);
        layer.to_out[0].weight = weight("out", [12, 12]);
        let context = |name: &str| seeded(name, [2, 5, 6]);
        let x = seeded("x", [2, 7, 12]);
        (layer, [x, context("keys"), context("first"), context("second")])
    }

    fn largest_difference<const D: usize>(one: Tensor<D>, other: Tensor<D>) -> f32 {
        (one - other).abs().max().into_scalar()
    }

    #[test]
    fn recorded_probabilities_sum_to_one_and_give_the_same_output() {
        let (layer, [x, context, ..]) = example();
        let mut recorded = Vec::new();
        let mut record = |probabilities: Tensor<4>| recorded.push(probabilities);
        let found = layer.forward_recorded(x.clone(), context.clone().into(), Some(&mut record));
        let probabilities = recorded.remove(0);
        assert_eq!(probabilities.dims(), [2, 3, 7, 5]);
        assert!(recorded.is_empty());
        let sums = probabilities.sum_dim(3);
        assert!(largest_difference(sums.clone(), sums.ones_like()) < 1e-6);
        assert!(largest_difference(found, layer.forward(x, context)) < 1e-5);
    }

    /// The mean of values is the value of the mean, which is why one set of tokens is enough for values.
    #[test]
    fn values_of_mean_tokens_give_the_mean_of_the_outputs() {
        let (layer, [x, keys, first, second]) = example();
        let with = |values: Tensor<3>| {
            let context = AttentionContext {
                keys: keys.clone(),
                values,
                further_keys: None,
            };
            layer.forward_recorded(x.clone(), context, None)
        };
        let mean = with((first.clone() + second.clone()) / 2.0);
        let of_outputs = (with(first) + with(second)) / 2.0;
        assert!(largest_difference(mean, of_outputs) < 1e-5);
        let plain = layer.forward(x.clone(), keys.clone());
        assert_eq!(largest_difference(with(keys.clone()), plain), 0.0);
    }

    #[test]
    fn several_keys_give_the_mean_of_their_outputs_and_filled_up_rows_their_own() {
        let (layer, [x, first, second, third]) = example();
        let with = |keys: &Tensor<3>, further: Option<KeyContexts>| {
            let context = AttentionContext {
                keys: keys.clone(),
                values: first.clone(),
                further_keys: further,
            };
            let mut maps = Vec::new();
            let mut record = |probabilities: Tensor<4>| maps.push(probabilities);
            let recorded = layer.forward_recorded(x.clone(), context.clone(), Some(&mut record));
            let found = layer.forward_recorded(x.clone(), context, None);
            assert!(largest_difference(found.clone(), recorded) < 1e-5);
            (found, maps.remove(0))
        };
        let both = KeyContexts::in_equal_parts(vec![second.clone(), third.clone()]);
        let (found, map) = with(&first, both);
        let alone = [&first, &second, &third].map(|keys| with(keys, None));
        let outputs = alone.clone().map(|(output, _)| output);
        let maps = alone.map(|(_, map)| map);
        let mean = |[a, b, c]: [Tensor<3>; 3]| (a + b + c) / 3.0;
        assert!(largest_difference(found, mean(outputs.clone())) < 1e-5);
        let [a, b, c] = maps;
        assert!(largest_difference(map, (a + b + c) / 3.0) < 1e-5);
        let row = |keys: &Tensor<3>, row: usize| keys.clone().narrow(0, row, 1);
        let own = KeyContexts::in_equal_parts(vec![row(&second, 1)]);
        let mixed = KeyContexts::cat(&[(&row(&first, 0), None), (&row(&first, 1), own.as_ref())]);
        let (filled, _) = with(&first, mixed);
        let [plain, ..] = outputs;
        assert_eq!(largest_difference(row(&filled, 0), row(&plain, 0)), 0.0);
        assert!(largest_difference(row(&filled, 1), row(&plain, 1)) > 1e-3);
    }
}

//! The low-rank change of one layer: its factors, and how they are applied.

use burn::module::{Module, Param};
use burn::tensor::{DType, Tensor};

use crate::nn::kernels::{LowRank, column_affine, linear, low_rank_linear, matrix_product, row_norms};

/// Adapts one frozen layer by a low-rank product, with a magnitude per output for DoRA.
///
/// For a linear layer it works on activations and never builds the adapted weight for them, so that the frozen weight
/// costs no gradient. The factors are kept in f32 whatever the dtype of the layer, because they
/// are the master weights of training.
#[derive(Module, Debug)]
pub struct LowRankAdapter {
    /// Down projection A, `[rank, in]`; `in` counts the kernel of a convolution.
    pub lora_a: Param<Tensor<2>>,
    /// Up projection B, `[out, rank]`.
    pub lora_b: Param<Tensor<2>>,
    /// Length of every row of the adapted weight, `[out]`; present for DoRA only.
    pub magnitude: Option<Param<Tensor<1>>>,
    /// Factor s of the product, `alpha / rank`.
    #[module(skip)]
    pub scale: f64,
}

impl LowRankAdapter {
    /// Applies the adapted layer to `x`.
    ///
    /// LoRA: `y = W x + b + s B A x`. DoRA: `y = g (W x + s B A x) + b` with
    /// `g = m / ||W + s B A||` per output, the norm held constant for the gradient (DoRA paper,
    /// section 4.3). This is PEFT's `base + (g - 1) (base - b) + g s B A x`, rearranged.
    ///
    /// # Shapes
    /// - x: `[rows, in]`, weight: `[out, in]`, bias: `[out]`
    /// - output: `[rows, out]`, in the dtype of `x`
    pub fn forward(&self, x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
        if x.dtype() != DType::F32 {
            return self.forward_half(x, weight, bias);
        }
        match self.gain(&weight) {
            None => low_rank_linear(x, weight, self.change(), bias),
            Some(gain) => column_affine(low_rank_linear(x, weight, self.change(), None), gain, bias),
        }
    }

    /// [`Self::forward`] of a layer in half precision, whose change is computed and added in f32.
    fn forward_half(&self, x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
        let dtype = x.dtype();
        let update = self.update(x.clone().cast(DType::F32));
        let Some(gain) = self.gain(&weight) else {
            return (linear(x, weight, bias).cast(DType::F32) + update).cast(dtype);
        };
        let direction = linear(x, weight, None).cast(DType::F32) + update;
        let bias = bias.map(|bias| bias.cast(DType::F32));
        column_affine(direction, gain, bias).cast(dtype)
    }

    /// The adapted weight, `W + s B A` or `g (W + s B A)`, with gradients as in [`Self::forward`].
    ///
    /// # Shapes
    /// - weight and output: `[out, in]`, output in the dtype of `weight`
    pub fn fold(&self, weight: Tensor<2>) -> Tensor<2> {
        let dtype = weight.dtype();
        let product = matrix_product(self.lora_b.val(), self.lora_a.val() * self.scale);
        let direction = weight.clone().cast(DType::F32) + product;
        match self.gain(&weight) {
            Some(gain) => direction * gain.unsqueeze_dim(1),
            None => direction,
        }
        .cast(dtype)
    }

    /// The adapted weight outside any gradient, to replace the weight by.
    ///
    /// # Shapes
    /// - weight and output: `[out, in]`, output in the dtype of `weight`
    pub fn merge(&self, weight: Tensor<2>) -> Tensor<2> {
        let dtype = weight.dtype();
        self.merge_onto(weight.clone(), &weight).cast(dtype)
    }

    /// Folds the adapter into a weight that others were folded into before, in f32.
    ///
    /// The lengths of rows are those over `base`, the weight without any of them.
    pub(crate) fn merge_onto(&self, merged: Tensor<2>, base: &Tensor<2>) -> Tensor<2> {
        let sum = merged.inner().cast(DType::F32) + self.product();
        match self.gain(base) {
            Some(gain) => sum * gain.inner().unsqueeze_dim(1),
            None => sum,
        }
    }

    /// Length of every row of `W + s B A`, which is what the magnitude of a new adapter starts as.
    ///
    /// # Shapes
    /// - weight: `[out, in]`, output: `[out]` in f32, outside any gradient
    pub fn row_norms(&self, weight: &Tensor<2>) -> Tensor<1> {
        row_norms(weight.clone().cast(DType::F32), self.change())
    }

    fn change(&self) -> LowRank {
        LowRank {
            down: self.lora_a.val(),
            up: self.lora_b.val(),
            scale: self.scale,
        }
    }

    fn update(&self, x: Tensor<2>) -> Tensor<2> {
        let hidden = linear(x, self.lora_a.val(), None);
        let hidden = if self.scale == 1.0 {
            hidden
        } else {
            hidden * self.scale
        };
        linear(hidden, self.lora_b.val(), None)
    }

    fn gain(&self, weight: &Tensor<2>) -> Option<Tensor<1>> {
        let magnitude = self.magnitude.as_ref()?;
        let norms = self.row_norms(weight);
        // A row of zeros has no direction; its gain is its magnitude instead of 0 / 0.
        let norms = norms.clone().mask_fill(norms.equal_elem(0.0), 1.0);
        Some(magnitude.val() / norms)
    }

    /// `s B A` outside any gradient.
    fn product(&self) -> Tensor<2> {
        let scaled = self.lora_a.val().inner() * self.scale;
        matrix_product(self.lora_b.val().inner(), scaled)
    }
}

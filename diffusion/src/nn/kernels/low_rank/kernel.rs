//! Low-rank changes on the CPU: the change is added to the product where that lies, forward and backward.

use burn_flex::FlexTensor;

use crate::cpu_level::CpuLevel;
use crate::nn::kernels::linear::kernel::{addend_of, of_bias};
use crate::nn::kernels::product::{Across, Along, Operand, Product, multiply};
use crate::nn::kernels::slices::{dims, tensor, values};
use crate::nn::kernels::tape::Kernel;

#[derive(Clone, Debug)]
pub(in crate::nn::kernels) struct LowRankLinear {
    pub(in crate::nn::kernels) scale: f32,
}

/// What the derivative needs.
#[derive(Clone, Debug)]
pub(in crate::nn::kernels) struct Saved {
    x: FlexTensor,
    weight: FlexTensor,
    down: FlexTensor,
    up: FlexTensor,
    /// `s x A^T`, `[rows, rank]`.
    hidden: Vec<f32>,
}

impl Kernel<4> for LowRankLinear {
    type Saved = Saved;

    fn forward(&self, inputs: [FlexTensor; 4]) -> (FlexTensor, Saved) {
        self.apply(inputs, None)
    }

    fn backward(&self, saved: Saved, gradient: FlexTensor, wanted: [bool; 4]) -> [Option<FlexTensor>; 4] {
        self.gradients(&saved, &gradient, wanted)
    }
}

impl Kernel<5> for LowRankLinear {
    type Saved = Saved;

    fn forward(&self, [x, weight, down, up, bias]: [FlexTensor; 5]) -> (FlexTensor, Saved) {
        self.apply([x, weight, down, up], Some(&bias))
    }

    fn backward(
        &self,
        saved: Saved,
        gradient: FlexTensor,
        [x, weight, down, up, bias]: [bool; 5],
    ) -> [Option<FlexTensor>; 5] {
        let [x, weight, down, up] = self.gradients(&saved, &gradient, [x, weight, down, up]);
        [x, weight, down, up, bias.then(|| of_bias(&gradient))]
    }
}

impl LowRankLinear {
    fn apply(
        &self,
        [x, weight, down, up]: [FlexTensor; 4],
        bias: Option<&FlexTensor>,
    ) -> (FlexTensor, Saved) {
        let level = CpuLevel::in_force();
        let ([rows, inputs], [outputs, rank]) = (dims(&x), dims(&up));
        let along = |values, depth| Operand::Along(Along::every(values, depth));
        let mut hidden = vec![0.0; rows * rank];
        let product = Product {
            scale: self.scale,
            ..Product::new(
                along(values(&x), inputs),
                along(values(&down), inputs),
                [rows, inputs, rank],
            )
        };
        multiply(level, &product, &mut hidden);
        let mut output = vec![0.0; rows * outputs];
        let product = Product {
            addend: bias.map(addend_of),
            ..Product::new(
                along(values(&x), inputs),
                along(values(&weight), inputs),
                [rows, inputs, outputs],
            )
        };
        multiply(level, &product, &mut output);
        let product = Product {
            accumulate: true,
            ..Product::new(
                along(&hidden, rank),
                along(values(&up), rank),
                [rows, rank, outputs],
            )
        };
        multiply(level, &product, &mut output);
        let saved = Saved {
            x,
            weight,
            down,
            up,
            hidden,
        };
        (tensor(output, [rows, outputs]), saved)
    }

    fn gradients(&self, saved: &Saved, gradient: &FlexTensor, wanted: [bool; 4]) -> [Option<FlexTensor>; 4] {
        let level = CpuLevel::in_force();
        let ([rows, inputs], [outputs, rank]) = (dims(&saved.x), dims(&saved.up));
        let along = |values, depth| Operand::Along(Along::every(values, depth));
        let across = |values, lines| Operand::Across(Across::every(values, lines));
        let product_of = |product: Product<'_>| {
            let mut output = vec![0.0; product.shape[0] * product.shape[2]];
            multiply(level, &product, &mut output);
            output
        };
        let [x, weight, down, up] = [&saved.x, &saved.weight, &saved.down, &saved.up].map(values);
        let gradient = values(gradient);
        let of_hidden = product_of(Product {
            scale: self.scale,
            ..Product::new(along(gradient, outputs), across(up, rank), [rows, outputs, rank])
        });
        let of_x = || {
            let shape = [rows, outputs, inputs];
            let mut of_x = product_of(Product::new(
                along(gradient, outputs),
                across(weight, inputs),
                shape,
            ));
            let product = Product {
                accumulate: true,
                ..Product::new(
                    along(&of_hidden, rank),
                    across(down, inputs),
                    [rows, rank, inputs],
                )
            };
            multiply(level, &product, &mut of_x);
            tensor(of_x, [rows, inputs])
        };
        let of_rows = |left, right, [lines, columns]: [usize; 2]| {
            let product = Product::new(
                across(left, lines),
                across(right, columns),
                [lines, rows, columns],
            );
            tensor(product_of(product), [lines, columns])
        };
        [
            wanted[0].then(of_x),
            wanted[1].then(|| of_rows(gradient, x, [outputs, inputs])),
            wanted[2].then(|| of_rows(&of_hidden, x, [rank, inputs])),
            wanted[3].then(|| of_rows(gradient, &saved.hidden, [outputs, rank])),
        ]
    }
}

//! Linear layers on the CPU, and their derivatives.

use burn_flex::FlexTensor;

use crate::cpu_level::CpuLevel;
use crate::nn::kernels::column_sums::column_sums;
use crate::nn::kernels::product::{Across, Addend, Along, Operand, Product, into_tensor, product_of};
use crate::nn::kernels::slices::{dims, tensor, values};
use crate::nn::kernels::tape::Kernel;

#[derive(Clone, Debug)]
pub(in crate::nn::kernels) struct Linear;

/// The factors, as far as a gradient needs them.
#[derive(Clone, Debug)]
pub(in crate::nn::kernels) struct Saved {
    x: Option<FlexTensor>,
    weight: Option<FlexTensor>,
}

impl Saved {
    fn keep(self, wanted_x: bool, wanted_weight: bool) -> Self {
        Self {
            x: self.x.filter(|_| wanted_weight),
            weight: self.weight.filter(|_| wanted_x),
        }
    }

    fn gradients(&self, gradient: &FlexTensor) -> [Option<FlexTensor>; 2] {
        [
            self.weight.as_ref().map(|weight| of_rows(gradient, weight)),
            self.x.as_ref().map(|x| of_weight(gradient, x)),
        ]
    }
}

impl Kernel<2> for Linear {
    type Saved = Saved;

    fn forward(&self, [x, weight]: [FlexTensor; 2]) -> (FlexTensor, Saved) {
        apply(x, weight, None)
    }

    fn keep(&self, saved: Saved, [x, weight]: [bool; 2]) -> Saved {
        saved.keep(x, weight)
    }

    fn backward(&self, saved: Saved, gradient: FlexTensor, _: [bool; 2]) -> [Option<FlexTensor>; 2] {
        saved.gradients(&gradient)
    }
}

impl Kernel<3> for Linear {
    type Saved = Saved;

    fn forward(&self, [x, weight, bias]: [FlexTensor; 3]) -> (FlexTensor, Saved) {
        apply(x, weight, Some(&bias))
    }

    fn keep(&self, saved: Saved, [x, weight, _]: [bool; 3]) -> Saved {
        saved.keep(x, weight)
    }

    fn backward(&self, saved: Saved, gradient: FlexTensor, wanted: [bool; 3]) -> [Option<FlexTensor>; 3] {
        let [x, weight] = saved.gradients(&gradient);
        [x, weight, wanted[2].then(|| of_bias(&gradient))]
    }
}

fn apply(x: FlexTensor, weight: FlexTensor, bias: Option<&FlexTensor>) -> (FlexTensor, Saved) {
    let ([rows, depth], [columns, _]) = (dims(&x), dims(&weight));
    let product = Product {
        addend: bias.map(addend_of),
        ..Product::new(
            Operand::Along(Along::every(values(&x), depth)),
            Operand::Along(Along::every(values(&weight), depth)),
            [rows, depth, columns],
        )
    };
    let output = into_tensor(&product);
    let saved = Saved {
        x: Some(x),
        weight: Some(weight),
    };
    (output, saved)
}

fn of_rows(gradient: &FlexTensor, weight: &FlexTensor) -> FlexTensor {
    let ([rows, depth], [_, columns]) = (dims(gradient), dims(weight));
    product_of(
        Operand::Along(Along::every(values(gradient), depth)),
        Operand::Across(Across::every(values(weight), columns)),
        [rows, depth, columns],
    )
}

fn of_weight(gradient: &FlexTensor, x: &FlexTensor) -> FlexTensor {
    let ([depth, rows], [_, columns]) = (dims(gradient), dims(x));
    product_of(
        Operand::Across(Across::every(values(gradient), rows)),
        Operand::Across(Across::every(values(x), columns)),
        [rows, depth, columns],
    )
}

/// A bias as what is added to every row.
pub(in crate::nn::kernels) fn addend_of(bias: &FlexTensor) -> Addend<'_> {
    Addend {
        values: values(bias),
        rows: 1,
        count: 1,
    }
}

/// The gradient of a bias.
pub(in crate::nn::kernels) fn of_bias(gradient: &FlexTensor) -> FlexTensor {
    let [_, columns] = dims(gradient);
    tensor(
        column_sums(CpuLevel::in_force(), values(gradient), columns),
        [columns],
    )
}

//! Products of matrices on the CPU, and their derivatives.

use burn_flex::FlexTensor;

use crate::nn::kernels::product::{Across, Along, Operand, product_of};
use crate::nn::kernels::slices::{dims, values};
use crate::nn::kernels::tape::Kernel;

#[derive(Clone, Debug)]
pub(in crate::nn::kernels) struct MatrixProduct;

impl Kernel<2> for MatrixProduct {
    type Saved = [FlexTensor; 2];

    fn forward(&self, [left, right]: [FlexTensor; 2]) -> (FlexTensor, Self::Saved) {
        let ([rows, depth], [_, columns]) = (dims(&left), dims(&right));
        let output = product_of(
            Operand::Along(Along::every(values(&left), depth)),
            Operand::Across(Across::every(values(&right), columns)),
            [rows, depth, columns],
        );
        (output, [left, right])
    }

    fn backward(
        &self,
        [left, right]: Self::Saved,
        gradient: FlexTensor,
        wanted: [bool; 2],
    ) -> [Option<FlexTensor>; 2] {
        let ([rows, depth], [_, columns]) = (dims(&left), dims(&right));
        let of_left = || {
            product_of(
                Operand::Along(Along::every(values(&gradient), columns)),
                Operand::Along(Along::every(values(&right), columns)),
                [rows, columns, depth],
            )
        };
        let of_right = || {
            product_of(
                Operand::Across(Across::every(values(&left), depth)),
                Operand::Across(Across::every(values(&gradient), columns)),
                [depth, rows, columns],
            )
        };
        [wanted[0].then(of_left), wanted[1].then(of_right)]
    }
}

//! Both activations on the CPU.

use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::QUICK;
use crate::cpu_level::CpuLevel;
use crate::nn::kernels::instructions::{Arithmetic, vectorised};
use crate::nn::kernels::slices::{dims, normal, sigmoid, tensor, values, zeros};
use crate::nn::kernels::tape::Kernel;

/// Values of one task.
const PART: usize = 1 << 14;

/// Which of the two functions.
#[derive(Clone, Copy, Debug)]
pub(in crate::nn::kernels) enum Gelu {
    /// With the normal distribution function.
    Exact,
    /// With a sigmoid in its place.
    Quick,
}

impl Gelu {
    /// Puts the function in the place of each value.
    pub(in crate::nn::kernels) fn replace(self, values: &mut [f32]) {
        let level = CpuLevel::in_force();
        let parts = values.par_chunks_mut(PART);
        match self {
            Self::Exact => parts.for_each(|values| replace_part(level, values, Self::Exact)),
            Self::Quick => parts.for_each(|values| replace_part(level, values, Self::Quick)),
        }
    }

    #[inline(always)]
    fn value(self, arithmetic: Arithmetic, x: f32) -> f32 {
        match self {
            Self::Exact => x * normal(arithmetic, x).0,
            Self::Quick => x * sigmoid(arithmetic, QUICK as f32 * x),
        }
    }

    #[inline(always)]
    fn slope(self, arithmetic: Arithmetic, x: f32) -> f32 {
        match self {
            Self::Exact => {
                let (below, density) = normal(arithmetic, x);
                below + x * density
            }
            Self::Quick => {
                let below = sigmoid(arithmetic, QUICK as f32 * x);
                below + QUICK as f32 * x * below * (1.0 - below)
            }
        }
    }
}

impl Kernel<1> for Gelu {
    type Saved = FlexTensor;

    fn forward(&self, [x]: [FlexTensor; 1]) -> (FlexTensor, FlexTensor) {
        let level = CpuLevel::in_force();
        let shape: [usize; 3] = dims(&x);
        let mut output = zeros(shape.iter().product());
        let parts = output.par_chunks_mut(PART).zip(values(&x).par_chunks(PART));
        match self {
            // Named here, so that each loop has one function in it.
            Self::Exact => parts.for_each(|(output, x)| fill(level, output, x, Self::Exact)),
            Self::Quick => parts.for_each(|(output, x)| fill(level, output, x, Self::Quick)),
        }
        (tensor(output, shape), x)
    }

    fn backward(&self, x: FlexTensor, gradient: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        let (kind, level) = (*self, CpuLevel::in_force());
        let shape: [usize; 3] = dims(&x);
        let mut target = vec![0.0; shape.iter().product()];
        target
            .par_chunks_mut(PART)
            .zip(values(&x).par_chunks(PART))
            .zip(values(&gradient).par_chunks(PART))
            .for_each(|((target, x), gradient)| {
                vectorised(
                    level,
                    #[inline(always)]
                    |arithmetic| {
                        for (target, (x, gradient)) in target.iter_mut().zip(x.iter().zip(gradient)) {
                            *target = gradient * kind.slope(arithmetic, *x);
                        }
                    },
                );
            });
        [Some(tensor(target, shape))]
    }
}

#[inline(always)]
fn replace_part(level: CpuLevel, values: &mut [f32], kind: Gelu) {
    vectorised(
        level,
        #[inline(always)]
        |arithmetic| {
            for value in values {
                *value = kind.value(arithmetic, *value);
            }
        },
    );
}

#[inline(always)]
fn fill(level: CpuLevel, output: &mut [f32], x: &[f32], kind: Gelu) {
    vectorised(
        level,
        #[inline(always)]
        |arithmetic| {
            for (output, x) in output.iter_mut().zip(x) {
                *output = kind.value(arithmetic, *x);
            }
        },
    );
}

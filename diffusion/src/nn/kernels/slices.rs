//! Arithmetic on slices of f32, written so that it becomes vector instructions.
//!
//! Products and sums that may share one rounding say so, because the compiler never joins them on its own.

use burn::tensor::{Bytes, DType, Shape};
use burn_flex::{FlexTensor, Layout};
use rayon::prelude::*;

use super::instructions::Arithmetic;

/// Independent sums that a long sum is split into.
///
/// Addition is not associative, so the compiler does not split one itself; this many fill the
/// registers of every instruction set.
const LANES: usize = 32;

/// The values of a contiguous f32 tensor.
pub(super) fn values(tensor: &FlexTensor) -> &[f32] {
    tensor
        .as_slice()
        .expect("kernels are only given contiguous f32 tensors, see `tape`")
}

/// Makes a tensor of its values.
pub(super) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    let layout = Layout::contiguous(Shape::from(shape));
    FlexTensor::new(Bytes::from_elems(values), layout, DType::F32)
}

/// Zeros from which filling them is worth several threads; 1 MiB.
const MANY: usize = 1 << 18;

/// Zeros for a result. Memory that was in use before has to be filled, for which the other threads would wait.
pub(super) fn zeros(count: usize) -> Vec<f32> {
    const BLOCK: usize = 1024;
    if count < MANY {
        return vec![0.0; count];
    }
    let blocks = (0..count.div_ceil(BLOCK)).into_par_iter();
    let blocks: Vec<[f32; BLOCK]> = blocks.map(|_| [0.0; BLOCK]).collect();
    let mut values = blocks.into_flattened();
    values.truncate(count);
    values
}

/// Shape of a tensor whose rank is known.
pub(super) fn dims<const D: usize>(tensor: &FlexTensor) -> [usize; D] {
    let shape = tensor.layout().shape();
    std::array::from_fn(|axis| shape[axis])
}

/// Sums `term` over two slices of equal length.
#[inline(always)]
pub(super) fn sum_pairs(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let (a_head, a_tail) = a.as_chunks::<LANES>();
    let (b_head, b_tail) = b.as_chunks::<LANES>();
    for (a, b) in a_head.iter().zip(b_head) {
        for lane in 0..LANES {
            lanes[lane] += term(a[lane], b[lane]);
        }
    }
    let tail: f32 = a_tail.iter().zip(b_tail).map(|(&a, &b)| term(a, b)).sum();
    fold_lanes(lanes, |a, b| a + b) + tail
}

/// The largest of some values, `f32::NEG_INFINITY` if there are none.
#[inline(always)]
pub(super) fn largest(values: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (head, tail) = values.as_chunks::<LANES>();
    for values in head {
        for lane in 0..LANES {
            lanes[lane] = larger(lanes[lane], values[lane]);
        }
    }
    let most = fold_lanes(lanes, larger);
    tail.iter().copied().fold(most, larger)
}

/// Joins lanes by halves, which takes five steps where one after another takes 31.
#[inline(always)]
fn fold_lanes(mut lanes: [f32; LANES], join: impl Fn(f32, f32) -> f32) -> f32 {
    for half in [16, 8, 4, 2, 1] {
        for lane in 0..half {
            lanes[lane] = join(lanes[lane], lanes[lane + half]);
        }
    }
    lanes[0]
}

/// Sums a slice.
#[inline(always)]
pub(super) fn sum(values: &[f32]) -> f32 {
    sum_pairs(values, values, |value, _| value)
}

/// Adds `factor * source` to `target`.
#[inline(always)]
pub(super) fn add_scaled(target: &mut [f32], factor: f32, source: &[f32]) {
    for (target, source) in target.iter_mut().zip(source) {
        *target += factor * source;
    }
}

/// e^x within 2 units in the last place; x below -87 counts as -87, above 88 as 88.
///
/// 2^n with n the nearest whole number to x / ln 2, times a Taylor polynomial of the rest. Adding
/// 1.5 * 2^23 leaves n in the low bits of the sum, which spares a conversion.
#[inline(always)]
pub(super) fn exp(arithmetic: Arithmetic, x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts, the first short enough that n times it is exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let rest = arithmetic.multiply_add(-n, LN_2_LOW, arithmetic.multiply_add(-n, LN_2_HIGH, x));
    let polynomial = [720.0, 120.0, 24.0, 6.0, 2.0, 1.0, 1.0]
        .into_iter()
        .map(|factorial: f32| 1.0 / factorial)
        .reduce(|sum: f32, coefficient| arithmetic.multiply_add(sum, rest, coefficient))
        .unwrap_or(1.0);
    let power = (shifted.to_bits() << 23).wrapping_add(1.0_f32.to_bits());
    polynomial * f32::from_bits(power)
}

/// 1 / (1 + e^-x).
#[inline(always)]
pub(super) fn sigmoid(arithmetic: Arithmetic, x: f32) -> f32 {
    1.0 / (1.0 + exp(arithmetic, -x))
}

/// Standard normal distribution function and density at x.
///
/// Abramowitz and Stegun 26.2.17 with the constants of 7.1.26, error below 1e-7: the tail is a
/// polynomial in t = 1 / (1 + p |x| / sqrt 2) times e^(-x^2 / 2), which the density shares.
#[inline(always)]
pub(super) fn normal(arithmetic: Arithmetic, x: f32) -> (f32, f32) {
    const P: f32 = 0.327_591_1 * std::f32::consts::FRAC_1_SQRT_2;
    const INVERSE_SQRT_TAU: f32 = 0.398_942_3;
    let bell = exp(arithmetic, -0.5 * x * x);
    let t = 1.0 / (1.0 + P * x.abs());
    let polynomial =
        ((((1.061_405_4 * t - 1.453_152_1) * t + 1.421_413_7) * t - 0.284_496_74) * t + 0.254_829_6) * t;
    let tail = 0.5 * polynomial * bell;
    let below = if x < 0.0 { tail } else { 1.0 - tail };
    (below, INVERSE_SQRT_TAU * bell)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu_level::tests::at_every_level;
    use crate::nn::kernels::instructions::vectorised;

    fn points() -> impl Iterator<Item = f32> {
        (-80_000..=80_000).map(|i| i as f32 * 1e-3)
    }

    #[test]
    fn exponential_is_within_two_units_in_the_last_place() {
        at_every_level(|level| {
            let exp = |x| vectorised(level, |arithmetic| exp(arithmetic, x));
            for x in points() {
                let exact = f64::from(x).exp();
                let error = (f64::from(exp(x)) - exact).abs() / exact;
                assert!(error < 2.0 * f64::from(f32::EPSILON), "{level}, {x}: {error:e}");
            }
            assert_eq!(exp(0.0), 1.0);
            assert_eq!(exp(f32::NEG_INFINITY), exp(-87.0));
            assert!(exp(f32::INFINITY).is_finite());
            assert!(exp(f32::NAN).is_nan());
        });
    }

    /// Against the integral of the density by the trapezium rule, which is exact to 1e-12 here.
    #[test]
    fn normal_distribution_agrees_with_its_integral() {
        let density = |x: f64| (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
        let step = 1e-3;
        at_every_level(|level| {
            let mut integral = 0.0;
            for i in -9_000..=9_000 {
                let x = f64::from(i) * step;
                let (below, bell) = vectorised(level, |arithmetic| normal(arithmetic, x as f32));
                assert!(
                    (f64::from(below) - integral).abs() < 3e-7,
                    "{level}, {x}: {below} {integral}"
                );
                assert!((f64::from(bell) - density(x)).abs() < 1e-7, "{level}, {x}");
                integral += step * 0.5 * (density(x) + density(x + step));
            }
        });
    }

    #[test]
    fn zeros_are_as_many_as_asked_for() {
        for count in [0, 5, MANY - 1, MANY, MANY + 1] {
            let values = zeros(count);
            assert_eq!(values.len(), count);
            assert!(values.iter().all(|value| *value == 0.0));
        }
    }

    #[test]
    fn sums_include_the_tail() {
        for length in [0, 1, 31, 32, 33, 100] {
            let values: Vec<f32> = (1..=length).map(|i| i as f32).collect();
            assert_eq!(sum(&values), (length * (length + 1) / 2) as f32);
        }
    }
}

//! Each kernel at every level of this machine against the operation it stands for in f64, values and gradients.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::cell::RefCell;

use burn::tensor::{DType, Device, Distribution, Tensor, activation};

use super::tape::apply;
use super::*;
use crate::cpu_level::CpuLevel;
use crate::cpu_level::tests::at_every_level;

fn plain<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.3, 1.2), &Device::flex())
}

/// The values as an input that a gradient is asked for.
fn leaf<const D: usize>(values: &Tensor<D>, dtype: DType) -> Tensor<D> {
    let device = Device::flex().autodiff();
    Tensor::from_data(values.clone().cast(dtype).into_data(), (&device, dtype)).require_grad()
}

fn values_of<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.cast(DType::F64).into_data().try_to_vec().unwrap()
}

/// Largest difference in units of the largest value.
fn difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let most = b.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    let apart = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    apart.fold(0.0, f64::max) / most.max(f64::MIN_POSITIVE)
}

/// The output of an operation on three inputs, and their gradients for a loss that weighs every value of the output.
fn outcome<const A: usize, const B: usize, const C: usize, const D: usize>(
    (a, b, c): (&Tensor<A>, &Tensor<B>, &Tensor<C>),
    dtype: DType,
    operation: impl Fn(Tensor<A>, Tensor<B>, Tensor<C>) -> Tensor<D>,
) -> [Vec<f64>; 4] {
    let (a, b, c) = (leaf(a, dtype), leaf(b, dtype), leaf(c, dtype));
    let output = operation(a.clone(), b.clone(), c.clone());
    let count = output.dims().iter().product::<usize>();
    let factors = (0..count).map(|i| (i * 37 % 101) as f32 / 50.0 + 0.25).collect();
    let factors = burn::tensor::TensorData::new(factors, output.dims());
    let factors = Tensor::<D>::from_data(factors, (&output.device(), dtype));
    let gradients = (output.clone() * factors).sum().backward();
    [
        values_of(output.inner()),
        values_of(a.grad(&gradients).unwrap()),
        values_of(b.grad(&gradients).unwrap()),
        values_of(c.grad(&gradients).unwrap()),
    ]
}

/// Compares a kernel of three inputs with its reference, and all levels that fuse with each other to the last bit.
fn compare<const A: usize, const B: usize, const C: usize, const D: usize>(
    name: &str,
    (a, b, c): ([usize; A], [usize; B], [usize; C]),
    kernel: impl Fn(Tensor<A>, Tensor<B>, Tensor<C>) -> Tensor<D>,
    reference: impl Fn(Tensor<A>, Tensor<B>, Tensor<C>) -> Tensor<D>,
) {
    let inputs = (plain(a), plain(b), plain(c));
    let inputs = (&inputs.0, &inputs.1, &inputs.2);
    let expected = outcome(inputs, DType::F64, reference);
    let fused: RefCell<Option<[Vec<f64>; 4]>> = RefCell::new(None);
    at_every_level(|level| {
        let found = outcome(inputs, DType::F32, &kernel);
        for (part, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let difference = difference(found, expected);
            assert!(difference < 1e-5, "{name}, {level}, part {part}: {difference:e}");
        }
        if level != CpuLevel::Baseline {
            let first = &mut *fused.borrow_mut();
            assert_eq!(
                first.get_or_insert_with(|| found.clone()),
                &found,
                "{name}, {level}"
            );
        }
    });
}

#[test]
fn convolution() {
    for (height, width, channels, out, kernel, stride, before, after, per_image) in [
        (8, 8, 16, 24, 3, 1, 1, 1, false),
        (5, 7, 3, 4, 3, 1, 1, 1, true),
        (7, 6, 4, 5, 3, 2, 1, 1, false),
        (7, 6, 4, 5, 3, 2, 0, 1, true),
        (3, 4, 6, 2, 1, 1, 0, 0, false),
        (2, 9, 2, 3, 5, 1, 2, 2, false),
        (9, 5, 37, 51, 3, 1, 1, 1, true),
        (4, 4, 96, 64, 3, 1, 1, 1, false),
        (1, 2, 130, 120, 3, 1, 1, 1, false),
        (40, 40, 8, 8, 3, 1, 1, 1, false),
    ] {
        let images = 3;
        let window = Window {
            stride,
            before,
            after,
        };
        let biases = if per_image { images } else { 1 };
        let shapes = (
            [images, height, width, channels],
            [out, channels, kernel, kernel],
            [biases, out],
        );
        compare(
            &format!("{height} x {width}, {channels} to {out}, kernel {kernel}, {window:?}"),
            shapes,
            |x, weight, bias| {
                let inputs = [x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch()];
                apply(conv2d::kernel::Convolution(window), inputs).unwrap()
            },
            |x, weight, bias| conv2d::composed(x, weight, bias, window),
        );
    }
}

/// A weight that is stored with channels next to each other gives the same, without being rearranged.
#[test]
fn convolution_with_channels_last_weight() {
    let device = Device::flex();
    let (x, bias) = (plain([2, 5, 6, 7]), plain([1, 9]));
    let weight = plain([9, 7, 3, 3]);
    let stored = Tensor::<4>::from_data(weight.clone().permute([0, 2, 3, 1]).into_data(), &device);
    let window = Window {
        stride: 1,
        before: 1,
        after: 1,
    };
    let plainly = conv2d(x.clone(), weight, bias.clone(), window);
    let directly = conv2d(x, stored.permute([0, 3, 1, 2]), bias, window);
    assert_eq!(values_of(plainly), values_of(directly));
}

#[test]
fn group_normalisation() {
    for (height, width, channels, groups, silu) in [
        (8, 8, 32, 8, true),
        (3, 5, 6, 2, false),
        (1, 2, 12, 3, true),
        (4, 4, 96, 32, true),
        (23, 31, 20, 5, true),
    ] {
        let options = GroupNormOptions {
            groups,
            epsilon: 1e-5,
            silu,
        };
        compare(
            &format!("{height} x {width} x {channels}, {options:?}"),
            ([3, height, width, channels], [channels], [channels]),
            |x, weight, bias| {
                let inputs = [x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch()];
                apply(group_norm::kernel::GroupNorm(options), inputs).unwrap()
            },
            |x: Tensor<4>, weight: Tensor<1>, bias: Tensor<1>| {
                let groups = x.reshape([3, height * width, groups, channels / groups]);
                let mean = |x: Tensor<4>| x.mean_dim(1).mean_dim(3);
                let centred = groups.clone() - mean(groups);
                let normalised = centred.clone() / (mean(centred.square()) + 1e-5).sqrt();
                let normalised = normalised.reshape([3, height, width, channels]);
                let output =
                    normalised * weight.reshape([1, 1, 1, channels]) + bias.reshape([1, 1, 1, channels]);
                if silu { activation::silu(output) } else { output }
            },
        );
    }
}

#[test]
fn layer_normalisation() {
    for features in [1 << 6, 37, 5] {
        compare(
            &features.to_string(),
            ([3, 4, features], [features], [features]),
            |x, weight, bias| {
                let inputs = [x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch()];
                apply(layer_norm::kernel::LayerNorm { epsilon: 1e-5 }, inputs).unwrap()
            },
            |x: Tensor<3>, weight: Tensor<1>, bias: Tensor<1>| {
                let centred = x.clone() - x.mean_dim(2);
                let normalised = centred.clone() / (centred.square().mean_dim(2) + 1e-5).sqrt();
                normalised * weight.reshape([1, 1, features]) + bias.reshape([1, 1, features])
            },
        );
    }
}

#[test]
fn multi_head_attention() {
    for (tokens, context, heads, depth) in [
        (64, 64, 4, 16),
        (5, 3, 3, 5),
        (16, 77, 2, 40),
        (130, 257, 2, 40),
        (64, 128, 1, 64),
        (65, 33, 2, 33),
        (3, 130, 1, 300),
    ] {
        let features = heads * depth;
        compare(
            &format!("{tokens} to {context}, {heads} heads of {depth}"),
            (
                [2, tokens, features],
                [2, context, features],
                [2, context, features],
            ),
            |query, key, value| {
                let inputs = [query.into_dispatch(), key.into_dispatch(), value.into_dispatch()];
                apply(attention::kernel::Attention { heads }, inputs).unwrap()
            },
            |query: Tensor<3>, key: Tensor<3>, value: Tensor<3>| {
                let split = |x: Tensor<3>| {
                    let tokens = x.dims()[1];
                    x.reshape([2, tokens, heads, depth]).swap_dims(1, 2)
                };
                let scores = split(query).matmul(split(key).swap_dims(2, 3)) / (depth as f64).sqrt();
                let gathered = activation::softmax(scores, 3).matmul(split(value));
                gathered.swap_dims(1, 2).reshape([2, tokens, features])
            },
        );
    }
}

/// The weight of a single key is 1 whatever the query, so queries and keys have no gradient.
#[test]
fn attention_to_one_token_gives_its_value() {
    at_every_level(|_| {
        let (query, key, value) = (plain([2, 3, 4]), plain([2, 1, 4]), plain([2, 1, 4]));
        let expected = values_of(value.clone().expand([2, 3, 4]));
        assert_eq!(values_of(attention(query, key, value, 2)), expected);
    });
}

#[test]
fn linear_layers() {
    for (rows, inputs, outputs) in [(1, 1, 1), (16, 64, 96), (7, 300, 5), (3, 520, 530), (100, 33, 47)] {
        let shapes = ([rows, inputs], [outputs, inputs], [outputs]);
        compare(
            &format!("{rows} rows, {inputs} to {outputs}"),
            shapes,
            |x, weight, bias| linear(x, weight, Some(bias)),
            |x, weight, bias| x.matmul(weight.transpose()) + bias.unsqueeze(),
        );
        compare(
            &format!("{rows} rows, {inputs} to {outputs}, without bias"),
            shapes,
            |x, weight, bias| linear(x, weight, None) * bias.unsqueeze(),
            |x, weight, bias| x.matmul(weight.transpose()) * bias.unsqueeze(),
        );
        compare(
            &format!("{rows} x {inputs} by {inputs} x {outputs}"),
            ([rows, inputs], [inputs, outputs], [outputs]),
            |left, right, factor| matrix_product(left, right) * factor.unsqueeze(),
            |left, right, factor| left.matmul(right) * factor.unsqueeze(),
        );
    }
}

#[test]
fn linear_layers_with_a_low_rank_change() {
    for (rows, inputs, outputs, rank) in [(5, 7, 9, 2), (70, 64, 48, 16), (300, 40, 20, 32), (9, 10, 300, 4)]
    {
        let (weight, bias) = (plain([outputs, inputs]), plain([outputs]));
        let fixed = |like: &Tensor<2>| {
            let to = |x: Tensor<2>| {
                Tensor::<2>::from_data(x.cast(like.dtype()).into_data(), (&like.device(), like.dtype()))
            };
            (
                to(weight.clone()),
                to(bias.clone().unsqueeze()).squeeze_dim::<1>(0),
            )
        };
        for scale in [1.0, 0.5] {
            let change = |down, up| LowRank { down, up, scale };
            let factors = ([rows, inputs], [rank, inputs], [outputs, rank]);
            let reference = |x: Tensor<2>, down: Tensor<2>, up: Tensor<2>| {
                let (weight, bias) = fixed(&x);
                let change = x.clone().matmul(down.transpose()).matmul(up.transpose()) * scale;
                x.matmul(weight.transpose()) + change + bias.unsqueeze()
            };
            compare(
                &format!("{rows} rows, {inputs} to {outputs}, rank {rank}"),
                factors,
                |x, down, up| {
                    let (weight, bias) = fixed(&x);
                    low_rank_linear(x, weight, change(down, up), Some(bias))
                },
                reference,
            );
            compare(
                &format!("{rows} rows, {inputs} to {outputs}, rank {rank}, with another weight"),
                ([outputs, inputs], [rank, inputs], [outputs, rank]),
                |weight, down, up| {
                    let (x, _) = fixed(&weight);
                    low_rank_linear(x, weight, change(down, up), None)
                },
                |weight: Tensor<2>, down: Tensor<2>, up: Tensor<2>| {
                    let (x, _) = fixed(&weight);
                    let change = up.matmul(down) * scale;
                    x.matmul((weight + change).transpose())
                },
            );
        }
    }
}

#[test]
fn columns_are_scaled_and_shifted() {
    for (rows, columns) in [(1, 5), (300, 33), (513, 16)] {
        compare(
            &format!("{rows} x {columns}"),
            ([rows, columns], [columns], [columns]),
            |x, gain, bias| column_affine(x, gain, Some(bias)),
            |x, gain, bias| x * gain.unsqueeze() + bias.unsqueeze(),
        );
    }
    let (x, gain) = (plain([3, 4]), plain([4]));
    let expected = values_of(column_affine(x.clone(), gain.clone(), Some(gain.zeros_like())));
    assert_eq!(values_of(column_affine(x, gain, None)), expected);
}

#[test]
fn lengths_of_rows_of_a_changed_weight() {
    for (outputs, inputs, rank) in [(1, 3, 1), (50, 67, 4), (24, 300, 16)] {
        let (weight, down, up) = (
            plain([outputs, inputs]),
            plain([rank, inputs]),
            plain([outputs, rank]),
        );
        let wide = |x: &Tensor<2>| x.clone().cast(DType::F64);
        let changed = wide(&weight) + wide(&up).matmul(wide(&down)) * 0.75;
        let expected = values_of(changed.square().sum_dim(1).sqrt());
        at_every_level(|level| {
            let change = LowRank {
                down: down.clone(),
                up: up.clone(),
                scale: 0.75,
            };
            let found = values_of(row_norms(weight.clone(), change));
            let difference = difference(&found, &expected);
            assert!(difference < 1e-6, "{level}, {outputs} x {inputs}: {difference:e}");
        });
    }
}

/// Sums over rows and places are taken in blocks of a fixed size, products in a fixed order.
#[test]
fn no_gradient_depends_on_the_number_of_threads() {
    let options = GroupNormOptions {
        groups: 2,
        epsilon: 1e-5,
        silu: true,
    };
    let inputs = (plain([2, 40, 30, 24]), plain([24]), plain([24]));
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let normed = outcome(
                (&inputs.0, &inputs.1, &inputs.2),
                DType::F32,
                |x, weight, bias| {
                    let x = group_norm(x, weight.clone(), bias.clone(), options);
                    let tokens = layer_norm(x.reshape([2, 1200, 24]), weight, bias, 1e-5);
                    attention(tokens.clone(), tokens.clone(), tokens, 2)
                },
            );
            normed.to_vec()
        })
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn gated_linear_unit() {
    for features in [19, 64] {
        compare(
            &features.to_string(),
            ([3, 5, 2 * features], [1], [1]),
            |x, factor, shift| {
                let x = x * 3.0;
                let gated: Tensor<3> = apply(gated_gelu::kernel::GatedGelu, [x.into_dispatch()]).unwrap();
                gated * factor.unsqueeze() + shift.unsqueeze()
            },
            |x: Tensor<3>, factor, shift| {
                let x = x * 3.0;
                let value = x.clone().narrow(2, 0, features);
                let gate = x.narrow(2, features, features);
                let below = (gate.clone() / std::f64::consts::SQRT_2).erf() * 0.5 + 0.5;
                value * gate * below * factor.unsqueeze() + shift.unsqueeze()
            },
        );
    }
}

#[test]
fn activations_without_a_gate() {
    let scaled = |x: Tensor<3>, factor: Tensor<1>, shift: Tensor<1>| {
        (x * 3.0, factor.unsqueeze::<3>(), shift.unsqueeze::<3>())
    };
    for features in [19, 64] {
        let shapes = ([3, 5, features], [1], [1]);
        compare(
            &format!("exact, {features}"),
            shapes,
            |x, factor, shift| {
                let (x, factor, shift) = scaled(x, factor, shift);
                let found: Tensor<3> = apply(gelu::kernel::Gelu::Exact, [x.into_dispatch()]).unwrap();
                found * factor + shift
            },
            |x, factor, shift| {
                let (x, factor, shift) = scaled(x, factor, shift);
                let below = (x.clone() / std::f64::consts::SQRT_2).erf() * 0.5 + 0.5;
                x * below * factor + shift
            },
        );
        compare(
            &format!("quick, {features}"),
            shapes,
            |x, factor, shift| {
                let (x, factor, shift) = scaled(x, factor, shift);
                let found: Tensor<3> = apply(gelu::kernel::Gelu::Quick, [x.into_dispatch()]).unwrap();
                found * factor + shift
            },
            |x, factor, shift| {
                let (x, factor, shift) = scaled(x, factor, shift);
                x.clone() * activation::sigmoid(x * 1.702) * factor + shift
            },
        );
    }
}

/// Only the inputs that ask for a gradient get one, and the others do not stop the rest.
#[test]
fn frozen_weights_get_no_gradient() {
    let device = Device::flex().autodiff();
    let x = leaf(&plain([2, 4, 4, 4]), DType::F32);
    let weight = Tensor::from_data(plain([4, 4, 3, 3]).into_data(), &device);
    let bias = plain([1, 4]);
    let window = Window {
        stride: 1,
        before: 1,
        after: 1,
    };
    let output = conv2d(x.clone(), weight.clone(), bias, window);
    let gradients = output.sum().backward();
    assert!(x.grad(&gradients).is_some());
    assert!(weight.grad(&gradients).is_none());
}

/// What the kernels do not take is left to the composed operations.
#[test]
fn other_element_types_and_checkpointing_are_left_alone() {
    let half = plain([1, 2, 4]).cast(DType::F16);
    assert!(apply::<_, 1, 3>(gated_gelu::kernel::GatedGelu, [half.into_dispatch()]).is_none());
    let device = Device::flex().autodiff().gradient_checkpointing();
    let checkpointed = Tensor::<3>::from_data(plain([1, 2, 4]).into_data(), &device).require_grad();
    assert!(apply::<_, 1, 3>(gated_gelu::kernel::GatedGelu, [checkpointed.into_dispatch()]).is_none());
}

//! Each kernel against the same operation composed of tensor operations, values and gradients.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use burn::tensor::{Device, Distribution, Tensor};

use super::tape::apply;
use super::*;

/// Inputs that a gradient is asked for, drawn anew for each test.
fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(plain(shape).into_data(), device).require_grad()
}

fn plain<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.3, 1.2), &Device::flex())
}

fn values_of<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

/// Largest difference in units of the largest value.
fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let most = b.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    let apart = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    apart.fold(0.0, f32::max) / most
}

/// Compares two outputs and the gradients they give the same three inputs.
fn compare<const A: usize, const B: usize, const C: usize, const D: usize>(
    name: &str,
    (a, b, c): (&Tensor<A>, &Tensor<B>, &Tensor<C>),
    outputs: [Tensor<D>; 2],
) {
    let factors = Tensor::<D>::random(outputs[0].dims(), Distribution::Default, &Device::flex());
    let [kernel, composed] = outputs.map(|output| {
        let gradients = (output.clone() * factors.clone()).sum().backward();
        [
            values_of(output),
            values_of(a.grad(&gradients).unwrap()),
            values_of(b.grad(&gradients).unwrap()),
            values_of(c.grad(&gradients).unwrap()),
        ]
    });
    for (part, (kernel, composed)) in kernel.iter().zip(&composed).enumerate() {
        let difference = difference(kernel, composed);
        assert!(difference < 2e-5, "{name}, part {part}: {difference:e}");
    }
}

#[test]
fn convolution() {
    let device = Device::flex().autodiff();
    for (height, width, channels, out, kernel, stride, before, after, per_image) in [
        (8, 8, 16, 24, 3, 1, 1, 1, false),
        (5, 7, 3, 4, 3, 1, 1, 1, true),
        (7, 6, 4, 5, 3, 2, 1, 1, false),
        (7, 6, 4, 5, 3, 2, 0, 1, true),
        (3, 4, 6, 2, 1, 1, 0, 0, false),
        (2, 9, 2, 3, 5, 1, 2, 2, false),
        (64, 64, 8, 8, 3, 1, 1, 1, false),
    ] {
        let images = 3;
        let x = random([images, height, width, channels], &device);
        let weight = random([out, channels, kernel, kernel], &device);
        let bias = random([if per_image { images } else { 1 }, out], &device);
        let window = Window {
            stride,
            before,
            after,
        };
        let inputs = [
            x.clone().into_dispatch(),
            weight.clone().into_dispatch(),
            bias.clone().into_dispatch(),
        ];
        let fast: Tensor<4> = apply(conv2d::kernel::Convolution(window), inputs).unwrap();
        let composed = conv2d::composed(x.clone(), weight.clone(), bias.clone(), window);
        let name = format!("{height} x {width}, {channels} to {out}, kernel {kernel}, {window:?}");
        compare(&name, (&x, &weight, &bias), [fast, composed]);
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
    let device = Device::flex().autodiff();
    for (height, width, channels, groups, silu) in [
        (8, 8, 32, 8, true),
        (3, 5, 6, 2, false),
        (1, 1, 12, 3, true),
        (4, 4, 96, 32, true),
    ] {
        let x = random([3, height, width, channels], &device);
        let (weight, bias) = (random([channels], &device), random([channels], &device));
        let options = GroupNormOptions {
            groups,
            epsilon: 1e-5,
            silu,
        };
        let inputs = [
            x.clone().into_dispatch(),
            weight.clone().into_dispatch(),
            bias.clone().into_dispatch(),
        ];
        let fast: Tensor<4> = apply(group_norm::kernel::GroupNorm(options), inputs).unwrap();
        let composed = group_norm::composed(x.clone(), weight.clone(), bias.clone(), options);
        compare(&format!("{options:?}"), (&x, &weight, &bias), [fast, composed]);
    }
}

#[test]
fn layer_normalisation() {
    let device = Device::flex().autodiff();
    for features in [1 << 6, 37, 5] {
        let x = random([3, 4, features], &device);
        let (weight, bias) = (random([features], &device), random([features], &device));
        let inputs = [
            x.clone().into_dispatch(),
            weight.clone().into_dispatch(),
            bias.clone().into_dispatch(),
        ];
        let fast: Tensor<3> = apply(layer_norm::kernel::LayerNorm { epsilon: 1e-5 }, inputs).unwrap();
        let composed = layer_norm::composed(x.clone(), weight.clone(), bias.clone(), 1e-5);
        compare(&features.to_string(), (&x, &weight, &bias), [fast, composed]);
    }
}

#[test]
fn multi_head_attention() {
    let device = Device::flex().autodiff();
    for (tokens, context, heads, depth) in [(64, 64, 4, 16), (5, 3, 3, 5), (16, 77, 2, 40), (1, 1, 1, 1)] {
        let query = random([2, tokens, heads * depth], &device);
        let key = random([2, context, heads * depth], &device);
        let value = random([2, context, heads * depth], &device);
        let inputs = [
            query.clone().into_dispatch(),
            key.clone().into_dispatch(),
            value.clone().into_dispatch(),
        ];
        let fast: Tensor<3> = apply(attention::kernel::Attention { heads }, inputs).unwrap();
        let composed = attention::composed(query.clone(), key.clone(), value.clone(), heads);
        let name = format!("{tokens} to {context}, {heads} heads of {depth}");
        if context > 1 {
            compare(&name, (&query, &key, &value), [fast, composed]);
        } else {
            assert!(
                difference(&values_of(fast), &values_of(composed)) < 2e-5,
                "{name}"
            );
        }
    }
}

#[test]
fn tiled_attention() {
    let device = Device::flex().autodiff();
    for (tokens, context, heads, depth) in
        [(130, 257, 2, 40), (5, 3, 3, 5), (64, 128, 1, 64), (65, 33, 2, 33)]
    {
        let query = random([2, tokens, heads * depth], &device);
        let key = random([2, context, heads * depth], &device);
        let value = random([2, context, heads * depth], &device);
        let inputs = [
            query.clone().into_dispatch(),
            key.clone().into_dispatch(),
            value.clone().into_dispatch(),
        ];
        let fast: Tensor<3> = apply(attention::tiled::TiledAttention { heads }, inputs).unwrap();
        let composed = attention::composed(query.clone(), key.clone(), value.clone(), heads);
        let name = format!("{tokens} to {context}, {heads} heads of {depth}");
        compare(&name, (&query, &key, &value), [fast, composed]);
    }
}

#[test]
fn gated_linear_unit() {
    let device = Device::flex().autodiff();
    let x = random([3, 5, 2 * 19], &device) * 3.0;
    let inputs = [x.clone().into_dispatch()];
    let fast: Tensor<3> = apply(gated_gelu::kernel::GatedGelu, inputs).unwrap();
    let leaf = x.clone().detach().require_grad();
    let composed = gated_gelu::composed(leaf.clone());
    assert!(difference(&values_of(fast), &values_of(composed.clone())) < 1e-6);
    let again: Tensor<3> = apply(gated_gelu::kernel::GatedGelu, [leaf.clone().into_dispatch()]).unwrap();
    let [fast, composed] = [again, composed].map(|output| {
        let gradients = output.square().sum().backward();
        values_of(leaf.grad(&gradients).unwrap())
    });
    assert!(difference(&fast, &composed) < 1e-6);
}

/// Only the inputs that ask for a gradient get one, and the others do not stop the rest.
#[test]
fn frozen_weights_get_no_gradient() {
    let device = Device::flex().autodiff();
    let x = random([2, 4, 4, 4], &device);
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
    let half = plain([1, 2, 4]).cast(burn::tensor::DType::F16);
    assert!(apply::<_, 1, 3>(gated_gelu::kernel::GatedGelu, [half.into_dispatch()]).is_none());
    let device = Device::flex().autodiff().gradient_checkpointing();
    let checkpointed = random([1, 2, 4], &device);
    assert!(apply::<_, 1, 3>(gated_gelu::kernel::GatedGelu, [checkpointed.into_dispatch()]).is_none());
}

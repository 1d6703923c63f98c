//! Images put together channel by channel.

#[cfg(feature = "kernels")]
mod kernel;

use burn::tensor::Tensor;

/// Puts the channels of images behind each other, on all threads where no derivative is asked for.
///
/// # Shapes
/// - parts: at least one, each `[batch, height, width, ..]`
/// - output: `[batch, height, width, the sum of their channels]`
pub fn join_channels(parts: Vec<Tensor<4>>) -> Tensor<4> {
    #[cfg(feature = "kernels")]
    {
        let untracked = |part: &Tensor<4>| super::tape::untracked(part.clone().into_dispatch());
        let values: Option<Vec<_>> = parts.iter().map(untracked).collect();
        if let Some(values) = values {
            return super::tape::of_values(kernel::join(&values));
        }
    }
    Tensor::cat(parts, 3)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::nn::weights::seeded_input;

    #[test]
    fn channels_stand_in_the_order_of_the_parts() {
        let device = Device::flex();
        let part = |name, channels| seeded_input::<4>(2, name, [2, 3, 5, channels], &device);
        let parts = vec![part("a", 3), part("b", 1), part("c", 4)];
        let expected = Tensor::cat(parts.clone(), 3);
        assert_eq!(join_channels(parts).into_data(), expected.into_data());
    }
}

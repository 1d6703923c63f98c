//! How much arithmetic a denoiser does.

use super::config::{Level, UNet2DConditionConfig};
use super::resnet::ResnetShape;
use super::transformer::TransformerShape;
use crate::nn::layer_operations::{attention, convolution, product};

impl UNet2DConditionConfig {
    /// Counts the floating point operations of one forward pass, those of matrix products alone.
    ///
    /// # Shapes
    /// - latents: `[batch, in channels, height, width]`
    /// - context: `[batch, tokens, ..]`
    pub fn forward_operations(&self, batch: usize, [height, width]: [usize; 2], tokens: usize) -> u64 {
        let levels = self.levels();
        let sizes: Vec<[usize; 2]> = std::iter::successors(Some([height, width]), |size| {
            Some(size.map(|side| side.div_ceil(2)))
        })
        .take(levels.len())
        .collect();
        let (first, last) = (levels[0].channels, levels.len() - 1);
        let mut total = self.embedding_operations(first)
            + convolution([self.in_channels, first], self.conv_in_kernel, sizes[0])
            + convolution([first, self.out_channels], self.conv_out_kernel, sizes[0]);
        for (index, level) in levels.iter().enumerate() {
            let size = sizes[index];
            total += block(
                &self.down_resnets(&levels, index),
                level.down_attention,
                level,
                size,
                tokens,
            );
            total += block(
                &self.up_resnets(&levels, index),
                level.up_attention,
                level,
                size,
                tokens,
            );
            if index < last {
                total += convolution([level.channels; 2], 3, sizes[index + 1]);
            }
            if index > 0 {
                total += convolution([level.channels; 2], 3, sizes[index - 1]);
            }
        }
        if self.mid_block {
            let transformer = self.mid_transformer(&levels[last]);
            let mid = self.mid_resnet(levels[last].channels);
            total += 2 * resnet(&mid, sizes[last]) + transform(&transformer, sizes[last], tokens);
        }
        total * batch as u64
    }

    fn embedding_operations(&self, first: usize) -> u64 {
        let time = self.time_features();
        let perceptron = |input| product([input, time], 1) + product([time, time], 1);
        perceptron(first)
            + self
                .addition
                .map_or(0, |addition| perceptron(addition.in_features))
    }
}

fn block(
    resnets: &[ResnetShape],
    has_attention: bool,
    level: &Level,
    size: [usize; 2],
    tokens: usize,
) -> u64 {
    let transformers = match has_attention {
        true => resnets.len() as u64 * transform(&level.transformer, size, tokens),
        false => 0,
    };
    transformers + resnets.iter().map(|shape| resnet(shape, size)).sum::<u64>()
}

fn resnet(shape: &ResnetShape, size: [usize; 2]) -> u64 {
    let (input, output) = (shape.in_channels, shape.out_channels);
    let shortcut = match input == output {
        true => 0,
        false => convolution([input, output], 1, size),
    };
    shortcut
        + convolution([input, output], 3, size)
        + convolution([output, output], 3, size)
        + product([shape.time_features, output], 1)
}

fn transform(shape: &TransformerShape, [height, width]: [usize; 2], tokens: usize) -> u64 {
    let pixels = height * width;
    let inner = shape.heads * (shape.channels / shape.heads);
    let attend = |context, context_features| {
        2 * product([inner, inner], pixels)
            + 2 * product([context_features, inner], context)
            + attention(pixels, context, inner)
    };
    let to_prompt = attend(tokens, shape.context_features);
    let to_image = match shape.only_cross_attention {
        true => to_prompt,
        false => attend(pixels, inner),
    };
    let feed_forward = product([inner, 8 * inner], pixels) + product([4 * inner, inner], pixels);
    2 * product([shape.channels, inner], pixels) + shape.layers as u64 * (to_image + to_prompt + feed_forward)
}

#[cfg(test)]
mod tests {
    use crate::model::Architecture;

    /// Counted by PyTorch's own counter of operations: `tools/goldens/export_operations.py`.
    #[test]
    fn counts_are_those_of_pytorch() {
        for (architecture, batch, size, expected) in [
            (Architecture::Sd15, 2, [64, 64], 1_606_546_882_560),
            (Architecture::Sd21Base, 2, [64, 64], 1_608_514_928_640),
            (Architecture::Sd21Base, 1, [72, 40], 541_109_032_960),
            (Architecture::Sdxl, 2, [128, 128], 13_522_472_796_160),
        ] {
            let config = architecture.unet_config().unwrap();
            assert_eq!(
                config.forward_operations(batch, size, 77),
                expected,
                "{architecture}"
            );
        }
    }
}

//! How much arithmetic a decoder does.

use super::config::AutoencoderConfig;
use crate::nn::layer_operations::{attention, convolution, product};

impl AutoencoderConfig {
    /// Counts the floating point operations of decoding, those of matrix products alone.
    ///
    /// # Shapes
    /// - latents: `[batch, latent channels, height, width]`
    pub fn decode_operations(&self, batch: usize, [height, width]: [usize; 2]) -> u64 {
        let coarsest_first: Vec<usize> = self.block_out_channels.iter().rev().copied().collect();
        let (Some(&widest), Some(&finest)) = (coarsest_first.first(), coarsest_first.last()) else {
            return 0;
        };
        let (latent, mut size) = (self.latent_channels, [height, width]);
        let mut total = convolution([latent, widest], 3, size) + 2 * resnet([widest; 2], size);
        if self.use_post_quant_conv {
            total += convolution([latent, latent], 1, size);
        }
        if self.mid_block_add_attention {
            let pixels = height * width;
            total += 4 * product([widest; 2], pixels) + attention(pixels, pixels, widest);
        }
        let mut input = widest;
        for (index, &output) in coarsest_first.iter().enumerate() {
            for _ in 0..=self.layers_per_block {
                total += resnet([input, output], size);
                input = output;
            }
            if index + 1 < coarsest_first.len() {
                size = size.map(|side| 2 * side);
                total += convolution([output; 2], 3, size);
            }
        }
        (total + convolution([finest, self.out_channels], 3, size)) * batch as u64
    }
}

fn resnet([input, output]: [usize; 2], size: [usize; 2]) -> u64 {
    let shortcut = match input == output {
        true => 0,
        false => convolution([input, output], 1, size),
    };
    shortcut + convolution([input, output], 3, size) + convolution([output; 2], 3, size)
}

#[cfg(test)]
mod tests {
    use crate::model::Architecture;

    /// Counted by PyTorch's own counter of operations: `tools/goldens/export_operations.py`.
    #[test]
    fn counts_are_those_of_pytorch() {
        let config = Architecture::Sd15.vae_config().unwrap();
        assert_eq!(config.decode_operations(1, [64, 64]), 2_514_518_933_504);
    }
}

//! Brings an autoencoder's latents to zero mean and unit variance by changing its weights.

/// Mean and deviation of each latent channel.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ChannelMoments {
    /// Mean of each channel.
    pub(super) mean: Vec<f64>,
    /// Standard deviation of each channel.
    pub(super) deviation: Vec<f64>,
}

impl ChannelMoments {
    /// Measures latents laid out as `[image, channel, position]`.
    pub(super) fn measure(latents: &[f32], channels: usize, positions: usize) -> Self {
        let images = latents.len() / (channels * positions).max(1);
        let count = (images * positions).max(1) as f64;
        let over = |channel: usize, f: &dyn Fn(f64) -> f64| {
            let sum: f64 = (0..images)
                .flat_map(|image| &latents[(image * channels + channel) * positions..][..positions])
                .map(|&value| f(f64::from(value)))
                .sum();
            sum / count
        };
        let mean: Vec<f64> = (0..channels)
            .map(|channel| over(channel, &|value| value))
            .collect();
        let deviation = (0..channels)
            .map(|channel| over(channel, &|value| (value - mean[channel]).powi(2)).sqrt())
            .collect();
        Self { mean, deviation }
    }
}

/// The 1 x 1 convolutions between an autoencoder's networks and its latents.
///
/// Weights are `[out, in]`, row by row. The encoder side yields the means of all channels and then their
/// log-variances.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LatentConvolutions {
    /// Weight of `quant_conv`, `[2 channels, 2 channels]`.
    pub(super) quant_weight: Vec<f32>,
    /// Bias of `quant_conv`, `[2 channels]`.
    pub(super) quant_bias: Vec<f32>,
    /// Weight of `post_quant_conv`, `[channels, channels]`.
    pub(super) post_quant_weight: Vec<f32>,
    /// Bias of `post_quant_conv`, `[channels]`.
    pub(super) post_quant_bias: Vec<f32>,
}

impl LatentConvolutions {
    /// Makes the encoder yield `(z - mean) / deviation` and the decoder undo it.
    ///
    /// Stable Diffusion's noise schedule ends with signal left, so latents must be centred and scaled, or the ground
    /// colour drifts. One scaling factor cannot centre; the two convolutions can, and the reconstruction stays the
    /// same. With `z' = (z - m) / d`: rows of `quant_conv` for the means become `w / d`, `(b - m) / d`; those for
    /// log-variances lose `2 ln d`; `post_quant_conv` becomes `W diag(d)`, `b + W m`.
    pub(super) fn normalize(&mut self, moments: &ChannelMoments) {
        let channels = moments.mean.len();
        let inputs = self.quant_weight.len() / (2 * channels).max(1);
        for channel in 0..channels {
            let (mean, deviation) = (moments.mean[channel], moments.deviation[channel]);
            for weight in &mut self.quant_weight[channel * inputs..][..inputs] {
                *weight = (f64::from(*weight) / deviation) as f32;
            }
            let bias = &mut self.quant_bias[channel];
            *bias = ((f64::from(*bias) - mean) / deviation) as f32;
            self.quant_bias[channels + channel] -= (2.0 * deviation.ln()) as f32;
        }
        for (row, bias) in self
            .post_quant_weight
            .chunks_mut(channels)
            .zip(&mut self.post_quant_bias)
        {
            let shift: f64 = row
                .iter()
                .zip(&moments.mean)
                .map(|(&weight, mean)| f64::from(weight) * mean)
                .sum();
            *bias = (f64::from(*bias) + shift) as f32;
            for (weight, deviation) in row.iter_mut().zip(&moments.deviation) {
                *weight = (f64::from(*weight) * deviation) as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(weight: &[f32], bias: &[f32], input: &[f64]) -> Vec<f64> {
        weight
            .chunks(input.len())
            .zip(bias)
            .map(|(row, &b)| {
                row.iter().zip(input).map(|(&w, x)| f64::from(w) * x).sum::<f64>() + f64::from(b)
            })
            .collect()
    }

    #[test]
    fn latents_are_normalized_and_the_round_trip_is_unchanged() {
        let channels = 3;
        let mut draws = crate::draws::Draws::new("latent normalization", 5, 0);
        let mut numbers = |count: usize| (0..count).map(|_| draws.between(-1.0, 1.0)).collect::<Vec<f32>>();
        let before = LatentConvolutions {
            quant_weight: numbers(36),
            quant_bias: numbers(6),
            post_quant_weight: numbers(9),
            post_quant_bias: numbers(3),
        };
        let features: Vec<Vec<f64>> = (0..50)
            .map(|_| numbers(6).into_iter().map(f64::from).collect())
            .collect();
        let latents = |c: &LatentConvolutions| -> Vec<Vec<f64>> {
            features
                .iter()
                .map(|f| apply(&c.quant_weight, &c.quant_bias, f))
                .collect()
        };
        let old = latents(&before);
        let flat: Vec<f32> = old
            .iter()
            .flat_map(|z| z[..channels].iter().map(|&v| v as f32))
            .collect();
        let moments = ChannelMoments::measure(&flat, channels, 1);
        let mut after = before.clone();
        after.normalize(&moments);
        let new = latents(&after);
        let flat: Vec<f32> = new
            .iter()
            .flat_map(|z| z[..channels].iter().map(|&v| v as f32))
            .collect();
        let now = ChannelMoments::measure(&flat, channels, 1);
        for channel in 0..channels {
            assert!(now.mean[channel].abs() < 1e-5, "{now:?}");
            assert!((now.deviation[channel] - 1.0).abs() < 1e-5, "{now:?}");
        }
        for (old, new) in old.iter().zip(&new) {
            let was = apply(
                &before.post_quant_weight,
                &before.post_quant_bias,
                &old[..channels],
            );
            let is = apply(&after.post_quant_weight, &after.post_quant_bias, &new[..channels]);
            for (was, is) in was.iter().zip(&is) {
                assert!((was - is).abs() < 1e-5, "{was} {is}");
            }
            for channel in 0..channels {
                let shift = 2.0 * moments.deviation[channel].ln();
                assert!((old[channels + channel] - new[channels + channel] - shift).abs() < 1e-5);
            }
        }
    }
}

//! Noise drawn on the host, each number a pure function of what it is for.
//!
//! A generator with a state would make an image depend on which images were drawn before it.
//! Here every draw is named by (stream, seed, content key, seed index, step) and read from the
//! extendable output of BLAKE3 over that name, so that batch size, order, shards and devices
//! cannot change it. Normal values follow by the Box-Muller transform in `f64`, with logarithm
//! and sine evaluated by the polynomials below: they use only the exactly rounded operations, so
//! the bits are the same on every platform and must never change.

/// Names what noise belongs to: the content hash of a prompt or of an image.
pub type ContentKey = [u8; 32];

/// The step that stands for the latent a run starts from.
pub const START: u32 = u32::MAX;

/// The context strings keep the streams apart; they are part of the format.
const SAMPLING: &str = "mitune sampling noise v1";
const FORWARD: &str = "mitune forward noise v1";

/// A counter-based source of standard normal values.
///
/// `sampling` serves start latents and step noise, `forward` the noise put on finished latents, so
/// that a score never sees the noise its image was made from.
#[derive(Debug, Clone)]
pub struct NoiseSource {
    base: blake3::Hasher,
}

impl NoiseSource {
    /// Opens the stream of start latents and step noise.
    pub fn sampling() -> Self {
        let base = blake3::Hasher::new_derive_key(SAMPLING);
        Self { base }
    }

    /// Opens the stream of noise put on finished latents.
    pub fn forward() -> Self {
        let base = blake3::Hasher::new_derive_key(FORWARD);
        Self { base }
    }

    /// Fills `out` with the noise of one step of one candidate; [`START`] is its start latent.
    ///
    /// A longer `out` begins with the values of a shorter one.
    pub fn normal(&self, seed: u64, content: &ContentKey, seed_index: u32, step: u32, out: &mut [f32]) {
        let mut hasher = self.base.clone();
        hasher.update(&seed.to_le_bytes());
        hasher.update(content);
        hasher.update(&seed_index.to_le_bytes());
        hasher.update(&step.to_le_bytes());
        let mut words = hasher.finalize_xof();
        let mut block = [0_u8; 1024];
        for values in out.chunks_mut(block.len() / 8) {
            words.fill(&mut block);
            for (pair, bytes) in values.chunks_mut(2).zip(block.chunks_exact(16)) {
                let normals = box_muller(word(&bytes[..8]), word(&bytes[8..]));
                for (value, normal) in pair.iter_mut().zip(normals) {
                    *value = normal as f32;
                }
            }
        }
    }
}

/// Noise for the latents of a batch, step after step.
pub trait BatchNoise {
    /// Fills `out`, `[batch, ...]`, with the standard normal values of a step; [`START`] comes
    /// first, then only the steps that draw.
    fn fill(&mut self, step: u32, out: &mut [f32]);
}

/// Returns the key of a text, for callers that have no content hash of their own.
pub fn text_key(text: &str) -> ContentKey {
    blake3::derive_key("mitune prompt text v1", text.as_bytes())
}

/// Returns the key of the one bank of noise for all images and captions: what differs between two
/// scores of a bank is then never the luck of their noise.
pub fn bank_key() -> ContentKey {
    blake3::derive_key("mitune forward noise bank v1", &[])
}

/// Returns the key of the noise that draws latents from an autoencoder's posterior.
pub fn posterior_key() -> ContentKey {
    blake3::derive_key("mitune posterior noise v1", &[])
}

fn word(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// Turns two uniform words into two independent standard normal values.
fn box_muller(first: u64, second: u64) -> [f64; 2] {
    const RESOLUTION: f64 = 1.0 / (1_u64 << 53) as f64;
    let above_zero = ((first >> 11) + 1) as f64 * RESOLUTION;
    let turn = (second >> 11) as f64 * RESOLUTION;
    let radius = (-2.0 * logarithm(above_zero)).sqrt();
    let (sine, cosine) = sine_cosine(turn);
    [radius * cosine, radius * sine]
}

/// Evaluates the natural logarithm for normal positive numbers, to about 1e-15.
///
/// With `x = m * 2^e`, `m` near 1 and `s = (m - 1) / (m + 1)`: `ln m = 2 (s + s^3/3 + ...)`.
pub(crate) fn logarithm(x: f64) -> f64 {
    const TERMS: u32 = 12;
    let bits = x.to_bits();
    let mut exponent = (bits >> 52) as i64 - 1023;
    let mut mantissa = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        exponent += 1;
    }
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let series = (0..TERMS)
        .rev()
        .fold(0.0, |sum, k| sum * square + 1.0 / f64::from(2 * k + 1));
    exponent as f64 * std::f64::consts::LN_2 + 2.0 * s * series
}

/// Evaluates sine and cosine of a fraction of a full turn in [0, 1], to about 1e-16.
pub(crate) fn sine_cosine(turn: f64) -> (f64, f64) {
    const TERMS: u32 = 9;
    let quarters = (turn * 4.0).round_ties_even();
    let angle = (turn * 4.0 - quarters) * std::f64::consts::FRAC_PI_2;
    let square = angle * angle;
    let series = |first: u32| {
        (0..TERMS).rev().fold(0.0, |sum, k| {
            let n = f64::from(2 * k + first);
            1.0 - sum * square / ((n + 1.0) * (n + 2.0))
        })
    };
    let (sine, cosine) = (angle * series(1), series(0));
    match quarters as u8 % 4 {
        0 => (sine, cosine),
        1 => (cosine, -sine),
        2 => (-sine, -cosine),
        _ => (-cosine, sine),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: ContentKey = [7; 32];

    fn draw(seed: u64, key: &ContentKey, seed_index: u32, step: u32, count: usize) -> Vec<f32> {
        let mut out = vec![0.0; count];
        NoiseSource::sampling().normal(seed, key, seed_index, step, &mut out);
        out
    }

    /// The bits come from `tools/goldens/export_noise.py`, an independent BLAKE3 and libm.
    #[test]
    fn values_never_change() {
        let sampling = [
            1059998041, 3205231637, 1075457088, 3200200487, 1061874911, 3205101031,
        ];
        let forward = [
            3207405507, 3199589765, 1040489538, 1069438650, 3197151382, 1068600061,
        ];
        for (source, expected) in [
            (NoiseSource::sampling(), sampling),
            (NoiseSource::forward(), forward),
        ] {
            let mut out = [0.0_f32; 6];
            source.normal(42, &KEY, 3, 17, &mut out);
            assert_eq!(out.map(f32::to_bits), expected);
        }
    }

    #[test]
    fn every_part_of_the_name_matters_and_the_length_does_not() {
        let base = draw(1, &KEY, 2, 3, 300);
        assert_eq!(base[..7], draw(1, &KEY, 2, 3, 7));
        let mut other = KEY;
        other[31] ^= 1;
        for changed in [
            draw(2, &KEY, 2, 3, 300),
            draw(1, &other, 2, 3, 300),
            draw(1, &KEY, 3, 3, 300),
            draw(1, &KEY, 2, 4, 300),
            draw(1, &KEY, 2, START, 300),
        ] {
            assert!(base.iter().zip(&changed).all(|(a, b)| a != b));
        }
        let mut forward = vec![0.0; 300];
        NoiseSource::forward().normal(1, &KEY, 2, 3, &mut forward);
        assert_ne!(base, forward);
    }

    #[test]
    fn moments_and_distribution_are_those_of_a_normal() {
        let count = 400_000;
        let values: Vec<f64> = draw(5, &KEY, 0, 0, count).into_iter().map(f64::from).collect();
        let moment = |power: i32| values.iter().map(|v| v.powi(power)).sum::<f64>() / count as f64;
        let error = |variance: f64| 4.5 * (variance / count as f64).sqrt();
        assert!(moment(1).abs() < error(1.0));
        assert!((moment(2) - 1.0).abs() < error(2.0));
        assert!(moment(3).abs() < error(15.0));
        assert!((moment(4) - 3.0).abs() < error(96.0));
        let lagged = |lag: usize| {
            let products = values.windows(lag + 1).map(|w| w[0] * w[lag]);
            products.sum::<f64>() / (count - lag) as f64
        };
        assert!(lagged(1).abs() < error(1.0) && lagged(2).abs() < error(1.0));
        for (bound, probability) in [
            (-1.959_963_985, 0.025),
            (-0.674_489_75, 0.25),
            (0.0, 0.5),
            (1.281_551_566, 0.9),
            (3.090_232_306, 0.999),
        ] {
            let below = values.iter().filter(|&&v| v < bound).count() as f64 / count as f64;
            let deviation = (probability * (1.0_f64 - probability) / count as f64).sqrt();
            assert!((below - probability).abs() < 4.5 * deviation, "{bound}: {below}");
        }
    }

    #[test]
    fn different_names_are_uncorrelated() {
        let count = 100_000;
        let a = draw(1, &KEY, 0, 0, count);
        for b in [
            draw(1, &KEY, 1, 0, count),
            draw(1, &KEY, 0, 1, count),
            draw(2, &KEY, 0, 0, count),
        ] {
            let sum: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(a * b)).sum();
            assert!((sum / (count as f64).sqrt()).abs() < 4.5);
        }
    }

    #[test]
    fn the_extreme_words_are_finite() {
        for first in [0, u64::MAX] {
            for second in [0, u64::MAX, 1 << 61, 1 << 63] {
                assert!(box_muller(first, second).iter().all(|v| v.is_finite()));
            }
        }
        assert!((box_muller(0, 0)[0] - (106.0 * std::f64::consts::LN_2).sqrt()).abs() < 1e-14);
    }

    proptest! {
        #[test]
        fn polynomials_agree_with_the_standard_library(
            x in 1e-16_f64..1.0, turn in 0.0_f64..1.0,
        ) {
            prop_assert!((logarithm(x) - x.ln()).abs() <= 4e-16 * x.ln().abs().max(1.0));
            let (sine, cosine) = sine_cosine(turn);
            let angle = turn * std::f64::consts::TAU;
            prop_assert!((sine - angle.sin()).abs() < 1e-15, "{} {}", sine, angle.sin());
            prop_assert!((cosine - angle.cos()).abs() < 1e-15);
        }
    }
}

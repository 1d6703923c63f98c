//! The noise of PyTorch's generator for processors, so that a seed means diffusers' image.
//!
//! A Mersenne twister (MT19937, Matsumoto and Nishimura 1998) gives words, and the transform of
//! `torch.randn` turns them into normal values, sixteen at a time, or one by one in draws of less
//! than sixteen. Every bit is that of PyTorch on x86-64 processors with AVX2; on processors without
//! it PyTorch itself computes other last bits (up to 2e-6).

mod normal;

use self::normal::{BLOCK, transform};
use crate::noise::{BatchNoise, logarithm, sine_cosine};

const WORDS: usize = 624;
const MIDDLE: usize = 397;

/// A generator with a state: values depend on every draw before them.
#[derive(Debug, Clone)]
pub struct TorchNoise {
    state: Vec<u32>,
    next: usize,
    /// The second value of a pair drawn one by one, kept for the next draw.
    spare: Option<f64>,
}

impl TorchNoise {
    /// Starts as `torch.Generator().manual_seed(seed)` does: the upper half of the seed is unused.
    pub fn new(seed: u64) -> Self {
        let mut state = vec![seed as u32; WORDS];
        for i in 1..WORDS {
            let last = state[i - 1];
            state[i] = 1_812_433_253_u32
                .wrapping_mul(last ^ last >> 30)
                .wrapping_add(i as u32);
        }
        Self {
            state,
            next: WORDS,
            spare: None,
        }
    }

    /// Fills `out` as one call of `torch.randn` of that many values.
    pub fn normal(&mut self, out: &mut [f32]) {
        if out.len() < BLOCK {
            out.iter_mut().for_each(|value| *value = self.single() as f32);
            return;
        }
        out.iter_mut().for_each(|value| *value = self.uniform());
        let whole = out.len() / BLOCK * BLOCK;
        out[..whole].chunks_exact_mut(BLOCK).for_each(transform);
        if whole < out.len() {
            // The last sixteen are drawn again, over values that are already there.
            let start = out.len() - BLOCK;
            out[start..].iter_mut().for_each(|value| *value = self.uniform());
            transform(&mut out[start..]);
        }
    }

    fn uniform(&mut self) -> f32 {
        (self.word() & 0x00ff_ffff) as f32 / 16_777_216.0
    }

    fn uniform_double(&mut self) -> f64 {
        let word = u64::from(self.word()) << 32 | u64::from(self.word());
        (word & ((1 << 53) - 1)) as f64 / (1_u64 << 53) as f64
    }

    fn single(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let (turn, length) = (self.uniform_double(), self.uniform_double());
        let radius = (-2.0 * logarithm(1.0 - length)).sqrt();
        let (sine, cosine) = sine_cosine(turn);
        self.spare = Some(radius * sine);
        radius * cosine
    }

    fn word(&mut self) -> u32 {
        if self.next == WORDS {
            self.renew();
        }
        let mut word = self.state[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= word << 7 & 0x9d2c_5680;
        word ^= word << 15 & 0xefc6_0000;
        word ^ word >> 18
    }

    fn renew(&mut self) {
        for i in 0..WORDS {
            let joined = self.state[i] & 0x8000_0000 | self.state[(i + 1) % WORDS] & 0x7fff_ffff;
            let twist = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + MIDDLE) % WORDS] ^ joined >> 1 ^ twist;
        }
        self.next = 0;
    }
}

impl BatchNoise for TorchNoise {
    fn fill(&mut self, _step: u32, out: &mut [f32]) {
        self.normal(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by `tools/goldens/export_torch_noise.py`: per seed, sizes of draws that follow one another
    /// in one generator, the bits of each draw's first values and a checksum of all its bits.
    #[derive(serde::Deserialize)]
    struct Golden {
        seed: u64,
        draws: Vec<Draw>,
    }

    #[derive(serde::Deserialize)]
    struct Draw {
        size: usize,
        first: Vec<u32>,
        checksum: u64,
    }

    #[test]
    fn every_bit_is_that_of_pytorch() {
        let golden: Vec<Golden> =
            serde_json::from_str(include_str!("../../tests/golden/torch_noise.json")).unwrap();
        for Golden { seed, draws } in golden {
            let mut generator = TorchNoise::new(seed);
            for Draw {
                size,
                first,
                checksum,
            } in draws
            {
                let mut values = vec![0.0; size];
                generator.normal(&mut values);
                let bits: Vec<u32> = values.iter().map(|value| value.to_bits()).collect();
                assert_eq!(bits[..first.len()], first, "seed {seed}, {size} values");
                let found = (0_u64..).zip(&bits).fold(0_u64, |sum, (index, &bits)| {
                    sum.wrapping_add(u64::from(bits).wrapping_mul(2 * index + 1))
                });
                assert_eq!(found, checksum, "seed {seed}, {size} values");
            }
        }
    }

    #[test]
    fn the_words_are_those_of_the_published_generator() {
        // The 10,000th word for the default seed 5489, from the C++ standard.
        let mut generator = TorchNoise::new(5489);
        let last = (0..10_000).map(|_| generator.word()).last();
        assert_eq!(last, Some(4_123_659_995));
        assert_eq!(TorchNoise::new(7).word(), TorchNoise::new((1 << 32) + 7).word());
    }
}

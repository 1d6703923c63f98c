//! The noise of PyTorch's generator for processors, so that a seed means diffusers' image.
//!
//! A Mersenne twister (MT19937, Matsumoto and Nishimura 1998) gives words, and the transform of
//! `torch.randn` turns them into normal values, sixteen at a time, or one by one in draws of less
//! than sixteen. The words are equal bit for bit. The values are those of PyTorch's vectorised
//! path (AVX2 and AVX-512) to within 5e-7, five in six of them to the last bit: it approximates
//! logarithm and sine, and PyTorch's plain path differs from it by up to 2e-6.

use crate::noise::{BatchNoise, logarithm, sine_cosine};

const WORDS: usize = 624;
const MIDDLE: usize = 397;
const BLOCK: usize = 16;

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

/// Turns sixteen uniform values into normal ones, the first eight paired with the last eight.
fn transform(block: &mut [f32]) {
    let (lengths, turns) = block.split_at_mut(BLOCK / 2);
    for (length, turn) in lengths.iter_mut().zip(turns) {
        let radius = (-2.0 * logarithm(f64::from(1.0 - *length)) as f32).sqrt();
        // The product is rounded to `f32` before its sine is taken, as there.
        let angle = std::f32::consts::TAU * *turn;
        let (sine, cosine) = sine_cosine(f64::from(angle) / std::f64::consts::TAU);
        *length = radius * cosine as f32;
        *turn = radius * sine as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `tools/goldens/export_torch_noise.py` on the AVX2 path: seed, how many values, the bits
    /// of the first and last two, and the sum; draws follow one another in one generator.
    const GOLDEN: [(u64, usize, [u32; 4], f64); 18] = [
        (
            0,
            16,
            [3213892485, 3214114954, 1066332814, 3195876988],
            -1.90911431,
        ),
        (
            0,
            40,
            [3215795138, 3218674758, 1055136300, 1068081819],
            1.98745418,
        ),
        (
            0,
            5,
            [3213086024, 3204460980, 3211462810, 3173355669],
            -2.21561395,
        ),
        (
            0,
            3,
            [1049854988, 3153525638, 3153525638, 3211402336],
            -0.633915964,
        ),
        (
            0,
            1300,
            [3143140810, 3205026075, 1060260122, 3205695979],
            18.0836916,
        ),
        (
            0,
            17,
            [1062242642, 1055662880, 1069962529, 1045864448],
            5.83201989,
        ),
        (
            42,
            16,
            [1073128745, 1069440851, 3208958624, 1061367711],
            -2.18766829,
        ),
        (
            42,
            40,
            [1070741361, 3189992837, 3202862743, 3209007932],
            9.00075124,
        ),
        (
            42,
            5,
            [1041850330, 3193301066, 1065206210, 1055887613],
            1.01300564,
        ),
        (
            42,
            3,
            [3193035180, 3208490007, 3208490007, 1052328716],
            -0.583999395,
        ),
        (
            42,
            1300,
            [1060791651, 3207982241, 1071861029, 3191712748],
            41.1903312,
        ),
        (
            42,
            17,
            [3206221278, 3209628317, 3202470700, 3209140825],
            -1.230284,
        ),
        (
            4294967303,
            16,
            [3209819222, 1053462571, 1047260456, 1066109576],
            -0.517581955,
        ),
        (
            4294967303,
            40,
            [3217724609, 3198561689, 3179291478, 1055270425],
            -5.8268349,
        ),
        (
            4294967303,
            5,
            [1040558790, 1051268935, 3211535243, 3220337252],
            -2.433064,
        ),
        (
            4294967303,
            3,
            [1065400523, 3207717246, 3207717246, 1063779986],
            1.21702063,
        ),
        (
            4294967303,
            1300,
            [1053961648, 1071791450, 3206628963, 3204674229],
            -5.80314697,
        ),
        (
            4294967303,
            17,
            [3204798832, 3222137856, 1067138006, 1052451734],
            -4.82448566,
        ),
    ];

    #[test]
    fn draws_follow_those_of_pytorch() {
        let mut generator = TorchNoise::new(0);
        let mut exact = 0;
        for (row, (seed, size, bits, sum)) in GOLDEN.into_iter().enumerate() {
            if row % 6 == 0 {
                generator = TorchNoise::new(seed);
            }
            let mut values = vec![0.0; size];
            generator.normal(&mut values);
            let ends = [values[0], values[1], values[size - 2], values[size - 1]];
            for (found, bits) in ends.into_iter().zip(bits) {
                let expected = f32::from_bits(bits);
                assert!(
                    (found - expected).abs() <= 2.5e-7 * expected.abs(),
                    "{found} {expected}"
                );
                exact += usize::from(found == expected);
            }
            let found: f64 = values.iter().map(|&v| f64::from(v)).sum();
            assert!(
                (found - sum).abs() < 2e-6 * (size as f64).sqrt(),
                "{seed} {size}: {found} {sum}"
            );
        }
        assert!(exact >= 54, "{exact}");
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

//! Counter-based random draws: a stream is a function of (purpose, seed, index) and of nothing else.
//!
//! Data sets, splits and bootstrap replicates take their numbers from here, so that the i-th of anything
//! does not depend on batch size, thread count or on what was drawn before. The bytes are BLAKE3's
//! extendable output, which is fixed for ever; a change of this file's meaning is a change of every data set.

use blake3::{Hasher, OutputReader};

const CONTEXT: &str = "mitune counter-based draws v1";
const WORDS: usize = 128;

/// A stream of uniform draws named by its purpose, a seed and an index.
pub struct Draws {
    output: OutputReader,
    words: [u32; WORDS],
    next: usize,
}

impl Draws {
    /// Opens the stream of `purpose` for item `index` under `seed`.
    ///
    /// Different purposes give independent streams, so that drawing more for one purpose shifts no other.
    pub fn new(purpose: &str, seed: u64, index: u64) -> Self {
        let mut hasher = Hasher::new_derive_key(CONTEXT);
        hasher.update(&seed.to_le_bytes());
        hasher.update(&index.to_le_bytes());
        hasher.update(purpose.as_bytes());
        Self {
            output: hasher.finalize_xof(),
            words: [0; WORDS],
            next: WORDS,
        }
    }

    /// Returns the next 32 uniform bits.
    pub fn bits(&mut self) -> u32 {
        if self.next == WORDS {
            self.refill();
        }
        let word = self.words[self.next];
        self.next += 1;
        word
    }

    /// Returns a uniform number in [0, 1) with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        let low = u64::from(self.bits());
        let high = u64::from(self.bits());
        ((high << 32 | low) >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Returns a uniform number in [low, high) with 24 random bits.
    ///
    /// Rounding may return `high` itself when the two are close together.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        let unit = (self.bits() >> 8) as f32 * (1.0 / (1u32 << 24) as f32);
        low + (high - low) * unit
    }

    /// Returns an exactly uniform integer in 0..bound; a bound of 0 counts as 1.
    ///
    /// Multiply-shift with rejection of the biased low part (Lemire 2019).
    pub fn below(&mut self, bound: u32) -> u32 {
        let bound = bound.max(1);
        let mut product = u64::from(self.bits()) * u64::from(bound);
        if (product as u32) < bound {
            let threshold = bound.wrapping_neg() % bound;
            while (product as u32) < threshold {
                product = u64::from(self.bits()) * u64::from(bound);
            }
        }
        (product >> 32) as u32
    }

    /// Returns true with the given probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Shuffles `items` uniformly (Fisher-Yates).
    ///
    /// Meant for lists far below 2^32 entries; entries beyond that stay where they are.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        let length = u32::try_from(items.len()).unwrap_or(u32::MAX);
        for last in (1..length).rev() {
            let chosen = self.below(last + 1);
            items.swap(last as usize, chosen as usize);
        }
    }

    fn refill(&mut self) {
        let mut bytes = [0u8; WORDS * 4];
        self.output.fill(&mut bytes);
        for (word, chunk) in self.words.iter_mut().zip(bytes.chunks_exact(4)) {
            *word = u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
        }
        self.next = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::Draws;

    #[test]
    fn a_stream_depends_on_purpose_seed_and_index_only() {
        let first = |purpose, seed, index| Draws::new(purpose, seed, index).bits();
        assert_eq!(first("scene", 1, 2), first("scene", 1, 2));
        assert_ne!(first("scene", 1, 2), first("caption", 1, 2));
        assert_ne!(first("scene", 1, 2), first("scene", 2, 1));
        assert_ne!(first("scene", 1, 2), first("scene", 1, 3));
    }

    #[test]
    fn the_stream_never_changes() {
        let mut draws = Draws::new("golden", 7, 11);
        let mut hasher = blake3::Hasher::new();
        for _ in 0..300 {
            hasher.update(&draws.bits().to_le_bytes());
        }
        assert_eq!(
            hasher.finalize().to_hex().as_str(),
            "4289ee794524b54d1aec9c8cc31081fdb9422cfba7c256f59de816cbad6b8326"
        );
    }

    #[test]
    fn integers_below_a_bound_are_uniform() {
        let mut draws = Draws::new("uniform", 3, 0);
        let mut counts = [0u32; 6];
        for _ in 0..60_000 {
            counts[draws.below(6) as usize] += 1;
        }
        // Chi-square with 5 degrees of freedom stays below 20.5 with probability 0.999.
        let chi_square: f64 = counts
            .iter()
            .map(|&count| (f64::from(count) - 10_000.0).powi(2) / 10_000.0)
            .sum();
        assert!(chi_square < 20.5, "{counts:?}");
        assert_eq!(draws.below(0), 0);
        assert_eq!(draws.below(1), 0);
    }

    #[test]
    fn unit_draws_have_the_moments_of_the_uniform_distribution() {
        let mut draws = Draws::new("unit", 5, 0);
        let values: Vec<f64> = (0..50_000).map(|_| draws.unit()).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let square = values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64;
        assert!(values.iter().all(|v| (0.0..1.0).contains(v)));
        assert!((mean - 0.5).abs() < 0.006, "{mean}");
        assert!((square - 1.0 / 3.0).abs() < 0.006, "{square}");
        let share = (0..20_000).filter(|_| draws.chance(0.2)).count() as f64 / 20_000.0;
        assert!((share - 0.2).abs() < 0.012, "{share}");
    }

    #[test]
    fn every_order_of_a_shuffle_is_equally_likely() {
        let mut draws = Draws::new("shuffle", 9, 0);
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..24_000 {
            let mut items = [0, 1, 2, 3];
            draws.shuffle(&mut items);
            *counts.entry(items).or_insert(0u32) += 1;
        }
        assert_eq!(counts.len(), 24);
        assert!(counts.values().all(|&n| (850..1150).contains(&n)), "{counts:?}");
    }
}

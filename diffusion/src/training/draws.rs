use std::num::NonZeroUsize;
use std::ops::Range;

use rayon::prelude::*;

use crate::noise::NoiseSource;

const CONTEXT: &str = "mitune training draws v1";
const NOISE_CONTEXT: &str = "mitune training noise v1";

/// What is random in training: order of the data, timesteps, noise, dropped prompts.
///
/// Every value is a function of (seed, purpose, position) and no generator has a state, so the
/// position of a resumed training is all there is to restore, and the size of micro-batches
/// changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draws {
    seed: u64,
}

impl Draws {
    /// The draws that belong to `seed`.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Items at these positions of an endless shuffled walk over `items` items.
    ///
    /// Position p lies in pass `p / items`; every pass visits every item once, in its own order.
    pub fn items(&self, positions: Range<u64>, items: NonZeroUsize) -> Vec<usize> {
        let count = items.get() as u64;
        let mut pass = None;
        let mut order = Vec::new();
        positions
            .map(|position| {
                if pass != Some(position / count) {
                    pass = Some(position / count);
                    order = self.permutation(position / count, items.get());
                }
                order[(position % count) as usize]
            })
            .collect()
    }

    /// Timesteps, uniform in `range`, for the samples at these positions.
    ///
    /// The paper draws from 500..1000, its reference code from 0..1000. An empty range gives its
    /// start.
    pub fn timesteps(&self, positions: Range<u64>, range: Range<usize>) -> Vec<usize> {
        let width = range.len().max(1) as u64;
        positions
            .map(|position| range.start + below(self.word("timestep", position), width) as usize)
            .collect()
    }

    /// Whether the prompt of each sample is replaced by the empty one, true with `probability`.
    pub fn dropped(&self, positions: Range<u64>, probability: f64) -> Vec<bool> {
        positions
            .map(|position| unit(self.word("drop", position)) < probability)
            .collect()
    }

    /// Standard normal noise for the samples at these positions, `elements` values each.
    pub fn noise(&self, positions: Range<u64>, elements: usize) -> Vec<f32> {
        let source = NoiseSource::forward();
        let count = (positions.end.saturating_sub(positions.start)) as usize;
        let mut noise = vec![0.0; count * elements];
        noise
            .par_chunks_mut(elements.max(1))
            .enumerate()
            .for_each(|(index, sample)| {
                let position = positions.start + index as u64;
                let content = blake3::derive_key(NOISE_CONTEXT, &position.to_le_bytes());
                source.normal(self.seed, &content, 0, 0, sample);
            });
        noise
    }

    fn permutation(&self, pass: u64, items: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..items).collect();
        let mut words = self.hasher("order", pass).finalize_xof();
        let mut bytes = [0; 8];
        for last in (1..items).rev() {
            words.fill(&mut bytes);
            let other = below(u64::from_le_bytes(bytes), last as u64 + 1);
            order.swap(last, other as usize);
        }
        order
    }

    fn word(&self, purpose: &str, position: u64) -> u64 {
        let mut bytes = [0; 8];
        self.hasher(purpose, position).finalize_xof().fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn hasher(&self, purpose: &str, position: u64) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(&self.seed.to_le_bytes());
        hasher.update(&position.to_le_bytes());
        hasher.update(purpose.as_bytes());
        hasher
    }
}

/// Maps a uniform word to `0..bound` by its leading bits; the bias is below `bound / 2^64`.
fn below(word: u64, bound: u64) -> u64 {
    ((u128::from(word) * u128::from(bound)) >> 64) as u64
}

/// Maps a uniform word to [0, 1).
fn unit(word: u64) -> f64 {
    (word >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pass_visits_every_item_once_and_passes_differ() {
        let draws = Draws::new(3);
        let items = NonZeroUsize::new(17).unwrap();
        let walk = draws.items(0..51, items);
        let mut passes: Vec<Vec<usize>> = walk.chunks(17).map(<[usize]>::to_vec).collect();
        assert_ne!(passes[0], passes[1]);
        assert_ne!(passes[1], passes[2]);
        for pass in &mut passes {
            pass.sort_unstable();
            assert_eq!(*pass, (0..17).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_walk_may_be_cut_anywhere() {
        let draws = Draws::new(4);
        let mut noise = draws.noise(2..5, 3);
        noise.extend(draws.noise(5..6, 3));
        assert_eq!(draws.noise(2..6, 3), noise);
        let items = NonZeroUsize::new(7).unwrap();
        let whole = draws.items(0..40, items);
        let mut parts = draws.items(0..5, items);
        parts.extend(draws.items(5..23, items));
        parts.extend(draws.items(23..40, items));
        assert_eq!(whole, parts);
        let mut times = draws.timesteps(0..3, 0..1000);
        times.extend(draws.timesteps(3..9, 0..1000));
        assert_eq!(draws.timesteps(0..9, 0..1000), times);
    }

    #[test]
    fn timesteps_are_uniform_in_their_range() {
        let times = Draws::new(5).timesteps(0..20_000, 500..1000);
        assert!(times.iter().all(|time| (500..1000).contains(time)));
        let mean = times.iter().sum::<usize>() as f64 / 20_000.0;
        // Standard error of the mean: 144.3 / sqrt(20000) = 1.02.
        assert!((mean - 749.5).abs() < 5.0, "{mean}");
        let low = times.iter().filter(|time| **time < 600).count() as f64 / 20_000.0;
        assert!((low - 0.2).abs() < 0.015, "{low}");
    }

    #[test]
    fn prompts_are_dropped_at_the_asked_rate() {
        let draws = Draws::new(6);
        let share = draws.dropped(0..20_000, 0.1).iter().filter(|drop| **drop).count();
        assert!((1_850..=2_150).contains(&share), "{share}");
        assert!(draws.dropped(0..100, 0.0).iter().all(|drop| !drop));
        assert!(draws.dropped(0..100, 1.0).iter().all(|drop| *drop));
    }

    #[test]
    fn order_of_a_shuffle_is_uniform() {
        let items = NonZeroUsize::new(3).unwrap();
        let mut counts = std::collections::BTreeMap::new();
        for seed in 0..6_000 {
            *counts.entry(Draws::new(seed).items(0..3, items)).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 6);
        assert!(
            counts.values().all(|count| (850..1150).contains(count)),
            "{counts:?}"
        );
    }
}

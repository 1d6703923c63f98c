use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Elements one task updates.
const CHUNK: usize = 1 << 14;

/// Exponential moving average of the weights, which samples better than the last weights.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WeightAverage {
    /// Share of the average that one update keeps, once enough updates were made.
    pub decay: f64,
}

impl WeightAverage {
    /// Share kept by the update that follows `updates` completed ones:
    /// `min(decay, (1 + n) / (10 + n))`, so that a young average forgets its start.
    pub fn decay_at(&self, updates: u64) -> f64 {
        let updates = updates as f64;
        self.decay.min((1.0 + updates) / (10.0 + updates))
    }

    /// Moves `average` towards `weights`.
    pub(super) fn update(&self, average: &mut [f32], weights: &[f32], updates: u64) {
        let mix = (1.0 - self.decay_at(updates)) as f32;
        average
            .par_chunks_mut(CHUNK)
            .zip(weights.par_chunks(CHUNK))
            .for_each(|(average, weights)| {
                for (average, weight) in average.iter_mut().zip(weights) {
                    *average += mix * (weight - *average);
                }
            });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_recurrence_in_f64() {
        let average = WeightAverage { decay: 0.5 };
        let mut value = [1.0_f32];
        let mut expected = 1.0_f64;
        for (updates, weight) in [2.0_f64, -3.0, 5.0, 0.25, 7.0, 1.5, 4.0, 4.0, 9.0, -8.0]
            .into_iter()
            .enumerate()
        {
            average.update(&mut value, &[weight as f32], updates as u64);
            let decay = [0.1, 2.0 / 11.0, 0.25, 4.0 / 13.0, 5.0 / 14.0, 0.4, 7.0 / 16.0]
                .get(updates)
                .copied()
                .unwrap_or([8.0 / 17.0, 0.5, 0.5][updates.max(7) - 7]);
            expected = decay * expected + (1.0 - decay) * weight;
        }
        assert!((f64::from(value[0]) - expected).abs() < 1e-5);
    }
}

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// Learning rate as a function of the number of updates already made.
///
/// Follows diffusers' `get_scheduler`: with a warm-up of n updates, the first update has rate 0
/// and the (n+1)-th has the full rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LearningRate {
    /// Rate after warm-up.
    pub peak: f64,
    /// Updates over which the rate rises linearly from 0. Zero means none.
    pub warmup: u64,
    /// What follows the warm-up.
    pub decay: Decay,
}

/// Course of the learning rate after warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// Stays at the peak.
    Constant,
    /// Falls to 0 along half a cosine, which it reaches after `total` updates (warm-up included).
    Cosine {
        /// Updates of the whole training.
        total: u64,
    },
}

impl LearningRate {
    /// A rate that never changes.
    pub fn constant(rate: f64) -> Self {
        Self {
            peak: rate,
            warmup: 0,
            decay: Decay::Constant,
        }
    }

    /// Rate of the update that follows `updates` completed ones.
    pub fn at(&self, updates: u64) -> f64 {
        if updates < self.warmup {
            return self.peak * updates as f64 / self.warmup as f64;
        }
        match self.decay {
            Decay::Constant => self.peak,
            Decay::Cosine { total } => {
                let span = total.saturating_sub(self.warmup).max(1) as f64;
                let progress = ((updates - self.warmup) as f64 / span).min(1.0);
                self.peak * 0.5 * (1.0 + (PI * progress).cos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warmup_is_linear_from_zero() {
        let rate = LearningRate {
            peak: 2e-3,
            warmup: 4,
            decay: Decay::Constant,
        };
        let rates: Vec<f64> = (0..6).map(|n| rate.at(n)).collect();
        assert_eq!(rates, [0.0, 5e-4, 1e-3, 1.5e-3, 2e-3, 2e-3]);
    }

    #[test]
    fn cosine_passes_its_quarter_points() {
        let rate = LearningRate {
            peak: 1.0,
            warmup: 10,
            decay: Decay::Cosine { total: 110 },
        };
        assert_eq!(rate.at(10), 1.0);
        assert!((rate.at(35) - (0.5 + 0.125_f64.sqrt())).abs() < 1e-12);
        assert!((rate.at(60) - 0.5).abs() < 1e-12);
        assert!(rate.at(110).abs() < 1e-12);
        assert!(rate.at(1000).abs() < 1e-12);
    }
}

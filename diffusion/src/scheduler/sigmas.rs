//! Noise levels as `sigma = sqrt((1 - a) / a)`, the ratio of noise to signal.
//!
//! Euler and DPM-Solver++ work with these, at timesteps between the training ones too (Karras et
//! al. 2022). A latent of their kind is `x_0 + sigma e`; divided by `sqrt(1 + sigma^2)` it is what
//! the network was trained on.

use crate::schedule::NoiseSchedule;

/// What stands for no signal at all, so that sigma stays finite: the smallest `f16`, as in
/// diffusers.
const LEAST_ALPHA_CUMPROD: f64 = 1.0 / (1 << 24) as f64;

/// The exponent that spreads levels in Karras et al. 2022, equation 5.
const KARRAS_RHO: f64 = 7.0;

/// The noise level of each training timestep.
#[derive(Debug, Clone)]
pub(super) struct SigmaTable {
    sigmas: Vec<f64>,
}

impl SigmaTable {
    pub(super) fn new(schedule: &NoiseSchedule) -> Self {
        let sigma = |&alpha_cumprod: &f64| match alpha_cumprod {
            0.0 => sigma_of(LEAST_ALPHA_CUMPROD),
            a => sigma_of(a),
        };
        Self {
            sigmas: schedule.alphas_cumprod().iter().map(sigma).collect(),
        }
    }

    /// Returns the level of the first training timestep, the lowest.
    pub(super) fn lowest(&self) -> f64 {
        self.sigmas[0]
    }

    /// Returns the level of the last training timestep, the highest.
    pub(super) fn highest(&self) -> f64 {
        self.sigmas[self.sigmas.len() - 1]
    }

    /// Interpolates the level at a timestep; outside the schedule it is that of the nearer end.
    pub(super) fn at(&self, timestep: f64) -> f64 {
        let last = self.sigmas.len() - 1;
        let inside = timestep.clamp(0.0, last as f64);
        let index = (inside as usize).min(last.saturating_sub(1));
        let (low, high) = (self.sigmas[index], self.sigmas[(index + 1).min(last)]);
        (high - low) * (inside - index as f64) + low
    }

    /// Finds the timestep of a level, by interpolating its logarithm.
    pub(super) fn timestep(&self, sigma: f64) -> f64 {
        let last = self.sigmas.len() - 1;
        // Levels need not rise to the very end: the one that stands for no signal is a choice.
        let below = self.sigmas.iter().rposition(|&level| level <= sigma);
        let index = below.unwrap_or(0).min(last.saturating_sub(1));
        let (low, high) = (self.sigmas[index].ln(), self.sigmas[(index + 1).min(last)].ln());
        if low == high {
            return index as f64;
        }
        index as f64 + ((sigma.max(1e-10).ln() - low) / (high - low)).clamp(0.0, 1.0)
    }

    /// Counts the training timesteps whose `-ln sigma` is at least `least`.
    pub(super) fn count_of_lambda(&self, least: f64) -> usize {
        self.sigmas.partition_point(|&sigma| -sigma.ln() >= least)
    }
}

/// Returns the noise level at a share of signal variance.
pub(super) fn sigma_of(alpha_cumprod: f64) -> f64 {
    ((1.0 - alpha_cumprod) / alpha_cumprod).sqrt()
}

/// Returns the share of signal variance at a noise level.
pub(super) fn alpha_cumprod_of(sigma: f64) -> f64 {
    1.0 / (sigma * sigma + 1.0)
}

/// Spreads levels from `highest` to `lowest` evenly in `sigma^(1/7)`.
pub(super) fn karras(highest: f64, lowest: f64, steps: usize) -> Vec<f64> {
    let root = |sigma: f64| sigma.powf(1.0 / KARRAS_RHO);
    between(root(highest), root(lowest), steps)
        .map(|value| value.powf(KARRAS_RHO))
        .collect()
}

/// Spreads levels from `highest` to `lowest` evenly in their logarithm.
pub(super) fn exponential(highest: f64, lowest: f64, steps: usize) -> Vec<f64> {
    between(highest.ln(), lowest.ln(), steps).map(f64::exp).collect()
}

fn between(first: f64, last: f64, count: usize) -> impl Iterator<Item = f64> {
    let intervals = count.max(2) - 1;
    (0..count).map(move |i| first + (last - first) * (i as f64 / intervals as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::SchedulerConfig;

    #[test]
    fn levels_and_timesteps_are_inverse() {
        let table = SigmaTable::new(&SchedulerConfig::stable_diffusion().schedule().unwrap());
        for timestep in [0.0, 1.0, 17.0, 500.0, 998.0, 999.0] {
            assert!((table.timestep(table.at(timestep)) - timestep).abs() < 1e-9);
        }
        assert!((table.highest() - 14.6146).abs() < 1e-4);
        assert!((table.lowest() - 0.029167).abs() < 1e-6);
        assert_eq!(table.at(1e9), table.highest());
        assert_eq!(table.at(-1.0), table.lowest());
        assert_eq!((table.timestep(1e9), table.timestep(0.0)), (999.0, 0.0));
        assert!((alpha_cumprod_of(table.at(500.0)) - 0.27633268).abs() < 1e-8);
    }

    #[test]
    fn a_schedule_without_signal_at_its_end_has_a_finite_level() {
        let schedule = SchedulerConfig::stable_diffusion().schedule().unwrap();
        let table = SigmaTable::new(&schedule.with_zero_terminal_signal().unwrap());
        assert!((table.highest() - 4096.0).abs() < 1e-3);
    }

    #[test]
    fn spreads_begin_and_end_where_they_should() {
        for spread in [karras, exponential] {
            let levels = spread(14.6, 0.03, 7);
            assert!((levels[0] - 14.6).abs() < 1e-12 && (levels[6] - 0.03).abs() < 1e-12);
            assert!(levels.windows(2).all(|pair| pair[1] < pair[0]));
            assert_eq!(spread(14.6, 0.03, 1).len(), 1);
        }
        // By hand: (4^(1/7) / 2 + 1 / 2)^7 for the middle of three.
        let middle = (4.0_f64.powf(1.0 / 7.0) / 2.0 + 0.5).powi(7);
        assert!((karras(4.0, 1.0, 3)[1] - middle).abs() < 1e-12);
        assert!((exponential(4.0, 1.0, 3)[1] - 2.0).abs() < 1e-12);
    }
}

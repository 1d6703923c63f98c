//! Noise schedules: how much of the original is left at each training timestep.
//!
//! Everything here is `f64` on the host and free of tensors, so that the numbers a step or a
//! score uses can be compared with closed forms. `alphas_cumprod[t]` is the product of
//! `1 - beta` up to and including `t` (Ho et al. 2020, equation 4).

mod betas;

use thiserror::Error;

pub use betas::BetaSchedule;

/// A schedule that cannot be built or a timestep outside it.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ScheduleError {
    /// A beta outside [0, 1], where 1 is allowed only at the end.
    #[error("Beta `{beta}` at timestep `{timestep}` is outside the range of a noise schedule")]
    Beta {
        /// The position of the bad value.
        timestep: usize,
        /// The bad value.
        beta: f64,
    },
    /// A schedule without timesteps.
    #[error("The noise schedule is empty")]
    Empty,
    /// A timestep the schedule does not have.
    #[error("Timestep `{timestep}` is outside a schedule of `{length}` timesteps")]
    Timestep {
        /// The requested timestep.
        timestep: usize,
        /// How many timesteps the schedule has.
        length: usize,
    },
    /// Timesteps and latents that do not go together.
    #[error("`{timesteps}` timesteps were given for a batch of `{batch}`")]
    Batch {
        /// How many timesteps were given.
        timesteps: usize,
        /// How many latents were given.
        batch: usize,
    },
    /// A requested number of steps that the schedule cannot be thinned to.
    #[error("`{steps}` inference steps are not between 1 and the schedule's `{length}`")]
    Steps {
        /// The requested number of steps.
        steps: usize,
        /// How many timesteps the schedule has.
        length: usize,
    },
}

/// The betas of every training timestep and the products that follow from them.
#[derive(Debug, Clone, PartialEq)]
pub struct NoiseSchedule {
    betas: Vec<f64>,
    alphas_cumprod: Vec<f64>,
}

/// The two factors of forward noising, `z_t = original * x_0 + noise * e`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noising {
    /// `sqrt(alpha_cumprod)`.
    pub original: f64,
    /// `sqrt(1 - alpha_cumprod)`.
    pub noise: f64,
}

impl NoiseSchedule {
    /// Checks the betas and multiplies them up.
    ///
    /// # Errors
    /// Fails when there is no beta, or one is outside (0, 1); the last one may be 1, which is what
    /// rescaling to zero terminal signal gives.
    pub fn from_betas(betas: Vec<f64>) -> Result<Self, ScheduleError> {
        let last = betas.len().checked_sub(1).ok_or(ScheduleError::Empty)?;
        for (timestep, &beta) in betas.iter().enumerate() {
            let closed_end = timestep == last && beta == 1.0;
            if !(beta > 0.0 && beta < 1.0 || closed_end) {
                return Err(ScheduleError::Beta { timestep, beta });
            }
        }
        let alphas_cumprod = betas
            .iter()
            .scan(1.0, |product, beta| {
                *product *= 1.0 - beta;
                Some(*product)
            })
            .collect();
        Ok(Self {
            betas,
            alphas_cumprod,
        })
    }

    /// Rescales so that nothing of the original is left at the last timestep.
    ///
    /// The square roots of the products are shifted to end at zero and stretched to keep the first
    /// one (Lin et al. 2023, algorithm 1).
    ///
    /// # Errors
    /// Fails when the schedule has a single timestep, which cannot be stretched.
    pub fn with_zero_terminal_signal(&self) -> Result<Self, ScheduleError> {
        let roots: Vec<f64> = self.alphas_cumprod.iter().map(|a| a.sqrt()).collect();
        let (first, last) = (roots[0], roots[roots.len() - 1]);
        let products: Vec<f64> = roots
            .iter()
            .map(|root| ((root - last) * (first / (first - last))).powi(2))
            .collect();
        let betas = (0..products.len())
            .map(|t| match t {
                0 => 1.0 - products[0],
                _ => 1.0 - products[t] / products[t - 1],
            })
            .collect();
        Self::from_betas(betas)
    }

    /// Counts the training timesteps.
    #[expect(clippy::len_without_is_empty, reason = "an empty schedule cannot be built")]
    pub fn len(&self) -> usize {
        self.betas.len()
    }

    /// Returns the per-timestep betas.
    pub fn betas(&self) -> &[f64] {
        &self.betas
    }

    /// Returns the products of `1 - beta` up to each timestep.
    pub fn alphas_cumprod(&self) -> &[f64] {
        &self.alphas_cumprod
    }

    /// Returns the share of signal variance left at a timestep.
    ///
    /// # Errors
    /// Fails when the timestep is outside the schedule; it is never clamped.
    pub fn alpha_cumprod(&self, timestep: usize) -> Result<f64, ScheduleError> {
        let length = self.len();
        self.alphas_cumprod
            .get(timestep)
            .copied()
            .ok_or(ScheduleError::Timestep { timestep, length })
    }

    /// Interpolates the beta of a timestep between the training ones; outside the schedule it is
    /// that of the nearer end.
    pub fn beta_at(&self, timestep: f64) -> f64 {
        let (index, share) = self.position(timestep);
        let (low, high) = (self.betas[index], self.betas[(index + 1).min(self.len() - 1)]);
        low + (high - low) * share
    }

    /// Returns the share of signal variance between the training timesteps, where the ratio of
    /// noise to signal is interpolated; outside the schedule it is that of the nearer end.
    pub fn alpha_cumprod_at(&self, timestep: f64) -> f64 {
        let (index, share) = self.position(timestep);
        if share == 0.0 {
            return self.alphas_cumprod[index];
        }
        let sigma = |index: usize| (1.0 / self.alphas_cumprod[index] - 1.0).sqrt();
        let (low, high) = (sigma(index), sigma(index + 1));
        1.0 / (1.0 + (low + (high - low) * share).powi(2))
    }

    /// Returns the timestep below and how far it is to the next.
    fn position(&self, timestep: f64) -> (usize, f64) {
        let inside = timestep.clamp(0.0, (self.len() - 1) as f64);
        (inside as usize, inside.fract())
    }

    /// Returns the two factors of forward noising at a timestep.
    ///
    /// # Errors
    /// Fails when the timestep is outside the schedule.
    pub fn noising(&self, timestep: usize) -> Result<Noising, ScheduleError> {
        let alpha_cumprod = self.alpha_cumprod(timestep)?;
        Ok(Noising {
            original: alpha_cumprod.sqrt(),
            noise: (1.0 - alpha_cumprod).sqrt(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stable_diffusion() -> NoiseSchedule {
        NoiseSchedule::from_betas(BetaSchedule::ScaledLinear.betas(0.00085, 0.012, 1000)).unwrap()
    }

    #[test]
    fn stable_diffusion_constants() {
        let schedule = stable_diffusion();
        for (timestep, expected) in [
            (0, 0.99915000),
            (1, 0.99829603),
            (51, 0.95052432),
            (250, 0.67379263),
            (500, 0.27633268),
            (501, 0.27499907),
            (750, 0.05616985),
            (991, 0.00513007),
            (999, 0.00466010),
        ] {
            let found = schedule.alpha_cumprod(timestep).unwrap();
            assert!((found - expected).abs() < 5.1e-9, "{timestep}: {found}");
        }
        for (timestep, expected) in [(51, 0.00110614), (501, 0.00482613), (991, 0.01185937)] {
            let found = schedule.betas()[timestep];
            assert!((found - expected).abs() < 5.1e-9, "{timestep}: {found}");
        }
    }

    #[test]
    fn zero_terminal_signal_keeps_the_first_and_ends_at_zero() {
        let schedule = stable_diffusion();
        let rescaled = schedule.with_zero_terminal_signal().unwrap();
        assert_eq!(rescaled.alphas_cumprod()[999], 0.0);
        let (first, kept) = (schedule.alphas_cumprod()[0], rescaled.alphas_cumprod()[0]);
        assert!((first - kept).abs() < 1e-15);
        let middle = |s: &NoiseSchedule| s.alphas_cumprod()[500].sqrt();
        let last = schedule.alphas_cumprod()[999].sqrt();
        let expected = (middle(&schedule) - last) * first.sqrt() / (first.sqrt() - last);
        assert!((middle(&rescaled) - expected).abs() < 1e-12);
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        assert_eq!(NoiseSchedule::from_betas(vec![]), Err(ScheduleError::Empty));
        for bad in [-0.1, 0.0, 1.1, f64::NAN] {
            let refused = NoiseSchedule::from_betas(vec![0.1, bad]);
            assert!(matches!(refused, Err(ScheduleError::Beta { timestep: 1, .. })));
        }
        assert!(NoiseSchedule::from_betas(vec![1.0, 0.5]).is_err());
        assert!(NoiseSchedule::from_betas(vec![0.5, 1.0]).is_ok());
        let single = NoiseSchedule::from_betas(vec![0.5]).unwrap();
        assert!(single.with_zero_terminal_signal().is_err());
        assert!(stable_diffusion().alpha_cumprod(1000).is_err());
    }

    proptest! {
        #[test]
        fn signal_falls_and_variances_add_to_one(
            kind in prop::sample::select(vec![
                BetaSchedule::Linear, BetaSchedule::ScaledLinear,
                BetaSchedule::SquaredcosCapV2, BetaSchedule::Sigmoid,
            ]),
            start in 1e-5_f64..1e-3, end in 2e-3_f64..0.05, length in 2usize..1200,
        ) {
            let schedule = NoiseSchedule::from_betas(kind.betas(start, end, length)).unwrap();
            prop_assert_eq!(schedule.len(), length);
            prop_assert!(schedule.alphas_cumprod().windows(2).all(|w| w[1] < w[0]));
            for t in [0, length / 2, length - 1] {
                let factors = schedule.noising(t).unwrap();
                let sum = factors.original.powi(2) + factors.noise.powi(2);
                prop_assert!((sum - 1.0).abs() < 1e-14);
            }
        }
    }
}

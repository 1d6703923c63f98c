//! Squared errors of the denoiser and the scores they average to.

use crate::mutual_information::Estimator;

/// Squared errors of one latent at one timestep and noise, in units of noise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ForwardErrors {
    /// `|e - e_c|^2`.
    pub conditional: f64,
    /// `|e - e_u|^2 - |e - e_c|^2`, summed element by element so that two large numbers are
    /// never subtracted.
    pub gain: f64,
    /// `|e_c - e_u|^2`.
    pub difference: f64,
}

/// Every score of one latent; larger means a better match.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ForwardScores {
    /// The signed log ratio, in nats.
    pub mi_signed: f64,
    /// MI-TUNE's estimate under forward noise, in nats.
    pub mi_forward: f64,
    /// DiffusionITM as its code computes it, `-|e - e_c|`.
    pub itm: f64,
    /// DiffusionITM less its value without the prompt, `|e - e_u| - |e - e_c|`.
    pub itm_normalised: f64,
    /// DiffusionITM as its paper writes it, `-|e - e_c|^2`.
    pub itm_squared: f64,
    /// The same less its value without the prompt, `|e - e_u|^2 - |e - e_c|^2`.
    pub itm_squared_normalised: f64,
}

/// The terms of scores at each timestep, averaged over noises; weighed where the score is.
#[derive(Debug, Clone, PartialEq)]
pub struct ForwardTraces {
    /// Terms of `mi_signed`.
    pub mi_signed: Vec<f64>,
    /// Terms of `mi_forward`.
    pub mi_forward: Vec<f64>,
    /// Terms of `itm`.
    pub itm: Vec<f64>,
    /// Terms of `itm_normalised`.
    pub itm_normalised: Vec<f64>,
}

impl ForwardErrors {
    fn norm(&self) -> f64 {
        self.conditional.sqrt()
    }

    fn norm_gain(&self) -> f64 {
        (self.conditional + self.gain).max(0.0).sqrt() - self.norm()
    }

    /// Takes the sums of `(e - e_c)^2`, `(e - e_c)(e_c - e_u)` and `(e_c - e_u)^2`, and uses
    /// `e - e_u = (e - e_c) + (e_c - e_u)`.
    pub(super) fn from_sums(sums: &[f32]) -> Self {
        let [conditional, cross, difference] = [sums[0], sums[1], sums[2]].map(f64::from);
        Self {
            conditional,
            gain: 2.0 * cross + difference,
            difference,
        }
    }
}

impl ForwardTraces {
    /// Averages the errors of one latent over the noises of each timestep.
    pub(super) fn of(errors: &[ForwardErrors], noises: usize, estimator: &Estimator) -> Self {
        let mean = |of: fn(&ForwardErrors) -> f64| -> Vec<f64> {
            let means = errors.chunks(noises);
            means
                .map(|errors| errors.iter().map(of).sum::<f64>() / errors.len() as f64)
                .collect()
        };
        Self {
            mi_signed: estimator.terms(&mean(|errors| errors.gain)),
            mi_forward: estimator.terms(&mean(|errors| errors.difference)),
            itm: mean(|errors| -errors.norm()),
            itm_normalised: mean(ForwardErrors::norm_gain),
        }
    }
}

impl ForwardScores {
    /// Joins the errors of one latent: scores in nats by the estimator, the others as plain means.
    pub(super) fn of(errors: &[ForwardErrors], noises: usize, estimator: &Estimator) -> Self {
        let traces = ForwardTraces::of(errors, noises, estimator);
        let mean = |of: fn(&ForwardErrors) -> f64| errors.iter().map(of).sum::<f64>() / errors.len() as f64;
        Self {
            mi_signed: estimator.estimate(&traces.mi_signed),
            mi_forward: estimator.estimate(&traces.mi_forward),
            itm: mean(|errors| -errors.norm()),
            itm_normalised: mean(ForwardErrors::norm_gain),
            itm_squared: mean(|errors| -errors.conditional),
            itm_squared_normalised: mean(|errors| errors.gain),
        }
    }
}

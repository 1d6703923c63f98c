//! Squared errors of the denoiser and the scores they average to.

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

/// Every score of one latent; larger means a better match, in nats for the two of information.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ForwardScores {
    /// The signed log ratio.
    pub mi_signed: f64,
    /// MI-TUNE's estimate under forward noise.
    pub mi_forward: f64,
    /// DiffusionITM.
    pub itm: f64,
    /// DiffusionITM less its value without the prompt.
    pub itm_normalised: f64,
}

impl ForwardScores {
    /// Averages the errors of one latent; `weights` holds `kappa` for each of them.
    pub fn from_errors(errors: &[ForwardErrors], weights: &[f64]) -> Self {
        let mean = |of: &dyn Fn(&ForwardErrors, f64) -> f64| {
            let sum: f64 = errors.iter().zip(weights).map(|(e, &w)| of(e, w)).sum();
            sum / errors.len() as f64
        };
        Self {
            mi_signed: mean(&|e, weight| weight * e.gain),
            mi_forward: mean(&|e, weight| weight * e.difference),
            itm: mean(&|e, _| -e.conditional.sqrt()),
            itm_normalised: mean(&|e, _| (e.conditional + e.gain).max(0.0).sqrt() - e.conditional.sqrt()),
        }
    }
}

impl ForwardErrors {
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

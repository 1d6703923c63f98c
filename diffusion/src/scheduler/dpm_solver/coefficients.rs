//! The factors of one step, for either equation and up to three predictions.

use crate::scheduler::solver_config::SolverForm;

/// The differential equation that is solved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Equation {
    /// The probability flow.
    Ordinary,
    /// The reverse process with its noise.
    Stochastic,
}

/// The factors of latent, predicted originals (the latest first) and noise.
#[derive(Debug)]
pub(super) struct Coefficients {
    pub(super) sample: f64,
    pub(super) originals: Vec<f64>,
    pub(super) noise: f64,
}

/// Works out the step to the last of `sigmas` from the one before it; the ones before that are
/// where earlier predictions were made.
pub(super) fn coefficients(equation: Equation, form: SolverForm, sigmas: &[f64]) -> Coefficients {
    let order = sigmas.len() - 1;
    let (from, to) = (sigmas[order - 1], sigmas[order]);
    let signal = 1.0 / (to * to + 1.0).sqrt();
    let noise_ratio = to * signal / (from / (from * from + 1.0).sqrt());
    let step = (from / to).ln();
    // With `d = step` or `2 step`, all factors follow from `exp(-d) - 1` and its integrals.
    let d = match equation {
        Equation::Ordinary => step,
        Equation::Stochastic => 2.0 * step,
    };
    let constant = -signal * (-d).exp_m1();
    let linear = match (form, order) {
        (SolverForm::Midpoint, 2) => 0.5 * constant,
        _ => signal * first_integral(d),
    };
    let (sample, noise) = match equation {
        Equation::Ordinary => (noise_ratio, 0.0),
        Equation::Stochastic => (noise_ratio * (to / from), to * signal * (-(-d).exp_m1()).sqrt()),
    };
    let originals = match order {
        1 => vec![constant],
        2 => {
            let r = (sigmas[0] / from).ln() / step;
            vec![constant + linear / r, -linear / r]
        }
        _ => {
            let r0 = (sigmas[1] / from).ln() / step;
            let r1 = (sigmas[0] / sigmas[1]).ln() / step;
            let share = r0 / (r0 + r1);
            let quadratic = match equation {
                Equation::Ordinary => -signal * second_integral(d),
                // The half has the other sign in diffusers' stochastic form.
                Equation::Stochastic => -signal * (second_integral(d) + 1.0),
            } / (r0 + r1);
            vec![
                constant + (linear * (1.0 + share) + quadratic) / r0,
                -(linear * (1.0 + share) + quadratic) / r0 - (linear * share + quadratic) / r1,
                (linear * share + quadratic) / r1,
            ]
        }
    };
    Coefficients {
        sample,
        originals,
        noise,
    }
}

/// Evaluates `(exp(-d) - 1) / d + 1`.
fn first_integral(d: f64) -> f64 {
    if d == 0.0 { 0.0 } else { (-d).exp_m1() / d + 1.0 }
}

/// Evaluates `(exp(-d) - 1 + d) / d^2 - 1/2`.
fn second_integral(d: f64) -> f64 {
    if d == 0.0 {
        0.0
    } else {
        ((-d).exp_m1() + d) / (d * d) - 0.5
    }
}

//! Beta curves: how much noise each training timestep adds.

use serde::{Deserialize, Serialize};

/// The largest beta of the capped cosine schedule (Nichol and Dhariwal 2021, section 3.2).
const COSINE_MAX_BETA: f64 = 0.999;

/// The family of beta curves, under diffusers' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BetaSchedule {
    /// Betas evenly spaced.
    Linear,
    /// Square roots of betas evenly spaced; the schedule of Stable Diffusion.
    ScaledLinear,
    /// Capped cosine.
    #[serde(rename = "squaredcos_cap_v2")]
    SquaredcosCapV2,
    /// A logistic curve between the two ends.
    Sigmoid,
}

impl BetaSchedule {
    /// Evaluates the curve at `length` timesteps; `start` and `end` are ignored by the cosine.
    pub fn betas(self, start: f64, end: f64, length: usize) -> Vec<f64> {
        match self {
            Self::Linear => linspace(start, end, length),
            Self::ScaledLinear => linspace(start.sqrt(), end.sqrt(), length)
                .into_iter()
                .map(|root| root * root)
                .collect(),
            Self::SquaredcosCapV2 => {
                let left = |t: usize| {
                    let angle = (t as f64 / length as f64 + 0.008) / 1.008;
                    (angle * std::f64::consts::FRAC_PI_2).cos().powi(2)
                };
                (0..length)
                    .map(|t| (1.0 - left(t + 1) / left(t)).min(COSINE_MAX_BETA))
                    .collect()
            }
            Self::Sigmoid => linspace(-6.0, 6.0, length)
                .into_iter()
                .map(|x| (end - start) / (1.0 + (-x).exp()) + start)
                .collect(),
        }
    }
}

fn linspace(start: f64, end: f64, length: usize) -> Vec<f64> {
    let step = (end - start) / (length.max(2) - 1) as f64;
    (0..length)
        .map(|i| match i {
            0 => start,
            i if i + 1 == length => end,
            i => start + step * i as f64,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::NoiseSchedule;

    #[test]
    fn cosine_telescopes_to_the_cosine_itself() {
        let length = 1000;
        let betas = BetaSchedule::SquaredcosCapV2.betas(0.0, 0.0, length);
        assert_eq!(betas[length - 1], COSINE_MAX_BETA);
        let schedule = NoiseSchedule::from_betas(betas).unwrap();
        let curve = |t: f64| ((t + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2).cos().powi(2);
        for t in [0, 10, 499, 900, 998] {
            let expected = curve((t + 1) as f64 / length as f64) / curve(0.0);
            let found = schedule.alphas_cumprod()[t];
            assert!((found / expected - 1.0).abs() < 1e-10, "{t}: {found}");
        }
    }

    #[test]
    fn sigmoid_is_symmetric_about_the_middle() {
        let betas = BetaSchedule::Sigmoid.betas(0.0001, 0.02, 1000);
        for t in 0..500 {
            assert!((betas[t] + betas[999 - t] - 0.0201).abs() < 1e-15);
        }
        assert!(betas[0] > 0.0001 && betas[0] < 0.0002);
    }
}

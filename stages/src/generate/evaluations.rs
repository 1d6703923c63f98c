//! How often the denoiser is asked for a table of candidates.

use mitune_diffusion::sampler::Sampler;

use super::guidance_method::GuidanceMethod;
use super::unprompted::compares_elsewhere;
use crate::contract::StageOutput;

/// Passes of one latent through the denoiser, those with and without the prompt counted as two.
///
/// They are those of the settings, whether a candidate was computed now or earlier, and without the company in which a
/// block is computed to its full size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Evaluations {
    /// Those whose answers make the steps and the score.
    sampling: u64,
    /// Those of Attend-and-Excite, all with a gradient: the fewest and the most, between which they depend on the
    /// image.
    steering: Option<[u64; 2]>,
}

impl Evaluations {
    /// Counts those of one candidate.
    pub(super) fn of_candidate(method: &GuidanceMethod, sampler: &Sampler, negative: &str) -> Self {
        let steps = sampler.evaluations();
        let answers = if compares_elsewhere(sampler, negative) {
            3
        } else {
            2
        };
        let steering = match method {
            GuidanceMethod::AttendAndExcite(settings) => Some([
                settings.least_evaluations(steps),
                settings.most_evaluations(steps),
            ]),
            _ => None,
        };
        Self {
            sampling: (steps * answers) as u64,
            steering: steering.map(|bounds| bounds.map(|count| count as u64)),
        }
    }

    /// Adds the metrics of a table, in which some rows are of prompts that nothing steers.
    ///
    /// `denoiser_evaluations` and, of those, `gradient_evaluations` are what the rows surely cost; where images decide,
    /// `at_most_denoiser_evaluations` and `at_most_gradient_evaluations` say the most that it may have been.
    pub(super) fn report(self, output: StageOutput, rows: u64, unsteered: u64) -> StageOutput {
        let sampling = rows.saturating_mul(self.sampling);
        let Some(steering) = self.steering else {
            return output.with_metric("denoiser_evaluations", sampling);
        };
        let steered = rows.saturating_sub(unsteered);
        let [least, most] = steering.map(|each| steered.saturating_mul(each));
        output
            .with_metric("denoiser_evaluations", sampling.saturating_add(least))
            .with_metric("at_most_denoiser_evaluations", sampling.saturating_add(most))
            .with_metric("gradient_evaluations", least)
            .with_metric("at_most_gradient_evaluations", most)
    }
}

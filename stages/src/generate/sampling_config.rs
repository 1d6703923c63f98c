//! Settings of sampling, as a pipeline writes them.

use mitune_diffusion::mutual_information::{EstimatorParts, MiMode, MiReduction, MiTrajectory, MiWeight};
use mitune_diffusion::sampler::{SamplerSettings, SchedulerKind, StepVariance};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How images are sampled. The defaults are those of the paper (table 8).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SamplerConfig {
    /// The family of denoising steps, built from the model's scheduler file. By default, `ddpm`.
    pub scheduler: SchedulerKind,
    /// Number of denoising steps. By default, 50.
    pub steps: usize,
    /// Scale of classifier-free guidance; 1 is none. By default, 7.5.
    pub guidance: f64,
    /// Noise of DDIM steps, from 0 to 1; the others ignore it. By default, 0.
    pub eta: f64,
}

impl Default for SamplerConfig {
    fn default() -> Self {
        let paper = SamplerSettings::default();
        Self {
            scheduler: paper.scheduler,
            steps: paper.steps,
            guidance: paper.guidance,
            eta: paper.eta,
        }
    }
}

/// How mutual information is estimated along the trajectory (methods of the paper, equation 2 and algorithm 2).
///
/// `mode` names a set of parts; each part that is written besides takes the place of the set's. The score goes to the
/// column `mi`. The columns `mi_paper` and `mi_reference` hold what weight, range and reduction of these two modes make
/// of the same run: they need no second one, but follow the trajectory of this one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MutualInformationConfig {
    /// Whose estimator: `paper` is equation 2 with the settings of table 8, `algorithm2` its pseudo-code to the letter,
    /// `reference` the authors' code. By default, `paper`.
    pub mode: MiMode,
    /// The weight of a squared difference. By default, `kappa`; `kappa_without_alpha` in `reference`.
    pub weight: Option<MiWeight>,
    /// Smallest timestep that counts. By default, 0; 51 in `reference`.
    pub min_timestep: Option<usize>,
    /// Largest timestep that counts. By default, no limit.
    pub max_timestep: Option<usize>,
    /// Which prediction the steps follow. By default, `guided`, at the guidance of the sampler; `conditional` in
    /// `algorithm2`.
    pub trajectory: Option<MiTrajectory>,
    /// Variance of the steps of `ddpm`; the other schedulers have none to choose. By default, `scheduler`; `beta` in
    /// `algorithm2`.
    pub variance: Option<StepVariance>,
    /// How the terms of timesteps become one number. By default, `mean`; `sum` in `algorithm2`.
    pub reduction: Option<MiReduction>,
    /// Whether a velocity stands for noise in the score, as in the reference code. By default, false.
    pub raw_outputs: bool,
}

impl MutualInformationConfig {
    /// Fills in the parts that the mode decides.
    #[must_use]
    pub fn resolved(&self) -> Self {
        let parts = self.mode.parts();
        Self {
            mode: self.mode,
            weight: self.weight.or(Some(parts.weight)),
            min_timestep: self.min_timestep.or(Some(parts.min_timestep)),
            max_timestep: self.max_timestep.or(parts.max_timestep),
            trajectory: self.trajectory.or(Some(self.mode.trajectory())),
            variance: self.variance.or(Some(self.mode.variance())),
            reduction: self.reduction.or(Some(parts.reduction)),
            raw_outputs: self.raw_outputs,
        }
    }

    /// Returns how squared differences are weighed and joined.
    fn parts(&self) -> EstimatorParts {
        let parts = self.mode.parts();
        EstimatorParts {
            weight: self.weight.unwrap_or(parts.weight),
            min_timestep: self.min_timestep.unwrap_or(parts.min_timestep),
            max_timestep: self.max_timestep.or(parts.max_timestep),
            reduction: self.reduction.unwrap_or(parts.reduction),
            raw_outputs: self.raw_outputs,
        }
    }
}

impl SamplerConfig {
    /// Joins the settings that the sampler takes together.
    pub fn settings(&self, mi: &MutualInformationConfig, seed: u64) -> SamplerSettings {
        SamplerSettings {
            scheduler: self.scheduler,
            eta: self.eta,
            steps: self.steps,
            guidance: self.guidance,
            seed,
            trajectory: mi.trajectory.unwrap_or(mi.mode.trajectory()),
            variance: mi.variance.unwrap_or(mi.mode.variance()),
            estimator: mi.parts(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> MutualInformationConfig {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_mode_is_a_set_of_parts_and_any_part_can_be_another() {
        let spelled_out = r#"{"mode": "paper", "weight": "kappa", "min_timestep": 0, "trajectory": "guided",
            "variance": "scheduler", "reduction": "mean"}"#;
        assert_eq!(config("{}").resolved(), config(spelled_out));
        let letter = config(r#"{"mode": "algorithm2"}"#).resolved();
        assert_eq!(
            (letter.trajectory, letter.variance, letter.reduction),
            (
                Some(MiTrajectory::Conditional),
                Some(StepVariance::Beta),
                Some(MiReduction::Sum)
            )
        );
        let reference = config(r#"{"mode": "reference", "min_timestep": 500, "max_timestep": 900}"#);
        let settings = SamplerConfig::default().settings(&reference, 3);
        assert_eq!(
            settings.estimator,
            EstimatorParts {
                min_timestep: 500,
                max_timestep: Some(900),
                ..MiMode::Reference.parts()
            }
        );
        for (text, part) in [
            (r#"{"weight": "unweighted"}"#, "weight"),
            (r#"{"trajectory": "conditional"}"#, "trajectory"),
            (r#"{"variance": "fixed_small"}"#, "variance"),
            (r#"{"reduction": "covered"}"#, "reduction"),
        ] {
            let (changed, paper) = (config(text).resolved(), config("{}").resolved());
            let [changed, paper] = [changed, paper].map(|config| serde_json::to_value(config).unwrap());
            for (key, value) in paper.as_object().unwrap() {
                assert_eq!(changed[key] == *value, key != part, "{text}: {key}");
            }
            assert_eq!(SamplerConfig::default().settings(&config(text), 0).steps, 50);
        }
    }

    /// Resolved or not, settings make the same run, so that a key tells all and only what matters.
    #[test]
    fn resolving_changes_no_run() {
        for text in [
            "{}",
            r#"{"mode": "algorithm2"}"#,
            r#"{"mode": "reference", "weight": "kappa"}"#,
        ] {
            let of = |config: &MutualInformationConfig| SamplerConfig::default().settings(config, 1);
            assert_eq!(of(&config(text)), of(&config(text).resolved()), "{text}");
        }
    }
}

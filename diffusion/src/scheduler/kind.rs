//! The schedulers there are, and what each makes of a run.

use serde::{Deserialize, Serialize};

use super::config::SchedulerConfig;
use super::reverse_process::ReverseProcess;
use super::reverse_step::StepError;
use super::step_variance::StepVariance;
use super::{ddim, ddpm, dpm_solver, euler, pndm};
use crate::schedule::{NoiseSchedule, ScheduleError};

/// The family of reverse steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SchedulerKind {
    /// Ancestral sampling, as MI-TUNE generates its training images; the default.
    #[default]
    Ddpm,
    /// Implicit sampling, as MI-TUNE evaluates.
    Ddim,
    /// Euler's method on the probability flow; SDXL's own.
    Euler,
    /// Euler's method with fresh noise in every step.
    EulerAncestral,
    /// Linear multistep; Stable Diffusion 1's own. A run of `n` steps evaluates the network `n + 1`
    /// times, and the evaluation that is taken back does not count in mutual information.
    Pndm,
    /// DPM-Solver++ with two predictions a step, or as many as the model's file says.
    #[serde(rename = "dpmpp_2m")]
    DpmSolverPlusPlus2M,
}

impl SchedulerKind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Ddpm,
        Self::Ddim,
        Self::Euler,
        Self::EulerAncestral,
        Self::Pndm,
        Self::DpmSolverPlusPlus2M,
    ];

    /// Returns the name in settings and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ddpm => "ddpm",
            Self::Ddim => "ddim",
            Self::Euler => "euler",
            Self::EulerAncestral => "euler_ancestral",
            Self::Pndm => "pndm",
            Self::DpmSolverPlusPlus2M => "dpmpp_2m",
        }
    }

    /// Returns the name of the class in diffusers.
    pub fn class_name(self) -> &'static str {
        match self {
            Self::Ddpm => "DDPMScheduler",
            Self::Ddim => "DDIMScheduler",
            Self::Euler => "EulerDiscreteScheduler",
            Self::EulerAncestral => "EulerAncestralDiscreteScheduler",
            Self::Pndm => "PNDMScheduler",
            Self::DpmSolverPlusPlus2M => "DPMSolverMultistepScheduler",
        }
    }

    /// Finds the scheduler of a diffusers class.
    pub fn of_class(class_name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.class_name() == class_name)
    }

    /// Builds the noise schedule as this scheduler reads the file.
    ///
    /// # Errors
    /// Fails when the betas are not those of a schedule.
    pub fn schedule(self, config: &SchedulerConfig) -> Result<NoiseSchedule, ScheduleError> {
        match self {
            Self::Pndm => config.schedule_as_trained(),
            _ => config.schedule(),
        }
    }

    /// Works out a run of `steps`; `eta` is the noise of DDIM steps, from 0 to 1, which the others
    /// do not look at.
    ///
    /// # Errors
    /// Fails when the number of steps does not fit the schedule, a step is singular, or the file
    /// asks for something that is not supported.
    pub fn reverse_process(
        self,
        config: &SchedulerConfig,
        steps: usize,
        eta: f64,
    ) -> Result<ReverseProcess, StepError> {
        let schedule = self.schedule(config)?;
        match self {
            Self::Ddpm => {
                let timesteps = config.timesteps(steps)?;
                let steps = ddpm::reverse_steps(&schedule, config, &timesteps)?;
                Ok(ReverseProcess::new(steps, 1.0))
            }
            Self::Ddim => {
                let timesteps = config.timesteps(steps)?;
                let steps = ddim::reverse_steps(&schedule, config, &timesteps, eta)?;
                Ok(ReverseProcess::new(steps, 1.0))
            }
            Self::Euler => euler::plain(&schedule, config, steps),
            Self::EulerAncestral => euler::ancestral(&schedule, config, steps),
            Self::Pndm => pndm::reverse_process(&schedule, config, steps),
            Self::DpmSolverPlusPlus2M => dpm_solver::reverse_process(&schedule, config, steps),
        }
    }

    /// Works out a run of ancestral steps with a chosen variance; only [`Ddpm`](Self::Ddpm) has one
    /// to choose, so others are none.
    ///
    /// # Errors
    /// As [`Self::reverse_process`].
    pub fn process_with_variance(
        self,
        config: &SchedulerConfig,
        steps: usize,
        variance: StepVariance,
    ) -> Result<Option<ReverseProcess>, StepError> {
        if self != Self::Ddpm {
            return Ok(None);
        }
        let mut process = self.reverse_process(&variance.applied(config), steps, 0.0)?;
        if let (StepVariance::Beta, Some(last)) = (variance, process.steps.last_mut()) {
            last.noise = 0.0;
        }
        Ok(Some(process))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::{ReverseStep, TimestepSpacing};

    #[test]
    fn names_are_those_of_settings_and_classes_are_found() {
        for kind in SchedulerKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
            assert_eq!(SchedulerKind::of_class(kind.class_name()), Some(kind));
        }
        assert_eq!(SchedulerKind::of_class("UniPCMultistepScheduler"), None);
    }

    #[test]
    fn step_counts_outside_the_schedule_are_refused_by_all() {
        let config = SchedulerConfig::stable_diffusion();
        for kind in SchedulerKind::ALL {
            for steps in [0, 1001] {
                let refused = kind.reverse_process(&config, steps, 0.0);
                assert!(
                    matches!(refused, Err(StepError::Schedule(ScheduleError::Steps { .. }))),
                    "{kind:?} {steps}"
                );
            }
            for steps in [1, 2, 50] {
                let evaluations = kind.reverse_process(&config, steps, 0.0).unwrap().steps;
                let extra = usize::from(kind == SchedulerKind::Pndm && steps > 1);
                assert_eq!(evaluations.len(), steps + extra, "{kind:?}");
                let counted = evaluations.iter().filter(|step| step.on_trajectory).count();
                assert_eq!(counted, steps, "{kind:?}");
            }
        }
    }

    #[test]
    fn variances_are_those_of_their_formulas_and_ancestral_sampling_alone_has_one() {
        let config = SchedulerConfig::stable_diffusion();
        let schedule = config.schedule().unwrap();
        let with = |kind: SchedulerKind, variance| kind.process_with_variance(&config, 50, variance).unwrap();
        let own = SchedulerKind::Ddpm.reverse_process(&config, 50, 0.0).unwrap();
        for variance in [StepVariance::Scheduler, StepVariance::FixedSmall] {
            assert_eq!(with(SchedulerKind::Ddpm, variance).as_ref(), Some(&own));
        }
        let beta = with(SchedulerKind::Ddpm, StepVariance::Beta).unwrap().steps;
        for (index, step) in beta.iter().enumerate() {
            let now = schedule.alphas_cumprod()[step.timestep as usize];
            let expected = match beta.get(index + 1) {
                Some(next) => 1.0 - now / schedule.alphas_cumprod()[next.timestep as usize],
                None => 0.0,
            };
            assert!((step.noise.powi(2) - expected).abs() < 1e-15, "{index}");
            // All but the noise is as it was, what is drawn too.
            let noise = own.steps[index].noise;
            let same = ReverseStep {
                noise,
                ..step.clone()
            };
            assert_eq!(same, own.steps[index]);
        }
        for kind in SchedulerKind::ALL.into_iter().skip(1) {
            assert_eq!(with(kind, StepVariance::Beta), None, "{kind:?}");
        }
    }

    /// Only what diffusers cannot run either is refused: an offset past the last timestep, and
    /// timesteps of DPM-Solver++ that coincide.
    #[test]
    fn every_number_of_steps_runs() {
        for spacing in [
            None,
            Some(TimestepSpacing::Leading),
            Some(TimestepSpacing::Trailing),
        ] {
            for steps_offset in [0, 1] {
                let config = SchedulerConfig {
                    timestep_spacing: spacing,
                    steps_offset,
                    ..SchedulerConfig::stable_diffusion()
                };
                for kind in SchedulerKind::ALL {
                    let refused: Vec<usize> = (1..=1000)
                        .filter(|&steps| kind.reverse_process(&config, steps, 0.5).is_err())
                        .collect();
                    let trailing = spacing == Some(TimestepSpacing::Trailing);
                    let shifted = steps_offset == 1 && !trailing;
                    let expected: &[usize] = match kind {
                        SchedulerKind::Ddpm | SchedulerKind::Ddim | SchedulerKind::Pndm if shifted => &[1000],
                        // The first timestep is 1000, which has the level of 999.
                        SchedulerKind::DpmSolverPlusPlus2M if shifted && spacing.is_some() => &[999, 1000],
                        SchedulerKind::DpmSolverPlusPlus2M if !trailing => &[1000],
                        _ => &[],
                    };
                    assert_eq!(refused, expected, "{kind:?} {spacing:?} {steps_offset}");
                }
            }
        }
    }
}

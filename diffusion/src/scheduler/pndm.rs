//! Pseudo numerical methods (Liu et al. 2022): linear multistep, after Runge-Kutta steps or not.
//!
//! The way from one timestep to another is the transfer of their equation 9; the noise put into it
//! combines the outputs of several evaluations. Stable Diffusion's files skip the Runge-Kutta
//! steps; its first step is then gone twice, the second time with the mean of both its ends, which
//! is why a run of `n` steps evaluates the network `n + 1` times, twice at its second timestep.

use super::config::{SchedulerConfig, SchedulerConfigError};
use super::reverse_process::ReverseProcess;
use super::reverse_step::{Anchor, Keeps, ReverseStep, StepError};
use super::timesteps::TimestepSpacing;
use crate::prediction::PredictionType;
use crate::schedule::NoiseSchedule;

/// The evaluations of one Runge-Kutta step.
const STAGES: usize = 4;

/// The Runge-Kutta steps before the multistep ones.
const RUNGE_KUTTA_STEPS: usize = 3;

/// Works out the evaluations of a run.
///
/// # Errors
/// Fails when the number of steps does not fit the schedule, when Runge-Kutta steps are asked for
/// in a run of less than four, when a step leads out of the schedule, where diffusers fails with
/// an index error, and for models that predict the original.
pub fn reverse_process(
    schedule: &NoiseSchedule,
    config: &SchedulerConfig,
    steps: usize,
) -> Result<ReverseProcess, StepError> {
    if config.prediction_type == PredictionType::Sample {
        let supported = "`epsilon`, `v_prediction`";
        return Err(SchedulerConfigError::unsupported("prediction_type", "sample", supported).into());
    }
    let spacing = config.timestep_spacing.unwrap_or(TimestepSpacing::Leading);
    let length = config.num_train_timesteps;
    let timesteps = spacing.timesteps(length, steps, config.steps_offset)?;
    let builder = Builder {
        schedule,
        prediction: config.prediction_type,
        end: match config.set_alpha_to_one {
            Some(true) => 1.0,
            Some(false) | None => schedule.alpha_cumprod(0)?,
        },
        stride: length / steps,
    };
    let evaluations = match config.skip_prk_steps {
        true => builder.multistep_alone(&timesteps),
        false if steps < STAGES => {
            let supported = "`true` for a run of less than 4 steps";
            return Err(SchedulerConfigError::unsupported("skip_prk_steps", "false", supported).into());
        }
        false => builder.after_runge_kutta(&timesteps),
    };
    let reverse = evaluations
        .iter()
        .enumerate()
        .map(|(index, evaluation)| builder.step(index, evaluation))
        .collect::<Result<_, _>>()?;
    Ok(ReverseProcess::new(reverse, 1.0))
}

/// One evaluation of the network and the step that follows it.
struct Evaluation {
    timestep: usize,
    /// The timesteps the step goes between.
    from: usize,
    to: Option<usize>,
    /// The factors of outputs, by the index of their evaluation.
    outputs: Vec<(usize, f64)>,
    anchor: Anchor,
    on_trajectory: bool,
}

struct Builder<'a> {
    schedule: &'a NoiseSchedule,
    prediction: PredictionType,
    end: f64,
    stride: usize,
}

impl Builder<'_> {
    fn multistep_alone(&self, timesteps: &[usize]) -> Vec<Evaluation> {
        let mut evaluations = Vec::with_capacity(timesteps.len() + 1);
        let mut slopes = Vec::new();
        for (index, &timestep) in timesteps.iter().enumerate() {
            slopes.push(evaluations.len());
            evaluations.push(Evaluation {
                anchor: if index == 0 {
                    Anchor::Remember
                } else {
                    Anchor::Current
                },
                ..self.multistep(timestep, &slopes)
            });
            if let (0, Some(&second)) = (index, timesteps.get(1)) {
                evaluations.push(Evaluation {
                    timestep: second,
                    from: second + self.stride,
                    to: Some(second),
                    outputs: vec![(0, 0.5), (1, 0.5)],
                    anchor: Anchor::Remembered,
                    on_trajectory: false,
                });
            }
        }
        evaluations
    }

    fn after_runge_kutta(&self, timesteps: &[usize]) -> Vec<Evaluation> {
        let half = self.stride / 2;
        let mut evaluations = Vec::new();
        let mut slopes = Vec::new();
        for pair in timesteps.windows(2).take(RUNGE_KUTTA_STEPS) {
            let (from, to) = (pair[0], pair[1]);
            let first = evaluations.len();
            slopes.push(first);
            let stage =
                |index: usize, timestep: usize, to: Option<usize>, outputs: Vec<(usize, f64)>| Evaluation {
                    timestep,
                    from,
                    to,
                    outputs,
                    anchor: if index == 0 {
                        Anchor::Remember
                    } else {
                        Anchor::Remembered
                    },
                    on_trajectory: index == 0,
                };
            let middle = to + half;
            evaluations.extend([
                stage(0, from, from.checked_sub(half), vec![(first, 1.0)]),
                stage(1, middle, Some(middle), vec![(first + 1, 1.0)]),
                stage(2, middle, Some(to), vec![(first + 2, 1.0)]),
                stage(
                    3,
                    to,
                    Some(to),
                    vec![
                        (first, 1.0 / 6.0),
                        (first + 1, 1.0 / 3.0),
                        (first + 2, 1.0 / 3.0),
                        (first + 3, 1.0 / 6.0),
                    ],
                ),
            ]);
        }
        for &timestep in &timesteps[RUNGE_KUTTA_STEPS..] {
            slopes.push(evaluations.len());
            evaluations.push(self.multistep(timestep, &slopes));
        }
        evaluations
    }

    /// Combines the last slopes (Adams and Bashforth, up to fourth order).
    fn multistep(&self, timestep: usize, slopes: &[usize]) -> Evaluation {
        let factors: &[f64] = match slopes.len() {
            1 => &[1.0],
            2 => &[3.0 / 2.0, -1.0 / 2.0],
            3 => &[23.0 / 12.0, -16.0 / 12.0, 5.0 / 12.0],
            _ => &[55.0 / 24.0, -59.0 / 24.0, 37.0 / 24.0, -9.0 / 24.0],
        };
        Evaluation {
            timestep,
            from: timestep,
            to: timestep.checked_sub(self.stride),
            outputs: slopes
                .iter()
                .rev()
                .copied()
                .zip(factors.iter().copied())
                .collect(),
            anchor: Anchor::Current,
            on_trajectory: true,
        }
    }

    fn step(&self, index: usize, evaluation: &Evaluation) -> Result<ReverseStep, StepError> {
        let now = self.schedule.alpha_cumprod(evaluation.from)?;
        let next = match evaluation.to {
            Some(to) => self.schedule.alpha_cumprod(to)?,
            None => self.end,
        };
        let noise = -(next - now) / (now * (1.0 - next).sqrt() + (now * (1.0 - now) * next).sqrt());
        // Outputs are combined first and made into noise together, at the level the step starts from.
        let epsilon = self.prediction.epsilon(now);
        let seen = self.schedule.alpha_cumprod(evaluation.timestep)?;
        let mut step = ReverseStep {
            sample: (next / now).sqrt() + noise * epsilon.sample,
            keeps: Keeps::Output,
            anchor: evaluation.anchor,
            on_trajectory: evaluation.on_trajectory,
            ..ReverseStep::at(evaluation.timestep as f64, seen)
        };
        for &(other, factor) in &evaluation.outputs {
            let factor = noise * epsilon.output * factor;
            match index - other {
                0 => step.output = factor,
                back => {
                    step.history.resize(step.history.len().max(back), 0.0);
                    step.history[back - 1] = factor;
                }
            }
        }
        step.checked()
    }
}

//! Schedulers: from a diffusers scheduler configuration to the numbers of each reverse step.

#[cfg(test)]
mod any_file_tests;
pub mod config;
pub mod ddim;
pub mod ddpm;
#[cfg(test)]
mod diffusers_tests;
pub mod dpm_solver;
pub mod euler;
mod file;
mod file_names;
pub mod forward_process;
pub mod kind;
pub mod limit;
#[cfg(test)]
mod on_numbers;
pub mod pndm;
mod reverse_process;
pub mod reverse_step;
mod setting;
mod sigmas;
pub mod solver_config;
mod step_variance;
pub mod timesteps;
pub mod trajectory;

pub use config::{SchedulerConfig, SchedulerConfigError};
pub use forward_process::{add_noise, training_target};
pub use kind::SchedulerKind;
pub use limit::Limit;
pub use reverse_process::ReverseProcess;
pub use reverse_step::{ReverseStep, StepError};
pub use step_variance::StepVariance;
pub use timesteps::TimestepSpacing;
pub use trajectory::{Latents, Trajectory};

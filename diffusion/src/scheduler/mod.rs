//! Schedulers: from a diffusers scheduler configuration to the numbers of each reverse step.

pub mod config;
pub mod ddim;
pub mod ddpm;
#[cfg(test)]
mod diffusers_tests;
mod file;
pub mod forward_process;
pub mod reverse_step;
pub mod timesteps;

pub use config::{SchedulerConfig, SchedulerConfigError};
pub use forward_process::{add_noise, training_target};
pub use reverse_step::{ReverseStep, StepError};
pub use timesteps::TimestepSpacing;
